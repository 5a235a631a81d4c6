"""What a loaded model is known by: every number of it, its adapters, its tokenizer."""
import copy

import pytest
import torch
from peft import get_peft_model

from lib.core.settings import load
from lib.models import identity, loading, lora
from lib.models.identity import of_model
from lib.training.tree_trainer import reference_key

LORA = load("smoke")[1].dpo.lora


def test_the_last_number_of_any_tensor_counts(tiny):
    model, _ = tiny
    known = {of_model(model)}
    names = [name for name, _ in model.named_parameters()]
    for name in (names[0], names[len(names) // 2], names[-1]):
        with torch.no_grad():
            model.get_parameter(name).view(-1)[-1] += 1e-3
        assert of_model(model) not in known
        known.add(of_model(model))
    assert of_model(copy.deepcopy(model)) in known
    assert of_model(copy.deepcopy(model).to(torch.float16)) not in known


def test_adapters_count_with_all_that_scales_them(tiny):
    model, _ = tiny
    found = set()
    for alpha in (8, 16):
        torch.manual_seed(0)
        wanted = lora.lora_config(LORA.model_copy(update={"alpha": alpha}))
        found.add(of_model(get_peft_model(copy.deepcopy(model), wanted)))
    assert len({*found, of_model(model)}) == 3


def test_the_tokenizer_counts_as_it_is_and_not_as_it_was_last_called(base):
    model, tokenizer = base
    tokenizer = copy.deepcopy(tokenizer)
    before = of_model(model, tokenizer)
    tokenizer(["a word", "b"], truncation=True, max_length=1, padding=True)
    assert of_model(model, tokenizer) == before != of_model(model)
    tokenizer.chat_template += " "
    assert of_model(model, tokenizer) != before


@pytest.mark.parametrize("way", ["4bit", "8bit"])
def test_statistics_of_quantised_weights_count(places, way):
    model, _ = loading.load(places["llama"], device="cpu", quantisation=way)
    before = of_model(model)
    assert of_model(loading.load(places["llama"], device="cpu", quantisation=way)[0]) == before
    weight = model.model.layers[0].self_attn.q_proj.weight
    scales = weight.quant_state.absmax if way == "4bit" else weight.SCB
    scales.view(-1)[-1] += 1
    assert of_model(model) != before


def test_reference_log_probabilities_are_of_all_weights(tiny):
    from types import SimpleNamespace
    model, _ = tiny
    args = SimpleNamespace(bf16=False, fp16=False)
    before = reference_key(model, args)
    with torch.no_grad():
        model.lm_head.weight[-1, -1] += 1
    assert reference_key(model, args) != before


def test_weights_that_wait_outside_of_the_device_are_read(tiny, monkeypatch):
    model, _ = tiny
    whole = of_model(model)
    state = dict(model.state_dict())
    import accelerate.utils.modeling as offloading
    monkeypatch.setattr(offloading, "get_state_dict_offloaded_model", lambda model: state)
    assert identity.of_model(model.to("meta")) == whole
