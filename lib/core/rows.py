"""The rows that rooms hand to each other, and that lie in data/ as JSON Lines.

Who reads a signature looks them up here.
"""
from typing import Any, Literal, NotRequired, TypedDict


class Message(TypedDict):
    """One turn of a chat."""
    role: Literal["system", "user", "assistant"]
    content: str


class Competency(TypedDict):
    """What an author can do, and one or two sentences on it.

    confidence: the model's own in the name, from 0 to 1, where `extract` asked for it. places:
    the pages or sections that it was found in, where a whole document was read. aliases: in a
    truth, other names that mean the same; wordings: all descriptions that do.
    """
    name: str
    description: str
    confidence: NotRequired[float | None]
    places: NotRequired[list[str]]
    aliases: NotRequired[list[str]]
    wordings: NotRequired[list[str]]


class Profile(TypedDict):
    """What a model writes of an author."""
    domain: str
    competencies: list[Competency]


class Abstract(TypedDict):
    """One abstract; the truth is known for synthetic authors only.

    references, subjects: terms that people gave the text, free ones and those of a thesaurus.
    """
    id: str
    author: str
    title: str
    text: str
    references: NotRequired[list[str]]
    subjects: NotRequired[list[str]]
    domain: NotRequired[str]
    truth: NotRequired[dict[str, Any]]


class Part(TypedDict):
    """A page or a section of a document, or a chunk of one."""
    place: str
    text: str


class Document(TypedDict):
    """A whole text in parts. abstract: "" for none. references: terms that people gave it."""
    id: str
    author: str
    title: str
    abstract: str
    parts: list[Part]
    references: NotRequired[list[str]]


class Group(TypedDict):
    """The abstracts that one profile is written from; domain and truth are None where unknown."""
    id: str
    author: str
    split: NotRequired[str]
    domain: NotRequired[str | None]
    truth: NotRequired[Profile | None]
    references: NotRequired[list[str]]
    abstracts: list[Abstract]


class Shown(TypedDict):
    """An abstract as its prompt shows it: without control tokens, shortened if need be."""
    title: str
    text: str


class Example(TypedDict):
    """A text that a prompt may show before its question, and the profile known of it."""
    id: str
    author: str
    abstracts: list[Shown]
    profile: Profile


class Prompt(TypedDict):
    """One chat that asks for a profile; its abstracts also stand apart, in the chat's order.

    examples: ids of those that it shows before its question, where it shows any.
    """
    id: str
    author: str
    split: str
    domain: str | None
    truth: Profile | None
    references: NotRequired[list[str]]
    abstracts: list[Shown]
    messages: list[Message]
    examples: NotRequired[list[str]]


class Rejected(TypedDict):
    """What could not be read, where it stands, and why."""
    file: str
    line: int
    reason: str


class Completion(TypedDict):
    """What a model wrote; `finished` is False where the length limit cut it off.

    ids, logps: of each token, where asked for; the log-probability is that without temperature.
    """
    text: str
    tokens: int
    finished: bool
    ids: NotRequired[list[int]]
    logps: NotRequired[list[float]]


class Candidates(TypedDict):
    """K answers to one prompt; status: "ok", "unfinished", "unreadable" or "duplicate" for each."""
    id: str
    author: str
    split: str
    messages: list[Message]
    completions: list[str]
    profiles: list[Profile | None]
    model: str
    tokens: list[int]
    status: list[str]


class Comparison(TypedDict):
    """What a judge is asked: two texts about one prompt. Another `repeat` asks the same anew."""
    id: str
    abstracts: str
    left: str
    right: str
    repeat: int


class Vote(TypedDict):
    """What one judge says of one comparison; None where it says nothing valid."""
    winner: Literal["left", "right", "tie"] | None
    status: str
    reason: str


class Verdict(Vote):
    """A vote as it is kept: left and right are indices of candidates.

    order: 1 where the smaller index stands left, else 2.
    """
    id: str
    left: int
    right: int
    order: int
    judge: str
    repeat: NotRequired[int]


class Preference(TypedDict):
    """One pair in TRL's conversational form; margin in logits between the two strengths."""
    id: str
    author: str
    split: str
    prompt: list[Message]
    chosen: list[Message]
    rejected: list[Message]
    margin: float


class Written(TypedDict):
    """One profile by one model: the text, and what could be read out of it."""
    id: str
    text: str
    tokens: int
    finished: bool
    profile: Profile | None


class Rate(TypedDict):
    """A rate or a mean with its 95 % interval; None where nothing is known."""
    rate: float | None
    low: float | None
    high: float | None
    n: int


class Labelled(TypedDict):
    """A text, a question, its answer; our own sets also say what is true, what makes it hard."""
    id: str
    instruction: str
    text: str
    label: str
    set: NotRequired[str]
    truth: NotRequired[str]
    kind: NotRequired[str]


class Request(TypedDict):
    """One call to a language model."""
    messages: list[Message]
    repeat: NotRequired[int]
    seed: NotRequired[int]
