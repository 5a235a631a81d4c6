"""The benchmark on real weights: what it compares, and that reading a tree changes nothing."""
import pytest
from helpers.checkpoints import write_checkpoint

from lib.benchmarks import dpo, real


def test_each_round_measures_every_way_and_a_key_says_which():
    keys = list(real.jobs("a/model", rounds=2, threads=1))
    assert keys == [f"{what} {turn}" for turn in (0, 1)
                    for what in ("default", "precomputed", "tree", "sampling")] + ["exactness"]


def row(method, seconds):
    return {"method": method, "seconds_per_pair": seconds}


def test_ratios_are_taken_within_rounds():
    rows = []
    for slow, fast in ((10.0, 1.0), (30.0, 2.0), (9.0, 1.0)):
        rows += [row("default", slow), row("precomputed", slow / 2), row("tree", fast),
                 {"turn": 0, "k": 8, "new": 10, "prompts": [3], "dtype": "float32",
                  "generate": slow, "prefilled": 5.0, "largest_difference": fast / 1e5}]
    found = real.numbers([*rows, {"largest_difference": 0.5}])
    assert found["tree_vs_default"] == {"rate": 10, "low": 9, "high": 15, "n": 3}
    assert found["tree_vs_precomputed"]["rate"] == 5
    assert found["sampling_ratio"]["rate"] == 2 and found["tree_largest_difference"] == 0.5
    assert found["sampling"]["largest_difference"] == pytest.approx(2e-5)


def test_answers_read_in_a_tree_are_those_read_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(real, "PROMPT", 20)
    monkeypatch.setattr(real, "ANSWER", 8)
    monkeypatch.setattr(dpo, "VOCABULARY", 1000)
    place = write_checkpoint(tmp_path, "llama")
    assert real.exactness(place, 1)["largest_difference"] < 1e-3
