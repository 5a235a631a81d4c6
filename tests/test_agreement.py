"""Agreement between raters and the cluster bootstrap, against published cases, cases by hand and scikit-learn."""
import numpy as np
import pytest

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
    # Three labels to choose from, two used: shares 1/2, 1/2, chance (1/4 + 1/4) / 2 = 1/4, agreement 1/2.
    assert stats.ac1("abab", "abba", categories=3) == pytest.approx(1 / 3)


def test_alpha_of_the_published_example():
    assert stats.krippendorff_alpha(list(zip(*OBSERVERS))) == pytest.approx(0.743, abs=5e-4)


def test_alpha_by_hand():
    # Two raters, four units: coincidences aa 4, bb 2, ab and ba 1 each; alpha = 1 - 7 * 2 / (8 * 8 - 25 - 9) = 1 - 14 / 30.
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
    assert found["low"] <= found["rate"] == stats.kappa("ababa", "abbba") <= found["high"] and found["n"] == 5
    assert stats.cluster_bootstrap([[1, 0]], np.mean) == {"rate": 0.5, "low": None, "high": None, "n": 2}
    assert stats.cluster_bootstrap([], np.mean) == {"rate": None, "low": None, "high": None, "n": 0}
    assert stats.cluster_bootstrap([[1], [2]], lambda rows: None)["rate"] is None


def test_the_cluster_bootstrap_covers_where_rows_of_a_reviewer_agree():
    rng, covered = np.random.default_rng(0), 0
    for trial in range(60):
        clusters = [list(level + rng.normal(0, 0.2, 10)) for level in rng.normal(0, 1, 20)]
        found = stats.cluster_bootstrap(clusters, np.mean, seed=trial, draws=200)
        covered += found["low"] <= 0 <= found["high"]
    assert covered >= 51
