"""Rounds: a stopped run goes on."""
import pytest

from lib.benchmarks import measuring
from lib.core.records import Journal


def test_a_stopped_run_measures_nothing_twice(tmp_path):
    calls = []

    def job(name):
        def run():
            calls.append(name)
            if name == "c" and calls.count("c") == 1:
                raise KeyboardInterrupt
            return {"name": name}
        return run
    jobs = {name: job(name) for name in "abcd"}
    with pytest.raises(KeyboardInterrupt):
        measuring.measure(jobs, Journal(tmp_path / "rows.jsonl"), "test")
    rows = measuring.measure(jobs, Journal(tmp_path / "rows.jsonl"), "test")
    assert calls == ["a", "b", "c", "c", "d"] and [row["name"] for row in rows] == list("abcd")


def test_spread():
    assert measuring.spread([3, 1, 2, 10]) == {"rate": 2.5, "low": 1.0, "high": 10.0, "n": 4}
