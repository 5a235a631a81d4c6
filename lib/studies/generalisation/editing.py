"""Abstracts of the synthetic world with a change: a sentence more, less, or another one."""
import random
import re
from collections.abc import Callable

from lib.core.rows import Abstract

Abstracts = list[Abstract]


def shown(rows: Abstracts) -> list[str]:
    return [item["name"] for row in rows for item in row["truth"]["shown"]]


def sentences(row: Abstract) -> list[str]:
    return re.split(r"(?<=\.) ", row["text"])


def inserted(rows: Abstracts, abstract: int, sentence: str, rng: random.Random) -> Abstracts:
    """The abstracts with a sentence put into one of them, never before its first."""
    parts = sentences(rows[abstract])
    parts.insert(rng.randint(1, len(parts)), sentence)
    changed: Abstract = {**rows[abstract], "text": " ".join(parts)}
    return [*rows[:abstract], changed, *rows[abstract + 1:]]


def edited(rows: Abstracts, change: Callable[[str], str]) -> Abstracts:
    """The abstracts with each sentence changed; an abstract that loses its only sentence goes."""
    texts = [" ".join(filter(None, map(change, sentences(row)))) for row in rows]
    return [{**row, "text": text} for row, text in zip(rows, texts) if text]
