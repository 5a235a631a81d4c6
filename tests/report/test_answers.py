"""Answers: every sentence is made of numbers, so none survives that its numbers change sign."""
import copy

import pytest

from lib.report import answers, answers_real, claims, pictures

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


def test_a_judge_that_is_not_valid_carries_no_verdict():
    judge = {"name": "reference", "suite": rate(0.56), "valid": False}
    found = {**EVALUATION, "truth_preference_over_base": rate(0.5), "evaluator": judge,
             "versus_larger": {"judge": rate(0.2), "truth": rate(0.8)}}
    said = answers.evaluation(found)
    assert said.startswith("It cannot be told from its base: preferred in 50 %")
    assert "by the truth (the judge is not valid here: it gets 56 % [51, 61] of" in said
    first = answers.overall({"04_evaluation": found}, {})[0]
    assert "not so that one could see it" in first and "not valid here" in first
    assert "is beaten" in first and "90 %" not in first, "by the truth"
    two = {"judge": rate(0.9), "truth": rate(0.3)}
    runs = {"evaluator": judge, "run_1": two, "runs": {"sft": {
        "over_base": two, "over_round_1": two}},
        "controls": {name: {by: {"over_base": value} for by, value in two.items()}
                     for name in ("shuffled", "sft")}}
    told = answers.comparison(runs) + answers.overall(
        {"04_evaluation": found, "10_comparison": runs}, {})[1]
    assert "loses (30 %" in told and "90 %" not in told
    valid = {**judge, "valid": True}
    told = answers.comparison({**runs, "evaluator": valid})
    assert "wins (90 %" in told and "30 %" not in told


def test_the_whole_answer_follows_both_worlds():
    own = {"04_evaluation": EVALUATION, "10_comparison": {
        "controls": {name: {"judge": {"over_base": rate(0.5)}} for name in ("shuffled", "sft")},
        "runs": {"sft": {"over_round_1": {"judge": rate(0.28)}}}}}
    real = {"04_evaluation": {"human_preference_over_base": rate(0.7),
                              "f1": {"base": rate(0.26), "tuned": rate(0.31)}}}
    first, second, third = answers.overall(own, real)
    assert "is known, yes:" in first and "names alone on 70 %" in first and "rises" in first
    assert "Shuffled labels reach 50 % [45, 55]" in second and "imitation loses (28 %" in second
    assert "are nearer to professional indexers' terms" in third and "stays ahead" in first
    turned = changed(changed(own, "04_evaluation/preference_over_base", rate(0.1)),
                     "04_evaluation/f1/tuned", rate(0.4))
    turned = changed(turned, "10_comparison/runs/sft/over_round_1/judge", rate(0.7))
    first, second, third = answers.overall(
        changed(turned, "04_evaluation/versus_larger/judge", rate(0.9)),
        changed(real, "04_evaluation/human_preference_over_base", rate(0.3)))
    assert "no, worse" in first and "falls" in first and "is beaten" in first
    assert "imitation wins" in second and "the tuned profiles are worse" in third
    assert "under way" in answers.overall(own, {})[-1]


def test_controls_that_do_as_well_are_said_to():
    found = {"runs": {"round_1": None, "sft": {"over_base": {"judge": rate(0.9)},
                                               "over_round_1": {"judge": rate(0.28)}}},
             "run_1": {"judge": rate(0.9)}, "controls": {
                 "shuffled": {"judge": {"over_base": rate(0.5)}}, "sft": {"judge": {}}}}
    assert "Labels matter" in answers.comparison(found)
    assert "when the two meet it loses" in answers.comparison(found)
    level = changed(found, "runs/sft/over_round_1/judge", rate(0.51))
    assert "when the two meet it is level" in answers.comparison(level)
    level = changed(found, "controls/shuffled/judge/over_base", rate(0.88))
    assert "does as well" in answers.comparison(level)


def test_what_was_forgotten_is_told_with_its_sign():
    def said(learnt, end):
        lost = {"profiles": {"learnt": learnt, "end": end, "change": end - learnt},
                "job_bias": {"learnt": 0.9, "end": 0.9, "change": 0.0}}
        return answers_real.forgetting({"lost": {"full": lost}, "backward_transfer": {
            "full": end - learnt, "lora": None}})
    assert "profiles goes from 0.26 to 0.10" in said(0.26, 0.1) and "all weights -0.16" in said(
        0.26, 0.1)
    assert "all weights +0.16" in said(0.1, 0.26) and "LoRA" not in said(0.1, 0.26)


def test_explanations_of_other_claims_and_the_gate_decide_the_words():
    def said(own, others, gate):
        arms = {"with_explanation": {"cue_correlation": rate(own)},
                "permuted": {"cue_correlation": rate(others)},
                "label_only": {"cue_correlation": rate(0.8)}}
        return answers.generalisation({"gate": {"dpo": rate(gate), "base": rate(0.7)},
                                       "explanation": {"0.9": arms}, "forgetting": {}})
    assert "from 0.80 to 0.30, but so do explanations of other claims" in said(0.3, 0.2, 0.95)
    assert "which is not true of explanations of other claims" in said(0.3, 0.85, 0.95)
    assert "do not lower" in said(0.9, 0.85, 0.95)
    assert "meets the gate" in said(0.2, 0.3, 0.9) and "does not meet" in said(0.2, 0.3, 0.89)


