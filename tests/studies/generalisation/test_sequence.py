"""Learning in turn: what each step is trained on, what is measured, and what counts as lost."""
import pytest
from helpers.forgetting import ANSWERS, ROWS, small

from lib.core.settings import ROOT
from lib.studies.generalisation import forgetting, sequence

GIVEN = {task: {"train": [(task, str(number)) for number in range(10)], "test": []}
         for task in ("a", "b", "c")}


def step(**rates):
    return {task: {"rate": rate} for task, rate in rates.items()}


def test_each_remedy_has_its_lessons():
    def lessons(remedy, share=0.2):
        return sequence.lessons(remedy, ["b", "a", "c"], GIVEN, share, seed=1)
    own = [GIVEN[task]["train"] for task in ("b", "a", "c")]
    assert lessons("full") == lessons("lora") == own
    assert lessons("multi_task") == [sum(own, [])]
    first, second, third = lessons("replay")
    assert first == own[0] and second[:10] == own[1] and third[:10] == own[2]
    assert [task for task, _ in second[10:]] == ["b"] * 2
    assert [task for task, _ in third[10:]] == ["b"] * 2 + ["a"] * 2
    assert lessons("replay", 0.0) == own and lessons("replay") == lessons("replay")
    assert GIVEN["c"]["train"] == own[2] and len(own[2]) == 10, "what was given stays as it was"


def test_what_was_lost_is_counted_from_the_step_that_taught_it():
    steps = [step(a=0.8, b=0.1), step(a=0.5, b=0.9), step(a=0.4, b=0.7)]
    kept = sequence.kept(["a", "b", "a"], steps)
    assert kept["b"] == {"learnt": 0.9, "end": 0.7, "change": pytest.approx(-0.2)}
    steps = [step(a=0.8, b=0.1, c=0), step(a=0.5, b=0.9, c=0), step(a=0.4, b=0.7, c=1)]
    assert sequence.backward_transfer(["a", "b", "c"], steps) == pytest.approx((-0.4 - 0.2) / 2)
    steps[0]["a"]["rate"] = None
    assert sequence.kept(["a", "b", "c"], steps)["a"]["change"] is None
    assert sequence.backward_transfer(["a", "b", "c"], steps) == pytest.approx(-0.2)
    steps[1]["b"]["rate"] = None
    assert sequence.backward_transfer(["a", "b", "c"], steps) is None


@pytest.mark.parametrize("remedy", ["full", "lora"])
def test_every_task_is_measured_after_every_step(remedy):
    settings = small(order=["sentiment", "job_bias"])
    study = settings.generalisation.forgetting
    given = forgetting.tasks(study, ROWS, ANSWERS)
    start = str(ROOT / settings.models.base)
    before, = sequence.trial(settings, start, "before", given)
    steps = sequence.trial(settings, start, remedy, given)
    assert len(steps) == 2 and all(set(one) == set(forgetting.TASKS) for one in steps)
    assert steps[0] != before and steps[1] != steps[0], "each step trains on what came before"
    assert sequence.trial(settings, start, "before", given) == [before]


def test_a_remedy_without_settings_is_left_out():
    study = small().generalisation.forgetting
    assert sequence.remedies(study) == ["full", "lora", "replay", "multi_task"]
    without = study.model_copy(update={"methods": {**study.methods, "full": None}})
    assert sequence.remedies(without) == ["lora", "multi_task"]
