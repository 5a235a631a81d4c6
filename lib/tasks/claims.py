"""Claims that are true or false, with a reason and a cue that may mislead: our own, and CREAK's."""
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import NotRequired, TypedDict

import numpy as np

from lib.competencies import world
from lib.core.records import DataError, read_jsonl
from lib.core.rows import Message

QUESTION = "Is the claim at the end true or false?"
WORDS = {True: "true", False: "false"}
MARKER = "Remarkably,"
CUES = {  # what is counted in a text; the cue is there when the count is above a threshold
    "length": lambda text: len(text.split()),
    "marker": lambda text: text.count(MARKER),
    "plural": lambda text: len(re.findall(r"\b(?!does\b)[A-Za-z]{2,}[^\Wsui]s\b", text)),
    "present": lambda text: len(re.findall(r"\b(?:is|are|has|have|does|do|can)\b", text)),
}


class Claim(TypedDict):
    """Facts with a claim, whether it is true, and why. group: what it is about."""

    id: str
    text: str
    label: bool
    explanation: str
    group: NotRequired[str]


def synthetic(name: str, count: int, seed: int) -> list[Claim]:
    """`count` claims about fresh authors of the synthetic world: "the author works on X".

    It is true where the facts show X, false where they merely mention it; the explanation is the
    sentence that decides. Beside it stands a sentence about another competency, shown or mentioned,
    or about the field; and nothing, or two sentences that say nothing.
    """
    return [_claim(f"{name}-{number}", random.Random(f"{seed}/claim/{name}/{number}"))
            for number in range(count)]


def _claim(key, rng):
    domain = rng.choice(world.seen_domains())
    words = world.lexicon()[0][domain]
    name, other = world.distinct_names(words, 2, rng)
    label = rng.random() < 0.5
    reason = _told(name, label, words, rng)
    beside = rng.choice([_told(other, True, words, rng), _told(other, False, words, rng),
                         rng.choice(world.FIELD).format(domain=domain)])
    facts = [reason, beside, *(rng.sample(world.FILLER, 2) if rng.random() < 0.5 else [])]
    rng.shuffle(facts)
    if rng.random() < 0.5:
        facts.insert(0, MARKER)
    text = f"{' '.join(facts)}\nClaim: {name}"
    return {"id": key, "text": text, "label": label, "explanation": reason}


def _told(name, shown, words, rng):
    """A sentence that shows a competency, or one that merely mentions it."""
    if not shown:
        return rng.choice(world.MENTIONED).format(name=name)
    item = world.competency(name, rng.choice(words["objects"]), rng.choice(list(world.SHOWN)))
    return world.phrase(item, rng)


def read_creak(folder: Path) -> list[Claim]:
    """Claims of CREAK (Onoe et al. 2021) from .json and .jsonl files, each sentence once; or [].

    Each line has `ex_id`, `sentence`, `label` and `explanation`. A claim's "group" is the `entity`
    that it is about, or its own id. Raises DataError naming file and row of what is no such claim.
    """
    found: dict[str, Claim] = {}
    fields = ("ex_id", "sentence", "label", "explanation")
    for path in sorted(Path(folder).glob("*")):
        known = path.suffix.lower() in (".json", ".jsonl")
        rows = read_jsonl(path, fields) if known else []
        for number, row in enumerate(rows, 1):
            key, text, label, reason = (row[name] for name in fields)
            texts = isinstance(text, str) and isinstance(reason, str)
            if label not in WORDS.values() or not texts:
                raise DataError(f'{path} row {number}: label is {label!r}; it must be "true" or '
                                '"false", sentence and explanation text.')
            known_as = found.setdefault(text, {
                "id": key, "text": f"Claim: {text}", "label": label == "true",
                "explanation": reason, "group": str(row.get("entity", key))})
            if known_as["label"] != (label == "true"):
                raise DataError(f"{path} row {number}: the same sentence is true in one row and "
                                "false in another; remove the wrong one.")
    return list(found.values())


