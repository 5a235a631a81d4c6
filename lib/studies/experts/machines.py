"""Judges that are programs, on the very pairs that experts see."""
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lib.competencies.profiles import render
from lib.competencies.prompts import document
from lib.core.records import read_jsonl
from lib.core.rows import Comparison, Prompt
from lib.core.sections.preset import Preset
from lib.endpoint.store import Calls
from lib.judging.judges import VALUE
from lib.judging.panel import Training, assemble
from lib.studies.experts import strengths
from lib.studies.experts.design import Item

Labels = dict[str, str | None]  # {item: "a", "b" or "tie" as in `judgments`, None: cannot tell}
LABEL = {1: "a", -1: "b", 0: "tie"}


def labels(items: list[Item], judge: Any) -> Labels:
    """A judge's label for each item, to set beside those of `judgments`.

    judge: has `votes(comparisons)`. Each pair is put to it in both orders; where these contradict
    each other it is a tie, where one of them says nothing valid, the other decides.
    """
    asked = []
    for item in items:
        one, other = texts(item)
        shown = document(item["abstracts"])
        for left, right in ((one, other), (other, one)):
            asked.append(Comparison(id=item["prompt"], abstracts=shown, left=left, right=right,
                                    repeat=0))
    said = [VALUE[vote["winner"]] for vote in judge.votes(asked)] if asked else []
    found: Labels = {}
    for item, first, second in zip(items, said[::2], said[1::2], strict=True):
        valid = [value for value in (first, None if second is None else -second)
                 if value is not None]
        total = sum(valid)
        found[item["item"]] = LABEL[(total > 0) - (total < 0)] if valid else None
    return found


def texts(item: Item) -> tuple[str, str]:
    """The two profiles of an item as texts, "a" and "b" of its labels."""
    one, other = (render(item["profiles"][name]["profile"]) for name in sorted(item["profiles"]))
    return one, other


def by_prompt(items: Iterable[Item]) -> dict[str, list[str]]:
    """All texts that are compared, by the id of their prompt."""
    found: dict[str, list[str]] = {}
    for item in items:
        known = found.setdefault(item["prompt"], [])
        known += [text for text in texts(item) if text not in known]
    return found


def judgments(items: list[Item], found: Labels) -> list[dict[str, Any]]:
    """A judge's labels as rows for `strengths`, one for each item."""
    rows = []
    for item in items:
        one, other = (item["profiles"][name]["model"] for name in sorted(item["profiles"]))
        winner = {"a": one, "b": other, "tie": "tie", None: None}[found[item["item"]]]
        rows.append({"prompt": item["prompt"], "pair": tuple(item["pair"]), "left": one,
                     "right": other, "winner": winner})
    return rows


def preferences(items: list[Item], found: Labels, seed: int = 0) -> dict[str, Any]:
    """What a judge prefers on the items: {"shares": {model: Rate}, "bradley_terry": ...}.

    Intervals are over texts: there is one judge.
    """
    rows = judgments(items, found)
    return {"shares": strengths.preferences(rows, ("prompt",), seed),
            "bradley_terry": strengths.bradley_terry(rows, ("prompt",), seed)}


def learnt_from(rows: list[Prompt], candidates: Path) -> Training:
    """What judges that learn may learn from: training prompts, and candidates where there are any.

    rows: prompts of all splits. candidates: the file of what the base wrote to them.
    """
    train = [row for row in rows if row["split"] == "train"]
    ids = {row["id"] for row in train}
    written = read_jsonl(candidates, ("id", "completions")) if candidates.exists() else []
    return Training(train, {row["id"]: row["completions"] for row in written if row["id"] in ids})


def panel_labels(settings: Preset, items: list[Item], prompts: list[Prompt], training: Training,
                 calls: Calls, work: Path) -> dict[str, Labels]:
    """The labels of each judge of judging.panel: {name: labels}. prompts: those of the items."""
    board = assemble(settings, prompts, by_prompt(items), calls, work, training)
    return {name: labels(items, judge) for name, judge in board.known.items()}
