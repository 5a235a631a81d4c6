"""What page 13 measures of documents that were read: its papers, its controls, its numbers."""
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from lib.competencies import personal, whole_texts
from lib.core.records import DataError
from lib.core.rows import Candidates, Document, Prompt, Rate, Rejected, Written
from lib.core.sections.reading import Reading
from lib.core.settings import ROOT
from lib.metrics import stats
from lib.studies import merging, reading, references
from lib.tasks import skills

SCORES = ("f1", "soft_f1", "precision", "recall")
TERMS = {**whole_texts.COLUMNS, "references": "keyphrases"}


def papers(wanted: Reading) -> tuple[list[Document], list[Rejected]]:
    """The first papers that have an abstract and terms, and what is left out, with the reason.

    Raises DataError where there is no file.
    """
    place = ROOT / wanted.trial.papers_path
    if not place.exists():
        raise DataError(f"{wanted.trial.papers_path} is missing; data/fulltext/README.md says "
                        "where to get it.")
    found, rejected = whole_texts.read(place, "paper", TERMS)
    usable = [row for row in found if row["abstract"] and row.get("references")]
    taken = {row["line"] for row in rejected}
    lines = (line for line in count(1) if line not in taken)
    rejected += [Rejected(file=place.name, line=line, reason=f"{row['id']}: no abstract or terms "
                          "apart from the text") for line, row in zip(lines, found)
                 if row not in usable]
    return usable[:wanted.trial.papers], rejected


def advertisements(wanted: Reading) -> tuple[list[Document], list[Rejected]]:
    """The first advertisements with marked skills, evenly of both sources, and what is unread."""
    found, rejected = skills.read(ROOT / wanted.trial.advertisements_path)
    usable = [row for row in found if row.get("references")]
    step = max(1, len(usable) // wanted.trial.advertisements)
    return usable[::step][:wanted.trial.advertisements], rejected


def resampled(documents: Sequence[Document], drawn: Sequence[Candidates],
              merger: reading.Merging) -> list[Written]:
    """Several answers to one prompt, merged as those of chunks are: merging without more to read.
    """
    rows = []
    for document, row in zip(documents, drawn, strict=True):
        answers = [Written(id=row["id"], text=text, tokens=tokens, profile=profile,
                           finished=status != "unfinished")
                   for text, tokens, profile, status in zip(
                       row["completions"], row["tokens"], row["profiles"], row["status"])]
        rows.append(reading.as_one(document["id"], answers, ["abstract"] * len(answers), merger))
    return rows


def another(prompts: Sequence[Prompt]) -> list[Prompt]:
    """The same documents with the terms of the next one: what any profile of the field gets."""
    following = [*prompts[1:], *prompts[:1]]
    return [{**prompt, "references": other.get("references", [])}
            for prompt, other in zip(prompts, following)]


def numbers(measured: references.Measured) -> dict[str, Any]:
    """Means with intervals over documents, the share that keeps the format, and lengths."""
    found = references.means(measured)
    return {**{score: found[score] for score in SCORES}, "format": found["compliant"],
            "competencies": found["competencies"], "n": len(measured)}


def differences(measured: Mapping[str, references.Measured], ours: str,
                theirs: str) -> dict[str, Rate]:
    """The paired differences of two ways of reading, with intervals over documents."""
    return {score: references.difference(measured[ours], measured[theirs], score)
            for score in SCORES}


def pointers(documents: Sequence[Document], written: Sequence[Written],
             read: reading.Chunks) -> dict[str, Rate]:
    """How often the place that a competency points to holds its name, and how often others do.

    Means over competencies, with intervals over documents.
    """
    rows = [(row["id"], *pair) for document, row in zip(documents, written, strict=True)
            for pair in merging.pointed(row["profile"], read[document["id"]])]
    names = [row[0] for row in rows]
    return {"own": stats.mean([row[1] for row in rows], names),
            "other": stats.mean([row[2] for row in rows], names)}


def held(documents: Sequence[Document], read: reading.Chunks) -> Rate:
    """The share of terms whose stems stand in what was read, a mean over documents.

    No name that is taken from there can have a higher recall.
    """
    texts = ["\n".join(part["text"] for part in read[document["id"]]) for document in documents]
    return stats.mean([sum(merging.holds(text, term) for term in terms) / len(terms)
                       for document, text in zip(documents, texts)
                       if (terms := document.get("references"))])


def personal_data(documents: Sequence[Document]) -> dict[str, int]:
    """How many pieces of personal data of each kind the patterns find in documents."""
    counts = dict.fromkeys(personal.PATTERNS, 0)
    for document in documents:
        for kind, found in personal.left_out(document)[1].items():
            counts[kind] += found
    return counts
