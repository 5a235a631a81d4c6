"""What is counted and compared, by hand."""
import pytest

from lib.benchmarks import cases, dpo


def test_a_knockout_of_eight_gives_twelve_preferences():
    assert [cases.closure(k) for k in (2, 4, 8, 16)] == [1, 4, 12, 32]
    assert [cases.all_pairs(k) for k in (2, 4, 8)] == [1, 6, 28]


def test_what_tokens_and_passes_promise():
    """43,200 tokens against 3,900; with a reference and checkpointing twice as many passes."""
    assert cases.promise(1500, 300, 8, "precomputed") == pytest.approx(43200 / 3900)
    assert cases.promise(1500, 300, 8, "default") == pytest.approx(2 * 43200 / 3900)


def timed(method, number, k=8, pairs=2, seconds=1.0, size="medium", prompt=100):
    return {"method": method, "family": "llama", "size": size, "prompt": prompt, "completion": 10,
            "k": k, "pairs": pairs, "seconds_per_pair": seconds * number,
            "training_mb": 10.0 * number, "peak_mb": 20.0}


def test_ratios_are_taken_within_a_round():
    """A machine that is slower in a later round changes no ratio; times are medians with spread."""
    rows = []
    for number in (1, 2, 3):
        rows += [timed("default", number, seconds=8), timed("precomputed", number, seconds=6),
                 timed("pair", number, seconds=2), timed("tree", number, pairs=12),
                 timed("tree", number, pairs=28, seconds=0.5)]
    found = cases.case(rows, "llama", 100, 10, 8)
    assert found["tree_vs_default"] == {"rate": 8, "low": 8, "high": 8, "n": 3}
    others = ("tree_vs_precomputed", "tree_vs_pair", "all_pairs_vs_default")
    assert [found[name]["rate"] for name in others] == [6, 2, 16]
    speed = {"rate": 1 / 16, "low": 1 / 24, "high": 1 / 8, "n": 3}
    assert found["pairs_per_second"]["default"] == pytest.approx(speed)
    assert found["pairs_per_second"]["all_pairs"]["high"] == 2
    alone = cases.times_faster(rows[3:4], [rows[0], rows[5]])
    assert alone["n"] == 1, "a round that only one of them has does not count"


def test_every_number_has_its_measurements():
    """Rows as `training_jobs` plans them are enough for `training`; the last round is short."""
    families, prompts, ks = ["llama", "mixtral"], [50, 100, 5000], [4, 8]
    planned = cases.training_jobs(families, prompts, 10, ks, 3, 1)
    rows = []
    for job in planned.values():
        method, family, size, prompt, _, k, pairs, _ = job.args[1:]
        rows.append(timed(method, 1, k, pairs, 1.0, size, prompt) | {"family": family})
    found = cases.training(rows, families, prompts, 10, ks)
    assert found["dpo"]["mixtral"]["100x10"]["k8"]["tree_vs_default"]["n"] == 3
    assert found["dpo"]["llama"]["50x10"]["k4"]["tree_vs_pair"]["n"] == 2
    assert set(found["growth"]["k"]) == {"2", "4", "8", "16"}
    assert set(found["growth"]["size"]) == set(dpo.SIZES)
    assert found["memory"]["default"]["pairs"] == 2
    assert found["memory"]["tree_checkpointing"]["pairs"] == 12
    assert all(" 100 10 " in key for key in planned if key.endswith("round 3"))
