"""Texts against texts: BLEU, diversity, and profiles against the true ones."""
import pytest

from lib.competencies.profiles import parse, render
from lib.core.records import DataError
from lib.metrics import rouge
from lib.metrics.measures import MEASURES, ROUGE
from lib.metrics.text import (
    bleu,
    distinct,
    diversity,
    mean_scores,
    names_of,
    preferred,
    profile_bleu,
    profile_scores,
    self_bleu,
)

TRUTH = {"domain": "physics", "competencies": [
    {"name": "solar imaging", "description": "Observes stars with cameras of its own."},
    {"name": "plasma modelling", "description": "Develops new models for hot gases."}]}
HALF = {"domain": "physics", "competencies": [
    {"name": "solar imaging", "description": "Works with it."},
    {"name": "team work", "description": "Works with it."}]}
VECTORS = {"solar imaging": [1.0, 0.0], "plasma modelling": [0.0, 1.0], "team work": [0.0, -1.0]}


def written(profile, key="a", text=None):
    text = render(profile) if text is None else text
    return {"id": key, "text": text, "profile": parse(text)}


def prompt(key="a", truth=TRUTH):
    return {"id": key, "truth": truth}


def test_an_identical_profile_scores_one():
    row, = profile_scores([prompt()], [written(TRUTH)], VECTORS)
    assert set(row) == {"id", *MEASURES}
    assert row.pop("rougeW_155") < 0.9  # as the program counts, and as lib.metrics.rouge explains
    assert all(value == pytest.approx(1) for name, value in row.items() if name != "id")
    assert profile_bleu([prompt()] * 3, [written(TRUTH)] * 3)["rate"] == pytest.approx(100)


def test_measures_by_hand_and_by_their_own_functions():
    row, = profile_scores([prompt()], [written(HALF)], VECTORS)
    assert (row["f1_exact"], row["f1_stem"]) == (0.5, 0.5)
    assert row["f1_soft"] == pytest.approx(0.5)  # a cosine below zero earns nothing, on either side
    for name, (_, kind, variant) in ROUGE.items():
        assert row[name] == rouge(render(HALF), [render(TRUTH)], (kind,), variant)[kind]["f1"], name
    assert 0 < row["rouge2"] < row["rouge1"] < 1


def test_what_cannot_be_read_or_compared():
    rows = profile_scores([prompt("a"), prompt("b", None)],
                          [written(None, "a", text="no list at all"), written(TRUTH, "b")], VECTORS)
    assert [row["id"] for row in rows] == ["a"] and rows[0]["f1_exact"] == rows[0]["f1_soft"] == 0
    assert profile_bleu([prompt("b", None)], [written(TRUTH, "b")]) is None
    assert mean_scores([])["rouge1"]["rate"] is None and preferred([], [])["rouge1"]["n"] == 0


def test_bleu_is_that_of_the_corpus_with_an_interval_over_prompts():
    prompts = [prompt(str(i)) for i in range(10)]
    both = [written(TRUTH if i % 2 else HALF, str(i)) for i in range(10)]
    found = profile_bleu(prompts, both)
    whole = bleu([row["text"] for row in both], [render(TRUTH)] * 10)
    assert (found["rate"], found["signature"]) == (whole["score"], whole["signature"])
    worst = bleu([both[0]["text"]], [render(TRUTH)])["score"]
    assert worst < found["low"] < found["rate"] < found["high"] < 100 and found["n"] == 10
    same = profile_bleu(prompts, both[1:2] * 10)
    assert same["low"] == pytest.approx(same["rate"]) == pytest.approx(same["high"])


def test_a_measure_prefers_what_it_scores_higher():
    ours = [dict.fromkeys(MEASURES, value) for value in (0.5, 0.2, 0.3, 0.9)]
    theirs = [dict.fromkeys(MEASURES, value) for value in (0.5, 0.1, 0.4, 0.1)]
    found = preferred(ours, theirs)["rougeL"]
    assert found["rate"] == (0.5 + 1 + 0 + 1) / 4 and found["n"] == 4


def test_all_names_of_some_profiles_are_listed_once():
    assert names_of([TRUTH, HALF, None]) == ["plasma modelling", "solar imaging", "team work"]


def test_bleu_is_sacrebleus_and_says_how():
    found = bleu(["the cat sat on the mat"], ["the cat sat on the mat"])
    assert found["score"] == pytest.approx(100) and "tok:13a" in found["signature"]
    assert "eff:yes" in found["signature"]
    # Of "a b c": unigrams 2 of 3, bigrams 1 of 2, trigrams 0 of 1 (smoothed to 1 / 2); no order
    # four, no brevity.
    by_hand = 100 * (2 / 3 * 1 / 2 * 1 / 2) ** (1 / 3)
    assert bleu(["a b c"], ["a b x"])["score"] == pytest.approx(by_hand)
    several = bleu(["a b c d", "e f g h"], [["a b c d", "x"], ["e f g h"]])
    assert several["score"] == pytest.approx(100) and "nrefs:var" in several["signature"]
    assert bleu([""], ["a"])["score"] == 0
    assert bleu(["机器学习模型"], ["机器学习模型"], tokenize="zh")["score"] == pytest.approx(100)
    with pytest.raises(DataError, match="2 predictions, 1 references"):
        bleu(["a", "b"], ["a"])
    with pytest.raises(DataError, match="prediction 1 has no reference"):
        bleu(["a", "b"], [["a"], []])


def test_diversity_figures():
    assert distinct(["a b a", "a b"], 1) == 2 / 5
    assert distinct(["a b a", "a b"], 2) == 2 / 3
    assert distinct(["a"], 2) is None
    assert self_bleu(["the same words here now"] * 3) == pytest.approx(100)
    assert self_bleu(["one"]) is None


def test_diversity_within_prompts_and_over_all():
    found = diversity([["the same words here now"] * 2, ["one"]])
    assert found == {"distinct_1": 6 / 11, "distinct_2": 4 / 8, "self_bleu": pytest.approx(100)}
    assert diversity([[]]) == {"distinct_1": None, "distinct_2": None, "self_bleu": None}
