"""The sections of params.yaml: names, types and ranges of every setting. `Profile` is one profile, all sections of it."""
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Field(ge=0, le=1)
Count = Field(ge=0)
Positive = Field(gt=0)


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Runtime(Section):
    threads: int = Field(ge=1, le=256)
    device: Literal["auto", "cpu", "cuda"]
    offline: bool


class Models(Section):
    base: str
    larger: str
    label_judge: str
    evaluation_judge: str
    prompt: Literal["brief", "full"]
    dtype: Literal["float32", "bfloat16", "float16"]
    quantisation: Literal["none", "8bit", "4bit"]
    max_prompt_tokens: int = Field(ge=64)
    max_new_tokens: int = Field(ge=16)
    batch_size: int = Field(ge=1)

    @model_validator(mode="after")
    def roles_never_mix(self):
        roles = {"base": self.base, "larger": self.larger, "label_judge": self.label_judge,
                 "evaluation_judge": self.evaluation_judge}
        for one, other in (("label_judge", "base"), ("evaluation_judge", "base"), ("evaluation_judge", "larger"),
                           ("evaluation_judge", "label_judge"), ("label_judge", "larger")):
            if roles[one] == roles[other]:
                raise ValueError(f"{one} and {other} are the same model; no model may judge its own output")
        return self


class Faults(Section):
    vague: float = Share
    missing: float = Share
    distractor: float = Share
    invented: float = Share
    domain: float = Share
    padded: float = Share
    repeated: float = Share


class Role(Section):
    hidden: int = Field(ge=16)
    layers: int = Field(ge=2)
    heads: int = Field(ge=1)
    matched: Literal[1, 3] = 1
    seed: int
    batch: int = Field(ge=1)
    learning_rate: float = Positive
    invented: float = Share
    induction_steps: int = Count
    clean_steps: int = Count
    own_steps: int = Count
    judging_steps: int = Count
    faults: Faults

    @model_validator(mode="after")
    def heads_divide(self):
        if self.hidden % (4 * self.heads):
            raise ValueError(f"hidden is {self.hidden}; it must be a multiple of 4 x heads ({4 * self.heads})")
        if self.matched == 3 and self.heads != 4:
            raise ValueError(f"heads is {self.heads}; to match 3 tokens takes 4")
        return self


class Embedded(Section):
    train: bool
    tokenizer_authors: int = Count
    tokenizer_pieces: int = Field(ge=300)
    held_out_authors: int = Count
    roles: dict[Literal["base", "larger", "label_judge", "evaluation_judge"], Role]


class Columns(Section):
    id: str
    author: str
    title: str
    text: str


class OpenAlex(Section):
    institution: str
    authors: int = Field(ge=1)
    abstracts_per_author: int = Field(ge=1, le=20)


class Authors(Section):
    train: int = Field(ge=1)
    validation: int = Field(ge=1)
    test: int = Field(ge=1)
    held_out: int = Field(ge=0)


class Data(Section):
    source: Literal["synthetic", "files", "openalex"]
    seed: int
    authors: Authors
    path: str
    columns: Columns
    group_size: int = Field(ge=1, le=50)
    openalex: OpenAlex
    near_duplicate: float = Share
    contamination_words: int = Field(ge=3)


class Candidates(Section):
    k: int = Field(ge=2, le=64)
    temperature: float = Field(gt=0, le=5)
    top_p: float = Field(gt=0, le=1)
    seed: int
    near_duplicate: float = Share


class Endpoint(Section):
    urls: list[str] = Field(min_length=1)
    key_variable: str = ""
    temperature: float = Field(default=0.1, ge=0, le=2)
    max_tokens: int = Field(default=400, ge=1)
    concurrency: int = Field(default=8, ge=1, le=1000)
    timeout: float = Field(default=120.0, gt=0)
    retries: int = Field(default=8, ge=0, le=20)
    deadline: float = Field(default=21600.0, gt=0)
    breaker: int = Field(default=10, ge=1)
    price_in: float = Field(default=0.0, ge=0)
    price_out: float = Field(default=0.0, ge=0)
    budget: float | None = Field(default=None, gt=0)
    structured: Literal["auto", "json_schema", "json_object", "text"] = "auto"

    @model_validator(mode="after")
    def no_secret_is_written_down(self):
        if self.key_variable and not (self.key_variable.isidentifier() and self.key_variable.isupper()):
            raise ValueError("key_variable must be the name of an environment variable in capitals; the key itself belongs in that variable")
        for url in self.urls:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.query:
                raise ValueError("each of urls must look like http://host:8000/v1, without user, password or query")
        return self


