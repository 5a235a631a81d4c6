"""What a record of each sentiment set means: (text, label, source), or why it is unusable.

Every set numbers its labels in its own way, and each has traps, which are counted.
"""
import math
import re
from collections import Counter
from typing import Any

from lib.core.records import well_formed
from lib.tasks.sentiment_synthetic import LABELS

Record = dict[str, Any]
Meaning = tuple[str, str, str] | str

NUMBERED = {  # what the numbers mean, which differs from set to set
    "tfns": {"0": "negative", "1": "positive", "2": "neutral"},
    "fiqa": {"0": "positive", "1": "neutral", "2": "negative"},
    "fpb": {"0": "negative", "1": "neutral", "2": "positive"},
    "nwgi": {},
}
STRENGTHS = {  # the seven labels of NWGI
    "strong negative": "negative", "moderately negative": "negative", "mildly negative": "neutral",
    "neutral": "neutral",
    "strong positive": "positive", "moderately positive": "positive", "mildly positive": "neutral",
}
CODE_PAGE = re.compile(r"\+([^\x00-\x7f])")


def tfns(record: Record, counts: Counter) -> Meaning:
    """Twitter Financial News Sentiment."""
    found = _labelled(record, ("text",), "tfns", "tweet")
    several = not isinstance(found, str) and "\n" in found[0].strip()
    counts["texts over several lines"] += several
    return found


def fpb(record: Record, counts: Counter) -> Meaning:
    """Financial PhraseBank."""
    return _labelled(record, ("sentence", "text"), "fpb", "news")


def nwgi(record: Record, counts: Counter) -> Meaning:
    """News with GPT instructions, in seven classes."""
    found = _labelled(record, ("news", "text"), "nwgi", "news", STRENGTHS)
    if not isinstance(found, str):
        mildly = str(record["label"]).strip().lower().startswith("mildly")
        counts["mildly ... read as neutral"] += mildly
    return found


def fiqa(record: Record, counts: Counter) -> Meaning:
    """FiQA, one target of a sentence a record, by the score where there is one.

    Below -0.1 it is negative, from 0.1 positive, neutral between.
    """
    counts["targets of sentences with several"] += record.get("targets", 1) not in (0, 1)
    kind = str(record.get("format", record.get("type", ""))).lower()
    source, columns = "tweet" if kind == "post" else "news", ("sentence", "text")
    score = record.get("sentiment_score", record.get("score"))
    if score is None:
        return _labelled(record, columns, "fiqa", source)
    try:
        value = float(score)
    except (TypeError, ValueError, OverflowError):
        return f"the score {score!r} is no number"
    if not (math.isfinite(value) and -1 <= value <= 1):
        return f"the score {score!r} is outside -1 to 1"
    label = "negative" if value < -0.1 else "neutral" if value < 0.1 else "positive"
    given = NUMBERED["fiqa"].get(_number(record.get("label")), label)
    counts["labels that contradict the score"] += given != label
    return _labelled({**record, "label": label}, columns, "fiqa", source)


INTERPRETERS = {"tfns": tfns, "fiqa": fiqa, "fpb": fpb, "nwgi": nwgi}


def mended(text: str) -> str:
    """Undo a double mistake of Financial PhraseBank ("Sepp+ñl+ñ").

    UTF-8 was read as code page 850, whose frame became a plus sign.
    """
    def letter(match):
        try:
            return (b"\xc3" + match[1].encode("cp850")).decode("utf-8")
        except UnicodeError:
            return match[0]
    return CODE_PAGE.sub(letter, text)


def _labelled(record, columns, name, source, words=None):
    """(text, label, source) of a record, or the reason why it cannot be used.

    columns: names that the text may have. words: labels by other names than ours.
    """
    column = next((key for key in columns if key in record), None)
    if column is None or "label" not in record:
        missing = columns[0] if column is None else "label"
        return f"no column {missing!r} (found: {', '.join(map(str, record))})"
    text, said = record[column], str(record["label"]).strip().lower()
    if not isinstance(text, str) or not text.strip():
        return "the text is empty"
    known = words or {label: label for label in LABELS}
    label = NUMBERED[name].get(_number(said)) or known.get(said)
    return (well_formed(text), label, source) if label else f"unknown label {record['label']!r}"


def _number(value):
    """A label's number as in NUMBERED: 1, "1" and "1.0" are all "1"; other things stay."""
    return re.sub(r"\.0+$", "", str(value).strip())
