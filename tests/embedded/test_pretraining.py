"""The embedded models: what is committed, when it is trained again, and that training gives it."""
import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from lib.core.records import read_json
from lib.core.settings import ROOT, load
from lib.embedded import induction, pretraining
from lib.embedded.tokenizer import world_tokenizer
from lib.models import loading

DIRECTORY = ROOT / "data/models/embedded"
SETTINGS = load("default")[1].pretraining
WORDING = load("default")[1].data.wording


@pytest.fixture(scope="module")
def tokenizers():
    """The tokenizers of the default preset, as `train_all` makes them: {judging: tokenizer}."""
    return {judging: world_tokenizer(SETTINGS, judging, WORDING) for judging in (False, True)}


@pytest.mark.parametrize("role", SETTINGS.roles)
def test_committed_models_are_ordinary_directories(role):
    model = AutoModelForCausalLM.from_pretrained(DIRECTORY / role, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(DIRECTORY / role)
    assert model.config.model_type == "llama" and tokenizer.chat_template
    assert len(tokenizer) == model.config.vocab_size


def test_committed_models_are_small():
    assert sum(f.stat().st_size for f in DIRECTORY.rglob("*") if f.is_file()) < 10_000_000


@pytest.mark.parametrize("role", SETTINGS.roles)
def test_a_model_is_trained_again_where_what_decides_its_weights_has_changed(role, tokenizers):
    recipe = SETTINGS.roles[role]
    judging = recipe.judging_steps > 0
    key = pretraining.training_key(role, recipe, tokenizers[judging], WORDING)
    assert pretraining.known_key(DIRECTORY, role) == key, "not what the settings make"

    def changes(tokenizer=tokenizers[judging], **update):
        other = recipe.model_copy(update=update)
        return pretraining.training_key(role, other, tokenizer, WORDING) != key
    assert changes(seed=99) and changes(tokenizers[not judging])
    # No steps on faults, no part of theirs.
    faults = recipe.faults.model_copy(update={"missing": 0.5})
    assert changes(faults=faults) == (recipe.own_steps > 0)


def test_the_first_steps_of_training_give_the_committed_curve(tokenizers):
    """If not, PROCEDURE takes the next number, and all models are trained again."""
    recipe = SETTINGS.roles["base"]
    model = induction.new_model(tokenizers[False], recipe)
    point = next(pretraining.train(model, "base", recipe, tokenizers[False], WORDING))
    committed = read_json(pretraining.training_file(DIRECTORY, "base"))["curve"][0]
    assert (point["step"], point["stage"]) == (committed["step"], committed["stage"])
    assert point["loss"] == pytest.approx(committed["loss"], rel=1e-3)
    assert point["held_out"] == pytest.approx(committed["held_out"], rel=1e-3)


def test_the_learning_rate_goes_up_stays_and_goes_down():
    rates = [pretraining.trapezoid(step, 1000) for step in range(1, 1001)]
    assert rates[0] == 0.02 and set(rates[49:300]) == {1.0} and rates[-1] == 0.01
    assert rates[649] == pytest.approx(351 / 700) and rates[49:] == sorted(rates[49:], reverse=True)


def test_training_from_scratch_is_repeatable_and_saves_a_loadable_model(tmp_path):
    settings = load("smoke")[1].pretraining
    role, tokenizer = settings.roles["base"], world_tokenizer(settings)
    curves = [pretraining.train_role("base", role, tokenizer, WORDING, tmp_path / name)
              for name in "ab"]
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in "ab"]
    assert weights[0] == weights[1] and curves[0] == curves[1]
    assert loading.load(tmp_path / "a", device="cpu")[0].dtype == torch.float32
    config = json.loads((tmp_path / "a" / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
