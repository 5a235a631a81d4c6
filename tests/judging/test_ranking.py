"""Strengths, preferences and ratings: against hand-computed cases and closed forms."""
import itertools
import math
import random

import numpy as np
import pytest
from helpers.votes import RULES, changed

from lib.judging import ranking

PROMPT = {"id": "p", "author": "a", "split": "train", "truth": None,
          "messages": [{"role": "user", "content": "Abstract 1: bees"}]}


def test_only_sound_candidates_enter():
    rows = [{"id": "a", "status": ["ok", "unreadable", "ok"]}, {"id": "b", "status": ["duplicate"]}]
    assert ranking.entrants(rows) == {"a": [0, 2], "b": []}


def test_outcomes_are_told_by_prompt():
    found = ranking.by_prompt([("a", 0, 1), ("b", 1, 0), ("a", 1, 2)], [1, None, 0.5])
    assert found == {"a": [((0, 1), 1), ((1, 2), 0.5)], "b": [((1, 0), None)]}


def test_preferences_follow_the_contract():
    results = [((0, 1), 1), ((1, 0), -1)]
    row, = ranking.preferences(PROMPT, ["good", "bad"], [(0, 1)], results)
    assert row["chosen"] == [{"role": "assistant", "content": "good"}]
    assert row["rejected"][0]["content"] == "bad"
    assert row["prompt"] == PROMPT["messages"] and row["margin"] > 0
    assert {"id", "author", "split"} <= set(row)


def test_strengths_maximise_the_posterior():
    results = [((0, 1), 1), ((1, 2), 1), ((0, 2), 0), ((2, 0), -1), ((1, 0), None)]
    strength = ranking.bradley_terry(range(3), results)

    def posterior(values, slot):
        total = -(sum(v * v for v in values) + slot * slot) / (2 * ranking.PRIOR**2)
        for (a, b), outcome in results:
            if outcome is not None:
                share, logit = (outcome + 1) / 2, values[a] - values[b] + slot
                total += share * logit - math.log1p(math.exp(logit))
        return total

    def highest(values):
        return max(posterior(values, slot) for slot in np.linspace(-1, 1, 2001))

    values = [strength[i] for i in range(3)]
    best = highest(values)
    for index, step in itertools.product(range(3), (0.01, -0.01)):
        assert highest([v + step * (i == index) for i, v in enumerate(values)]) < best
    assert ranking.bradley_terry("ab", []) == {"a": 0.0, "b": 0.0}


def test_strengths_of_a_knockout_are_finite_and_differ():
    strength = ranking.bradley_terry(range(4), [((0, 1), 1), ((2, 3), 1), ((0, 2), 1)])
    assert strength[0] > strength[2] > strength[1]
    assert all(math.isfinite(value) for value in strength.values())


def test_a_place_bias_does_not_become_strength():
    rng = random.Random(0)
    results = [(pair, 1 if rng.random() < 0.8 else -1)
               for pair in itertools.permutations(range(6), 2) for _ in range(40)]
    assert max(map(abs, ranking.bradley_terry(range(6), results).values())) < 0.3


def test_cycles():
    circle = [((0, 1), 1), ((1, 2), 1), ((2, 0), 1), ((0, 3), 1), ((1, 3), 1), ((2, 3), 1)]
    found = ranking.cyclic(range(4), circle)
    assert found == {frozenset(pair) for pair in ((0, 1), (1, 2), (0, 2))}
    assert ranking.cyclic(range(4), circle[3:]) == set()
    kept = {frozenset(pair) for pair in ranking.preferable(range(4), circle, RULES)}
    assert kept == {frozenset((i, 3)) for i in range(3)}
    assert len(ranking.preferable(range(4), circle, changed(drop_cycles=False))) >= 3


def test_near_pairs_and_disputed_pairs_are_left_out():
    results = [((0, 1), 1), ((1, 0), -1), ((0, 2), 1), ((2, 0), -1), ((1, 2), 0.2), ((2, 1), -0.2)]
    assert (1, 2) in ranking.preferable(range(3), results, RULES)
    assert (1, 2) not in ranking.preferable(range(3), results, changed(min_margin=1.0))
    assert (1, 2) not in ranking.preferable(range(3), results, changed(threshold=0.75))


@pytest.mark.parametrize(("outcome", "threshold", "result"), [
    (1, 1.0, 1), (-1, 1.0, -1), (0.5, 0.75, 1), (0.49, 0.75, 0), (0.1, 0.5, 1), (0, 0.5, 0),
    (None, 0.5, 0), (-0.8, 0.9, -1), (-0.79, 0.9, 0)])
def test_thresholds(outcome, threshold, result):
    assert ranking.decide(outcome, threshold) == result  # a mean vote x is a share (x + 1) / 2


def test_votes_are_pooled_over_orders():
    votes = [((0, 1), 1), ((1, 0), -1), ((0, 1), -1), ((2, 0), 0), ((0, 1), None)]
    assert ranking.settle(votes, 0.6) == [((0, 1), 1), ((2, 0), 0)]
    assert ranking.settle(votes, 0.75) == [((0, 1), 0), ((2, 0), 0)]
    assert ranking.settle(votes, None) is votes


def test_elo_by_hand_and_averaged():
    assert ranking.elo("ab", [(("a", "b"), 1)], orderings=1) == {"a": 1016.0, "b": 984.0}
    two = ranking.elo("ab", [(("a", "b"), 1)] * 2, orderings=1)
    gain = 32 * (1 - 1 / (1 + 10 ** (-32 / 400)))
    assert two["a"] == pytest.approx(1016 + gain) and sum(two.values()) == pytest.approx(2000)
    games = [((a, b), 1) for a, b in itertools.combinations(range(5), 2)]
    rating = ranking.elo(range(5), games)
    assert sorted(range(5), key=lambda player: -rating[player]) == list(range(5))
    runs = [ranking.elo(range(5), games, seed=seed, orderings=1)[2] for seed in range(20)]
    means = [ranking.elo(range(5), games, seed=seed)[2] for seed in range(20)]
    assert np.std(means) < np.std(runs) / 3  # the point of averaging over orders