class Panelist(Section):
    name: str = Field(min_length=1)
    kind: Literal["reference", "likelihood", "chat", "endpoint"]
    model: str
    screens: bool = True
    guided: bool = False
    prompt: Literal["brief", "full"] = "full"
    temperature: float = Field(default=0.1, ge=0, le=5)
    max_tokens: int = Field(default=400, ge=8)
    endpoint: Endpoint | None = None

    @model_validator(mode="after")
    def an_endpoint_has_urls(self):
        if (self.kind == "endpoint") != (self.endpoint is not None):
            raise ValueError(f"the judge {self.name!r} is of kind {self.kind!r}; only kind endpoint has, and needs, a section `endpoint`")
        if self.kind != "chat" and (misplaced := self.model_fields_set & {"temperature", "max_tokens"}):
            raise ValueError(f"the judge {self.name!r} is of kind {self.kind!r}; {min(misplaced)} belongs to a judge of kind chat, or "
                             "into the section `endpoint`")
        return self


class Study(Section):
    prompts: int = Count
    repeated: int = Count
    canaries: int = Count


class Judging(Section):
    seed: int
    scheme: Literal["knockout", "swiss", "merge_sort", "two_pass", "all_pairs"]
    rounds: int = Field(ge=1)
    pairs: int = Field(ge=1)
    threshold: float = Field(ge=0.5, le=1)
    min_margin: float = Field(ge=0)
    drop_cycles: bool
    tie_margin: float = Share
    panel: list[Panelist] = Field(min_length=1)
    study: Study

    @model_validator(mode="after")
    def names_differ(self):
        names = [judge.name for judge in self.panel]
        if len(set(names)) < len(names):
            raise ValueError(f"two judges of the panel have the same name ({', '.join(names)})")
        return self


class Lora(Section):
    r: int = Field(ge=1)
    alpha: int = Field(ge=1)
    dropout: float = Share
    target_modules: list[str]


class Tuning(Section):
    method: Literal["full", "lora"]
    learning_rate: float = Positive
    lr_scheduler_type: Literal["cosine", "linear", "constant", "constant_with_warmup"]
    warmup_ratio: float = Share
    epochs: float = Positive
    batch_size: int = Field(ge=1)
    gradient_accumulation: int = Field(ge=1)
    max_grad_norm: float = Positive
    weight_decay: float = Field(ge=0)
    max_length: int = Field(ge=16)
    gradient_checkpointing: bool
    precision: Literal["none", "fp16", "bf16"]
    seed: int
    logging_steps: int = Field(ge=1)
    checkpoints: int = Count
    lora: Lora


class Dpo(Section):
    launch: Literal["none", "one_gpu", "ddp", "fsdp2", "zero3", "cpu_2"]
    trainer: Literal["tree", "trl"]
    token_budget: int = Field(ge=64)
    too_long: Literal["refuse", "truncate"]
    beta: float = Positive
    loss_type: list[Literal["sigmoid", "ipo", "hinge", "robust", "sft"]]
    loss_weights: list[float]
    label_smoothing: float = Field(ge=0, lt=0.5)
    learning_rate: float = Positive
    lr_scheduler_type: Literal["cosine", "linear", "constant", "constant_with_warmup"]
    warmup_ratio: float = Share
    epochs: float = Positive
    batch_size: int = Field(ge=1)
    gradient_accumulation: int = Field(ge=1)
    max_grad_norm: float = Positive
    weight_decay: float = Field(ge=0)
    max_length: int = Field(ge=64)
    precompute_reference: bool
    gradient_checkpointing: bool
    seed: int
    logging_steps: int = Field(ge=1)
    checkpoints: int = Field(ge=1)
    check_merge: bool
    lora: Lora


class Decoding(Section):
    temperature: float = Field(ge=0, le=5)
    top_p: float = Field(gt=0, le=1)


class Evaluation(Section):
    seed: int
    thesis_setting: str
    settings: dict[str, Decoding]
    examples: int = Count

    @model_validator(mode="after")
    def thesis_setting_exists(self):
        if self.thesis_setting not in self.settings:
            raise ValueError(f"thesis_setting is {self.thesis_setting!r}; it must be one of {', '.join(self.settings)}")
        return self


class Run(Section):
    learning_rate: float = Positive
    epochs: float = Positive


class Rounds(Section):
    prompts: int = Field(ge=1)
    judges: list[str] = Field(min_length=1)
    later: Run
    longer: Run
    together: Run
    sft: Tuning


class Experts(Section):
    seed: int
    items: int = Field(ge=1, le=999)
    reviewers: int = Field(ge=1, le=99)
    ratings_per_item: int = Field(ge=1)
    repeated: int = Count
    epsilon: float = Field(ge=0, lt=1)
    path: str
    study_path: str

    @model_validator(mode="after")
    def enough_reviewers(self):
        if self.ratings_per_item > self.reviewers:
            raise ValueError(f"ratings_per_item is {self.ratings_per_item}; it must be at most the number of reviewers ({self.reviewers})")
        return self


