"""Adapters: where they can be trained, and merging them into quantised models."""
import pytest
import torch
from helpers.checkpoints import ATTENTION, KINDS
from peft import LoraConfig, get_peft_model

from lib.core.records import DataError
from lib.models import lora
from lib.models.loading import load, merge

IDS = torch.arange(20, 60)[None]


def awake(model):
    """An adapter on attention that does something."""
    config = LoraConfig(task_type="CAUSAL_LM", r=4, target_modules=ATTENTION)
    model = get_peft_model(model, config)
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data = torch.randn_like(parameter) * 0.1
    return model.eval()


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_on_quantised_weights_is_merged_into_the_restored_ones(places, tmp_path, kind):
    base, tokenizer = load(places[kind], device="cpu", quantisation="4bit")
    tuned, adapter = awake(base), tmp_path / "adapter"
    lora.save_adapter(tuned, adapter, places[kind], "card")
    with torch.no_grad():
        beside = tuned(IDS).logits
        with tuned.disable_adapter():
            effect = (tuned(IDS).logits - beside).abs().max()
    error = lora.merge_error(places[kind], adapter, IDS, "4bit")
    assert error < 1e-4 < 0.1 < effect
    with pytest.raises(DataError, match="merging into quantised weights would round the adapter"):
        merge(tuned)
    # What PEFT does by itself: merge into the 16 levels. The error is of the order of the rounding,
    # not of arithmetic.
    with torch.no_grad():
        assert (tuned.merge_and_unload()(IDS).logits - beside).abs().max() > 100 * error
    lora.save_merged(places[kind], adapter, tmp_path / "merged", "4bit")
    merged, same = load(tmp_path / "merged", device="cpu")
    again, _ = load(places[kind], device="cpu", quantisation="4bit", adapter=adapter)
    texts = [model.generate(IDS, max_new_tokens=12, do_sample=False)[0, 40:].tolist()
             for model in (merged, again)]
    assert texts[0] == texts[1] and len(texts[0]) > 0
    assert same.chat_template == tokenizer.chat_template


@pytest.mark.parametrize(("kind", "targets", "named"), [
    ("mixtral", ["gate_proj", "up_proj", "down_proj"],
     "down_proj, gate_proj, up_proj match no linear layer"),
    ("mixtral", ["q_proj", "w1", "w3"], "w1, w3 match no linear layer"),
    ("mixtral", ["gate"], "gate matches no linear layer"),
    ("mixtral", ["q_proj", "experts"], "experts matches no"),
    ("mixtral", "all-linear", "all-linear matches no"),
    ("mixtral", ["qproj"], "whose experts and router take no adapters; choose among "
                           "k_proj, o_proj, q_proj, v_proj"),
    ("llama", ["q_proj", "w1"], "w1 matches no linear layer of this llama model; choose among "
                                "down_proj, gate_proj, k_proj")])
def test_targets_that_cannot_be_trained_are_named(places, kind, targets, named):
    for quantisation in ("none", "4bit"):
        base, _ = load(places[kind], device="cpu", quantisation=quantisation)
        with pytest.raises(DataError, match=named):
            lora.check_targets(base, LoraConfig(target_modules=targets))


def test_tensors_of_experts_take_no_adapters(places):
    base, _ = load(places["mixtral"], device="cpu", quantisation="4bit")
    for name in ("down_proj", "model.layers.0.mlp.experts.down_proj"):
        said = f"target_parameters .{name}.: adapters are for linear layers only"
        wanted = LoraConfig(target_modules=["q_proj"], target_parameters=[name])
        with pytest.raises(DataError, match=said):
            lora.check_targets(base, wanted)
    lora.check_targets(base, LoraConfig(target_modules=ATTENTION))
