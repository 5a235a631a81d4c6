"""Where models run, which ones play which role, and how the embedded ones are trained."""
from typing import Literal, Self

from pydantic import Field, model_validator

from lib.core.sections.section import Count, Positive, Section, Seed, Share


class Runtime(Section):
    """What models run on."""
    threads: int = Field(ge=1, le=256)
    device: Literal["auto", "cpu", "cuda"]
    matmul_precision: Literal["highest", "high", "medium"]
    offline: bool
    folder: str = Field(pattern=r"^\w*$")
    keep_written: bool


class Models(Section):
    """Which model plays which role, and how models are loaded and asked."""
    base: str = Field(min_length=1)
    larger: str
    label_judge: str
    evaluation_judge: str
    encoder: str
    prompt: Literal["brief", "full"]
    dtype: Literal["float32", "bfloat16", "float16"]
    quantisation: Literal["none", "8bit", "4bit"]
    max_prompt_tokens: int = Field(ge=64)
    max_new_tokens: int = Field(ge=16)
    batch_size: int = Field(ge=1)

    @model_validator(mode="after")
    def roles_never_mix(self) -> Self:
        for one, other in (("label_judge", "base"), ("evaluation_judge", "base"),
                           ("evaluation_judge", "larger"), ("evaluation_judge", "label_judge"),
                           ("label_judge", "larger")):
            if getattr(self, one) == getattr(self, other) != "":
                raise ValueError(f"{one} and {other} are the same model; no model may judge its "
                                 "own output")
        return self


class Faults(Section):
    """Probabilities of what a mediocre writer does wrong."""
    vague: float = Share
    missing: float = Share
    distractor: float = Share
    invented: float = Share
    domain: float = Share
    padded: float = Share
    repeated: float = Share


class Role(Section):
    """The shape of one embedded model, and the lessons that it gets."""
    hidden: int = Field(ge=16)
    layers: int = Field(ge=2)
    heads: int = Field(ge=1)
    matched: Literal[1, 3]
    seed: int = Seed
    batch: int = Field(ge=1)
    learning_rate: float = Positive
    invented: float = Share
    induction_steps: int = Count
    clean_steps: int = Count
    own_steps: int = Count
    judging_steps: int = Count
    faults: Faults

    @model_validator(mode="after")
    def heads_divide(self) -> Self:
        step = 4 * self.heads
        if self.hidden % step:
            raise ValueError(f"hidden is {self.hidden}; it must be a multiple of 4 x heads, {step}")
        if self.matched == 3 and self.heads != 4:
            raise ValueError(f"heads is {self.heads}; to match 3 tokens takes 4")
        return self


class Pretraining(Section):
    """The embedded models: whether and where, their tokenizer, and each role."""
    train: bool
    folder: str
    tokenizer_authors: int = Count
    tokenizer_pieces: int = Field(ge=300)
    held_out_authors: int = Count
    roles: dict[Literal["base", "larger", "label_judge", "evaluation_judge"], Role] = Field(
        min_length=4)