def test_falling_log_probabilities_are_told():
    found = {"trained": True, "reward_accuracy": 0.9,
             "chosen_logp": {"first": -13.6, "last": -24.6}}
    assert "less likely" in answers.dpo(found) and "known price" in answers.dpo(found)
    rising = changed(found, "chosen_logp/last", -10.0)
    assert "more likely" in answers.dpo(rising) and "known price" not in answers.dpo(rising)
    assert answers.dpo({"trained": False}).startswith("No")


def unknown(value, nothing):
    """Numbers of a run that could not tell anything: every rate is `nothing`."""
    if not isinstance(value, dict):
        return value
    rest = {key: unknown(item, nothing) for key, item in value.items()}
    return rest | nothing if {"rate", "low", "high"} <= set(value) else rest


@pytest.mark.parametrize("nothing", [
    {"rate": None, "low": 0.0, "high": 1.0, "n": 0},
    {"rate": None, "low": None, "high": None, "n": 0}])
def test_a_run_that_can_tell_nothing_says_so_and_fails_nowhere(nothing):
    own = unknown(WORLDS[""], nothing)
    for name in set(own) & set(answers.ANSWERS):
        assert answers.answer(name, own[name]).endswith(".")
    first, *_ = answers.overall(own, {})
    assert "not so that one could see it" in first and "–" in first
    assert "The thesis" in pictures.effect(own, {})
    place = claims.World("own", "", own)
    for row in claims.measured([place]):
        assert all(claims.told(found) for found in row["findings"])


def test_controls_that_could_not_be_run_are_left_out():
    page = WORLDS[""]["10_comparison"]
    untrained = {"controls": dict.fromkeys(page["controls"]), "runs": dict.fromkeys(page["runs"])}
    own = {**WORLDS[""], "10_comparison": {**page, **untrained}}
    assert "shuffled" not in " ".join(answers.overall(own, {})).lower()
    assert "Labels" not in answers.comparison(own["10_comparison"])
    assert 'class="control"' not in pictures.effect(own, {})
    assert claims.measured([claims.World("own", "", own)])


def test_examples_and_formats_are_told_as_their_numbers_have_it():
    def cell(f1, gain, complete=0.5):
        return {"f1": rate(f1), "format": rate(complete), "difference": {"f1": rate(gain)}}

    def kinds(gain):
        bare = cell(0.2, 0)
        return {"random": {"k0": bare, "k3": cell(0.25, 0.05)},
                "nearest": {"k0": bare, "k1": cell(0.1, -0.1), "k3": cell(0.2 + gain, gain, 0.9)}}
    forms = {form: {"as_it_comes": {"k0": {}, "k1": {"complete": rate(share)}},
                    "tuned": {"k0": {"complete": rate(share)}, "k1": {}}}
             for form, share in (("text", 0.8), ("json", 0.3))}
    found = {"examples": {"as_it_comes": kinds(0.2), "tuned": kinds(-0.1)}, "format": forms}
    said = answers.answer("13_prompts", found, True)
    assert "3 nearest examples raise F1 of names, from 0.20 to 0.40, drawn ones to 0.25" in said
    assert "Before the tuned model, 3 nearest examples lower F1" in said
    assert "from 50 % [45, 55] to 90 % [85, 95]" in said
    assert "the tuned model completes 30 % [25, 35] of profiles and 80 % [75, 85] in the" in said
    level = answers.answer("13_prompts", changed(found, "examples/tuned", kinds(0.01)), True)
    assert "do not measurably move F1" in level
    drawn = {name: {"random": part["random"]} for name, part in found["examples"].items()}
    assert "3 random examples do not" in answers.answer(
        "13_prompts", {**found, "examples": drawn}, True)
    nothing = unknown(found, {"rate": None, "low": None, "high": None, "n": 0})
    assert "–" in answers.answer("13_prompts", nothing, True)


def read_so(gain=0.1, more=0.1, own=0.9):
    """Numbers of page 13: what full texts gain over abstracts, and over asking as often."""
    def lead(value):
        return {"f1": rate(value, 0.02)}
    kinds = ("abstracts", "summaries", "full_text")
    ads = {"soft_f1": rate(0.5), "another": {"soft_f1": rate(0.3)}}
    return {"extraction": {kind: {"f1": rate(0.2)} for kind in kinds},
            "difference": {"full_text": lead(gain), "summaries": lead(-0.1)},
            "full_text_over_merged": lead(more), "documents": {"job_ad": ads},
            "pointers": {"full_text": {"own": rate(own), "other": rate(0.1)}}}


@pytest.mark.parametrize(("gain", "more", "words"), [
    (0.1, 0.1, ("beat abstracts", "reach more than the abstract")),
    (0.0, 0.0, ("cannot be told from abstracts", "reach no more than one can see beside")),
    (-0.1, -0.1, ("lose to abstracts", "reach less than the abstract"))])
def test_what_is_worth_reading_is_said_by_the_numbers(gain, more, words):
    said = answers.answer("13_reading", read_so(gain, more), of_study=True)
    assert all(word in said for word in words) and "summaries lose to abstracts" in said
    assert "90 % [85, 95] of pointers" in said and said.endswith("(0.30).")
    assert "soft F1 against marked skills is 0.50, above that against another" in said
