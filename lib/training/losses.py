"""The losses of a preference, as pure functions of four log-probabilities."""
import torch
import torch.nn.functional as F

from lib.core.records import DataError


def pair_losses(kind: str, chosen: torch.Tensor, rejected: torch.Tensor, ref_chosen: torch.Tensor,
                ref_rejected: torch.Tensor, beta: float, label_smoothing: float = 0.0,
                ) -> torch.Tensor:
    """Loss of each pair, (pairs,), from the log-probabilities of its two completions under policy
    and reference, each (pairs,).

    sigmoid: Rafailov et al. 2023, eq. 7, with label_smoothing the conservative DPO of Mitchell
    2023, eq. 3. hinge: Zhao et al. 2023. robust: Chowdhury et al. 2024, eq. 3. ipo: Azar et al.
    2024, eq. 17, of log-probabilities per token (TRL's and the authors' choice).
    """
    margin = (chosen - ref_chosen) - (rejected - ref_rejected)
    right, wrong = -F.logsigmoid(beta * margin), -F.logsigmoid(-beta * margin)
    if kind == "sigmoid":
        return (1 - label_smoothing) * right + label_smoothing * wrong
    if kind == "robust":
        return ((1 - label_smoothing) * right - label_smoothing * wrong) / (1 - 2 * label_smoothing)
    if kind == "hinge":
        return torch.relu(1 - beta * margin)
    if kind == "ipo":
        return (margin - 1 / (2 * beta)) ** 2
    raise DataError(f"dpo.loss_type: the tree has no loss {kind!r}; "
                    "take sigmoid, ipo, hinge or robust, or set dpo.trainer to trl.")
