"""Trainers, of TRL's kind and of ours, on small models of several families."""
import torch
from datasets import Dataset
from helpers.tunings import tournaments
from peft import LoraConfig
from transformers import AutoConfig, AutoModelForCausalLM
from trl import DPOConfig

from lib.training.tree_trainer import TreeTrainer

LAYERS = ["q_proj", "k_proj", "v_proj", "o_proj", "up_proj"]


def new_model(tokenizer, family="llama", dtype=torch.float32, **options):
    torch.manual_seed(0)
    if family == "mixtral":
        options = {"num_local_experts": 4, "num_experts_per_tok": 2, **options}
    config = AutoConfig.for_model(
        family, vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48,
        num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=512, initializer_range=0.1, **options)
    model = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="sdpa")
    if family == "mixtral" and dtype == torch.float64:
        model.set_experts_implementation("eager")  # the grouped kernel has no float64
    return model.eval()


def new_trainer(kind, model, tokenizer, place, rows=None, evaluation=None, trees=None, **changes):
    """A trainer of one step for four tournaments. trees: what only the tree's trainer takes."""
    arguments = {
        "per_device_train_batch_size": 24, "max_length": None, "router_aux_loss_coef": 0.0,
        "gradient_checkpointing": False, "save_strategy": "no", "logging_steps": 1,
        "max_grad_norm": 0.0, "learning_rate": 1e-3, "seed": 1, "use_cpu": True, "bf16": False,
        "report_to": "none", "disable_tqdm": True}
    own = {}
    if issubclass(kind, TreeTrainer):
        own = {"references": place / "references.jsonl", **(trees or {})}
    trainer = kind(
        model=model, args=DPOConfig(str(place), **arguments | changes), processing_class=tokenizer,
        train_dataset=Dataset.from_list(rows or tournaments()),
        eval_dataset=Dataset.from_list(evaluation) if evaluation else None,
        peft_config=LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, target_modules=LAYERS),
        **own)
    for parameter in trainer.model.parameters():
        parameter.data = parameter.data.to(model.dtype)
    return trainer


def awaken(model):
    """Move an adapter away from its start, where it changes nothing."""
    noise = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            drawn = 0.1 * torch.randn(parameter.shape, generator=noise, dtype=torch.float64)
            parameter.data = drawn.to(parameter.dtype)
