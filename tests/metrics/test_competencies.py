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


OPEN = {"domain": "physics", "competencies": [
    {"name": "wave maps", "description": "Draws them for tides.", "aliases": ["WM", "sea charts"],
     "wordings": ["Draws them for tides.", "Charts what belongs to tides."]},
    {"name": "tide tables", "description": "Computes them.", "aliases": ["TT"],
     "wordings": ["Computes them."]}]}


def test_an_alias_is_as_right_as_the_name():
    found = named("wm", "tide tables")
    assert competencies.precision_recall_f1(found, OPEN) == {"precision": 1, "recall": 1, "f1": 1}
    assert competencies.stem_f1(named("Sea chart"), OPEN)["precision"] == 0, "no alias, by letters"
    assert competencies.stem_f1(named("Sea charts", "TT"), OPEN)["f1"] == 1
    # Junk stays wrong: parts of a name, another's letters.
    junk = named("WT", "sea", "maps of waves")
    assert competencies.precision_recall_f1(junk, OPEN)["f1"] == 0


def test_two_aliases_of_one_competency_are_a_repetition():
    twice = named("wave maps", "WM")
    assert competencies.precision_recall_f1(twice, OPEN) == pytest.approx(
        {"precision": 1 / 2, "recall": 1 / 2, "f1": 1 / 2})
    profile_of_both = profile(("WM", "Draws them for tides."), ("sea charts", "Draws it."))
    assert competencies.pairs(profile_of_both, OPEN) == [(0, 0, 1.0)], "the second finds it taken"


def test_a_faithful_paraphrase_earns_all_and_a_hollow_one_nothing():
    faithful = profile(("sea charts", "Charts what belongs to tides."), ("TT", "Computes them."))
    assert competencies.similarity(faithful, OPEN) == pytest.approx(1.0)
    assert competencies.description_f1(faithful, OPEN) == 1
    # The object is another: "charts what belongs to" are four of five words.
    wrong = profile(("WM", "Charts what belongs to moons."))
    assert competencies.description_f1(wrong, OPEN) == pytest.approx(4 / 5)
    # Only the object is right: one word of three, and one of four.
    hollow = profile(("WM", "Knows about tides."))
    assert competencies.description_f1(hollow, OPEN) == pytest.approx(2 / 7)
    assert competencies.description_f1(profile(("WM", "Has broad skills.")), OPEN) == 0
    # Stuffed with both wordings: 9 words against 4 and 5.
    stuffed = profile(("WM", "Draws them for tides. Charts what belongs to tides."))
    assert competencies.description_f1(stuffed, OPEN) == pytest.approx(10 / 14)


def test_a_reference_without_aliases_is_taken_by_its_letters():
    own = profile(("wave maps", "Draws them for tides."))
    other = profile(("WM", "Charts what belongs to tides."))
    assert competencies.similarity(other, own) == pytest.approx(0.1)


def test_soft_names_read_an_alias_as_the_name():
    vectors = {"wave maps": [1, 0], "tide tables": [0, 1], "WM": [0, 1]}
    found = competencies.soft_f1(named("WM"), OPEN, lambda names: [vectors[n] for n in names])
    assert found == pytest.approx({"precision": 1, "recall": 1 / 2, "f1": 2 / 3})
