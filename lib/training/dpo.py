"""Direct preference optimisation of a LoRA adapter (Rafailov et al. 2023), on trees or by TRL."""
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

import torch

from lib.core.records import DataError
from lib.core.rows import Preference
from lib.core.sections.preset import Preset
from lib.core.sections.tuning import Dpo
from lib.models import lora
from lib.models.chats import encode_turn
from lib.models.loading import sharded
from lib.training import arguments
from lib.training.tree import longest

# What trains imports trl, peft and accelerate (15 seconds): inside functions, once needed.
if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel as Model
    from transformers import PreTrainedTokenizerBase as Tokenizer
    from trl import DPOConfig, DPOTrainer

CURVES = {"loss": "loss", "rewards/margins": "margin", "rewards/accuracies": "accuracy",
          "rewards/chosen": "chosen_reward", "rewards/rejected": "rejected_reward",
          "logps/chosen": "chosen_logp", "logps/rejected": "rejected_logp"}


class History(TypedDict):
    """How a training went, by points {"step", "loss", "margin", ...}; tokens: of `tokens_read`."""

    train: list[dict[str, float]]
    validation: list[dict[str, float]]
    steps: int
    processes: NotRequired[int]
    tokens: dict[str, int] | None


def enough(preferences: list[Preference], batch_size: int) -> bool:
    """Whether there is a batch of training pairs, and a validation pair."""
    splits = [row["split"] for row in preferences]
    return splits.count("train") >= batch_size and "validation" in splits


def fitting(preferences: list[Preference], tokenizer: "Tokenizer", max_length: int,
            too_long: str = "refuse") -> tuple[list[Preference], list[Preference]]:
    """The pairs to train on, and those that are refused, for the caller to count: TRL would drop
    them without a word.

    Prompt and longer answer must fit in `max_length` tokens. too_long: with "truncate" only those
    are refused whose prompt leaves no room for an answer; the trainer cuts, and counts, others.
    """
    parts: tuple[list[Preference], list[Preference]] = [], []
    for row in preferences:
        ids = encode(tokenizer, row)
        truncated = too_long == "truncate"
        length = len(ids["prompt_ids"]) + 1 if truncated else longest(ids)
        parts[length > max_length].append(row)
    return parts


def encode(tokenizer: "Tokenizer", row: Preference) -> dict[str, list[int]]:
    """A pair as TRL's trainer has it when it has tokenised it.

    Its own tokenising would take what a text says for control tokens (lib.models.chats).
    """
    answers = [row[side][0]["content"] for side in ("chosen", "rejected")]
    prompt, (chosen, rejected) = encode_turn(tokenizer, row["prompt"], answers)
    return {"prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": rejected}


def dataset(preferences: list[Preference], tokenizer: "Tokenizer", place: Path) -> "Dataset":
    """Preferences as token ids; where there are several processes, kept in the folder `place`."""
    from accelerate import PartialState
    from datasets import Dataset
    rows = Dataset.from_list([encode(tokenizer, row) for row in preferences])
    if arguments.processes() == 1:
        return rows
    # TRL's processes exchange reference log-probabilities by a file beside the data; of data in
    # memory each would look elsewhere.
    with PartialState().main_process_first():
        if PartialState().is_main_process:
            rows.save_to_disk(place)
    return Dataset.load_from_disk(place)


def training_arguments(settings: Preset, pairs: int, directory: Path) -> "DPOConfig":
    """Every argument of TRL's trainer that matters."""
    from trl import DPOConfig
    dpo, cpu = settings.dpo, settings.runtime.device == "cpu"
    usual = arguments.shared(dpo, pairs, directory, cpu)
    return DPOConfig(
        **usual, per_device_eval_batch_size=dpo.batch_size, beta=dpo.beta, loss_type=dpo.loss_type,
        loss_weights=dpo.loss_weights, label_smoothing=dpo.label_smoothing, disable_dropout=True,
        precompute_ref_log_probs=dpo.precompute_reference and not sharded(),
        router_aux_loss_coef=0.0, bf16=settings.models.dtype == "bfloat16", fp16=False,
        # Before the first step policy and reference agree: eval_on_start shows a loss of ln 2.
        eval_strategy="steps", eval_on_start=True, eval_steps=usual["save_steps"],
        # All of an adapter is used in every step, and no buffer changes: nothing to look for,
        # nothing to send around.
        ddp_find_unused_parameters=False, ddp_broadcast_buffers=False)


