"""Schemes, strengths and ratings: against hand-computed cases, closed forms and a simulation with known truth."""
import itertools
import math
import random
from types import SimpleNamespace

import numpy as np
import pytest

from lib.judging import ranking

RULES = SimpleNamespace(seed=1, rounds=4, pairs=12, threshold=0.5, min_margin=0.0, drop_cycles=True)


def by_number(batch, screening=False):
    """A judge who always prefers the smaller number."""
    return [1 if left < right else -1 for _, left, right in batch]


def played(scheme, players, ask=by_number, rules=RULES):
    """(comparisons, preferences) of one prompt."""
    asked = []

    def noting(batch, screening):
        asked.extend((left, right) for _, left, right in batch)
        return ask(batch, screening)

    return asked, ranking.play({"p": list(players)}, scheme, noting, rules)["p"]


@pytest.mark.parametrize(("n", "matches", "implied"), [(2, 1, 0), (4, 3, 1), (8, 7, 5), (16, 15, 17), (32, 31, 49)])
def test_a_full_bracket_gives_the_counts_of_the_thesis(n, matches, implied):
    for seed in range(5):
        asked, preferences = played("knockout", range(n), rules=SimpleNamespace(**{**vars(RULES), "seed": seed}))
        assert len(asked) == matches and len(preferences) == matches + implied == n // 2 * int(math.log2(n))
        assert all(better < worse for better, worse in preferences) and len(set(preferences)) == len(preferences)


def test_byes_are_not_matches():
    counts = set()
    for seed in range(60):
        asked, preferences = played("knockout", range(13), rules=SimpleNamespace(**{**vars(RULES), "seed": seed}))
        assert len(asked) == 12 and all(left != right for left, right in asked)
        assert len(set(preferences)) == len(preferences) and all(better < worse for better, worse in preferences)
        counts.add(len(preferences))
    assert counts <= set(range(22, 29)) and len(counts) > 1


@pytest.mark.parametrize("scheme", ranking.SCHEMES)
def test_every_scheme_orders_right_when_the_judge_is_right(scheme):
    for n in range(9):
        asked, preferences = played(scheme, range(n))
        assert all(better < worse for better, worse in preferences) and len(set(preferences)) == len(preferences)
        assert n < 2 or preferences
    fewest, most, emitted = {"knockout": (7, 7, 12), "swiss": (14, 16, 12), "merge_sort": (12, 17, 12), "two_pass": (20, 28, 12),
                             "all_pairs": (56, 56, 12)}[scheme]
    assert fewest <= len(asked) <= most and len(preferences) == emitted  # of eight candidates


@pytest.mark.parametrize("scheme", ranking.SCHEMES)
def test_ties_and_invalid_votes_imply_nothing(scheme):
    for nothing in (0, None):
        assert played(scheme, range(8), lambda batch, screening, nothing=nothing: [nothing] * len(batch))[1] == []


def test_prompts_play_in_step():
    rounds = []

    def ask(batch, screening):
        rounds.append(len(batch))
        return by_number(batch)

    found = ranking.play({str(i): range(8) for i in range(5)}, "knockout", ask, RULES)
    assert rounds == [20, 10, 5] and len(found) == 5
    alone = {str(i): ranking.play({str(i): range(8)}, "knockout", by_number, RULES)[str(i)] for i in range(5)}
    assert alone == found  # company changes nothing


def test_two_pass_screens_first_and_confirms_in_the_other_order():
    seen = {True: [], False: []}

    def ask(batch, screening):
        seen[screening] += [(left, right) for _, left, right in batch]
        return by_number(batch)

    preferences = ranking.play({"p": range(8)}, "two_pass", ask, RULES)["p"]
    assert len(seen[True]) <= 16 and len(seen[False]) <= 12
    assert not set(seen[True]) & set(seen[False])  # never the same question twice
    assert {frozenset(pair) for pair in preferences} <= {frozenset(pair) for pair in seen[False]}

    def always_left(batch, screening):  # a judge with nothing but a place bias cannot confirm what it said
        return [1] * len(batch)

    assert ranking.play({"p": range(8)}, "two_pass", always_left, RULES)["p"] == []


def test_players_stand_left_about_as_often_as_right():
    asked, _ = played("swiss", range(8))
    lefts = [sum(left == player for left, _ in asked) for player in range(8)]
    assert 1 <= min(lefts) <= max(lefts) <= 3 and len({frozenset(pair) for pair in asked}) == len(asked)


