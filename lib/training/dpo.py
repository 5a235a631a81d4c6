"""Direct preference optimisation of a LoRA adapter (Rafailov et al. 2023), on trees or with TRL's own trainer."""
import os
from pathlib import Path

import torch
from accelerate import PartialState
from datasets import Dataset
from peft import PeftModel, get_peft_model
from transformers import PrinterCallback
from trl import DPOConfig, DPOTrainer

from lib.core.records import DataError
from lib.models.chats import chat_for, encode_chats
from lib.models.loading import sharded
from lib.models.lora import check_targets, keep_in_float32, lora_config
from lib.training.callbacks import Checkpoints, Progress, last_checkpoint
from lib.training.tree_trainer import TreeTrainer

CURVES = {"loss": "loss", "rewards/margins": "margin", "rewards/accuracies": "accuracy", "rewards/chosen": "chosen_reward",
          "rewards/rejected": "rejected_reward", "logps/chosen": "chosen_logp", "logps/rejected": "rejected_logp"}


def fitting(preferences, tokenizer, max_length, too_long="refuse"):
    """Split pairs into those to train on and those that are refused, for the caller to count. TRL would drop them without a word.

    Prompt and longer answer must fit in `max_length` tokens. too_long: with "truncate" only those are refused whose prompt leaves
    no room for an answer; other answers are cut by the trainer, which counts them.
    """
    if not preferences:
        return [], []
    chats = [[*chat_for(tokenizer, row["prompt"]), *row[side]] for row in preferences for side in ("chosen", "rejected")]
    whole = [len(ids) for ids in tokenizer([tokenizer.apply_chat_template(chat, tokenize=False) for chat in chats],
                                           add_special_tokens=False)["input_ids"]]
    prompts = map(len, encode_chats(tokenizer, [row["prompt"] for row in preferences]))
    fits = [prompt < max_length if too_long == "truncate" else max(one, other) <= max_length
            for prompt, one, other in zip(prompts, whole[::2], whole[1::2])]
    return [row for row, fit in zip(preferences, fits) if fit], [row for row, fit in zip(preferences, fits) if not fit]


def dataset(preferences, tokenizer, place):
    """Preferences in TRL's conversational form; where there are several processes, kept in the folder `place`."""
    rows = Dataset.from_list([{"prompt": chat_for(tokenizer, row["prompt"]), "chosen": row["chosen"],
                               "rejected": row["rejected"]} for row in preferences])
    if processes() == 1:
        return rows
    # TRL's processes exchange reference log-probabilities by a file beside the data; of data in memory each would look elsewhere.
    with PartialState().main_process_first():
        if PartialState().is_main_process:
            rows.save_to_disk(place)
    return Dataset.load_from_disk(place)


def processes():
    """How many processes train together (lib.launch)."""
    return int(os.environ.get("WORLD_SIZE", 1))


