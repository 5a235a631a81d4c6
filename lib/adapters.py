"""LoRA adapters (Hu et al. 2021): what is trained, how it is kept, and how it becomes part of the model again."""
from pathlib import Path

import torch
from peft import LoraConfig
from tqdm import tqdm
from transformers import TrainerCallback

from lib.models import load, merge
from lib.records import read_json, write_json


def lora_config(lora):
    return LoraConfig(task_type="CAUSAL_LM", r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout,
                      target_modules=sorted(lora.target_modules), bias="none")


def keep_in_float32(model):
    """Train in full precision what is trained: in bf16 most updates of an adapter round to nothing."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def trainable(model):
    """Parameters of a model with an adapter: {"trained", "total", "share"}."""
    trained = sum(p.numel() for name, p in model.named_parameters() if "lora_" in name)
    total = sum(p.numel() for p in model.parameters())
    return {"trained": trained, "total": total, "share": trained / total}


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


class Progress(TrainerCallback):
    """A plain progress bar on stderr in place of the trainer's own."""

    def __init__(self, description):
        self.description = description

    def on_train_begin(self, args, state, control, **kwargs):
        self.bar = tqdm(total=state.max_steps, initial=state.global_step, desc=self.description, unit="step", mininterval=2)

    def on_step_end(self, args, state, control, **kwargs):
        self.bar.update(state.global_step - self.bar.n)

    def on_train_end(self, args, state, control, **kwargs):
        self.bar.close()
