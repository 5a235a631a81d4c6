"""Where abstracts come from, and how many candidates are drawn from them."""
from typing import Literal

from pydantic import Field

from lib.core.sections.section import Section, Share


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
