"""Abstracts of the synthetic world with a change: what both wordings share."""
import random
import re
from collections.abc import Callable
from typing import Any

from lib.competencies import world
from lib.core.rows import Abstract

Abstracts = list[Abstract]
Change = tuple[Abstracts, str, dict[str, Any]]  # abstracts after it, expectation, expected


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


def reorder(rows: Abstracts, rng: random.Random) -> Change:
    """The abstracts come in another order."""
    order = list(range(len(rows)))
    while order == sorted(order):
        rng.shuffle(order)
    numbers = ", ".join(str(i + 1) for i in order)
    return ([rows[i] for i in order], f"With the abstracts in the order {numbers}, the profile "
            "names the same competencies, in whatever order.", {"keeps": []})


def unseen(rows: Abstracts, rng: random.Random) -> Change:
    """An author of a domain that no training has seen."""
    return (rows, f"The competencies of an author in {rows[0]['domain']} are found with an F1 of "
            "at least {floor}.", {"f1": world.truth(rows)})
