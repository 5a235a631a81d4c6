"""Evaluation, rounds, experts, instruction tuning and generalisation."""
from typing import Literal, Self

from pydantic import Field, model_validator

from lib.core.sections.judging import Panel
from lib.core.sections.section import Count, Positive, Section, Seed, Share
from lib.core.sections.tuning import Tuning


class Decoding(Section):
    """How tokens are drawn; temperature 0 takes the likeliest."""
    temperature: float = Field(ge=0, le=5)
    top_p: float = Field(gt=0, le=1)


class Shown(Section):
    """Texts for pages that show whole ones. path: "" for none; text: the name of their key."""
    path: str
    text: str
    texts: int = Count


class Evaluation(Section):
    """By whom, and under which decoding settings, models are compared."""
    seed: int = Seed
    judge: str
    panel: Panel
    thesis_texts: int = Count
    control_texts: int = Count
    shown: Shown
    thesis_setting: str
    settings: dict[str, Decoding]
    examples: int = Count

    @model_validator(mode="after")
    def thesis_setting_exists(self) -> Self:
        if self.thesis_setting not in self.settings:
            raise ValueError(f"thesis_setting is {self.thesis_setting!r}; it must be one of "
                             f"{', '.join(self.settings)}")
        return self


class Run(Section):
    """What one more run of DPO has instead of the first one's."""
    learning_rate: float = Positive
    epochs: float = Positive


class Rounds(Section):
    """More rounds of DPO, and what they are compared with."""
    prompts: int = Field(ge=1)
    judges: list[str] = Field(min_length=1)
    later: Run
    longer: Run
    together: Run
    sft: Tuning


class Replication(Section):
    """What `make replicate` trains anew, each condition with every seed."""
    seeds: int = Field(ge=2, le=20)
    workers: int = Field(ge=1)
    noise: list[float]
    beta: list[float]
    k: list[int]
    gates: int = Field(ge=1, le=20)
    strengths: list[float]


class Experts(Section):
    """The review of pairs by people. files: {a further model: its file of profiles}."""
    seed: int = Seed
    models: list[str]
    files: dict[str, str]
    items: int = Field(ge=1, le=999)
    reviewers: int = Field(ge=1, le=99)
    ratings_per_item: int = Field(ge=1)
    repeated: int = Count
    epsilon: float = Field(ge=0, lt=1)
    path: str
    study_path: str

    @model_validator(mode="after")
    def enough_reviewers(self) -> Self:
        if self.ratings_per_item > self.reviewers:
            raise ValueError(f"ratings_per_item is {self.ratings_per_item}; it must be at most the "
                             f"number of reviewers ({self.reviewers})")
        return self

    @model_validator(mode="after")
    def models_can_be_told_apart(self) -> Self:
        names = [*self.models, *self.files]
        if len(set(names)) < max(len(names), 2):
            raise ValueError(f"models and files name {', '.join(names) or 'nothing'}; a review "
                             "needs two models or more, each named once")
        if wrong := [name for name in names if name == "tie" or not name.strip()]:
            raise ValueError(f"{wrong[0]!r} cannot be a model's name in a review; take another")
        pairs = len(names) * (len(names) - 1) // 2
        if self.items < pairs:
            raise ValueError(f"items is {self.items}; {len(names)} models make {pairs} pairs, and "
                             "each needs an item")
        return self


class Compared(Section):
    """A further model that is only asked."""
    name: str = Field(min_length=1)
    model: str
    adapter: str
    quantisation: Literal["none", "8bit", "4bit"]


class JobAds(Section):
    """Bias in job advertisements: sizes, and the errors of the labeller."""
    seed: int = Seed
    train: int = Field(ge=2)
    test: int = Field(ge=1)
    quantisation: Literal["none", "8bit", "4bit"]
    epochs: float = Positive
    missed: dict[Literal["gender", "age", "origin", "ability"], float]
    alarmed: dict[Literal["neutral", "hard_neutral"], float]

    @model_validator(mode="after")
    def every_rate_is_given(self) -> Self:
        for name, rates, size in (("missed", self.missed, 4), ("alarmed", self.alarmed, 2)):
            if len(rates) < size or not all(0 <= rate <= 1 for rate in rates.values()):
                raise ValueError(f"{name} must give a probability from 0 to 1 for each of its "
                                 f"{size} kinds")
        return self


class Instruction(Section):
    """Instruction tuning on financial sentiment and on job advertisements."""
    seed: int = Seed
    model: str
    compared: list[Compared]
    synthetic: bool
    path: str
    hub: list[Literal["tfns", "fiqa", "fpb", "nwgi"]]
    repair_umlauts: bool
    train: int = Field(ge=2)
    test: int = Field(ge=1)
    noise: float = Share
    single: str
    template: Literal["plain", "alpaca", "chat"]
    quantisation: Literal["none", "8bit", "4bit"]
    methods: list[Literal["8bit", "qlora", "full"]]
    full_learning_rate: float = Positive
    workers: int = Field(ge=1, le=64)
    batch_size: int = Field(ge=1)
    max_new_tokens: int = Field(ge=1)
    tuning: Tuning
    job_ads: JobAds

    @model_validator(mode="after")
    def names_differ(self) -> Self:
        names = ["pretrained", "tuned_single", "tuned_all", *(item.name for item in self.compared)]
        if len(set(names)) < len(names):
            raise ValueError("each of compared needs a name of its own, other than pretrained, "
                             "tuned_single and tuned_all")
        return self


class Gate(Section):
    """The behaviour tests that a model must pass, and tuning on explanations."""
    seed: int = Seed
    tests: int = Field(ge=8)
    unseen_f1: float = Share
    tolerance: int = Field(ge=0)
    authors: int = Count
    invented: float = Share
    sft: Tuning
    explained: Tuning


class Explanations(Section):
    """Whether explanations guard against a spurious cue."""
    seed: int = Seed
    path: str
    cue: Literal["length", "marker", "plural", "present"]
    cues: list[Literal["length", "marker", "plural", "present", "cluster"]] = Field(min_length=1)
    arms: list[Literal["label_only", "told", "with_explanation", "permuted", "random"]]
    strengths: list[float] = Field(min_length=1)
    seeds: int = Field(ge=1)
    pool: int = Field(ge=8)
    train: int = Field(ge=4)
    test: int = Field(ge=4)
    tuning: Tuning

    @model_validator(mode="after")
    def strengths_include_the_neutral_one(self) -> Self:
        if min(self.strengths) != 0.5 or max(self.strengths) > 1:
            raise ValueError("strengths must lie between 0.5 and 1 and include 0.5, where the cue "
                             "means nothing: drops are measured from there")
        return self

    @model_validator(mode="after")
    def arms_include_the_one_that_others_are_compared_with(self) -> Self:
        if "label_only" not in self.arms or len(set(self.arms)) < len(self.arms):
            raise ValueError("arms must include label_only, and each once: gains are over it")
        return self


class Forgetting(Section):
    """What is lost by tuning on one task; a method that is None is left out."""
    seed: int = Seed
    task: Literal["profiles", "sentiment", "job_bias"]
    train: int = Field(ge=1)
    test: int = Field(ge=1)
    profiles: int = Field(ge=1)
    language: Literal["profiles", "abstracts"]
    methods: dict[Literal["full", "lora", "multi_task"], Tuning | None]
    order: list[Literal["profiles", "sentiment", "job_bias"]] = Field(min_length=2)
    replay: float = Share


class Generalisation(Section):
    """The gate, explanations, forgetting."""
    workers: int = Field(ge=1, le=64)
    gate: Gate
    explanations: Explanations
    forgetting: Forgetting
