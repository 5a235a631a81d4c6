"""Benchmarks: what is counted and compared, by hand; that all methods do the same work; that a stopped run goes on."""
import os

import pytest

from lib.benchmarks import cases, dpo, endpoint, measuring
from lib.core.records import Journal
from lib.training.tree import grow


def test_a_knockout_of_eight_gives_twelve_preferences():
    assert [cases.closure(k) for k in (2, 4, 8, 16)] == [1, 4, 12, 32]
    assert [cases.all_pairs(k) for k in (2, 4, 8)] == [1, 6, 28]


@pytest.mark.parametrize(("k", "pairs"), [(2, 1), (4, 4), (8, 2), (8, 12), (8, 28)])
def test_a_tournament_is_one_tree_with_all_of_its_candidates(k, pairs):
    tree, = grow(dpo.tournament(20, 5, k, pairs))
    assert len(tree.pairs) == len(set(map(frozenset, tree.pairs))) == pairs
    assert len(tree.completions) == min(k, 2 * pairs) and len(tree.prompt) == 20


def test_what_tokens_and_passes_promise():
    """43,200 tokens against 3,900 (notes on prefix sharing); with a reference and checkpointing twice as many passes."""
    assert cases.promise(1500, 300, 8, "precomputed") == pytest.approx(43200 / 3900)
    assert cases.promise(1500, 300, 8, "default") == pytest.approx(2 * 43200 / 3900)


def timed(method, number, k=8, pairs=2, seconds=1.0, size="medium", prompt=100):
    return {"method": method, "family": "llama", "size": size, "prompt": prompt, "completion": 10, "k": k, "pairs": pairs,
            "seconds_per_pair": seconds * number, "training_mb": 10.0 * number, "peak_mb": 20.0}


def test_ratios_are_taken_within_a_round():
    """A machine that is twice or three times slower in a later round changes no ratio; times are medians with their spread."""
    rows = []
    for number in (1, 2, 3):
        rows += [timed("default", number, seconds=8), timed("precomputed", number, seconds=6), timed("pair", number, seconds=2),
                 timed("tree", number, pairs=12), timed("tree", number, pairs=28, seconds=0.5)]
    found = cases.case(rows, "llama", 100, 10, 8)
    assert found["tree_vs_default"] == {"rate": 8, "low": 8, "high": 8, "n": 3}
    assert (found["tree_vs_precomputed"]["rate"], found["tree_vs_pair"]["rate"], found["all_pairs_vs_default"]["rate"]) == (6, 2, 16)
    assert found["pairs_per_second"]["default"] == pytest.approx({"rate": 1 / 16, "low": 1 / 24, "high": 1 / 8, "n": 3})
    assert cases.times_faster(rows[3:4], [rows[0], rows[5]])["n"] == 1  # a round that only one of them has does not count


def test_every_number_has_its_measurements():
    """Rows as `training_jobs` plans them are enough for `training`, and the last round has the middle prompt only."""
    planned = cases.training_jobs(["llama", "mixtral"], [50, 100, 5000], 10, [4, 8], 3, 1)
    rows = [timed(method, 1, k, pairs, 1.0, size, prompt) | {"family": family}
            for method, family, size, prompt, _, k, pairs, _ in (job.args[1:] for job in planned.values())]
    found = cases.training(rows, ["llama", "mixtral"], [50, 100, 5000], 10, [4, 8])
    assert found["dpo"]["mixtral"]["100x10"]["k8"]["tree_vs_default"]["n"] == 3 and found["dpo"]["llama"]["50x10"]["k4"]["tree_vs_pair"]["n"] == 2
    assert set(found["growth"]["k"]) == {"2", "4", "8", "16"} and set(found["growth"]["size"]) == set(dpo.SIZES)
    assert found["memory"]["default"]["pairs"] == 2 and found["memory"]["tree_checkpointing"]["pairs"] == 12
    assert all(" 100 10 " in key for key in planned if key.endswith("round 3"))


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


def test_a_process_of_its_own(monkeypatch):
    monkeypatch.setattr(measuring, "PRELOADED", [])
    assert measuring.apart(os.getpid) != os.getpid()
    with pytest.raises(ZeroDivisionError):
        measuring.apart(divmod, 1, 0)


@pytest.mark.parametrize("family", ["llama", "mixtral"])
def test_all_methods_train_on_the_same_pairs(family, tmp_path, monkeypatch):
    """Loss and gradients of the step that is timed agree between all trainers, with an adapter that has left the reference."""
    monkeypatch.setitem(dpo.SIZES, "medium", (64, 2))
    gradients = {}
    for method in dpo.METHODS:
        trainer = dpo.new_trainer(method, dpo.new_model(family), dpo.tournament(24, 8, 4, 2), tmp_path)
        for name, weight in trainer.model.named_parameters():
            if "lora_B" in name:  # starts at zero, and with it all gradients of lora_A
                weight.data.fill_(0.01)
        trainer.tolerance = 1.0
        loss = trainer.training_step(trainer.model, dpo.collated(trainer, method))
        gradients[method] = [float(loss), *(float(weight.grad.norm()) for weight in trainer.model.parameters() if weight.requires_grad)]
    for method, values in gradients.items():
        assert values == pytest.approx(gradients["default"], rel=1e-3), method
    assert any(gradients["default"][1:])


def test_a_step_and_a_draw(monkeypatch):
    monkeypatch.setitem(dpo.SIZES, "medium", (64, 2))
    row = dpo.step("tree", "llama", "medium", 24, 8, 4, 4, 1)
    assert row["seconds_per_pair"] > 0 and row["peak_mb"] > row["training_mb"] >= 0
    drawn = [dpo.draw(24, new, 2, 1) for new in (2, 4)]
    found = cases.sampling(drawn)["24"]["k2"]
    assert found["new_tokens"] == 2 and set(found["by_new_tokens"]) == {"2", "4"}
    assert found["ratio"]["rate"] == pytest.approx(drawn[0]["generate"] / drawn[0]["prefilled"])


def test_throughput_of_both_clients_is_summed_up():
    rows = [job() for job in endpoint.jobs([0.01], [20], 1).values()]
    found = endpoint.summary(rows)["10ms"]["20"]
    assert set(found) == {"endpoint", "sdk_alone"}
    assert found["endpoint"]["ratio_to_ideal"]["rate"] == pytest.approx(0.01 / rows[0]["seconds"])
