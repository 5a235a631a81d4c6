"""How weights are tuned: supervised, and by preference."""
from typing import Literal, Self

from pydantic import Field, model_validator

from lib.core.sections.section import Count, Positive, Section, Seed, Share


class Lora(Section):
    """The shape of an adapter, and the layers that it is put on."""
    r: int = Field(ge=1)
    alpha: int = Field(ge=1)
    dropout: float = Share
    stored: Literal["float32", "float16"]
    target_modules: list[str] = Field(min_length=1)


class Optimisation(Section):
    """What every tuning of weights has."""
    learning_rate: float = Positive
    lr_scheduler_type: Literal["cosine", "linear", "constant", "constant_with_warmup"]
    warmup_ratio: float = Share
    epochs: float = Positive
    batch_size: int = Field(ge=1)
    gradient_accumulation: int = Field(ge=1)
    max_grad_norm: float = Positive
    weight_decay: float = Field(ge=0)
    gradient_checkpointing: bool
    seed: int = Seed
    logging_steps: int = Field(ge=1)
    lora: Lora


class Tuning(Optimisation):
    """Supervised tuning."""
    method: Literal["full", "lora"]
    max_length: int = Field(ge=16)
    precision: Literal["none", "fp16", "bf16"]
    checkpoints: int = Count


class Dpo(Optimisation):
    """Tuning by preference."""
    launch: Literal["none", "one_gpu", "ddp", "fsdp2", "zero3", "cpu_2"]
    trainer: Literal["tree", "trl"]
    token_budget: int = Field(ge=64)
    too_long: Literal["refuse", "truncate"]
    beta: float = Positive
    loss_type: list[Literal["sigmoid", "ipo", "hinge", "robust", "sft"]] = Field(min_length=1)
    loss_weights: list[float]
    label_smoothing: float = Field(ge=0, lt=0.5)
    max_length: int = Field(ge=64)
    precompute_reference: bool
    checkpoints: int = Field(ge=1)
    check_merge: bool

    @model_validator(mode="after")
    def every_loss_has_a_weight(self) -> Self:
        if len(self.loss_weights) != len(self.loss_type):
            raise ValueError(f"loss_weights has {len(self.loss_weights)} numbers for "
                             f"{len(self.loss_type)} losses of loss_type; give one for each")
        return self


class WarmStart(Section):
    """The supervised start of a model that does not keep the format yet."""
    model: str
    tuning: Tuning
