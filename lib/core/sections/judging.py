"""Who judges, how, and at what price."""
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from lib.core.sections.models import Models
from lib.core.sections.section import Count, Section, Seed, Share
from lib.core.sections.servers import Endpoint, Server

# Kinds of judges whose scores may be standardised, to make one judge of several.
SCORING = ("reference", "encoder", "lexical", "brevity", "reconstruction", "reward")


class Encoding(Section):
    """How a judge of kind encoder weighs: coverage + relevance - redundancy."""
    reads: Literal["name", "competency"]
    relevance: float = Field(ge=0)
    redundancy: float = Field(ge=0)


class Lexical(Section):
    """How a judge of kind lexical weighs: what the names cover, less these."""
    words: float = Field(ge=0)
    foreign: float = Field(ge=0)
    repeated: float = Field(ge=0)


class Usual(Section):
    """What a judge has where its own line in the panel is silent."""
    votes: bool
    screens: bool
    guided: bool
    prompt: Literal["brief", "full"]
    temperature: float = Field(ge=0, le=5)
    max_tokens: int = Field(ge=8)
    endpoint: Server
    encoder: Encoding
    lexical: Lexical


class Panelist(Section):
    """One judge. Only kind chat has temperature and max_tokens, only the kind a section its name.

    standardised: the weights, by name, of other judges of the panel, who then do not vote. family:
    see lib/core/families.py; "": as the model's name tells.
    """
    name: str = Field(min_length=1)
    kind: Literal["reference", "likelihood", "chat", "endpoint", "encoder", "lexical", "brevity",
                  "reconstruction", "reward", "standardised"]
    model: str
    votes: bool
    screens: bool
    guided: bool
    prompt: Literal["brief", "full"]
    temperature: float | None = Field(default=None, ge=0, le=5)
    max_tokens: int | None = Field(default=None, ge=8)
    endpoint: Endpoint | None = None
    encoder: Encoding | None = None
    lexical: Lexical | None = None
    standardised: dict[str, float] | None = Field(default=None, min_length=1)
    family: str = ""

    def of(self, models: Models) -> str:
        """The model that judges: what plays the role that `model` names, or the one it names."""
        return getattr(models, self.model, self.model)

    @model_validator(mode="after")
    def a_judge_has_what_its_kind_needs(self) -> Self:
        judge = f"the judge {self.name!r} is of kind {self.kind!r}"
        for kind in ("endpoint", "encoder", "lexical", "standardised"):
            if (self.kind == kind) != (getattr(self, kind) is not None):
                raise ValueError(f"{judge}; only kind {kind} has, and needs, a section `{kind}`")
        misplaced = self.model_fields_set & {"temperature", "max_tokens"}
        if self.kind != "chat" and misplaced:
            raise ValueError(f"{judge}; {min(misplaced)} belongs to a judge of kind chat, or into "
                             "the section `endpoint`")
        return self


def sound(panel: list[Panelist]) -> list[Panelist]:
    """A panel whose judges have names of their own, and are made only of others that score."""
    names = [judge.name for judge in panel]
    if len(set(names)) < len(names):
        raise ValueError(f"two judges of the panel have the same name ({', '.join(names)})")
    scoring = [judge.name for judge in panel if judge.kind in SCORING]
    for judge in panel:
        unknown = [name for name in judge.standardised or {} if name not in scoring]
        if unknown:
            raise ValueError(f"{judge.name!r} is made of {unknown[0]!r}, which is no judge of "
                             f"the panel of kind {', '.join(SCORING)}")
    return panel


Panel = Annotated[list[Panelist], AfterValidator(sound)]


class Study(Section):
    """How much the judges themselves are tried out."""
    prompts: int = Count
    repeated: int = Count
    canaries: int = Count


class Judging(Section):
    """Which candidates meet, who judges them, and which pairs become preferences."""
    seed: int = Seed
    scheme: Literal["knockout", "swiss", "merge_sort", "two_pass", "all_pairs"]
    rounds: int = Field(ge=1)
    pairs: int = Field(ge=1)
    threshold: float = Field(ge=0.5, le=1)
    min_margin: float = Field(ge=0)
    drop_cycles: bool
    tie_margin: float = Share
    usual: Usual
    panel: Panel = Field(min_length=1)
    study: Study

    @model_validator(mode="before")
    @classmethod
    def judges_have_what_is_usual(cls, given: Any) -> Any:
        """Each line of the panel, completed by `usual` with what its kind of judge has."""
        return completed(given, given.get("usual")) if isinstance(given, dict) else given


def completed(section: dict[str, Any], usual: Any) -> dict[str, Any]:
    """A section with a panel, each line of which has what is usual for its kind of judge."""
    panel = section.get("panel")
    if not (isinstance(usual, dict) and isinstance(panel, list)):
        return section
    return {**section, "panel": [with_usual(judge, usual) if isinstance(judge, dict) else judge
                                 for judge in panel]}


def with_usual(judge: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    """A line of the panel with what its kind of judge has beside."""
    kind, server = judge.get("kind"), judge.get("endpoint")
    common: dict[str, Any] = {name: usual[name] for name in ("votes", "screens", "guided", "prompt")
                              if name in usual}
    if kind == "chat":
        common |= {name: usual[name] for name in ("temperature", "max_tokens") if name in usual}
    if kind == "endpoint" and isinstance(server, dict) and isinstance(usual.get("endpoint"), dict):
        judge = {**judge, "endpoint": {**usual["endpoint"], **server}}
    if kind in ("encoder", "lexical") and isinstance(usual.get(kind), dict):
        own = judge.get(kind, {})
        judge = {**judge, kind: {**usual[kind], **own} if isinstance(own, dict) else own}
    return {**common, **judge}
