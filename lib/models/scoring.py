"""What a model makes of given text: log-probabilities of answers, vectors of names."""
import numpy as np
import torch
from torch.nn import Module
from transformers import PreTrainedTokenizerBase as Tokenizer

from lib.models.chats import encode, left_padded


def log_likelihood(model: Module, prompts: list[list[int]], answers: list[list[int]],
                   ) -> list[float]:
    """Log-probability of each answer after its prompt, summed over the answer's tokens.

    prompts, answers: token id lists.
    """
    return [float(torch.tensor(logps, dtype=torch.float64).sum())
            for logps in token_logps(model, prompts, answers)]


@torch.no_grad()
def token_logps(model: Module, prompts: list[list[int]], answers: list[list[int]],
                ) -> list[list[float]]:
    """Log-probability of each token of each answer after its prompt, in one pass.

    prompts, answers: token id lists. Padded on the left, rows need logits at the end only.
    """
    rows = [prompt + answer for prompt, answer in zip(prompts, answers, strict=True)]
    ids, mask, positions = left_padded(rows, 0, model.device)
    longest = max(map(len, answers))
    logits = model(input_ids=ids, attention_mask=mask, position_ids=positions,
                   logits_to_keep=longest + 1).logits[:, :-1]
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    logps = logits.log_softmax(-1).gather(-1, ids[:, ids.shape[1] - longest:, None]).squeeze(-1)
    return [row[longest - len(answer):].tolist() for row, answer in zip(logps, answers)]


@torch.no_grad()
def name_vectors(model: Module, tokenizer: Tokenizer, names: list[str],
                 batch_size: int = 128) -> dict[str, np.ndarray]:
    """{name: (width,) vector} by a language model, less the mean of all names.

    A vector is the mean of the last hidden states over the name's tokens. Without the subtraction
    all of them point into one direction, and any two names look alike (Mu and Viswanath 2018,
    "All-but-the-Top", section 2).
    """
    if not names:
        return {}
    tokens = encode(tokenizer, names)
    order, found = sorted(range(len(names)), key=lambda i: len(tokens[i])), dict[str, np.ndarray]()
    for start in range(0, len(order), batch_size):
        batch = order[start:start + batch_size]
        width = max(len(tokens[i]) for i in batch) or 1
        ids = [tokens[i] + [0] * (width - len(tokens[i])) for i in batch]
        mask = [[1] * len(tokens[i]) + [0] * (width - len(tokens[i])) for i in batch]
        mask = torch.tensor(mask, device=model.device)
        states = model(input_ids=torch.tensor(ids, device=model.device), attention_mask=mask,
                       output_hidden_states=True, logits_to_keep=1).hidden_states[-1].float()
        means = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        found |= {names[i]: vector.cpu().numpy() for i, vector in zip(batch, means)}
    centre = np.mean(list(found.values()), axis=0)
    return {name: found[name] - centre for name in names}
