"""Trainings side by side."""
import math
import os
from importlib.util import find_spec

import pytest

from lib.core.records import Journal, write_json
from lib.core.settings import load
from lib.training import parallel


def test_jobs_side_by_side_resume_and_do_not_depend_on_the_workers(tmp_path):
    jobs = {str(n): (n, 4) for n in range(4)}
    alone = parallel.run_jobs(math.hypot, jobs, 1, Journal(tmp_path / "one.jsonl"), "test")
    assert alone == {str(n): math.hypot(n, 4) for n in range(4)} and list(alone) == list(jobs)
    journal = Journal(tmp_path / "two.jsonl")
    first = {"0": jobs["0"]}
    parallel.run_jobs(lambda *_: "kept from before", first, 1, journal, "test")
    together = parallel.run_jobs(math.hypot, jobs, 2, journal, "test")
    assert together == {**alone, "0": "kept from before"} and list(together) == list(jobs)
    again = parallel.run_jobs(None, jobs, 2, Journal(tmp_path / "two.jsonl"), "test")
    assert again == together, "nothing is left to run"


def test_a_job_is_run_again_when_anything_that_it_is_made_of_is_another(tmp_path):
    adapter, elsewhere, ran = tmp_path / "adapter", tmp_path / "work", []
    write_json(adapter / "adapter_config.json", {"base_model_name_or_path": "someone/base"})
    base = tmp_path / "base"
    base.mkdir()
    usual = load("smoke")[1]
    mine = usual.model_copy(update={"models": usual.models.model_copy(update={"base": str(base)})})
    journal = Journal(tmp_path / "journal.jsonl")

    def run(settings=mine, rows=(("a", "b"),), place=elsewhere):
        made = {"job": (settings, list(rows), adapter, place, settings.sft, None)}
        parallel.run_jobs(lambda *_: ran.append(1), made, 1, journal, "test")
        return len(ran)
    assert [run(), run(), run(place=tmp_path / "other")] == [1, 1, 1]
    (adapter / "adapter_model.safetensors").write_bytes(b"other weights")
    assert [run(), run()] == [2, 2]
    (base / "model.safetensors").write_bytes(b"other weights")
    assert [run(), run()] == [3, 3]
    assert [run(rows=(("a", "c"),)), run(settings=usual), run()] == [4, 5, 5]


def test_a_job_may_have_a_process_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(parallel, "PRELOADED", [])
    for alone in (True, False):
        journal = Journal(tmp_path / f"{alone}.jsonl")
        found = parallel.run_jobs(os.getpid, {"a": ()}, 1, journal, "test", alone=alone)
        assert (found["a"] == os.getpid()) is not alone


def test_a_process_of_its_own(monkeypatch):
    assert all(find_spec(name) for name in parallel.PRELOADED)
    monkeypatch.setattr(parallel, "PRELOADED", [])
    assert parallel.apart(os.getpid) != os.getpid()
    with pytest.raises(ZeroDivisionError):
        parallel.apart(divmod, 1, 0)
