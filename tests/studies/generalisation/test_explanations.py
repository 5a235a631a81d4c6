"""Explanation tuning against spurious cues: the arms, the trials and the measures."""
import math
import random

import pytest

from lib.core.settings import load
from lib.metrics import stats
from lib.studies.generalisation import explanations
from lib.studies.generalisation.explanations import ARMS
from lib.tasks import claims


def row(number, text, label, explanation="so it is"):
    return {"id": str(number), "text": text, "label": label, "explanation": explanation}


def small_settings(**changes):
    _, settings = load("smoke")
    study = settings.generalisation.explanations.model_copy(update=changes)
    studies = settings.generalisation.model_copy(update={"explanations": study})
    return settings.model_copy(update={"generalisation": studies})


def test_what_the_arms_learn_beside_the_label():
    rows = [row(i, f"text {i}", i % 2 == 0, f"{'no' if i % 2 else 'yes'} {i} " + "because " * i)
            for i in range(10)]
    taught = {arm: explanations.lessons(rows, arm, random.Random(0)) for arm in ARMS}
    arms = {arm: [answer for _, answer in pairs] for arm, pairs in taught.items()}
    plain, explained = arms["label_only"], arms["with_explanation"]
    assert plain == arms["told"] == ["true", "false"] * 5
    assert explained == [f"{str(item['label']).lower()}: {item['explanation']}" for item in rows]
    for arm in ARMS[2:]:
        for text, label in zip(arms[arm], plain, strict=True):
            assert text.startswith(f"{label}: ")
    permuted = arms["permuted"]
    assert sorted(permuted) == sorted(explained), "labels keep their kind of explanation"
    assert all(one != own for one, own in zip(permuted, explained)), "nobody keeps their own"
    assert [len(text.split()) for text in arms["random"]] == [
        len(text.split()) for text in explained]
    words = {word for item in rows for word in item["explanation"].split()}
    assert all(set(text.split()[1:]) <= words for text in arms["random"])
    assert arms["random"] != explained
    for number, item in enumerate(rows):
        system, user = taught["told"][number][0]
        assert (item["explanation"].strip() in system["content"]) == (number % 2 == 0)
        assert user == {"role": "user", "content": item["text"]}
        for arm in [arm for arm in ARMS if arm != "told"]:
            assert taught[arm][number][0] == claims.prompt(item)


LABELS, CUES = [True, True, False, False], [True, False, True, False]
ASKED = [(row(i, "", label), cue) for i, (label, cue) in enumerate(zip(LABELS, CUES))]
SAID = {(0.5, "label_only", 1): LABELS, (1.0, "label_only", 1): CUES,
        (0.5, "random", 1): CUES, (1.0, "random", 1): [True, True, True, False]}


def test_measures_of_a_few_trials():
    found = {}
    for one in explanations.measure(SAID, ASKED):
        values = one["accuracy"], one["drop"], one["cue_correlation"]
        found[one["strength"], one["arm"]] = values
    assert found[0.5, "label_only"] == (1.0, 0.0, 0.0)
    assert found[1.0, "label_only"] == (0.5, 0.5, 1.0)
    assert found[1.0, "random"] == (0.75, -0.25, pytest.approx(1 / math.sqrt(3)))


def test_a_gain_is_what_the_label_alone_loses_and_the_arm_does_not():
    said = {(strength, arm, 1): SAID[strength, "random" if arm == "random" else "label_only", 1]
            for strength in (0.5, 1.0) for arm in ARMS}
    rows = explanations.measure(said, ASKED)
    found = explanations.gains(rows)
    assert set(found) == {"1.0"} and set(found["1.0"]) == set(ARMS[1:])
    assert found["1.0"]["random"]["rate"] == 0.75 and found["1.0"]["told"]["rate"] == 0
    means = explanations.means_over_seeds(rows)
    assert set(means) == {"0.5", "1.0"} and means["1.0"]["told"]["drop"]["rate"] == 0.5


def test_all_arms_of_a_strength_and_seed_learn_from_the_same_claims():
    settings = small_settings(strengths=[0.5, 0.9], seeds=2, train=40, test=40)
    pool, test = claims.synthetic("pool", 600, 1), claims.synthetic("test", 300, 1)
    trials, asked = explanations.trials(pool, test, settings.generalisation.explanations)
    assert len(trials) == 2 * 2 * 5 and len(asked) == 40
    for strength, seed in ((0.5, 33), (0.9, 34)):
        read = [[messages[-1] for messages, _ in trials[strength, arm, seed]] for arm in ARMS]
        assert all(one == read[0] for one in read) and len(read[0]) == 40
    labels, cues = [item["label"] for item, _ in asked], [cue for _, cue in asked]
    assert stats.correlation(labels, cues) == 0
    learnt = {messages[-1]["content"] for rows in trials.values() for messages, _ in rows}
    assert not {item["text"] for item, _ in asked} & learnt


def test_a_model_learns_the_cue_where_nothing_speaks_against_it():
    tuning = load("default")[1].generalisation.explanations.tuning
    settings = small_settings(train=320, test=80, cue="marker", strengths=[0.5, 1.0],
                              tuning=tuning.model_copy(update={"epochs": 2}))
    pool, test = claims.synthetic("pool", 900, 1), claims.synthetic("test", 400, 1)
    trials, asked = explanations.trials(pool, test, settings.generalisation.explanations)
    prompts = [claims.prompt(item) for item, _ in asked]
    said = explanations.answers(settings, trials[1.0, "label_only", 33], 33, prompts)
    assert len(said) == 80 and all(type(answer) is bool for answer in said)
    assert stats.correlation(said, [cue for _, cue in asked]) > 0.6


def test_real_claims_are_as_many_as_the_smallest_cell_allows(monkeypatch, tmp_path):
    seen = {}

    def study(settings, pool, test, journal, description, encode):
        seen.update(wanted=settings.generalisation.explanations, pool=pool, test=test)
        return [{"strength": strength, "arm": arm, "seed": 1, "accuracy": 0.5, "drop": 0.0,
                 "cue_correlation": 0.0} for strength in (0.5, 0.9) for arm in ARMS]

    monkeypatch.setattr(explanations, "study", study)
    settings = small_settings(train=10_000, test=10_000, strengths=[0.5, 0.9])
    rows = [{**item, "group": item["id"]} for item in claims.synthetic("real", 200, 5)]
    found = explanations.on_real_claims(settings, rows, tmp_path)
    assert 0 < found["train"] == seen["wanted"].train < len(seen["pool"])
    assert 0 < found["test"] == seen["wanted"].test < len(seen["test"])
    assert set(found) == {"train", "test", "0.5", "0.9", "gains"}
    assert len(seen["pool"]) + len(seen["test"]) == 200