def train(model: "Model", tokenizer: "Tokenizer", train_pairs: list[Preference],
          validation_pairs: list[Preference], settings: Preset, work: Path,
          references: Path | None = None) -> tuple["Model", History]:
    """Train an adapter on `model`, a new one or the one that it has: (tuned model, history).

    The reference is `model` as it comes. No author is in both parts of the pairs. work: a folder
    for checkpoints; when it holds some, training goes on from the last complete one, to the same
    bits. references: the file of reference log-probabilities that the tree keeps from run to run;
    without it they stay in `work`.
    """
    trainer = tune(model, tokenizer, train_pairs, validation_pairs, settings, work, references)
    return trainer.model.eval(), history_of(trainer)


def tune(model: "Model", tokenizer: "Tokenizer", train_pairs: list[Preference],
         validation_pairs: list[Preference], settings: Preset, work: Path,
         references: Path | None = None) -> "DPOTrainer":
    """The trainer of `train` after training. Of several processes each calls this alike.

    A step then holds dpo.batch_size x dpo.gradient_accumulation pairs of every process: two
    processes do what one does with twice the batch_size, up to rounding.
    """
    from peft import PeftModel

    from lib.training.callbacks import run
    work, dpo = Path(work), settings.dpo
    lora.check_targets(model, dpo.lora)
    torch.manual_seed(dpo.seed)  # of the new adapter's weights
    trainer = new_trainer(
        dpo, references or work / "references.jsonl", model=model,
        args=training_arguments(settings, len(train_pairs), work), processing_class=tokenizer,
        peft_config=None if isinstance(model, PeftModel) else lora.lora_config(dpo.lora),
        train_dataset=dataset(train_pairs, tokenizer, work / "train"),
        eval_dataset=dataset(validation_pairs, tokenizer, work / "validation"))
    run(trainer, "DPO", work)
    trainer.evaluate()
    return trainer


def history_of(trainer: "DPOTrainer") -> History:
    """The history of a finished training."""
    log = trainer.state.log_history
    validation = {row["step"]: _point(row, "eval_") for row in log if "eval_loss" in row}
    return {"train": [_point(row, "") for row in log if "loss" in row],
            "validation": [validation[step] for step in sorted(validation)],
            "steps": trainer.state.global_step, "processes": trainer.args.world_size,
            "tokens": tokens_read(trainer)}


def _point(row, prefix):
    known = {name: row[prefix + key] for key, name in CURVES.items() if prefix + key in row}
    return {"step": row["step"], **known}


def new_trainer(dpo: Dpo, references: Path, **others: Any) -> "DPOTrainer":
    """The trainer that `dpo.trainer` names: trees (lib.training.tree), or TRL's own, which reads
    every pair as two separate sequences.
    """
    if dpo.trainer == "tree":
        from lib.training.tree_trainer import TreeTrainer
        return TreeTrainer(references=references, token_budget=dpo.token_budget,
                           too_long=dpo.too_long, **others)
    if dpo.label_smoothing and "sigmoid" in dpo.loss_type:
        raise DataError("dpo.label_smoothing: TRL's own trainer ignores it with loss sigmoid; "
                        "take loss robust, or set dpo.trainer to tree.")
    if dpo.too_long == "truncate":
        raise DataError("dpo.too_long: TRL's own trainer cuts answers without counting them; "
                        "take refuse, or set dpo.trainer to tree.")
    from trl import DPOTrainer

    class Tokenised(DPOTrainer):
        """TRL's trainer on the token ids of `dataset`."""
        def _prepare_dataset(self, dataset, *_):
            return dataset
    return Tokenised(**others)


def tokens_read(trainer: "DPOTrainer") -> dict[str, int] | None:
    """Tokens of one epoch: {"tree", "pairs", "truncated"}; as trees, as separate sequences, and
    training pairs that were cut. None of TRL's own trainer.
    """
    if not hasattr(trainer, "train_trees"):
        return None
    return {"tree": sum(tree.tokens for tree in trainer.train_trees),
            "pairs": sum(tree.tokens_as_pairs for tree in trainer.train_trees),
            "truncated": trainer.truncated["train"]}


def untrained(model: "Model", dpo: Dpo) -> tuple["Model", History]:
    """The adapter before the first step, which changes nothing, and an empty history."""
    from peft import get_peft_model
    torch.manual_seed(dpo.seed)
    adapted = get_peft_model(model, lora.lora_config(dpo.lora)).eval()
    return adapted, {"train": [], "validation": [], "steps": 0, "tokens": None}