def training_arguments(settings, pairs, directory):
    """Every argument of TRL's trainer that matters, written down, because defaults move between releases."""
    dpo, models = settings.dpo, settings.models
    steps = max(1, round(pairs / (dpo.batch_size * dpo.gradient_accumulation * processes()) * dpo.epochs))
    every = max(1, steps // dpo.checkpoints)
    return DPOConfig(
        output_dir=str(directory), seed=dpo.seed, data_seed=dpo.seed,
        beta=dpo.beta, loss_type=dpo.loss_type, loss_weights=dpo.loss_weights, label_smoothing=dpo.label_smoothing,
        learning_rate=dpo.learning_rate, lr_scheduler_type=dpo.lr_scheduler_type, warmup_steps=dpo.warmup_ratio,
        num_train_epochs=dpo.epochs, per_device_train_batch_size=dpo.batch_size,
        per_device_eval_batch_size=dpo.batch_size, gradient_accumulation_steps=dpo.gradient_accumulation,
        max_grad_norm=dpo.max_grad_norm, weight_decay=dpo.weight_decay, optim="adamw_torch",
        max_length=dpo.max_length, precompute_ref_log_probs=dpo.precompute_reference and not sharded(), disable_dropout=True,
        gradient_checkpointing=dpo.gradient_checkpointing, router_aux_loss_coef=0.0,
        bf16=models.dtype == "bfloat16", fp16=False, use_cpu=settings.runtime.device == "cpu",
        # Before the first step policy and reference agree, so the loss must start at ln 2: eval_on_start shows it.
        eval_strategy="steps", eval_on_start=True, eval_steps=every, save_strategy="steps", save_steps=every, save_total_limit=2,
        logging_strategy="steps", logging_steps=dpo.logging_steps, logging_first_step=True,
        # All of an adapter is used in every step, and no buffer changes: nothing to look for, nothing to send around.
        ddp_find_unused_parameters=False, ddp_broadcast_buffers=False,
        report_to="none", disable_tqdm=True, dataloader_num_workers=0, dataloader_pin_memory=False)


def train(model, tokenizer, train_pairs, validation_pairs, settings, work, references=None):
    """Train an adapter on `model`, a new one or the one that it has, and return (tuned model, history). The reference is `model` as it comes.

    train_pairs, validation_pairs: rows of the preferences contract, no author in both. work: a directory for checkpoints; when it holds
    some, training goes on from the last complete one, to the same bits. references: the file of reference log-probabilities that the
    tree keeps from run to run; without it they stay in `work`.
    history: {"train": [point], "validation": [point], "steps": int, "processes": int, "tokens": see `tokens_read`}, a point being
    {"step", "loss", "margin", ...}.
    """
    trainer = tune(model, tokenizer, train_pairs, validation_pairs, settings, work, references)
    return trainer.model.eval(), history_of(trainer)


def tune(model, tokenizer, train_pairs, validation_pairs, settings, work, references=None):
    """The trainer of `train` after training. In several processes (lib.launch) each calls this with the same arguments.

    A step then holds dpo.batch_size x dpo.gradient_accumulation pairs of every process: two processes do what one does with twice
    the batch_size, up to rounding.
    """
    check_targets(model, settings.dpo.lora)
    torch.manual_seed(settings.dpo.seed)  # of the new adapter's weights
    trainer = new_trainer(settings, model=model, args=training_arguments(settings, len(train_pairs), work), processing_class=tokenizer,
                          peft_config=None if isinstance(model, PeftModel) else lora_config(settings.dpo.lora),
                          train_dataset=dataset(train_pairs, tokenizer, Path(work) / "train"),
                          eval_dataset=dataset(validation_pairs, tokenizer, Path(work) / "validation"),
                          references=references or Path(work) / "references.jsonl")
    keep_in_float32(trainer.model)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Progress("DPO"))
    trainer.add_callback(Checkpoints())
    trainer.train(resume_from_checkpoint=last_checkpoint(work))
    trainer.evaluate()
    return trainer


def history_of(trainer):
    """The history of a finished training, see `train`."""
    log = trainer.state.log_history
    validation = {row["step"]: point(row, "eval_") for row in log if "eval_loss" in row}
    return {"train": [point(row, "") for row in log if "loss" in row], "validation": [validation[step] for step in sorted(validation)],
            "steps": trainer.state.global_step, "processes": trainer.args.world_size, "tokens": tokens_read(trainer)}


def new_trainer(settings, references, **arguments):
    """The trainer that `dpo.trainer` names: trees (lib.tree), or TRL's own, which reads every pair as two separate sequences."""
    dpo = settings.dpo
    if dpo.trainer == "tree":
        return TreeTrainer(references=references, token_budget=dpo.token_budget, too_long=dpo.too_long, **arguments)
    if dpo.label_smoothing and "sigmoid" in dpo.loss_type:
        raise DataError("dpo.label_smoothing: TRL's own trainer ignores it with loss sigmoid; take loss robust, or set dpo.trainer to tree.")
    if dpo.too_long == "truncate":
        raise DataError("dpo.too_long: TRL's own trainer cuts answers without counting them; take refuse, or set dpo.trainer to tree.")
    return DPOTrainer(**arguments)


def tokens_read(trainer):
    """Tokens of one epoch: {"tree", "pairs", "truncated"}; as trees, as separate sequences, and training pairs that were cut.

    None where TRL's own trainer is used.
    """
    if not isinstance(trainer, TreeTrainer):
        return None
    return {"tree": sum(tree.tokens for tree in trainer.train_trees), "pairs": sum(tree.tokens_as_pairs for tree in trainer.train_trees),
            "truncated": trainer.truncated["train"]}


def untrained(model, settings):
    """The adapter as it is before the first step, which changes nothing, and an empty history."""
    torch.manual_seed(settings.dpo.seed)
    return get_peft_model(model, lora_config(settings.dpo.lora)).eval(), {"train": [], "validation": [], "steps": 0, "tokens": None}


def point(row, prefix):
    return {"step": row["step"], **{name: row[prefix + key] for key, name in CURVES.items() if prefix + key in row}}