def test_schemes_reach_the_accuracy_of_a_published_simulation():
    """q ~ N(0, 1), first-slot bias 0.8 logits, a weak judge of slope 1.5: accuracy of the pairs that a scheme emits."""
    rng = np.random.default_rng(0)
    quality = {key: rng.normal(size=8) for key in range(200)}

    def ask(batch, screening):
        return [1 if rng.random() < 1 / (1 + np.exp(-1.5 * (quality[key][a] - quality[key][b]) - 0.8)) else -1 for key, a, b in batch]

    accuracy = {}
    for scheme in ranking.SCHEMES:
        found = ranking.play({key: range(8) for key in quality}, scheme, ask, RULES)
        accuracy[scheme] = np.mean([quality[key][a] > quality[key][b] for key, pairs in found.items() for a, b in pairs])
    assert accuracy["knockout"] == pytest.approx(0.81, abs=0.03)
    assert accuracy["swiss"] == pytest.approx(0.91, abs=0.03) and accuracy["merge_sort"] == pytest.approx(0.90, abs=0.03)
    assert accuracy["all_pairs"] > 0.96 and accuracy["two_pass"] > accuracy["all_pairs"] - 0.02


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

    values = [strength[i] for i in range(3)]
    best = max(posterior(values, slot) for slot in np.linspace(-1, 1, 2001))
    for index, step in itertools.product(range(3), (0.01, -0.01)):
        moved = [v + step * (i == index) for i, v in enumerate(values)]
        assert max(posterior(moved, slot) for slot in np.linspace(-1, 1, 2001)) < best
    assert ranking.bradley_terry("ab", []) == {"a": 0.0, "b": 0.0}


def test_strengths_of_a_knockout_are_finite_and_differ():
    strength = ranking.bradley_terry(range(4), [((0, 1), 1), ((2, 3), 1), ((0, 2), 1)])
    assert strength[0] > strength[2] > strength[1] and all(math.isfinite(value) for value in strength.values())


def test_a_place_bias_does_not_become_strength():
    rng = random.Random(0)
    results = [((a, b), 1 if rng.random() < 0.8 else -1) for a, b in itertools.permutations(range(6), 2) for _ in range(40)]
    assert max(map(abs, ranking.bradley_terry(range(6), results).values())) < 0.3


def test_cycles():
    circle = [((0, 1), 1), ((1, 2), 1), ((2, 0), 1), ((0, 3), 1), ((1, 3), 1), ((2, 3), 1)]
    assert ranking.cyclic(range(4), circle) == {frozenset(pair) for pair in ((0, 1), (1, 2), (0, 2))}
    assert ranking.cyclic(range(4), circle[3:]) == set()
    assert {frozenset(pair) for pair in ranking.preferable(range(4), circle, RULES)} == {frozenset((i, 3)) for i in range(3)}
    kept = SimpleNamespace(**{**vars(RULES), "drop_cycles": False})
    assert len(ranking.preferable(range(4), circle, kept)) >= 3


def test_near_pairs_and_disputed_pairs_are_left_out():
    results = [((0, 1), 1), ((1, 0), -1), ((0, 2), 1), ((2, 0), -1), ((1, 2), 0.2), ((2, 1), -0.2)]
    assert (1, 2) in ranking.preferable(range(3), results, RULES)
    assert (1, 2) not in ranking.preferable(range(3), results, SimpleNamespace(**{**vars(RULES), "min_margin": 1.0}))
    assert (1, 2) not in ranking.preferable(range(3), results, SimpleNamespace(**{**vars(RULES), "threshold": 0.75}))


@pytest.mark.parametrize(("outcome", "threshold", "result"), [(1, 1.0, 1), (-1, 1.0, -1), (0.5, 0.75, 1), (0.49, 0.75, 0), (0.1, 0.5, 1),
                                                              (0, 0.5, 0), (None, 0.5, 0), (-0.8, 0.9, -1), (-0.79, 0.9, 0)])
def test_thresholds(outcome, threshold, result):
    assert ranking.decide(outcome, threshold) == result  # a mean vote x is a share (x + 1) / 2


def test_votes_are_pooled_over_orders():
    votes = [((0, 1), 1), ((1, 0), -1), ((0, 1), -1), ((2, 0), 0), ((0, 1), None)]
    assert ranking.settle(votes, 0.6) == [((0, 1), 1), ((2, 0), 0)]
    assert ranking.settle(votes, 0.75) == [((0, 1), 0), ((2, 0), 0)]
    assert ranking.settle(votes, None) is votes


def test_elo_by_hand_and_averaged():
    one = ranking.elo("ab", [(("a", "b"), 1)], orderings=1)
    assert one == {"a": 1016.0, "b": 984.0}
    two = ranking.elo("ab", [(("a", "b"), 1)] * 2, orderings=1)
    gain = 32 * (1 - 1 / (1 + 10 ** (-32 / 400)))
    assert two["a"] == pytest.approx(1016 + gain) and sum(two.values()) == pytest.approx(2000)
    games = [((a, b), 1) for a, b in itertools.combinations(range(5), 2)]
    assert sorted(range(5), key=lambda p: -ranking.elo(range(5), games)[p]) == list(range(5))
    runs = [ranking.elo(range(5), games, seed=s, orderings=1)[2] for s in range(20)]
    means = [ranking.elo(range(5), games, seed=s)[2] for s in range(20)]
    assert np.std(means) < np.std(runs) / 3  # the point of averaging over orders
