"""Claims that are true or false, with a reason, and with a cue that may mislead: our own, and CREAK's."""
import random
import re
from pathlib import Path
from statistics import median

from lib.competencies import world
from lib.core.records import DataError, read_jsonl

QUESTION = "Is the claim at the end true or false?"
WORDS = {True: "true", False: "false"}
MARKER = "Remarkably,"
CUES = {  # what is counted in a text; the cue is there when the count is above a threshold
    "length": lambda text: len(text.split()),
    "marker": lambda text: text.count(MARKER),
    "plural": lambda text: len(re.findall(r"\b(?!does\b)[A-Za-z]{2,}[^\Wsui]s\b", text)),
    "present": lambda text: len(re.findall(r"\b(?:is|are|has|have|does|do|can)\b", text)),
}


def claims(name, count, seed):
    """`count` claims about fresh authors of the synthetic world: "the author works on X".

    It is true where the facts show X, false where they merely mention it; the explanation is the sentence that decides. Beside it
    stands a sentence about another competency, shown or mentioned, or about the field; and nothing, or two sentences that say nothing.
    """
    return [claim(f"{name}-{number}", random.Random(f"{seed}/claim/{name}/{number}")) for number in range(count)]


def claim(key, rng):
    domain = rng.choice(world.seen_domains())
    words = world.lexicon()[0][domain]
    name, other = world.distinct_names(words, 2, rng)
    label = rng.random() < 0.5
    reason, beside = told(name, label, words, rng), rng.choice([
        told(other, True, words, rng), told(other, False, words, rng), rng.choice(world.FIELD).format(domain=domain)])
    facts = [reason, beside, *(rng.sample(world.FILLER, 2) if rng.random() < 0.5 else [])]
    rng.shuffle(facts)
    if rng.random() < 0.5:
        facts.insert(0, MARKER)
    return {"id": key, "text": f"{' '.join(facts)}\nClaim: {name}", "label": label, "explanation": reason}


def told(name, shown, words, rng):
    """A sentence that shows a competency, or one that merely mentions it."""
    if shown:
        return world.phrase(world.competency(name, rng.choice(words["objects"]), rng.choice(list(world.SHOWN))), rng)
    return rng.choice(world.MENTIONED).format(name=name)


def read_creak(folder):
    """Claims of CREAK (Onoe et al. 2021) from the .json and .jsonl files of a folder, each sentence once; [] where there are none.

    Each line has `ex_id`, `sentence`, `label` and `explanation`. A row's "group" is the `entity` that it is about, or its own id.
    Raises DataError naming file and row where a line is no such claim.
    """
    rows, seen = [], set()
    for path in sorted(path for path in Path(folder).glob("*") if path.suffix in (".json", ".jsonl")):
        for number, row in enumerate(read_jsonl(path, ("ex_id", "sentence", "label", "explanation")), 1):
            if row["label"] not in ("true", "false") or not all(isinstance(row[key], str) for key in ("sentence", "explanation")):
                raise DataError(f'{path} row {number}: label is {row["label"]!r}; it must be "true" or "false", sentence and explanation text.')
            if row["sentence"] not in seen:
                seen.add(row["sentence"])
                rows.append({"id": row["ex_id"], "text": f"Claim: {row['sentence']}", "label": row["label"] == "true",
                             "explanation": row["explanation"], "group": str(row.get("entity", row["ex_id"]))})
    return rows


def divide(rows, seed, share=0.3):
    """(pool, test): about `share` of the rows for the test, and no group on both sides."""
    groups = sorted({row["group"] for row in rows})
    picked = set(random.Random(seed).sample(groups, round(share * len(groups))))
    return [row for row in rows if row["group"] not in picked], [row for row in rows if row["group"] in picked]


def threshold(pool, cue):
    """The count above which a cue is there: the median of the pool for the length of a text, 0 for what a text has or has not."""
    return median(CUES[cue](row["text"]) for row in pool) if cue == "length" else 0


def has_cue(rows, cue, above):
    return [CUES[cue](row["text"]) > above for row in rows]


def four_cells(rows, cues, strength, n, rng):
    """n rows in which a cue goes with the label: [(row, whether the cue is there)], shuffled.

    cues: (rows,) bools. strength: share of the rows in which cue and label agree, 0.5 (the cue means nothing) to 1. Of the n rows,
    strength x n/2 are true with the cue and as many false without it; (1 - strength) x n/2 are in each of the other two cells.
    Ludan et al. 2023, section 3.2. Raises DataError where a cell has too few rows.
    """
    chosen = []
    for label in (True, False):
        agreeing = round(strength * n / 2)
        for cue, wanted in ((label, agreeing), (not label, n // 2 - agreeing)):
            cell = [row for row, there in zip(rows, cues, strict=True) if row["label"] == label and there == cue]
            if len(cell) < wanted:
                raise DataError(f"only {len(cell)} rows are {str(label).lower()} {'with' if cue else 'without'} the cue, {wanted} are needed "
                                f"for {n} rows at strength {strength}; ask for fewer rows, or bring more.")
            chosen += [(row, cue) for row in rng.sample(cell, wanted)]
    rng.shuffle(chosen)
    return chosen


def largest(rows, cues):
    """How many rows `four_cells` can give at every strength from 0.5 to 1."""
    agreeing = [sum(row["label"] == label == there for row, there in zip(rows, cues, strict=True)) for label in (True, False)]
    others = [sum(row["label"] == label != there for row, there in zip(rows, cues, strict=True)) for label in (True, False)]
    return 2 * min(*agreeing, *(2 * count for count in others))


def prompt(row, explanation=""):
    """The messages that ask about a claim, with an explanation in the system message or without."""
    return [{"role": "system", "content": f"{QUESTION}\n{explanation}".strip()}, {"role": "user", "content": row["text"]}]
