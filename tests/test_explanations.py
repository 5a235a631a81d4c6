"""Explanation tuning against spurious cues: the claims, the four cells, the arms and the measures; and trainings side by side."""
import json
import math
import random
from collections import Counter

import numpy as np
import pytest

from lib.competencies import world
from lib.core.records import DataError, Journal
from lib.core.settings import load
from lib.metrics import stats
from lib.studies.generalisation import explanations
from lib.tasks.claims import CUES, claims, divide, four_cells, has_cue, largest, prompt, read_creak, threshold
from lib.training import parallel


def row(number, text, label, explanation="so it is"):
    return {"id": str(number), "text": text, "label": label, "explanation": explanation}


def small_settings(**changes):
    _, settings = load("smoke")
    study = settings.generalisation.explanations.model_copy(update=changes)
    return settings.model_copy(update={"generalisation": settings.generalisation.model_copy(update={"explanations": study})})


def test_a_claim_is_true_where_the_facts_show_it():
    frames = {label: [frame.split("{")[0] for frame in sentences] for label, sentences in (
        (True, [frame for frames in world.SHOWN.values() for frame in frames]), (False, world.MENTIONED))}
    rows = claims("t", 300, 1)
    for item in rows:
        facts, name = item["text"].split("\nClaim: ")
        assert item["explanation"] in facts and name in item["explanation"] and facts.count(name) == 1
        assert any(item["explanation"].startswith(start) for start in frames[item["label"]])
    assert rows == claims("t", 300, 1) and not {r["text"] for r in rows} & {r["text"] for r in claims("u", 300, 1)}
    assert 0.4 < sum(item["label"] for item in rows) / 300 < 0.6


@pytest.mark.parametrize(("cue", "text", "count"), [
    ("length", "a b c d", 4), ("marker", "Remarkably, a b", 1), ("marker", "remarkably", 0), ("plural", "This bus has wheels and glass doors", 2),
    ("present", "Soup is hot, that was clear, people have bowls", 2)])
def test_what_a_cue_counts(cue, text, count):
    assert CUES[cue](text) == count


def test_a_text_is_long_above_the_median_of_the_pool():
    pool = [row(i, "w " * n, True) for i, n in enumerate((1, 2, 3, 9))]
    above = threshold(pool, "length")
    assert above == 2.5 and has_cue(pool, "length", above) == [False, False, True, True]
    assert threshold(pool, "plural") == 0


@pytest.mark.parametrize(("strength", "agreeing"), [(0.5, 10), (0.7, 14), (0.9, 18), (1.0, 20)])
def test_four_cells_at_a_strength(strength, agreeing):
    rows = [row(i, "", i % 2 == 0) for i in range(160)]
    cues = [i % 4 < 2 for i in range(160)]
    chosen = four_cells(rows, cues, strength, 40, random.Random(0))
    counts = Counter((item["label"], cue) for item, cue in chosen)
    assert counts[True, True] == counts[False, False] == agreeing and counts[True, False] == counts[False, True] == 20 - agreeing
    assert len({item["id"] for item, _ in chosen}) == 40 and all(cue == cues[int(item["id"])] for item, cue in chosen)
    labels = [item["label"] for item, _ in chosen]
    assert stats.correlation(labels, [cue for _, cue in chosen]) == pytest.approx(2 * strength - 1)


def test_a_cell_that_is_too_small_is_named():
    rows = [row(i, "", i % 2 == 0) for i in range(8)]
    with pytest.raises(DataError, match=r"only 0 rows are true with the cue, 4 are needed for 8 rows at strength 1.0"):
        four_cells(rows, [False] * 8, 1.0, 8, random.Random(0))


def test_the_largest_training_set_that_every_strength_can_have():
    rows, cues = [row(i, "", label) for i, label in enumerate([True] * 30 + [False] * 30)], [True] * 10 + [False] * 20 + [True] * 12 + [False] * 18
    n = largest(rows, cues)
    assert n == 20
    for strength in (0.5, 0.7, 0.9, 1.0):
        four_cells(rows, cues, strength, n, random.Random(0))
    with pytest.raises(DataError):
        four_cells(rows, cues, 1.0, n + 2, random.Random(0))


def test_what_the_arms_learn_beside_the_label():
    rows = [row(i, f"text {i}", i % 2 == 0, f"{'yes' if i % 2 == 0 else 'no'} {i} " + "because " * i) for i in range(10)]
    taught = {arm: explanations.lessons(rows, arm, random.Random(0)) for arm in explanations.ARMS}
    arms = {arm: [answer for _, answer in pairs] for arm, pairs in taught.items()}
    assert arms["label_only"] == arms["told"] == ["true", "false"] * 5
    assert arms["with_explanation"] == [f"{str(item['label']).lower()}: {item['explanation']}" for item in rows]
    assert all(text.startswith(plain + ": ") for arm in explanations.ARMS[2:] for text, plain in zip(arms[arm], arms["label_only"], strict=True))
    assert sorted(arms["permuted"]) == sorted(arms["with_explanation"]), "labels keep their kind of explanation"
    assert not set(zip(range(10), arms["permuted"])) & set(zip(range(10), arms["with_explanation"])), "nobody keeps their own"
    assert [len(text.split()) for text in arms["random"]] == [len(text.split()) for text in arms["with_explanation"]]
    words = {word for item in rows for word in item["explanation"].split()}
    assert all(set(text.split()[1:]) <= words for text in arms["random"]) and arms["random"] != arms["with_explanation"]
    for number, item in enumerate(rows):
        system, user = taught["told"][number][0]
        assert (item["explanation"].strip() in system["content"]) == (number % 2 == 0) and user == {"role": "user", "content": item["text"]}
        assert all(taught[arm][number][0] == prompt(item) for arm in explanations.ARMS if arm != "told")


