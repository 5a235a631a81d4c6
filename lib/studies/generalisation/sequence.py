"""Forgetting in sequence: a model learns one task after another, and is measured on all each time.

Beside plain tuning of all weights stand three remedies: adapters, one for each task and merged
before the next; replay of a share of the earlier tasks' rows (Robins 1995, "Catastrophic
forgetting, rehearsal and pseudorehearsal"); and all tasks at once, which has no sequence.
"""
import random
from collections.abc import Sequence
from typing import Any

from lib.core.rows import Rate
from lib.core.sections.preset import Preset
from lib.core.sections.studies import Forgetting
from lib.metrics import stats
from lib.models import loading
from lib.studies.generalisation import forgetting
from lib.studies.generalisation.forgetting import Lesson
from lib.training import sft

# How each remedy tunes: by which of forgetting.methods.
REMEDIES = {"full": "full", "lora": "lora", "replay": "full", "multi_task": "multi_task"}
Step = dict[str, Rate]  # {task: a number}, in the units of forgetting.MEASURES


def remedies(study: Forgetting) -> list[str]:
    """Those whose settings are not left out by null."""
    methods: Any = study.methods
    return [name for name, method in REMEDIES.items() if methods[method] is not None]


def trial(settings: Preset, start: str, remedy: str, given: dict[str, dict[str, list[Any]]],
          ) -> list[Step]:
    """Every task's number after each step of tuning; one step for each task of forgetting.order.

    start: the model's name. given: as `forgetting.tasks` returns. "multi_task" has a single step;
    "before", for a remedy, measures the model as it is.
    """
    study = settings.generalisation.forgetting
    tests = {task: part["test"] for task, part in given.items()}
    model, tokenizer = loading.load(start, settings.models.dtype, settings.runtime.device)
    if remedy == "before":
        return [forgetting.measure(model, tokenizer, tests, settings.models)]
    methods: Any = study.methods
    tuning = methods[REMEDIES[remedy]]
    found = []
    for rows in lessons(remedy, study.order, given, study.replay, study.seed):
        model, _, _ = sft.tune(model, tokenizer, rows, tuning)
        if tuning.method == "lora":
            model = loading.merge(model)
        found.append(forgetting.measure(model, tokenizer, tests, settings.models))
    return found


def lessons(remedy: str, order: Sequence[str], given: dict[str, dict[str, list[Any]]],
            share: float, seed: int) -> list[list[Lesson]]:
    """What each step is trained on; with "replay" a share of each earlier task's rows comes along.

    The share is drawn again for each step.
    """
    own = [list(given[task]["train"]) for task in order]
    if remedy == "multi_task":
        return [sum(own, [])]
    if remedy != "replay":
        return own
    draw = random.Random(seed)
    return [rows + [row for earlier in own[:number]
                    for row in draw.sample(earlier, round(share * len(earlier)))]
            for number, rows in enumerate(own)]


def kept(order: Sequence[str], steps: Sequence[Step]) -> dict[str, dict[str, float | None]]:
    """What each task had when it was learnt, has at the end, and the difference.

    steps: as `trial` returns, of a remedy with one for each task. {task: {"learnt", "end",
    "change"}}; None where it was not measured. The mean change of all tasks but the last is the
    backward transfer of Lopez-Paz and Ranzato (2017), "Gradient Episodic Memory".
    """
    found = {}
    for number, task in enumerate(order):
        learnt, end = (step[task]["rate"] for step in (steps[number], steps[-1]))
        known = learnt is not None and end is not None
        found[task] = {"learnt": learnt, "end": end,
                       "change": end - learnt if known else None}  # type: ignore[operator]
    return found


def backward_transfer(order: Sequence[str], steps: Sequence[Step]) -> float | None:
    """The mean of `kept`'s changes over all tasks but the last; None where none is known."""
    changes = [one["change"] for one in list(kept(order, steps).values())[:-1]]
    known = [change for change in changes if change is not None]
    return stats.mean(known, kind="difference")["rate"] if known else None
