"""Answers: every sentence is made of numbers, so none survives that its numbers change sign."""
import copy

import pytest

from lib.report import answers, claims

WORLDS = {place.folder: dict(place.metrics) for place in claims.worlds()}
PAGES = [(folder, name) for folder, metrics in WORLDS.items() for name in metrics
         if name in answers.ANSWERS or name in answers.OF_STUDY]


def rate(value, spread=0.05, n=100):
    return {"rate": value, "low": value - spread, "high": value + spread, "n": n}


@pytest.mark.parametrize(("folder", "name"), PAGES)
def test_every_page_has_an_answer_of_whole_sentences(folder, name):
    said = answers.answer(name, WORLDS[folder][name], bool(folder))
    assert said.endswith(".") and "None" not in said and "{" not in said and len(said) > 40


EVALUATION = {
    "preference_over_base": rate(0.9), "f1": {"base": rate(0.6), "tuned": rate(0.8),
                                              "larger": rate(0.9)},
    "names": {"preference_over_base": rate(0.7)}, "versus_larger": {"judge": rate(0.2)},
    "descriptions": {"preference_over_base": rate(0.8)}}


def changed(metrics, path, value):
    metrics = copy.deepcopy(metrics)
    *way, last = path.split("/")
    place = metrics
    for step in way:
        place = place[step]
    place[last] = value
    return metrics


def test_a_preference_that_turns_changes_what_is_said():
    said = [answers.evaluation(changed(EVALUATION, "preference_over_base", rate(share)))
            for share in (0.9, 0.52, 0.1)]
    assert [one.split(":")[0] for one in said] == [
        "It is better", "It cannot be told from its base", "It is worse"]


def test_the_whole_answer_follows_both_worlds():
    own = {"04_evaluation": EVALUATION, "10_comparison": {"controls": {
        name: {"judge": {"over_base": rate(0.5), "ahead": rate(0.02)}}
        for name in ("shuffled", "best_of_blacklist", "sft")}}}
    real = {"04_evaluation": {"human_preference_over_base": rate(0.7),
                              "f1": {"base": rate(0.26), "tuned": rate(0.31)}}}
    first, second, third = answers.overall(own, real)
    assert "makes the profiles of a small model better" in first and "by a coin reach 50 %" in first
    assert "reaches 50 % [45, 55], hardly less than DPO" in first
    assert "are nearer to professional indexers' terms" in second
    assert "also name more" in third and "stays ahead" in third
    turned = changed(changed(own, "04_evaluation/preference_over_base", rate(0.1)),
                     "04_evaluation/f1/tuned", rate(0.4))
    first, second, third = answers.overall(
        changed(turned, "04_evaluation/versus_larger/judge", rate(0.9)),
        changed(real, "04_evaluation/human_preference_over_base", rate(0.3)))
    assert "makes profiles worse" in first and "the tuned profiles are worse" in second
    assert "name less of what is right" in third and "is beaten" in third
    assert "under way" in answers.overall(own, {})[1]


def test_controls_that_do_as_well_are_said_to():
    found = {"runs": {"round_1": None}, "run_1": {"judge": rate(0.9)},
             "controls": {"shuffled": {"judge": {"over_base": rate(0.5)}}}}
    assert "Labels matter" in answers.comparison(found)
    found["controls"]["sft"] = {"judge": {"over_base": rate(0.88), "ahead": rate(0.1)}}
    assert "does less than one round" in answers.comparison(found)
    as_well = changed(found, "controls/sft/judge/ahead", rate(0.02))
    assert "does as well as one round" in answers.comparison(as_well)
    level = changed(found, "controls/shuffled/judge/over_base", rate(0.88))
    assert "does as well" in answers.comparison(level)


def test_explanations_of_other_claims_and_the_gate_decide_the_words():
    def said(own, others, gate):
        arms = {"with_explanation": {"cue_correlation": rate(own)},
                "permuted": {"cue_correlation": rate(others)}}
        return answers.generalisation({"gate": {"dpo": rate(gate), "base": rate(0.7)},
                                       "explanation": {"0.9": arms}, "forgetting": {}})
    assert "no more than explanations of other claims" in said(0.3, 0.2, 0.95)
    assert "cue more than" in said(0.2, 0.3, 0.95)
    assert "passes the gate" in said(0.2, 0.3, 0.9) and "does not pass" in said(0.2, 0.3, 0.89)


def test_falling_log_probabilities_are_told():
    found = {"trained": True, "reward_accuracy": 0.9,
             "chosen_logp": {"first": -13.6, "last": -24.6}}
    assert "less likely" in answers.dpo(found) and "known price" in answers.dpo(found)
    rising = changed(found, "chosen_logp/last", -10.0)
    assert "more likely" in answers.dpo(rising) and "known price" not in answers.dpo(rising)
    assert answers.dpo({"trained": False}).startswith("No")
