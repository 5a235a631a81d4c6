"""What both of TRL's trainers are told, from the settings. Every argument that matters is written
down, because defaults move between releases.
"""
import os
from pathlib import Path
from typing import Any

from lib.core.sections.tuning import Dpo, Tuning


def processes() -> int:
    """How many processes train together (lib.training.launch)."""
    return int(os.environ.get("WORLD_SIZE", 1))


def shared(tuning: Tuning | Dpo, examples: int, directory: Path, cpu: bool) -> dict[str, Any]:
    """Arguments of a training on so many examples, with tuning.checkpoints checkpoints."""
    step = tuning.batch_size * tuning.gradient_accumulation * processes()
    steps = max(1, round(examples / step * tuning.epochs))
    every = max(1, steps // tuning.checkpoints) if tuning.checkpoints else steps + 1
    return {
        "output_dir": str(directory), "seed": tuning.seed, "data_seed": tuning.seed,
        "learning_rate": tuning.learning_rate, "lr_scheduler_type": tuning.lr_scheduler_type,
        "warmup_steps": tuning.warmup_ratio, "num_train_epochs": tuning.epochs,
        "per_device_train_batch_size": tuning.batch_size,
        "gradient_accumulation_steps": tuning.gradient_accumulation,
        "max_grad_norm": tuning.max_grad_norm, "weight_decay": tuning.weight_decay,
        "optim": "adamw_torch", "max_length": tuning.max_length,
        "gradient_checkpointing": tuning.gradient_checkpointing, "use_cpu": cpu,
        "save_strategy": "steps", "save_steps": every, "save_total_limit": 2,
        "logging_strategy": "steps", "logging_steps": tuning.logging_steps,
        "logging_first_step": True, "report_to": "none", "disable_tqdm": True,
        "dataloader_num_workers": 0, "dataloader_pin_memory": False}
