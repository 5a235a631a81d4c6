"""Supervised fine-tuning (instruction tuning) on prompts and completions, by TRL's SFTTrainer; loss on the completion only."""
from unittest.mock import patch

from datasets import Dataset
from transformers import PrinterCallback
from trl import SFTConfig, SFTTrainer

from lib.models.chats import chat_for
from lib.models.lora import check_targets, keep_in_float32, lora_config
from lib.training.callbacks import Checkpoints, Progress, last_checkpoint


def row(tokenizer, prompt, completion):
    """One example in TRL's form. prompt: text, taken as it is, or messages; completion: the answer's text.

    The end token follows the answer: the chat template sets it, or here, where the prompt is plain text.
    """
    if isinstance(prompt, str):
        return {"prompt": prompt, "completion": completion + tokenizer.eos_token}
    return {"prompt": chat_for(tokenizer, prompt), "completion": [{"role": "assistant", "content": completion}]}


def encode(tokenizer, item):
    """Token ids of a row of `row`, and which of them are the answer's: {"input_ids", "completion_mask"}, as TRL takes them.

    Prompt and answer are tokenised apart, so that training reads what generation will see. Tokenised as one text, the space at the
    end of "Answer: " would become part of the answer's first word, and a model trained so has learnt another prompt than it is asked.
    """
    if isinstance(item["prompt"], str):
        prompt, answer = item["prompt"], item["completion"]
    else:
        prompt = tokenizer.apply_chat_template(item["prompt"], tokenize=False, add_generation_prompt=True)
        whole = tokenizer.apply_chat_template(item["prompt"] + item["completion"], tokenize=False)
        # Some templates write the same turn differently once it is over: the answer then begins where the two part.
        start = next((i for i, (one, other) in enumerate(zip(prompt, whole)) if one != other), len(prompt))
        prompt, answer = whole[:start], whole[start:]
    # A template writes its own start token; plain text gets the tokenizer's, as when generating.
    ids = tokenizer(prompt, add_special_tokens=isinstance(item["prompt"], str))["input_ids"]
    answer = tokenizer(answer, add_special_tokens=False)["input_ids"]
    return {"input_ids": ids + answer, "completion_mask": [0] * len(ids) + [1] * len(answer)}


def fitting(rows, tokenizer, max_length):
    """Split rows of `row` into those of at most `max_length` tokens and the rest, for the caller to count: TRL would cut these."""
    fits = [len(encode(tokenizer, item)["input_ids"]) <= max_length for item in rows]
    return [item for item, fit in zip(rows, fits) if fit], [item for item, fit in zip(rows, fits) if not fit]


def train(model, tokenizer, rows, tuning, work, cpu=True):
    """Tune `model` on rows of `row` and return (tuned model in evaluation mode, [{"step", "loss"}]).

    tuning: settings (`sections.Tuning`); its method "lora" trains an adapter in float32 and leaves the model as it is, "full" trains
    every weight of `model` in place. work: a folder for checkpoints; when it holds some, training goes on from the last complete one.
    """
    if tuning.method == "lora":
        check_targets(model, tuning.lora)
    trainer = SFTTrainer(model=model, args=training_arguments(tuning, len(rows), work, cpu), processing_class=tokenizer,
                         train_dataset=Dataset.from_list([encode(tokenizer, item) for item in rows]),
                         peft_config=lora_config(tuning.lora) if tuning.method == "lora" else None)
    keep_in_float32(trainer.model)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Progress("SFT"))
    trainer.add_callback(Checkpoints())
    # TRL (1.16) has the head score prompt and padding, too, wherever Triton does not run; with the answers alone a step takes a third less.
    with patch("trl.trainer.utils._use_triton", return_value=True):
        trainer.train(resume_from_checkpoint=last_checkpoint(work))
    return trainer.model.eval(), [{"step": entry["step"], "loss": entry["loss"]} for entry in trainer.state.log_history if "loss" in entry]


def training_arguments(tuning, rows, directory, cpu):
    """Every argument of TRL's trainer that matters, written down, because defaults move between releases."""
    steps = max(1, round(rows / (tuning.batch_size * tuning.gradient_accumulation) * tuning.epochs))
    return SFTConfig(
        output_dir=str(directory), seed=tuning.seed, data_seed=tuning.seed, learning_rate=tuning.learning_rate,
        lr_scheduler_type=tuning.lr_scheduler_type, warmup_steps=tuning.warmup_ratio, num_train_epochs=tuning.epochs,
        per_device_train_batch_size=tuning.batch_size, gradient_accumulation_steps=tuning.gradient_accumulation,
        max_grad_norm=tuning.max_grad_norm, weight_decay=tuning.weight_decay, optim="adamw_torch", max_length=tuning.max_length,
        completion_only_loss=True, packing=False, loss_type="nll", gradient_checkpointing=tuning.gradient_checkpointing,
        bf16=tuning.precision == "bf16" and not cpu, fp16=tuning.precision == "fp16" and not cpu, use_cpu=cpu,
        save_strategy="steps", save_steps=max(1, steps // max(1, tuning.checkpoints)) if tuning.checkpoints else steps + 1, save_total_limit=2,
        logging_strategy="steps", logging_steps=tuning.logging_steps, logging_first_step=True, report_to="none", disable_tqdm=True,
        dataloader_num_workers=0, dataloader_pin_memory=False)
