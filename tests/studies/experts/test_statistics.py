"""Statistics of a review, by hand and against the libraries. All answers are made up."""
import json

import numpy as np
import pytest
from scipy.stats import ttest_1samp, wilcoxon

from lib.metrics import stats
from lib.studies.experts import statistics

KEY = {"items": {f"i{n}": {"prompt": f"p{n}", "pair": ["tuned", "base"],
                           "profiles": {f"x{n}": "tuned", f"y{n}": "base"}} for n in range(4)}}


def answer(item, choice, swap=False, seconds=2.0):
    left, right = (f"y{item}", f"x{item}") if swap else (f"x{item}", f"y{item}")
    return {"question": 1, "item": f"i{item}", "left": left, "right": right, "choice": choice,
            "seconds": seconds}


REVIEWS = {"R1": [answer(0, "left"), answer(1, "left"), answer(2, "tie"),
                  answer(0, "right", swap=True)],
           "R2": [answer(0, "left", swap=True), answer(1, "left"), answer(3, "cannot_judge"),
                  answer(1, "left", swap=True)]}


def test_answers_become_judgments():
    rows = statistics.judgments(KEY, REVIEWS)
    assert [row["winner"] for row in rows] == [
        "tuned", "tuned", "tie", "tuned", "base", "tuned", None, "base"]
    assert [row["label"] for row in rows] == ["a", "a", "tie", "a", "b", "a", None, "b"]
    assert [row["again"] for row in rows] == [
        False, False, False, True, False, False, False, True]


def test_the_statistics_by_hand():
    machines = {"judge": {"i0": "a", "i1": "b", "i2": "tie"}}
    rows = statistics.judgments(KEY, REVIEWS)
    found = statistics.review_statistics(rows, machines, draws=50)
    assert found["reviewers"] == 2 and found["judgments"] == 6
    assert found["seconds"]["median"] == 2
    shares = found["ties"]["rate"], found["cannot_judge"]["rate"]
    assert shares == pytest.approx((1 / 5, 1 / 6))
    # tuned, tuned, tie of R1 and base, tuned of R2: 3.5 of 5; without the tie 3 of 4.
    over = found["pairs"]["tuned_over_base"]
    assert over["rate"] == found["win_rates"]["tuned"]["rate"] == pytest.approx(0.7)
    assert found["win_rates"]["base"]["rate"] == pytest.approx(0.3)
    assert found["shares"]["tuned"]["rate"] == 0.75
    assert over["low"] == 0.5, "R2 alone: one of two"
    # Items 0 (a, b) and 1 (a, a) have two labels: two pairs, one agrees.
    agreement = found["agreement"]
    assert agreement["raw"] == 0.5 and agreement["pairs"] == 2
    alpha = stats.krippendorff_alpha(["ab", "aa"])
    assert agreement["alpha"]["rate"] == pytest.approx(alpha)
    assert found["self_consistency"] == stats.rate(1, 2) and found["left_chosen"]["rate"] == 1
    judge = found["machines"]["judge"]
    assert judge["agreement"]["rate"] == pytest.approx(2 / 5)
    assert judge["agreement_without_ties"]["rate"] == 1 / 4
    assert judge["kappa"] == pytest.approx(stats.kappa("aatba"[:2] + "t" + "ba", "abtab"))
    json.dumps(found)


def test_the_strengths_stand_beside_the_shares():
    rows = statistics.judgments(KEY, REVIEWS)
    assert [(row["left"], row["right"]) for row in rows[:4]] == [
        ("tuned", "base"), ("tuned", "base"), ("tuned", "base"), ("base", "tuned")]
    assert {row["prompt"] for row in rows} == {"p0", "p1", "p2", "p3"}
    fitted = statistics.review_statistics(rows, draws=20)["bradley_terry"]
    assert fitted["judgments"] == 5, "neither the repeated ones nor the one that says nothing"
    assert 0.5 < fitted["choice_shares"]["tuned"]["rate"] < 0.7, "0.7 but for the prior"
    assert fitted["pairs"]["tuned_over_base"] == pytest.approx(fitted["choice_shares"]["tuned"])


def test_shares_of_which_all_were_won_have_exact_intervals():
    rows = [{"reviewer": name, "item": f"i{n}", "prompt": f"p{n}", "pair": ("tuned", "base"),
             "left": "tuned", "right": "base", "winner": "tuned", "label": "a", "side": "left",
             "seconds": 1.0, "again": False} for name in ("R1", "R2", "R3") for n in range(9)]
    found = statistics.review_statistics(rows, {"judge": {"i0": "a", "i1": "a"}}, draws=20)
    low = 0.025 ** (1 / 3)  # Clopper and Pearson, three reviewers
    for rate in (found["pairs"]["tuned_over_base"], found["win_rates"]["tuned"],
                 found["shares"]["tuned"], found["machines"]["judge"]["agreement"]):
        assert (rate["rate"], rate["high"]) == (1, 1) and rate["low"] == pytest.approx(low)