class Compared(Section):
    name: str = Field(min_length=1)
    model: str
    adapter: str = ""
    quantisation: Literal["none", "8bit", "4bit"] = "none"


class JobAds(Section):
    seed: int
    train: int = Field(ge=2)
    test: int = Field(ge=1)
    quantisation: Literal["none", "8bit", "4bit"]
    epochs: float = Positive
    missed: dict[Literal["gender", "age", "origin", "ability"], float]
    alarmed: dict[Literal["neutral", "hard_neutral"], float]

    @model_validator(mode="after")
    def every_rate_is_given(self):
        for name, rates, size in (("missed", self.missed, 4), ("alarmed", self.alarmed, 2)):
            if len(rates) < size or not all(0 <= rate <= 1 for rate in rates.values()):
                raise ValueError(f"{name} must give a probability from 0 to 1 for each of its {size} kinds")
        return self


class Instruction(Section):
    seed: int
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
    also: list[Literal["8bit", "4bit"]]
    workers: int = Field(ge=1, le=64)
    batch_size: int = Field(ge=1)
    max_new_tokens: int = Field(ge=1)
    tuning: Tuning
    job_ads: JobAds

    @model_validator(mode="after")
    def names_differ(self):
        names = [item.name for item in self.compared]
        if len(set(names)) < len(names) or {"pretrained", "tuned_single", "tuned_all"} & set(names):
            raise ValueError("each of compared needs a name of its own, other than pretrained, tuned_single and tuned_all")
        return self


class Gate(Section):
    seed: int
    tests: int = Field(ge=8)
    unseen_f1: float = Share
    tolerance: int = Field(ge=0)
    authors: int = Count
    invented: float = Share
    sft: Tuning
    explained: Tuning


class Explanations(Section):
    seed: int
    path: str
    cue: Literal["length", "marker", "plural", "present"]
    strengths: list[float] = Field(min_length=1)
    seeds: int = Field(ge=1)
    pool: int = Field(ge=8)
    train: int = Field(ge=4)
    test: int = Field(ge=4)
    tuning: Tuning

    @model_validator(mode="after")
    def strengths_include_the_neutral_one(self):
        if 0.5 not in self.strengths or not all(0.5 <= strength <= 1 for strength in self.strengths):
            raise ValueError("strengths must lie between 0.5 and 1 and include 0.5, where the cue means nothing: drops are measured from there")
        return self


class Forgetting(Section):
    seed: int
    task: Literal["profiles", "sentiment", "job_bias"]
    train: int = Field(ge=1)
    test: int = Field(ge=1)
    profiles: int = Field(ge=1)
    language: Literal["profiles", "abstracts"]
    methods: dict[Literal["full", "lora", "multi_task"], Tuning]


class Generalisation(Section):
    workers: int = Field(ge=1, le=64)
    gate: Gate
    explanations: Explanations
    forgetting: Forgetting


class Profile(Section):
    runtime: Runtime
    models: Models
    embedded: Embedded
    data: Data
    candidates: Candidates
    judging: Judging
    dpo: Dpo
    evaluation: Evaluation
    experts: Experts
    rounds: Rounds
    instruction: Instruction
    generalisation: Generalisation

    @model_validator(mode="after")
    def judges_of_the_rounds_exist(self):
        known = [judge.name for judge in self.judging.panel]
        unknown = [name for name in self.rounds.judges if name not in known]
        if unknown:
            raise ValueError(f"rounds.judges names {unknown[0]!r}, which is no judge of judging.panel ({', '.join(known)})")
        return self

    @model_validator(mode="after")
    def launch_suits_device_and_weights(self):
        launch = self.dpo.launch
        if launch != "none" and (launch == "cpu_2") != (self.runtime.device == "cpu"):
            raise ValueError(f"dpo.launch is {launch} and runtime.device is {self.runtime.device}; cpu_2 is for the cpu, the others for GPUs")
        if launch in ("fsdp2", "zero3") and self.models.quantisation != "none":
            raise ValueError(f"dpo.launch {launch} splits the weights over the GPUs, which quantised ones do not stand; set "
                             "models.quantisation to none, or dpo.launch to ddp, where each GPU has the whole model")
        return self

    @model_validator(mode="after")
    def no_model_judges_its_own_output(self):
        roles = self.models.model_dump(include={"base", "larger", "evaluation_judge"})
        for judge in self.judging.panel:
            name = getattr(self.models, judge.model, judge.model)
            for role in [role for role, model in roles.items() if model == name]:
                raise ValueError(f"the judge {judge.name!r} of judging.panel is also the {role}; take another model for one of them")
        return self
