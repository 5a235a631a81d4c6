"""Families of judges, and who may not measure: the kin of who is tuned or who labelled."""
import copy

import pytest
import yaml

from lib.core import families, settings
from lib.core.settings import SettingsError

PRESETS = yaml.safe_load((settings.ROOT / "params.yaml").read_text())["presets"]
SERVER = {"name": "server", "kind": "endpoint", "model": "judge-1",
          "endpoint": {"urls": ["http://127.0.0.1:1/v1"]}}


def preset(name="default", **sections):
    """A preset with other settings in some sections."""
    presets = copy.deepcopy(PRESETS)
    for section, changes in sections.items():
        presets[name][section] = presets[name][section] | changes
    return settings.checked(name, presets)


def refused(**changes):
    with pytest.raises(SettingsError) as error:
        preset(**changes)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_models_of_one_series_or_maker_are_one_family():
    of = families.of_model
    assert of("mistralai/Mixtral-8x7B-Instruct-v0.1") == of("mistral-large") == "mistral"
    assert of("meta-llama/Meta-Llama-3-70B-Instruct") == of("codellama:7b") == "llama"
    assert of("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B") == of("qwen2.5:7b") == "qwen"
    assert of("acme/new-model") == of("acme/old-model") == "acme"
    assert of("data/smollm2/warm_start") == of("data/models/smollm2") == "smollm"
    assert of("microsoft/phi-4") == "phi" and of("data/models/philosophy") == "models/philosophy"


def test_models_trained_from_scratch_are_families_of_their_own():
    found = {families.of_model(f"data/models/embedded/{role}") for role in PRESETS["default"][
        "pretraining"]["roles"]}
    assert len(found) == 4


def test_judges_of_each_kind_state_their_families():
    line = {"name": "server", "kind": "endpoint", "model": "qwen2.5:7b", "endpoint": SERVER[
        "endpoint"]}
    found = preset(evaluation={"panel": [
        line, {"name": "near", "kind": "encoder", "model": "encoder"},
        {"name": "words", "kind": "lexical", "model": ""},
        {"name": "both", "kind": "standardised", "model": "",
         "standardised": {"near": 1.0, "words": 1.0}},
        {"name": "mine", "kind": "likelihood", "model": "me/x", "family": "house"}]},
        models={"encoder": "data/models/minilm"})
    stated = {judge.name: found.families(judge) for judge in found.evaluators()}
    assert stated == {"server": ["language model: qwen"], "near": ["sentence encoder"],
                      "words": ["lexical"], "both": ["sentence encoder", "lexical"],
                      "mine": ["language model: house"]}


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "default"] + ["default"])
def test_in_every_preset_somebody_may_measure(name):
    assert not preset(name).kinship()
    assert preset(name).evaluators()


def test_kin_of_the_base_is_refused_as_the_headlines_judge():
    models = {"base": "Qwen/Qwen2.5-0.5B-Instruct", "evaluation_judge": "Qwen/Qwen2.5-7B-Instruct"}
    sentence = refused(models=models)
    assert "the judge 'reference', whose measurements make the headline" in sentence
    assert "(language model: qwen) with the base, which is tuned; name a judge of" in sentence
    assert not preset(models=models, evaluation={"judge": "lexical"}).kinship()


def test_kin_of_a_labeller_is_refused_even_where_only_its_line_says_so():
    labels = [{**SERVER, "name": "label", "family": "qwen"}]
    measures = [{**SERVER, "model": "judge-2", "family": "qwen"}]
    changes = {"judging": {"panel": labels}, "rounds": {"judges": ["label"]}}
    sentence = refused(**changes, evaluation={"panel": measures})
    assert "'server'" in sentence and "with the judge 'label' of judging.panel" in sentence
    measures[0]["family"] = "gemma"
    assert preset(**changes, evaluation={"panel": measures}).evaluators()[0].name == "server"


def test_a_part_of_a_labeller_makes_it_kin_and_who_does_not_vote_does_not():
    words = {"name": "words", "kind": "lexical", "model": ""}
    both = {"name": "both", "kind": "standardised", "model": "", "standardised": {"words": 1.0}}
    changes = {"rounds": {"judges": ["both"]}, "evaluation": {"judge": "lexical"}}
    assert "with the judge 'both'" in refused(judging={"panel": [words, both]}, **changes)
    silent = PRESETS["default"]["judging"]["panel"] + [{**words, "votes": False}]
    assert preset(judging={"panel": silent}, evaluation={"judge": "lexical"})


def test_an_adapter_is_of_its_bases_family():
    found = preset(models={"evaluation_judge": "data/models/mine/tuned"})
    assert not found.kinship()
    tuned_from = {"data/models/mine/tuned": found.models.base}
    assert "with the base" in found.kinship(lambda name: tuned_from.get(name, name))


def test_the_headlines_judge_is_the_first_or_the_one_that_is_named():
    assert [one.name for one in preset().evaluators()] == ["reference", "likelihood", "lexical"]
    named = preset(evaluation={"judge": "lexical"}).evaluators()
    assert [one.name for one in named] == ["lexical", "reference", "likelihood"]
    assert "evaluation.judge is 'nobody', which is a judge neither" in refused(
        evaluation={"judge": "nobody"})


def test_without_a_model_for_its_role_a_judge_is_left_out_but_never_the_headlines():
    models = {"evaluation_judge": ""}
    assert "nobody measures: the first judge of evaluation.panel" in refused(models=models)
    found = preset(models=models, evaluation={"judge": "lexical"}).evaluators()
    assert [one.name for one in found] == ["lexical"]


def test_the_real_study_measures_with_the_judge_it_names_in_judging():
    encoder, = preset("smollm2").evaluators()
    assert encoder.encoder.relevance == 0.8 and encoder.encoder.redundancy == 0.2
    labelling = {family for judge in preset("smollm2").labellers()
                 for family in preset("smollm2").families(judge)}
    assert labelling == {"lexical", "rule"}


def test_no_evaluator_reads_what_its_own_model_wrote():
    line = {"name": "own", "kind": "likelihood", "model": "base"}
    panel = [*PRESETS["default"]["evaluation"]["panel"], line]
    assert "the judge 'own' of evaluation.panel is also the base" in refused(
        evaluation={"panel": panel})