def test_the_correlation_is_phi():
    generator = np.random.default_rng(0)
    one, other = (generator.random(50) < 0.4 for _ in range(2))
    assert stats.correlation(one.tolist(), other.tolist()) == pytest.approx(np.corrcoef(one, other)[0, 1])
    assert stats.correlation([True, False], [False, True]) == -1 and stats.correlation([True, True], [False, True]) == 0.0


def test_measures_of_a_few_trials():
    asked = [(row(0, "", True), True), (row(1, "", True), False), (row(2, "", False), True), (row(3, "", False), False)]
    right, by_cue = [True, True, False, False], [True, False, True, False]
    said = {(0.5, "label_only", 1): right, (1.0, "label_only", 1): by_cue, (0.5, "random", 1): by_cue, (1.0, "random", 1): [True, True, True, False]}
    found = {(r["strength"], r["arm"]): (r["accuracy"], r["drop"], r["cue_correlation"]) for r in explanations.measure(said, asked)}
    assert found[0.5, "label_only"] == (1.0, 0.0, 0.0) and found[1.0, "label_only"] == (0.5, 0.5, 1.0)
    assert found[1.0, "random"] == (0.75, -0.25, pytest.approx(1 / math.sqrt(3)))


def test_a_mean_over_seeds_has_students_interval():
    found = stats.over_seeds([1.0, 2.0, 3.0])
    assert found["rate"] == 2 and found["n"] == 3 and found["high"] == pytest.approx(2 + 4.302653 / math.sqrt(3), abs=1e-5)
    assert stats.over_seeds([0.4]) == {"rate": 0.4, "low": None, "high": None, "n": 1}


def test_creak_is_read_and_no_entity_is_on_both_sides(tmp_path):
    path = tmp_path / "creak.jsonl"
    lines = [{"ex_id": str(i), "sentence": f"Claim {i}.", "label": ["true", "false"][i % 2], "explanation": "Why.", "entity": f"e{i // 4}"}
             for i in range(80)]
    path.write_text("\n".join(map(json.dumps, [*lines, lines[5]])))
    (tmp_path / "README.md").write_text("no claims here")
    pool, test = divide(read_creak(tmp_path), 3)
    assert len(pool) + len(test) == 80 and not {r["group"] for r in pool} & {r["group"] for r in test}
    assert {"id": "1", "text": "Claim: Claim 1.", "label": False, "explanation": "Why.", "group": "e0"} in pool + test
    assert 16 <= len(test) <= 32
    path.write_text(json.dumps({**lines[0], "label": "maybe"}))
    with pytest.raises(DataError, match=r'creak.jsonl row 1: label is .maybe.; it must be "true" or "false"'):
        read_creak(tmp_path)
    assert read_creak(tmp_path / "nowhere") == []


def test_all_arms_of_a_strength_and_seed_learn_from_the_same_claims():
    study = small_settings(strengths=[0.5, 0.9], seeds=2, train=40, test=40).generalisation.explanations
    pool, test = claims("pool", 600, 1), claims("test", 300, 1)
    trials, asked = explanations.trials(pool, test, study)
    assert len(trials) == 2 * 2 * 5 and len(asked) == 40
    for strength, seed in ((0.5, 33), (0.9, 34)):
        read = [[messages[-1] for messages, _ in trials[strength, arm, seed]] for arm in explanations.ARMS]
        assert all(one == read[0] for one in read) and len(read[0]) == 40
    assert stats.correlation([item["label"] for item, _ in asked], [cue for _, cue in asked]) == 0
    assert not {item["text"] for item, _ in asked} & {messages[-1]["content"] for rows in trials.values() for messages, _ in rows}


def test_a_model_learns_the_cue_where_nothing_speaks_against_it(tmp_path):
    settings = small_settings(train=320, test=80, cue="marker", strengths=[0.5, 1.0], tuning=load("default")[1].generalisation
                              .explanations.tuning.model_copy(update={"epochs": 2}))
    study = settings.generalisation.explanations
    trials, asked = explanations.trials(claims("pool", 900, 1), claims("test", 400, 1), study)
    prompts = [prompt(item) for item, _ in asked]
    said = explanations.answers(settings, trials[1.0, "label_only", 33], 33, prompts)
    assert len(said) == 80 and all(type(answer) is bool for answer in said)
    assert stats.correlation(said, [cue for _, cue in asked]) > 0.6


def test_jobs_side_by_side_resume_and_do_not_depend_on_the_workers(tmp_path):
    jobs = {str(n): (n, 4) for n in range(4)}
    alone = parallel.run_jobs(math.hypot, jobs, 1, Journal(tmp_path / "one.jsonl"), "test")
    assert alone == {str(n): math.hypot(n, 4) for n in range(4)} and list(alone) == list(jobs)
    journal = Journal(tmp_path / "two.jsonl")
    journal.add([("0", "kept from before")])
    together = parallel.run_jobs(math.hypot, jobs, 2, journal, "test")
    assert together == {**alone, "0": "kept from before"} and list(together) == list(jobs)
    assert parallel.run_jobs(None, jobs, 2, Journal(tmp_path / "two.jsonl"), "test") == together, "nothing is left to run"
