"""Intervals, agreement, correlation: against published cases, by hand, and other libraries."""
import math

import numpy as np
import pytest
from scipy.stats import binomtest

from lib.metrics import stats

# Krippendorff 2011, section C: four observers, twelve units, missing data; nominal alpha is 0.743.
OBSERVERS = [[1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
             [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
             [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
             [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None]]


def table(*counts):
    """Labels of two raters from the counts (yes, yes), (yes, no), (no, yes), (no, no)."""
    pairs = [pair for pair, count in zip(("yy", "yn", "ny", "nn"), counts) for _ in range(count)]
    return [a for a, _ in pairs], [b for _, b in pairs]


@pytest.mark.parametrize(("wins", "n"), [(1, 10), (5, 10), (47, 50), (199, 200)])
def test_wilson_interval_is_scipys(wins, n):
    ours, theirs = stats.rate(wins, n), binomtest(wins, n).proportion_ci(0.95, "wilson")
    assert (ours["low"], ours["high"]) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@pytest.mark.parametrize(("wins", "n"), [(0, 20), (20, 20), (240, 240), (1, 1)])
def test_at_the_ends_the_interval_is_clopper_and_pearsons(wins, n):
    theirs = binomtest(wins, n).proportion_ci(0.95, "exact")
    for ours in (stats.rate(wins, n), stats.mean([wins / n] * n)):
        assert (ours["low"], ours["high"]) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_at_the_ends_a_mean_counts_clusters_not_rows():
    found = stats.mean([1.0] * 6, clusters=list("aabbcc"))
    assert found == {"rate": 1.0, "low": pytest.approx(0.025 ** (1 / 3)), "high": 1.0, "n": 6}


def test_wilson_of_the_gate_of_ninety():
    found = stats.rate(90, 100)
    assert (round(found["low"], 3), round(found["high"], 3)) == (0.826, 0.945)
    assert stats.rate(0, 0) == {"rate": None, "low": 0.0, "high": 1.0, "n": 0}


def test_cluster_bootstrap_covers_where_rows_share_a_prompt():
    rng, covered = np.random.default_rng(0), {"clusters": 0, "rows": 0}
    for trial in range(200):
        # twelve rows of one prompt say the same thing
        prompts = np.repeat(rng.normal(0, 1, 40), 12)
        values, keys = prompts + rng.normal(0, 0.3, 480), np.repeat(np.arange(40), 12)
        for name, groups in (("clusters", keys), ("rows", None)):
            found = stats.mean(values, groups, seed=trial, draws=400)
            covered[name] += found["low"] <= 0 <= found["high"]
    assert covered["clusters"] / 200 > 0.89
    assert covered["rows"] / 200 < 0.6


def test_kappa_by_hand():
    # Agreement 35/50 = 0.7; chance (25 * 30 + 25 * 20) / 2500 = 0.5.
    assert stats.kappa(*table(20, 5, 10, 15)) == pytest.approx(0.4)
    assert stats.kappa("abc", "abc") == pytest.approx(1)
    assert stats.kappa("ab", "ba") == pytest.approx(-1)
    assert stats.kappa([None, "a"], ["a", None]) is None and stats.kappa([], []) is None
    assert stats.kappa("aaa", "aaa") is None, "one label throughout: chance explains everything"
    assert stats.kappa(["a", "b", None], ["a", "b", "c"]) == 1
    with pytest.raises(ValueError, match="zip"):
        stats.kappa("ab", "a")


def test_ac1_stays_near_agreement_where_kappa_falls():
    # Gwet 2008, table 1: 118 (+, +), 5, 2, 0 of 125: agreement 0.944, kappa -0.0234, AC1 0.9408.
    raters = table(118, 5, 2, 0)
    assert stats.kappa(*raters) == pytest.approx(-0.0234, abs=5e-5)
    assert stats.ac1(*raters) == pytest.approx(0.9408, abs=5e-5)
    assert stats.ac1("aaa", "aaa") == 1 and stats.ac1([], []) is None
    # Three labels to choose from, two used: shares 1/2, chance (1/4 + 1/4) / 2, agreement 1/2.
    assert stats.ac1("abab", "abba", categories=3) == pytest.approx(1 / 3)


def test_alpha_of_the_published_example():
    assert stats.krippendorff_alpha(list(zip(*OBSERVERS))) == pytest.approx(0.743, abs=5e-4)


def test_alpha_by_hand():
    # Two raters, four units: coincidences aa 4, bb 2, ab and ba 1 each;
    # alpha = 1 - 7 * 2 / (8 * 8 - 25 - 9) = 1 - 14 / 30.
    assert stats.krippendorff_alpha(["aa", "aa", "ab", "bb"]) == pytest.approx(1 - 14 / 30)
    assert stats.krippendorff_alpha(["aa", "bb"]) == 1
    assert stats.krippendorff_alpha(["aa", "aa"]) is None and stats.krippendorff_alpha([]) is None
    assert stats.krippendorff_alpha([["a", None], ["b"]]) is None, "nothing can be paired"
    assert stats.krippendorff_alpha(["aab"]) == pytest.approx(1 - 2 * (4 / 2) / 4)


def test_kappa_is_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    for _ in range(50):
        one = rng.integers(3, size=30).tolist()
        other = [label if rng.random() < 0.6 else int(rng.integers(3)) for label in one]
        assert stats.kappa(one, other) == pytest.approx(metrics.cohen_kappa_score(one, other))


def test_the_cluster_bootstrap_of_a_mean_is_that_of_mean():
    values, keys = [1, 0, 1, 1, 0, 0, 1, 1, 1], list("aaabbbccc")
    clusters = [[value for value, key in zip(values, keys) if key == name] for name in "abc"]
    found = stats.cluster_bootstrap(clusters, np.mean, seed=3, draws=500)
    assert found == pytest.approx(stats.mean(values, keys, seed=3, draws=500))


def test_the_cluster_bootstrap_takes_any_statistic():
    units = [[("a", "a"), ("b", "b")], [("a", "b"), ("b", "b")], [("a", "a")]]
    found = stats.cluster_bootstrap(units, lambda rows: stats.kappa(*zip(*rows)), draws=200)
    assert found["low"] <= found["rate"] == stats.kappa("ababa", "abbba") <= found["high"]
    assert found["n"] == 5
    lone = stats.cluster_bootstrap([[1, 0]], np.mean)
    assert lone == {"rate": 0.5, "low": None, "high": None, "n": 2}
    assert stats.cluster_bootstrap([], np.mean) == {"rate": None, "low": None, "high": None, "n": 0}
    assert stats.cluster_bootstrap([[1], [2]], lambda rows: None)["rate"] is None


def test_the_cluster_bootstrap_covers_where_rows_of_a_reviewer_agree():
    rng, covered = np.random.default_rng(0), 0
    for trial in range(60):
        clusters = [list(level + rng.normal(0, 0.2, 10)) for level in rng.normal(0, 1, 20)]
        found = stats.cluster_bootstrap(clusters, np.mean, seed=trial, draws=200)
        covered += found["low"] <= 0 <= found["high"]
    assert covered >= 51


def test_the_bootstrap_of_counts_is_that_of_the_rows():
    """40 of 100 rows in a cell: its share has a binomial spread; both cells are always all rows."""
    def statistic(cells):
        return np.column_stack([cells[:, 0] / 100, cells.sum(1)])

    share, everything = stats.count_bootstrap(np.array([40, 60]), statistic)
    exact = stats.mean([1] * 40 + [0] * 60, seed=1)
    assert share["rate"] == exact["rate"] and share["n"] == 100
    assert (share["low"], share["high"]) == pytest.approx((exact["low"], exact["high"]), abs=0.02)
    assert everything == {"rate": 100, "low": 100, "high": 100, "n": 100}


def test_the_interval_of_sums_resamples_rows():
    counts = np.array([[1, 4], [0, 2], [3, 4], [2, 2]])

    def ratio(sums):
        return sums[0] / sums[1]

    low, high = stats.sum_interval(counts, ratio, seed=5, draws=300)
    found = stats.cluster_bootstrap([[row] for row in counts], lambda rows: ratio(sum(rows)),
                                    seed=5, draws=300)
    assert (low, high) == (found["low"], found["high"])
    assert stats.sum_interval(counts[:1], ratio) == (0.25, 0.25)


def test_the_correlation_is_phi():
    generator = np.random.default_rng(0)
    one, other = (generator.random(50) < 0.4 for _ in range(2))
    phi = stats.correlation(one.tolist(), other.tolist())
    assert phi == pytest.approx(np.corrcoef(one, other)[0, 1])
    assert stats.correlation([True, False], [False, True]) == -1
    assert stats.correlation([True, True], [False, True]) == 0.0


def test_a_mean_over_seeds_has_students_interval():
    found = stats.over_seeds([1.0, 2.0, 3.0])
    assert found["rate"] == 2 and found["n"] == 3
    assert found["high"] == pytest.approx(2 + 4.302653 / math.sqrt(3), abs=1e-5)
    assert stats.over_seeds([1.0, 1.0, 1.0])["low"] == 1.0
    assert stats.over_seeds([0.4]) == {"rate": 0.4, "low": None, "high": None, "n": 1}


@pytest.mark.parametrize(("kind", "values", "low", "high"), [
    # By hand: sd 0.01; at 0.98 a unit of Fisher's z is worth 0.0396, one of the log-odds 0.0196.
    ("correlation", [0.97, 0.98, 0.99], 0.9316, 0.9943),
    ("share", [0.97, 0.98, 0.99], 0.9324, 0.9943)])
def test_over_seeds_no_interval_leaves_what_is_possible(kind, values, low, high):
    found = stats.over_seeds(values, kind)
    assert found["rate"] == pytest.approx(0.98)
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=2e-4)
    assert stats.over_seeds([1.0, 1.0], kind) == {"rate": 1.0, "low": None, "high": None, "n": 2}
