"""Schemes: what they ask, what they emit, and how right that is, in a simulation of known truth."""
import math

import numpy as np
import pytest
from helpers.votes import RULES, changed

from lib.judging import schemes


def by_number(batch, screening=False):
    """A judge who always prefers the smaller number."""
    return [1 if left < right else -1 for _, left, right in batch]


def played(scheme, players, ask=by_number, rules=RULES):
    """(comparisons, preferences) of one prompt."""
    preferences, results = schemes.play({"p": list(players)}, scheme, ask, rules)
    return [pair for pair, _ in results["p"]], preferences["p"]


def sound(preferences):
    """Whether preferences are as the judge by number has them, none twice."""
    ordered = all(better < worse for better, worse in preferences)
    return ordered and len(set(preferences)) == len(preferences)


@pytest.mark.parametrize(("n", "matches", "implied"),
                         [(2, 1, 0), (4, 3, 1), (8, 7, 5), (16, 15, 17), (32, 31, 49)])
def test_a_full_bracket_gives_the_counts_of_the_thesis(n, matches, implied):
    for seed in range(5):
        asked, preferences = played("knockout", range(n), rules=changed(seed=seed))
        assert len(asked) == matches
        assert len(preferences) == matches + implied == n // 2 * int(math.log2(n))
        assert sound(preferences)


def test_byes_are_not_matches():
    counts = set()
    for seed in range(60):
        asked, preferences = played("knockout", range(13), rules=changed(seed=seed))
        assert len(asked) == 12 and all(left != right for left, right in asked)
        assert sound(preferences)
        counts.add(len(preferences))
    assert counts <= set(range(22, 29)) and len(counts) > 1


@pytest.mark.parametrize("scheme", schemes.SCHEMES)
def test_every_scheme_orders_right_when_the_judge_is_right(scheme):
    for n in range(9):
        asked, preferences = played(scheme, range(n))
        assert sound(preferences) and (n < 2 or preferences)
    fewest, most = {"knockout": (7, 7), "swiss": (14, 16), "merge_sort": (12, 17),
                    "two_pass": (20, 28), "all_pairs": (56, 56)}[scheme]  # of eight candidates
    assert fewest <= len(asked) <= most and len(preferences) == 12


@pytest.mark.parametrize("scheme", schemes.SCHEMES)
@pytest.mark.parametrize("nothing", [0, None])
def test_ties_and_invalid_votes_imply_nothing(scheme, nothing):
    assert played(scheme, range(8), lambda batch, screening: [nothing] * len(batch))[1] == []


def test_prompts_play_in_step():
    rounds = []

    def ask(batch, screening):
        rounds.append(len(batch))
        return by_number(batch)

    found, results = schemes.play({str(i): range(8) for i in range(5)}, "knockout", ask, RULES)
    assert rounds == [20, 10, 5] and len(found) == 5
    for key in found:  # company changes nothing
        alone = schemes.play({key: range(8)}, "knockout", by_number, RULES)
        assert alone == ({key: found[key]}, {key: results[key]})


def test_every_comparison_is_told_with_its_outcome():
    heard = []

    def ask(batch, screening):
        outcomes = [None if left == 0 else 0.5 for _, left, _ in batch]
        heard.extend(zip(batch, outcomes))
        return outcomes

    _, results = schemes.play({"a": range(4), "b": range(3), "c": []}, "all_pairs", ask, RULES)
    told = [((key, *pair), outcome) for key, rows in results.items() for pair, outcome in rows]
    assert told == heard and results["c"] == []


def test_two_pass_screens_first_and_confirms_in_the_other_order():
    seen = {True: [], False: []}

    def ask(batch, screening):
        seen[screening] += [(left, right) for _, left, right in batch]
        return by_number(batch)

    _, preferences = played("two_pass", range(8), ask)
    assert len(seen[True]) <= 16 and len(seen[False]) <= 12
    assert not set(seen[True]) & set(seen[False])  # never the same question twice
    assert {frozenset(pair) for pair in preferences} <= {frozenset(pair) for pair in seen[False]}

    def always_left(batch, screening):  # a mere place bias cannot confirm what it said
        return [1] * len(batch)

    assert played("two_pass", range(8), always_left)[1] == []


def test_players_stand_left_about_as_often_as_right():
    asked, _ = played("swiss", range(8))
    lefts = [sum(left == player for left, _ in asked) for player in range(8)]
    assert 1 <= min(lefts) <= max(lefts) <= 3
    assert len({frozenset(pair) for pair in asked}) == len(asked)


def test_schemes_reach_the_accuracy_of_a_published_simulation():
    """q ~ N(0, 1), first-slot bias 0.8 logits, a weak judge of slope 1.5: accuracy of the pairs."""
    rng = np.random.default_rng(0)
    quality = {key: rng.normal(size=8) for key in range(200)}

    def vote(key, left, right):
        logit = 1.5 * (quality[key][left] - quality[key][right]) + 0.8
        return 1 if rng.random() < 1 / (1 + np.exp(-logit)) else -1

    def ask(batch, screening):
        return [vote(*one) for one in batch]

    accuracy = {}
    for scheme in schemes.SCHEMES:
        found, _ = schemes.play({key: range(8) for key in quality}, scheme, ask, RULES)
        accuracy[scheme] = np.mean([quality[key][better] > quality[key][worse]
                                    for key, pairs in found.items() for better, worse in pairs])
    assert accuracy["knockout"] == pytest.approx(0.81, abs=0.03)
    assert accuracy["swiss"] == pytest.approx(0.91, abs=0.03)
    assert accuracy["merge_sort"] == pytest.approx(0.90, abs=0.03)
    assert accuracy["all_pairs"] > 0.96 and accuracy["two_pass"] > accuracy["all_pairs"] - 0.02
