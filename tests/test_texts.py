"""The texts of profiles against the true ones: by hand, against the measures themselves, and without any truth."""
import numpy as np
import pytest
import torch

from lib.competencies.profiles import parse, render
from lib.metrics import rouge, rouge_scores
from lib.metrics.text import MEASURES, ROUGE, bleu, mean_scores, names_of, preferred, profile_bleu, profile_scores
from lib.models import scoring

TRUTH = {"domain": "physics", "competencies": [{"name": "solar imaging", "description": "Observes stars with cameras of its own."},
                                               {"name": "plasma modelling", "description": "Develops new models for hot gases."}]}
HALF = {"domain": "physics", "competencies": [{"name": "solar imaging", "description": "Works with it."},
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
    assert row.pop("rougeW_155") < 0.9  # as the program counts, and as lib.rouge explains
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
    rows = profile_scores([prompt("a"), prompt("b", None)], [written(None, "a", text="no list at all"), written(TRUTH, "b")], VECTORS)
    assert [row["id"] for row in rows] == ["a"] and rows[0]["f1_exact"] == rows[0]["f1_soft"] == 0
    assert profile_bleu([prompt("b", None)], [written(TRUTH, "b")]) is None
    assert mean_scores([])["rouge1"]["rate"] is None and preferred([], [])["rouge1"]["n"] == 0


def test_bleu_is_that_of_the_corpus_with_an_interval_over_prompts():
    prompts, both = [prompt(str(i)) for i in range(10)], [written(TRUTH if i % 2 else HALF, str(i)) for i in range(10)]
    found = profile_bleu(prompts, both)
    whole = bleu([row["text"] for row in both], [render(TRUTH)] * 10)
    assert (found["rate"], found["signature"], found["n"]) == (whole["score"], whole["signature"], 10)
    assert bleu([both[0]["text"]], [render(TRUTH)])["score"] < found["low"] < found["rate"] < found["high"] < 100
    same = profile_bleu(prompts, both[1:2] * 10)
    assert same["low"] == pytest.approx(same["rate"]) == pytest.approx(same["high"])


def test_a_measure_prefers_what_it_scores_higher():
    ours = [dict.fromkeys(MEASURES, value) for value in (0.5, 0.2, 0.3, 0.9)]
    theirs = [dict.fromkeys(MEASURES, value) for value in (0.5, 0.1, 0.4, 0.1)]
    found = preferred(ours, theirs)["rougeL"]
    assert found["rate"] == (0.5 + 1 + 0 + 1) / 4 and found["n"] == 4


def test_vectors_of_names_do_not_depend_on_their_batch(tiny):
    model, tokenizer = tiny
    names = names_of([TRUTH, HALF, None])
    assert names == ["plasma modelling", "solar imaging", "team work"]
    together, apart = scoring.name_vectors(model, tokenizer, names), scoring.name_vectors(model, tokenizer, names, batch_size=1)
    assert np.sum(list(together.values()), axis=0) == pytest.approx(0, abs=1e-5)
    plain = {}
    for name in names:
        ids = tokenizer(name, add_special_tokens=False, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            plain[name] = model(input_ids=ids, output_hidden_states=True).hidden_states[-1][0].mean(0).numpy()
        assert together[name] == pytest.approx(apart[name], abs=1e-5)
    assert together["team work"] - together["solar imaging"] == pytest.approx(plain["team work"] - plain["solar imaging"], abs=1e-5)
    assert scoring.name_vectors(model, tokenizer, []) == {}


def test_every_measure_is_explained():
    explained = " ".join(row["measure"] for row in rouge_scores.EXPLAINED)
    for words in ("exact", "stem", "soft", "ROUGE-1", "ROUGE-2", "ROUGE-L", "ROUGE-Lsum", "ROUGE-W", "ROUGE-S", "ROUGE-SU", "BLEU"):
        assert words in explained