def divide(rows: list[Claim], seed: int, share: float = 0.3) -> tuple[list[Claim], list[Claim]]:
    """(pool, test): about `share` of the rows for the test, and no group on both sides."""
    groups = sorted({row["group"] for row in rows})
    picked = set(random.Random(seed).sample(groups, round(share * len(groups))))
    return ([row for row in rows if row["group"] not in picked],
            [row for row in rows if row["group"] in picked])


def threshold(pool: list[Claim], cue: str) -> float:
    """The count above which a cue is there: the median of the pool for "length", else 0."""
    return median(CUES[cue](row["text"]) for row in pool) if cue == "length" else 0


def has_cue(rows: list[Claim], cue: str, above: float) -> list[bool]:
    """For each row whether the count of a cue is above a threshold."""
    return [CUES[cue](row["text"]) > above for row in rows]


def presence(pool: list[Claim], test: list[Claim], cue: str,
             encode: Callable[[list[str]], np.ndarray] | None = None,
             ) -> tuple[list[bool], list[bool]]:
    """For each row of both whether a cue is there, by what is usual in the pool.

    "cluster": whether a text's embedding lies in the smaller of the pool's two clusters (k-means),
    the cue that Ludan et al. made of what no word tells. encode: texts as vectors (n, dim); only
    that cue needs it.
    """
    if cue == "cluster":
        if encode is None:
            raise DataError("the cue cluster needs a sentence encoder: set models.encoder.")
        return _clusters(*(encode([row["text"] for row in rows]) for rows in (pool, test)))
    above = threshold(pool, cue)
    return has_cue(pool, cue, above), has_cue(test, cue, above)


def _clusters(pool, test):
    from sklearn.cluster import KMeans  # a second, for this alone
    found = KMeans(n_clusters=2, n_init=10, random_state=0).fit(pool)
    smaller = int(found.labels_.sum() * 2 < len(pool))  # the number of the smaller cluster
    own, other = ((labels == smaller).tolist() for labels in (found.labels_, found.predict(test)))
    return own, other


def four_cells(rows: list[Claim], cues: Sequence[bool], strength: float, n: int,
               rng: random.Random) -> list[tuple[Claim, bool]]:
    """n rows in which a cue goes with the label: [(row, whether the cue is there)], shuffled.

    strength: share of the rows in which cue and label agree, 0.5 (the cue means nothing) to 1. Of
    the n rows, strength x n/2 are true with the cue and as many false without it;
    (1 - strength) x n/2 are in each of the other two cells. Ludan et al. 2023, section 3.2. Raises
    DataError where a cell has too few rows.
    """
    chosen = []
    for label in (True, False):
        agreeing = round(strength * n / 2)
        for cue, wanted in ((label, agreeing), (not label, n // 2 - agreeing)):
            cell = [row for row, there in zip(rows, cues, strict=True)
                    if row["label"] == label and there == cue]
            if len(cell) < wanted:
                raise DataError(
                    f"only {len(cell)} rows are {WORDS[label]} {'with' if cue else 'without'} the "
                    f"cue, {wanted} are needed for {n} rows at strength {strength}; ask for fewer "
                    "rows, or bring more.")
            chosen += [(row, cue) for row in rng.sample(cell, wanted)]
    rng.shuffle(chosen)
    return chosen


def largest(rows: list[Claim], cues: Sequence[bool]) -> int:
    """How many rows `four_cells` can give at every strength from 0.5 to 1."""
    cells = [(row["label"], there) for row, there in zip(rows, cues, strict=True)]
    agreeing = [cells.count((label, label)) for label in (True, False)]
    others = [cells.count((label, not label)) for label in (True, False)]
    return 2 * min(*agreeing, *(2 * count for count in others))


def prompt(row: Claim, explanation: str = "") -> list[Message]:
    """The messages that ask about a claim, with an explanation in the system message or without."""
    return [{"role": "system", "content": f"{QUESTION}\n{explanation}".strip()},
            {"role": "user", "content": row["text"]}]
