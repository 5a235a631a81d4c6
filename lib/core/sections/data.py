"""Where abstracts come from, what is shown before them, how many candidates are drawn."""
from typing import Literal

from pydantic import Field

from lib.core.sections.section import Section, Seed, Share


class Columns(Section):
    """What a user's files call the things that are read from them."""
    id: str
    author: str
    title: str
    text: str
    references: str
    subjects: str


class OpenAlex(Section):
    """Whose works are fetched, and how many."""
    institution: str
    authors: int = Field(ge=1)
    abstracts_per_author: int = Field(ge=1, le=20)


class Authors(Section):
    """Authors per split."""
    warm_start: int = Field(ge=0)
    train: int = Field(ge=1)
    validation: int = Field(ge=1)
    test: int = Field(ge=1)
    held_out: int = Field(ge=0)


class Data(Section):
    """Where abstracts come from, and when two of them are too similar."""
    source: Literal["synthetic", "files", "openalex"]
    wording: Literal["plain", "open"]
    seed: int = Seed
    authors: Authors
    path: str
    test_path: str
    shown: bool
    columns: Columns
    group_size: int = Field(ge=1, le=50)
    openalex: OpenAlex
    near_duplicate: float = Share
    contamination_words: int = Field(ge=3)


class Candidates(Section):
    """How the base model is sampled."""
    k: int = Field(ge=2, le=64)
    temperature: float = Field(gt=0, le=5)
    top_p: float = Field(gt=0, le=1)
    seed: int = Seed
    near_duplicate: float = Share


Choice = Literal["random", "nearest", "diverse"]


class Examples(Section):
    """Texts of others with their profiles, shown before the question; with k = 0 there are none."""
    k: int = Field(ge=0, le=5)
    choose: Choice
    source: Literal["warm_start", "train", "validation"]
    relevance: float = Share
    seed: int = Seed
    max_prompt_tokens: int = Field(ge=64)
