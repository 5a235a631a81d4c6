"""Profiles against the terms that people gave their texts: by hand, and what always holds."""
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.metrics.keyphrases import (
    faithfulness,
    measure_references,
    outcome,
    repetitions,
    soft_f1,
    stem_f1,
    stem_scores,
)

NAMES = st.lists(st.sampled_from(["neural network", "Neural networks", "graph", "sliding-mode",
                                  "sliding mode", "modes", "–", ""]), max_size=6)
VECTORS = {"a": [1.0, 0.0], "b": [0.0, 1.0], "c": [0.6, 0.8], "against": [-1.0, 0.0]}


def profile(*pairs):
    return {"domain": "physics",
            "competencies": [{"name": name, "description": text} for name, text in pairs]}


def test_terms_match_by_the_stems_of_their_words_in_order():
    found = stem_scores(["Neural Networks", "sliding mode control", "control graph"],
                        ["neural network", "sliding-mode control", "graph control", "C++"])
    assert found == pytest.approx({"precision": 2 / 3, "recall": 2 / 4, "f1": 4 / 7})
    assert stem_f1(["C"], ["C++"]) == 0 and stem_f1(["c++ language"], ["C++ languages"]) == 1
    assert stem_f1(["network"], ["neural network"]) == 0
    assert stem_f1(["Moore’s law"], ["moore's laws"]) == 1


def test_a_reference_is_hit_once_and_a_repeated_name_is_no_second_error():
    twice = stem_scores(["graph", "graphs", "noise"], ["graph", "tree"])
    assert twice == {"precision": 1 / 2, "recall": 1 / 2, "f1": 1 / 2}
    assert stem_scores(["graph"], ["graph", "graphs"])["recall"] == 1


def test_nothing_found_or_nothing_to_find_scores_zero():
    assert stem_scores([], ["graph"]) == stem_scores(["graph"], []) == {
        "precision": 0, "recall": 0, "f1": 0}
    assert stem_scores(["graph", "***"], ["graph", "-"]) == {
        "precision": 1 / 2, "recall": 1, "f1": 2 / 3}


@given(NAMES, NAMES)
def test_scores_stay_within_bounds_and_do_not_hang_on_the_order(names, references):
    scores = stem_scores(names, references)
    assert all(0 <= value <= 1 for value in scores.values())
    assert scores == stem_scores(names[::-1], references[::-1])
    assert scores == stem_scores(names * 2, references * 2)
    product, added = scores["precision"] * scores["recall"], scores["precision"] + scores["recall"]
    assert scores["f1"] == pytest.approx(2 * product / added if added else 0)


def test_the_soft_f1_is_that_of_the_nearest_by_cosine():
    # "c" is nearest to "b" (0.8); of the references "a" finds itself, "b" finds "c".
    assert soft_f1(["a", "c"], ["a", "b"], VECTORS) == pytest.approx(0.9)
    assert soft_f1(["against"], ["a"], VECTORS) == soft_f1([], ["a"], VECTORS) == 0
    assert soft_f1(["b", "a"], ["a", "b"], VECTORS) == pytest.approx(1)


def test_the_better_of_two_profiles_and_ties():
    better, worse = profile(("graphs", "")), profile(("graphs", ""), ("noise", ""))
    assert outcome(better, worse, ["graph"]) == 1 and outcome(worse, better, ["graph"]) == 0
    assert outcome(better, better, ["graph"]) == outcome(None, None, ["graph"]) == 0.5
    assert outcome(None, better, ["graph"]) == 0 and outcome(None, better, ["tree"]) == 0.5


def test_equal_f1_of_different_counts_is_a_tie():
    references = ["plasma", "wave", "star", "gas", "telescope"]
    few = profile(("plasma", ""), ("x1", ""), ("x2", ""))
    many = profile(("plasma", ""), ("wave", ""), *[(f"x{i}", "") for i in range(9)])
    # 2 * 1 / (3 + 5) and 2 * 2 / (11 + 5); by way of precision and recall, 0.25 and 0.25 + 6e-17.
    assert outcome(few, many, references) == 0.5


def test_what_of_the_descriptions_the_text_holds():
    given = profile(("x", "Models of the plasma"), ("y", "hot stars"), ("z", ""))
    # Words: model and plasma stand in the text, hot and star do not; trigrams: "models of the",
    # "of the plasma", and none in two words.
    assert faithfulness(given, "A model of the gas. The plasma is cold.") == {
        "faithful_words": 2 / 4, "faithful_trigrams": 1 / 2}
    copied = profile(("x", "The plasma, is cold"))
    assert faithfulness(copied, "A model. The plasma is cold.") == {
        "faithful_words": 1, "faithful_trigrams": 1}
    # "System" is a word of a subject, though in scikit-learn's list of stop words.
    assert faithfulness(profile(("x", "the system")), "text")["faithful_words"] == 0
    nothing = {"faithful_words": None, "faithful_trigrams": None}
    assert faithfulness(profile(("x", "")), "text") == faithfulness(None, "text") == nothing
    assert faithfulness(profile(("x", "of the")), "of the") == nothing


def test_what_came_before():
    given = profile(("Graph", "One text."), ("graphs", "one text"), ("tree", ""), ("trees", ""))
    assert repetitions(given) == {"repeated_names": 2 / 4, "repeated_descriptions": 1 / 2}
    assert repetitions(profile(("a", ""), ("b", ""))) == {
        "repeated_names": 0, "repeated_descriptions": None}
    assert repetitions(None) == {"repeated_names": None, "repeated_descriptions": None}


PROMPT = {"id": "one", "truth": None, "references": ["a", "b"],
          "abstracts": [{"title": "On gases", "text": "We show it."}]}


def written(profile, finished=True):
    return {"id": "one", "text": "", "tokens": 12, "finished": finished, "profile": profile}


def test_one_row_holds_all_measures_of_a_text():
    given = profile(("a", "on gases"), ("c", "unlike others"), ("A", ""))
    row = measure_references(PROMPT, written(given), {**VECTORS, "A": [1.0, 0.0]})
    assert row == pytest.approx({
        "id": "one", "precision": 1 / 2, "recall": 1 / 2, "f1": 1 / 2,
        "soft_precision": 2.8 / 3, "soft_recall": 0.9,
        "soft_f1": 2 * 2.8 / 3 * 0.9 / (2.8 / 3 + 0.9),
        "faithful_words": 1 / 2, "faithful_trigrams": None, "repeated_names": 1 / 3,
        "repeated_descriptions": 0, "competencies": 3, "name_words": 1, "tokens": 12,
        "compliant": True})
    assert not measure_references(PROMPT, written(given, finished=False),
                                  {**VECTORS, "A": [1.0, 0.0]})["compliant"]


def test_an_unreadable_profile_scores_zero_and_a_text_without_references_none():
    row = measure_references(PROMPT, written(None), VECTORS)
    scores = [f"{kind}{name}" for kind in ("", "soft_") for name in ("precision", "recall", "f1")]
    assert all(row[name] == 0 for name in scores)
    assert (row["competencies"], row["compliant"], row["faithful_words"]) == (0, False, None)
    assert row["name_words"] is None
    bare = {key: value for key, value in PROMPT.items() if key != "references"}
    row = measure_references(bare, written(profile(("a", "on gases"))), {})
    assert all(row[name] is None for name in scores) and row["faithful_words"] == 1
