"""Measures of profiles: by hand."""
import pytest

from lib.metrics import competencies


def profile(*pairs, domain="physics"):
    return {"domain": domain,
            "competencies": [{"name": name, "description": text} for name, text in pairs]}


def test_precision_recall_f1_by_hand():
    truth = profile(("a b", ""), ("c d", ""), ("e f", ""), ("g h", ""))
    found = profile(("A B", ""), ("c d", ""), ("x y", ""))
    assert competencies.precision_recall_f1(found, truth) == pytest.approx(
        {"precision": 2 / 3, "recall": 1 / 2, "f1": 4 / 7})
    assert competencies.precision_recall_f1(None, truth) == {"precision": 0, "recall": 0, "f1": 0}
    twice = profile(("a b", ""), ("a b", ""))
    assert competencies.precision_recall_f1(twice, truth)["precision"] == 1 / 2


def test_similarity_by_hand():
    truth = profile(("a b", "does it well"), ("c d", "knows it"))
    assert competencies.similarity(truth, truth) == pytest.approx(1.0)
    assert competencies.similarity(None, truth) == 0
    vague = profile(("a b", "other words entirely"), domain="chemistry")
    # One pair of two and one: name 1, description 0, so it earns 0.5; soft F1 = 2 * 0.5 / 3; no
    # point for the domain.
    assert competencies.similarity(vague, truth) == pytest.approx(0.9 / 3)
    more = [{"name": "team work", "description": "x"}] * 2
    padded = {**truth, "competencies": truth["competencies"] + more}
    assert competencies.similarity(padded, truth) < competencies.similarity(truth, truth)


def test_which_competencies_pair_and_what_they_earn():
    truth = profile(("a b", "does it well"), ("c d", "knows it"))
    found = profile(("c d", "knows it"), ("a x", "does it well"), ("q r", "knows it"),
                    ("c d", "knows it"))
    # The second shares half of its name and its whole description; the last finds its match taken.
    assert competencies.pairs(found, truth) == [(0, 1, pytest.approx(1.0)),
                                                (1, 0, pytest.approx(0.75))]


def named(*names):
    return {"competencies": [{"name": name, "description": ""} for name in names]}


def test_stem_exact_names():
    truth = named("designing experiments", "data analysis", "team work", "modelling")
    found = named("Designs experiment", "data analysis", "teams of work")
    assert competencies.precision_recall_f1(found, truth)["precision"] == pytest.approx(1 / 3)
    stemmed = competencies.stem_f1(found, truth)
    assert stemmed == pytest.approx({"precision": 2 / 3, "recall": 2 / 4, "f1": 4 / 7})
    assert competencies.stem_f1(None, truth)["f1"] == 0
    assert competencies.stem_f1(named(), named())["f1"] == 0


def test_soft_names_by_hand():
    vectors = {"a": [1, 0], "b": [0, 2], "c": [3, 3], "none": [0, 0], "against": [-1, -1]}

    def embed(names):
        return [vectors[name] for name in names]

    found = competencies.soft_f1(named("a", "c"), named("a", "b"), embed)
    assert found["precision"] == found["recall"] == pytest.approx((1 + 2**-0.5) / 2)
    assert competencies.soft_f1(named("none", "against"), named("a"), embed) == {
        "precision": 0, "recall": 0, "f1": 0}
    assert competencies.soft_f1(named("a", "b"), named("b", "a"), embed)["f1"] == pytest.approx(1)
    assert competencies.soft_f1(None, named("a"), embed)["f1"] == 0
