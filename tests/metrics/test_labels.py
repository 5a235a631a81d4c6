"""Scores of labels: by hand, against scikit-learn, and their intervals against resampled rows."""
import numpy as np
import pytest
from sklearn.metrics import f1_score

from lib.core.records import DataError
from lib.metrics.labels import label_rates, label_scores

LABELS = ("negative", "neutral", "positive")


def test_label_scores_by_hand():
    truth, predicted = ["a", "a", "a", "b", "b", "c"], ["a", "a", "b", "b", None, "a"]
    found = label_scores(truth, predicted, ["a", "b", "c"])
    assert found["classes"]["a"] == pytest.approx(
        {"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "n": 3})
    assert found["classes"]["b"] == pytest.approx(
        {"precision": 1 / 2, "recall": 1 / 2, "f1": 1 / 2, "n": 2})
    assert found["classes"]["c"] == {"precision": 0, "recall": 0, "f1": 0, "n": 1}
    assert found["macro"]["f1"] == pytest.approx((2 / 3 + 1 / 2) / 3)
    assert found["weighted"]["f1"] == pytest.approx((3 * 2 / 3 + 2 / 2) / 6)
    assert found["micro"] == pytest.approx(
        {"precision": 3 / 5, "recall": 3 / 6, "f1": 6 / 11, "n": 6})
    assert label_scores(["a", "b"], ["a", "b"], "ab")["micro"]["f1"] == 1
    with pytest.raises(DataError, match="0 true labels"):
        label_scores([], [], ["a"])
    with pytest.raises(DataError, match=r"outside \['a'\]: \['z'\]"):
        label_scores(["z"], ["a"], ["a"])


def test_scores_agree_with_the_library_and_with_resampled_rows():
    rng = np.random.default_rng(0)
    truth = rng.choice(LABELS, size=80, p=[0.2, 0.5, 0.3]).tolist()
    found = [label if rng.random() < 0.6 else rng.choice([*LABELS, None]) for label in truth]
    ours, theirs = label_rates(truth, found, LABELS), label_scores(truth, found, LABELS)
    assert ours["macro_f1"]["rate"] == pytest.approx(theirs["macro"]["f1"])
    assert ours["weighted_f1"]["rate"] == pytest.approx(theirs["weighted"]["f1"])
    assert {label: item["rate"] for label, item in ours["f1"].items()} == pytest.approx(
        {label: item["f1"] for label, item in theirs["classes"].items()})
    assert ours["accuracy"]["rate"] == np.mean([a == b for a, b in zip(truth, found)])
    assert ours["unparseable"]["rate"] == np.mean([b is None for b in found])
    drawn = []
    for _ in range(400):
        index = rng.integers(80, size=80)
        drawn.append(f1_score([truth[i] for i in index], [str(found[i]) for i in index],
                              labels=LABELS, average="macro", zero_division=0))
    spread = [ours["macro_f1"]["low"], ours["macro_f1"]["high"]]
    assert np.quantile(drawn, [0.025, 0.975]) == pytest.approx(spread, abs=0.03)


def test_scores_by_hand():
    """Two of a, one of b. Found: a, b, b. F1 of a: 2/(2+1) = 2/3, of b: 2/(1+2) = 2/3.

    With c never there: 0.
    """
    found = label_rates(["a", "a", "b"], ["a", "b", "b"], ["a", "b", "c"])
    assert found["accuracy"]["rate"] == pytest.approx(2 / 3)
    assert found["macro_f1"]["rate"] == pytest.approx(4 / 9)
    assert found["weighted_f1"]["rate"] == pytest.approx(2 / 3) and found["f1"]["c"]["rate"] == 0
    silent = label_rates(["a", "b"], [None, None], ["a", "b"])
    assert silent["unparseable"]["rate"] == 1
    assert silent["macro_f1"] == {"rate": 0.0, "low": 0.0, "high": 0.0, "n": 2}


def test_the_published_majority_of_tfns():
    """What always answering "neutral" earns on TFNS, from the set's notes."""
    truth = ["neutral"] * 1566 + ["positive"] * 475 + ["negative"] * 347
    found = label_rates(truth, ["neutral"] * len(truth), LABELS)
    keys = ("accuracy", "weighted_f1", "macro_f1")
    assert [round(found[key]["rate"], 3) for key in keys] == [0.656, 0.519, 0.264]
