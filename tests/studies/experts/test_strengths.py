"""Strengths of several models: by hand, against known ones, and where none can be known."""
import random
from itertools import combinations

import numpy as np
import pytest

from lib.judging import ranking
from lib.studies.experts import strengths


def judged(*results, **fixed):
    """Rows from (left, right, winner); reviewers and prompts in turn."""
    return [{"reviewer": f"R{number % 3}", "prompt": f"t{number % 5}",
             "pair": tuple(sorted((left, right))), "left": left, "right": right,
             "winner": winner} | fixed for number, (left, right, winner) in enumerate(results)]


def simulated(seed, logits, judgments=600):
    """Judgments by models of known strengths."""
    rng, rows = random.Random(seed), []
    pairs = list(combinations(logits, 2))
    for number in range(judgments):
        pair = pairs[number % len(pairs)]
        left, right = rng.sample(pair, 2)
        chance = 1 / (1 + np.exp(logits[right] - logits[left]))
        rows.append({"reviewer": f"R{number % 20}", "prompt": f"t{rng.randrange(60)}", "pair": pair,
                     "left": left, "right": right,
                     "winner": left if rng.random() < chance else right})
    return rows


def test_what_is_fitted_is_the_regularised_model_of_judging():
    rows = judged(("a", "b", "a"), ("b", "a", "a"), ("a", "b", "b"), ("b", "c", "tie"),
                  ("a", "c", "c"))
    found = strengths.bradley_terry(rows, draws=20)
    theirs = ranking.bradley_terry(range(3), [((0, 1), 1.0), ((1, 0), -1.0), ((0, 1), -1.0),
                                              ((1, 2), 0.0), ((0, 2), -1.0)])
    ours = [found["strengths"][model]["rate"] for model in "abc"]
    assert ours == pytest.approx(np.array(list(theirs.values())) - np.mean(list(theirs.values())))
    shares = [found["choice_shares"][model]["rate"] for model in "abc"]
    assert sum(shares) == pytest.approx(1)
    assert np.log(shares[0] / shares[1]) == pytest.approx(ours[0] - ours[1]), "Luce's choice"
    chance = found["pairs"]["a_over_b"]["rate"]
    assert np.log(chance / (1 - chance)) == pytest.approx(ours[0] - ours[1])
    assert set(found["pairs"]) == {"a_over_b", "a_over_c", "b_over_c"}
    assert found["judgments"] == 5 and not found["refused"] and not found["caution"]


def test_known_strengths_are_recovered_within_the_intervals():
    logits = {"w": 0.9, "x": 0.4, "y": -0.3, "z": -1.0}
    inside = total = 0
    for seed in range(4):
        found = strengths.bradley_terry(simulated(seed, logits), seed=seed, draws=60)
        shares = np.exp(list(logits.values())) / np.exp(list(logits.values())).sum()
        for (model, logit), share in zip(logits.items(), shares):
            for truth, rate in ((logit, found["strengths"][model]),
                                (share, found["choice_shares"][model])):
                inside += rate["low"] <= truth <= rate["high"]
                total += 1
                assert rate["low"] < rate["rate"] < rate["high"]
        ordered = sorted(logits, key=lambda model: -found["strengths"][model]["rate"])
        assert ordered == list(logits)
    assert inside / total >= 0.85


def test_a_habit_of_choosing_left_is_not_strength():
    habit = [("a", "b", "a"), ("b", "a", "b")] * 30 + [("a", "b", "b"), ("b", "a", "a")] * 10
    shown_left = [("a", "b", "a")] * 90 + [("a", "b", "b")] * 30
    for results in (habit, habit + shown_left):  # left wins three of four, whoever is there
        found = strengths.bradley_terry(judged(*results), draws=5)
        assert found["pairs"]["a_over_b"]["rate"] == pytest.approx(0.5, abs=0.02)
    won = sum(winner == "a" for *_, winner in habit + shown_left)
    assert won / (len(habit) + len(shown_left)) > 0.6, "what merely counting says"


def test_who_wins_every_time_is_not_infinitely_strong_and_has_no_interval():
    rows = judged(*[("a", "b", "a"), ("b", "a", "a")] * 20, *[("b", "c", "b"), ("c", "b", "c")] * 9)
    found = strengths.bradley_terry(rows, draws=20)
    assert all(abs(rate["rate"]) < 6 for rate in found["strengths"].values())
    assert "one side won every time: a; b, c." in found["caution"]
    assert found["choice_shares"]["a"]["low"] is None
    assert found["pairs"]["a_over_b"]["low"] is None
    assert found["pairs"]["b_over_c"]["low"] < 0.5 < found["pairs"]["b_over_c"]["high"]


@pytest.mark.parametrize(("rows", "reason"), [
    (judged(("a", "b", None)), "No judgment tells"),
    (judged(("a", "b", "a"), ("c", "d", "d")), "through others: a, b; c, d."),
    (judged(("a", "b", "a"), ("a", "c", None)), "through others: a, b; c."),
    ([], "No judgment tells")])
def test_models_that_were_never_compared_get_no_strengths(rows, reason):
    found = strengths.bradley_terry(rows, draws=5)
    assert reason in found["refused"] and found["strengths"] == found["choice_shares"] == {}


def test_names_of_pairs_are_those_of_the_design():
    rows = judged(("base", "tuned", "tuned"), ("tuned", "base", "base"), pair=("tuned", "base"))
    found = strengths.bradley_terry(rows, draws=5)
    assert list(found["pairs"]) == ["tuned_over_base"]
    assert list(found["strengths"]) == ["tuned", "base"]


def test_a_single_reviewer_has_no_interval():
    rows = judged(("a", "b", "a"), ("b", "a", "b"), ("a", "b", "a"), reviewer="R1")
    assert strengths.bradley_terry(rows, draws=5)["strengths"]["a"]["low"] is None
    alone = strengths.bradley_terry(rows, ("prompt",), draws=50)["strengths"]["a"]
    assert alone["low"] < alone["rate"] < alone["high"]


def test_shares_of_all_preferences_by_hand():
    rows = judged(("a", "b", "a"), ("a", "b", "tie"), ("b", "c", "b"), ("a", "c", "a"),
                  ("b", "a", None))
    found = strengths.preferences(rows, ("reviewer", "prompt"), draws=50)
    assert {model: rate["rate"] for model, rate in found.items()} == pytest.approx(
        {"a": 2 / 3, "b": 1 / 3, "c": 0})
    assert found["c"]["high"] == pytest.approx(1 - 0.025 ** (1 / 2)), "exact: two reviewers decided"
    none = strengths.preferences(judged(("a", "b", "tie")), ("prompt",))
    assert {rate["rate"] for rate in none.values()} == {None}
