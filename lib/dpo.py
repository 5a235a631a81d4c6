"""Direct preference optimisation of a LoRA adapter (Rafailov et al. 2023), on trees or with TRL's own trainer."""
from pathlib import Path

from datasets import Dataset
from peft import get_peft_model
from transformers import PrinterCallback
from transformers.trainer_utils import get_last_checkpoint
from trl import DPOConfig, DPOTrainer

from lib.adapters import Progress, keep_in_float32, lora_config
from lib.models import chat_for, encode_chats
from lib.records import DataError
from lib.tree_trainer import TreeTrainer

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


def dataset(preferences, tokenizer):
    """Preferences in TRL's conversational form."""
    return Dataset.from_list([{"prompt": chat_for(tokenizer, row["prompt"]), "chosen": row["chosen"],
                               "rejected": row["rejected"]} for row in preferences])


def training_arguments(settings, pairs, directory):
    """Every argument of TRL's trainer that matters, written down, because defaults move between releases."""
    dpo, models = settings.dpo, settings.models
    steps = max(1, round(pairs / (dpo.batch_size * dpo.gradient_accumulation) * dpo.epochs))
    every = max(1, steps // dpo.checkpoints)
    return DPOConfig(
        output_dir=str(directory), seed=dpo.seed, data_seed=dpo.seed,
        beta=dpo.beta, loss_type=dpo.loss_type, loss_weights=dpo.loss_weights, label_smoothing=dpo.label_smoothing,
        learning_rate=dpo.learning_rate, lr_scheduler_type=dpo.lr_scheduler_type, warmup_steps=dpo.warmup_ratio,
        num_train_epochs=dpo.epochs, per_device_train_batch_size=dpo.batch_size,
        per_device_eval_batch_size=dpo.batch_size, gradient_accumulation_steps=dpo.gradient_accumulation,
        max_grad_norm=dpo.max_grad_norm, weight_decay=dpo.weight_decay, optim="adamw_torch",
        max_length=dpo.max_length, precompute_ref_log_probs=dpo.precompute_reference, disable_dropout=True,
        gradient_checkpointing=dpo.gradient_checkpointing, router_aux_loss_coef=0.0,
        bf16=models.dtype == "bfloat16", fp16=False, use_cpu=settings.runtime.device == "cpu",
        # Before the first step policy and reference agree, so the loss must start at ln 2: eval_on_start shows it.
        eval_strategy="steps", eval_on_start=True, eval_steps=every, save_strategy="steps", save_steps=every, save_total_limit=2,
        logging_strategy="steps", logging_steps=dpo.logging_steps, logging_first_step=True,
        report_to="none", disable_tqdm=True, dataloader_num_workers=0, dataloader_pin_memory=False)


def train(model, tokenizer, train_pairs, validation_pairs, settings, work, references=None):
    """Train an adapter on `model` and return (tuned model, history).

    train_pairs, validation_pairs: rows of the preferences contract, no author in both. work: a directory for
    checkpoints; when it holds some, training goes on from the last one. references: the file of reference log-probabilities that
    the tree keeps from run to run; without it they stay in `work`.
    history: {"train": [point], "validation": [point], "steps": int, "tokens": see `tokens_read`}, a point being {"step", "loss",
    "margin", ...}.
    """
    last = get_last_checkpoint(work) if Path(work).is_dir() else None
    trainer = new_trainer(settings, model=model, args=training_arguments(settings, len(train_pairs), work), processing_class=tokenizer,
                          peft_config=lora_config(settings.dpo.lora), train_dataset=dataset(train_pairs, tokenizer),
                          eval_dataset=dataset(validation_pairs, tokenizer), references=references or Path(work) / "references.jsonl")
    keep_in_float32(trainer.model)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Progress("DPO"))
    trainer.train(resume_from_checkpoint=last)
    trainer.evaluate()
    log = trainer.state.log_history
    validation = {row["step"]: point(row, "eval_") for row in log if "eval_loss" in row}
    return trainer.model.eval(), {"train": [point(row, "") for row in log if "loss" in row],
                                  "validation": [validation[step] for step in sorted(validation)],
                                  "steps": trainer.state.global_step, "tokens": tokens_read(trainer)}


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
    return get_peft_model(model, lora_config(settings.dpo.lora)).eval(), {"train": [], "validation": [], "steps": 0, "tokens": None}


def point(row, prefix):
    return {"step": row["step"], **{name: row[prefix + key] for key, name in CURVES.items() if prefix + key in row}}


def model_card(settings, history, pairs):
    """The README of the adapter: what it is, how it was trained, what it is not for."""
    dpo = settings.dpo
    last = history["validation"][-1] if history["validation"] else None
    outcome = (f"Reward accuracy on validation pairs of unseen authors: {last['accuracy']:.3f}; loss {last['loss']:.3f} "
               f"(ln 2 = 0.693 before training)." if last else "There were too few pairs: the adapter is untrained.")
    return f"""---
base_model: {settings.models.base}
library_name: peft
pipeline_tag: text-generation
tags: [dpo, lora, trl]
license: mit
---
# Competency profiles from abstracts: adapter tuned by DPO

Writes a competency profile (a domain, 3 to 8 competencies with descriptions) from the abstracts of one author.

* Base: `{settings.models.base}`, {settings.models.dtype}, quantisation: {settings.models.quantisation}
* Method: direct preference optimisation, beta {dpo.beta}, loss {" + ".join(dpo.loss_type)}, LoRA r {dpo.lora.r}, alpha {dpo.lora.alpha}
* Training: {len(pairs["train"])} pairs, {history["steps"]} steps, learning rate {dpo.learning_rate}, seed {dpo.seed}
* Labels: made by `{settings.models.label_judge}`, which writes a profile of its own and compares with it
* {outcome}

Use: `python -m lib.extract --model {settings.models.base} --adapter data/adapter INPUT -o profiles.jsonl`

Limits: what it was measured on, and how well it did, stands in `reports/index.html`. Adapters for embedded models know
the synthetic world only. No profile should decide about a person.
"""
