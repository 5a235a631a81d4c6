"""Supervised fine-tuning by TRL's SFTTrainer; the loss is on the answer only."""
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypedDict
from unittest.mock import patch

import torch

from lib.core.records import DataError
from lib.core.rows import Message
from lib.core.sections.tuning import Tuning
from lib.core.terminal import say
from lib.models import chats, lora
from lib.training import arguments

# What trains imports trl, peft and accelerate (15 seconds): inside functions, once needed.
if TYPE_CHECKING:
    from transformers import PreTrainedModel as Model
    from transformers import PreTrainedTokenizerBase as Tokenizer
    from trl import SFTConfig

Text = str | list[Message]  # text is taken as it is
Example = tuple[Text, str]  # a prompt and its answer


class Encoded(TypedDict):
    """Token ids, and which of them are the answer's (1), as TRL takes them."""

    input_ids: list[int]
    completion_mask: list[int]


def tune(model: "Model", tokenizer: "Tokenizer", rows: list[Example], tuning: Tuning,
         work: Path | None = None) -> tuple["Model", list[dict[str, float]], list[Example]]:
    """Tune `model` on (prompt, answer): (tuned model, losses of `train`, examples left out).

    work: as in `train`; without it no checkpoint outlives the training. Examples longer than
    tuning.max_length are left out, with a warning; DataError where that leaves none.
    """
    examples, left_out = fitting(rows, tokenizer, tuning.max_length)
    if not examples:
        raise DataError(f"none of {len(rows)} examples fits in max_length ({tuning.max_length} "
                        "tokens); raise it, or shorten the prompts.")
    if left_out:
        say(f"WARNING: {len(left_out)} of {len(rows)} examples exceed max_length "
            f"({tuning.max_length} tokens) and are left out.", error=True)
    torch.manual_seed(tuning.seed)  # of an adapter's first weights
    with TemporaryDirectory() as scratch:
        tuned, losses = train(model, tokenizer, examples, tuning, work or Path(scratch))
    return tuned, losses, left_out


def encode(tokenizer: "Tokenizer", prompt: Text, answer: str) -> Encoded:
    """The tokens of an example, the end of the answer's turn among them.

    Text and answer are tokenised apart, so that training reads what generation will see. Tokenised
    as one text, the space at the end of "Answer: " would become part of the answer's first word,
    and a model trained so has learnt another prompt than it is asked.
    """
    if isinstance(prompt, str):  # a template writes its own start token; text gets the tokenizer's
        ids, = chats.encode(tokenizer, [prompt], opened=True)
        answer_ids, = chats.encode_ended(tokenizer, [answer])
    else:
        ids, (answer_ids,) = chats.encode_turn(tokenizer, prompt, [answer])
    return {"input_ids": ids + answer_ids,
            "completion_mask": [0] * len(ids) + [1] * len(answer_ids)}


def fitting(examples: list[Example], tokenizer: "Tokenizer", max_length: int,
            ) -> tuple[list[Example], list[Example]]:
    """The examples of at most `max_length` tokens, and the others, which TRL would cut."""
    parts: tuple[list[Example], list[Example]] = [], []
    for item in examples:
        too_long = len(encode(tokenizer, *item)["input_ids"]) > max_length
        parts[too_long].append(item)
    return parts


def train(model: "Model", tokenizer: "Tokenizer", examples: list[Example],
          tuning: Tuning, work: Path) -> tuple["Model", list[dict[str, float]]]:
    """Train on examples: (tuned model in evaluation mode, [{"step", "loss"}]).

    tuning.method: "lora" trains an adapter in float32 and leaves the model as it is, "full" trains
    every weight of `model` in place. work: a folder for checkpoints; when it holds some, training
    goes on from the last complete one.
    """
    from datasets import Dataset
    from trl import SFTTrainer  # 15 seconds, for training alone

    from lib.training.callbacks import run
    adapter = None
    if tuning.method == "lora":
        lora.check_targets(model, tuning.lora)
        adapter = lora.lora_config(tuning.lora)
    trainer = SFTTrainer(
        model=model, processing_class=tokenizer, peft_config=adapter,
        args=training_arguments(tuning, len(examples), work, model.device.type == "cpu"),
        train_dataset=Dataset.from_list([encode(tokenizer, *item) for item in examples]))
    # TRL (1.16) has the head score prompt and padding, too, wherever Triton does not run; with the
    # answers alone a step takes a third less. tests/training/test_sft.py holds TRL to this name.
    with patch("trl.trainer.utils._use_triton", return_value=True):
        run(trainer, "SFT", work)
    losses = [entry for entry in trainer.state.log_history if "loss" in entry]
    return trainer.model.eval(), [{key: entry[key] for key in ("step", "loss")} for entry in losses]


def training_arguments(tuning: Tuning, rows: int, directory: Path, cpu: bool) -> "SFTConfig":
    """Every argument of TRL's trainer that matters."""
    from trl import SFTConfig
    return SFTConfig(
        **arguments.shared(tuning, rows, directory, cpu),
        completion_only_loss=True, packing=False, loss_type="nll",
        bf16=tuning.precision == "bf16" and not cpu, fp16=tuning.precision == "fp16" and not cpu)
