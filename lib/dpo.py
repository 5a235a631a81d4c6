"""Direct preference optimisation of a LoRA adapter with TRL (Rafailov et al. 2023)."""
from pathlib import Path

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from tqdm import tqdm
from transformers import PrinterCallback, TrainerCallback
from transformers.trainer_utils import get_last_checkpoint
from trl import DPOConfig, DPOTrainer

from lib.models import chat_for, encode_chats, load, merge
from lib.records import read_json, write_json

CURVES = {"loss": "loss", "rewards/margins": "margin", "rewards/accuracies": "accuracy", "rewards/chosen": "chosen_reward",
          "rewards/rejected": "rejected_reward", "logps/chosen": "chosen_logp", "logps/rejected": "rejected_logp"}


def fitting(preferences, tokenizer, max_length):
    """Split pairs into those whose prompt and longer answer fit in `max_length` tokens, and those that do not.

    Pairs that do not fit are refused here, and counted by the caller: TRL would cut or drop them without a word.
    """
    if not preferences:
        return [], []
    prompts = encode_chats(tokenizer, [row["prompt"] for row in preferences])
    answers = tokenizer([max(row["chosen"][0]["content"], row["rejected"][0]["content"], key=len) for row in preferences],
                        add_special_tokens=False)["input_ids"]
    fits = [len(prompt) + len(answer) + 2 <= max_length for prompt, answer in zip(prompts, answers)]  # 2: end of turn
    return [row for row, fit in zip(preferences, fits) if fit], [row for row, fit in zip(preferences, fits) if not fit]


def dataset(preferences, tokenizer):
    """Preferences in TRL's conversational form."""
    return Dataset.from_list([{"prompt": chat_for(tokenizer, row["prompt"]), "chosen": row["chosen"],
                               "rejected": row["rejected"]} for row in preferences])


def lora_config(lora):
    return LoraConfig(task_type="CAUSAL_LM", r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout,
                      target_modules=sorted(lora.target_modules), bias="none")


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


def train(model, tokenizer, train_pairs, validation_pairs, settings, work):
    """Train an adapter on `model` and return (tuned model, history).

    train_pairs, validation_pairs: rows of the preferences contract, no author in both. work: a directory for
    checkpoints; when it holds some, training goes on from the last one.
    history: {"train": [point], "validation": [point], "steps": int}, a point being {"step", "loss", "margin", ...}.
    """
    arguments = training_arguments(settings, len(train_pairs), work)
    last = get_last_checkpoint(work) if Path(work).is_dir() else None
    trainer = DPOTrainer(model=model, args=arguments, processing_class=tokenizer, peft_config=lora_config(settings.dpo.lora),
                         train_dataset=dataset(train_pairs, tokenizer), eval_dataset=dataset(validation_pairs, tokenizer))
    for parameter in trainer.model.parameters():
        if parameter.requires_grad:  # in bf16 most updates of an adapter round to nothing
            parameter.data = parameter.data.float()
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Progress())
    trainer.train(resume_from_checkpoint=last)
    trainer.evaluate()
    log = trainer.state.log_history
    validation = {row["step"]: point(row, "eval_") for row in log if "eval_loss" in row}
    return trainer.model.eval(), {"train": [point(row, "") for row in log if "loss" in row],
                                  "validation": [validation[step] for step in sorted(validation)],
                                  "steps": trainer.state.global_step}


def untrained(model, settings):
    """The adapter as it is before the first step, which changes nothing, and an empty history."""
    return get_peft_model(model, lora_config(settings.dpo.lora)).eval(), {"train": [], "validation": [], "steps": 0}


def trainable(model):
    """Parameters of a model with an adapter: {"trained", "total", "share"}."""
    trained = sum(p.numel() for name, p in model.named_parameters() if "lora_" in name)
    total = sum(p.numel() for p in model.parameters())
    return {"trained": trained, "total": total, "share": trained / total}


def point(row, prefix):
    return {"step": row["step"], **{name: row[prefix + key] for key, name in CURVES.items() if prefix + key in row}}


class Progress(TrainerCallback):
    """A plain progress bar on stderr."""

    def on_train_begin(self, args, state, control, **kwargs):
        self.bar = tqdm(total=state.max_steps, initial=state.global_step, desc="DPO", unit="step", mininterval=2)

    def on_step_end(self, args, state, control, **kwargs):
        self.bar.update(state.global_step - self.bar.n)

    def on_train_end(self, args, state, control, **kwargs):
        self.bar.close()


def save_adapter(model, directory, base, card):
    """Write adapter and model card so that equal training gives equal files, wherever the project lies.

    base: the name under which the settings know the base model. card: the text of its README.md.
    """
    directory = Path(directory)
    model.peft_config["default"].base_model_name_or_path = base
    model.save_pretrained(directory, save_embedding_layers=False)
    config = read_json(directory / "adapter_config.json")
    write_json(directory / "adapter_config.json", {
        **config, "base_model_name_or_path": base, "target_modules": sorted(config["target_modules"])})
    (directory / "README.md").write_text(card, encoding="utf-8")


def merge_error(base_name, adapter, token_ids):
    """Largest difference in logits between the base with the adapter beside it and with the adapter merged in.

    token_ids: (batch, tokens). Measured in float32, like the training of the adapter.
    """
    model, _ = load(base_name, device="cpu", adapter=adapter)
    with torch.no_grad():
        beside = model(input_ids=token_ids).logits
        merged = merge(model)(input_ids=token_ids).logits
    return float((beside - merged).abs().max())


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