def test_one_reviewer_or_none_gives_no_false_precision():
    alone = statistics.judgments(KEY, {"R1": REVIEWS["R1"]})
    one = statistics.review_statistics(alone, {"judge": {"i0": "a"}}, draws=20)
    assert one["pairs"]["tuned_over_base"]["rate"] == pytest.approx(2.5 / 3)
    assert one["pairs"]["tuned_over_base"]["low"] is None
    assert one["machines"]["judge"]["alternative_annotator_test"] is None
    none = statistics.review_statistics([], {"judge": {}}, draws=20)
    assert none["judgments"] == 0 and none["agreement"]["raw"] is None and none["pairs"] == {}
    assert statistics.per_reviewer(statistics.judgments(KEY, REVIEWS))[0] == {
        "reviewer": "R1", "judged": 3, "cannot judge": 0, "left chosen": 2 / 3,
        "repeats alike": "1 of 1", "median seconds": 2.0}


def test_two_judges_are_compared_where_both_can_tell():
    items = [{"item": f"i{n}", "prompt": f"p{n}"} for n in range(4)]
    one = {"i0": "a", "i1": "b", "i2": None, "i3": "tie"}
    other = {"i0": "a", "i1": "a", "i2": "b", "i3": "tie"}
    assert statistics.same_labels(items, one, other) == ([True, False, True], ["p0", "p1", "p3"])


def test_the_alternative_annotator_test_by_hand():
    # A against B and C: item 1 judge 2, A 2; item 2 judge 2, A 0; item 3 judge 1, A 1.
    # So W_f = 1, 1, 1 and W_h = 1, 0, 1.
    people = {"A": {1: "x", 2: "y", 3: "x"}, "B": {1: "x", 2: "x", 3: "x"},
              "C": {1: "x", 2: "x", 3: "y"}}
    found = statistics.alternative_annotator_test(people, {1: "x", 2: "x", 3: "x"}, epsilon=0.2)
    table = {name: (row["n"], row["rho"], row["rho_human"])
             for name, row in found["annotators"].items()}
    two_thirds = pytest.approx(2 / 3)
    assert table == {"A": (3, 1.0, two_thirds), "B": (3, 1.0, 1.0), "C": (3, 1.0, two_thirds)}
    p = wilcoxon([-0.2, -1.2, -0.2], alternative="less").pvalue
    assert found["annotators"]["A"]["p"] == pytest.approx(p)
    assert found["rho"] == 1 and found["omega"] == 0
    assert not found["enough"], "three items reject nothing"


@pytest.mark.parametrize("size", [1, 5, 8, 14, 20])
def test_few_differences_are_tested_as_scipy_does(size):
    for seed in range(3):
        values = np.random.default_rng(seed).choice([-1.0, 0.0, 1.0], size)
        expected = wilcoxon(values - 0.2, alternative="less").pvalue
        assert statistics.p_below(values, 0.2) == pytest.approx(expected)
    assert statistics.p_below(np.full(size, 0.2), 0.2) == 1, "nothing differs from epsilon"


def test_the_alternative_annotator_test_on_many_items():
    rng = np.random.default_rng(0)
    truth = rng.integers(2, size=90)

    def noisy(share, seed):
        flips = np.random.default_rng(seed).random(90) < share
        return {i: int(label ^ flip) for i, (label, flip) in enumerate(zip(truth, flips))}
    people = {f"R{seed}": noisy(0.2, seed) for seed in range(5)}
    good, bad = (statistics.alternative_annotator_test(people, noisy(share, 9))
                 for share in (0.05, 0.5))
    assert good["omega"] == 1 and good["passed"] and good["enough"] and good["rho"] > 0.85
    assert bad["omega"] == 0 and not bad["passed"] and bad["rho"] < good["rho"]
    differences = []
    for i in range(90):
        others = [people[name][i] for name in people if name != "R0"]
        machine, human = others.count(noisy(0.05, 9)[i]), others.count(people["R0"][i])
        differences.append((human >= machine) - (machine >= human))
    p = ttest_1samp(differences, 0.2, alternative="less").pvalue
    assert good["annotators"]["R0"]["p"] == pytest.approx(p)
    # Benjamini-Yekutieli: the largest of five p-values is multiplied by 1 + 1/2 + ... + 1/5.
    worst = max(value["p"] for value in good["annotators"].values())
    adjusted = max(value["p_adjusted"] for value in good["annotators"].values())
    assert adjusted == pytest.approx(min(1, worst * sum(1 / k for k in range(1, 6))))
    twin = statistics.alternative_annotator_test(people, people["R0"])
    assert twin["annotators"]["R0"]["p"] == 0, "always equal: surely within epsilon"
    assert statistics.alternative_annotator_test(people, {}) is None


def test_a_table_of_the_alternative_annotator_tests_leaves_out_what_could_not_be_tested():
    test = {"omega": 1.0, "rho": 0.8, "epsilon": 0.2, "passed": True, "enough": False}
    machines = {"judge": {"alternative_annotator_test": test},
                "truth": {"alternative_annotator_test": None}}
    assert statistics.annotator_tests(machines) == [
        {"judge": "judge", "winning rate": 1.0, "advantage probability": 0.8, "epsilon": 0.2,
         "passes": "yes", "enough data": "no"}]
