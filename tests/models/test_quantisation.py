"""Quantised models, fused experts included: what they compute with, and the way back."""
import json

import bitsandbytes
import pytest
import torch
from helpers.checkpoints import weight_map, write_checkpoint
from transformers import AutoModelForCausalLM

from lib.core.records import DataError
from lib.models import quantisers
from lib.models.loading import load
from lib.models.quantisation import dequantise

IDS = torch.arange(20, 60)[None]


def test_4_bit_experts_compute_with_the_nearest_of_16_levels(places):
    """Against NF4 by its definition: Dettmers et al. 2023's levels times the largest of each 64."""
    plain, small = (load(places["mixtral"], device="cpu", quantisation=kind)[0]
                    for kind in ("none", "4bit"))
    levels = bitsandbytes.functional.get_4bit_type("nf4", device="cpu")
    for name in ("gate_up_proj", "down_proj"):
        original, found = (getattr(model.model.layers[1].mlp.experts, name)
                           for model in (plain, small))
        blocks = original.detach().reshape(-1, 64)
        largest = blocks.abs().amax(1, keepdim=True)
        distances = (blocks[..., None] / largest[..., None] - levels).abs()
        nearest = levels[distances.argmin(-1)] * largest
        # The largest numbers themselves are kept in 8 bits.
        assert found.shape == original.shape
        assert (found.reshape(-1, 64) - nearest).norm() < 0.02 * nearest.norm()
        assert 0.05 < (found - original).norm() / original.norm() < 0.12


def test_while_loading_no_more_than_one_tensor_of_experts_is_unquantised(places, monkeypatch):
    loading, plain, quantize = [], [], bitsandbytes.functional.quantize_4bit
    before = quantisers.Quantiser4bit._process_model_before_weight_loading

    def keep(self, model, **kwargs):
        loading.append(model)
        before(self, model, **kwargs)

    def count(*args, **kwargs):
        experts = [weight for name, weight in loading[0].named_parameters() if "experts" in name]
        plain.append([weight for weight in experts
                      if weight.is_floating_point() and not weight.is_meta])
        return quantize(*args, **kwargs)
    monkeypatch.setattr(quantisers.Quantiser4bit, "_process_model_before_weight_loading", keep)
    monkeypatch.setattr(bitsandbytes.functional, "quantize_4bit", count)
    load(places["mixtral"], device="cpu", quantisation="4bit")
    # The one in hand is not yet in the model, the others are quantised.
    assert len(plain) >= 4 and not any(plain)


def test_rows_that_cpus_restore_wrongly_are_refused(tmp_path):
    """A row of 96 is a block and a half. If this kernel is ever right, the refusal can go."""
    weight = torch.randn(64, 96)
    rows, flat = (bitsandbytes.functional.quantize_4bit(numbers, quant_type="nf4")
                  for numbers in (weight, weight.flatten()))

    def error(quantised):
        restored = bitsandbytes.functional.dequantize_4bit(*quantised).reshape(64, 96)
        return (restored - weight).norm() / weight.norm()
    assert torch.equal(rows[0], flat[0]) and error(flat) < 0.1
    if error(rows) > 0.2:  # seen with AVX-512
        with pytest.raises(DataError, match="this model has rows of 96; set it to none"):
            load(write_checkpoint(tmp_path, "mixtral", inner=96), device="cpu", quantisation="4bit")


def test_evaluation_leaves_4_bit_layers_trainable(places):
    """On some CPUs bitsandbytes repacks weights at the first evaluation; nothing must show it."""
    model, _ = load(places["llama"], device="cpu", quantisation="4bit")
    embedded = model.get_input_embeddings()(IDS).detach()

    def gradient():
        inputs = embedded.clone().requires_grad_()
        model(inputs_embeds=inputs).logits.square().sum().backward()
        return inputs.grad
    first = gradient()
    with torch.no_grad():
        evaluated = model(inputs_embeds=embedded).logits
    assert torch.equal(first, gradient()) and first.abs().sum() > 0
    assert torch.equal(evaluated, model(inputs_embeds=embedded).logits)


@pytest.mark.parametrize(("kind", "quantisation"), [("mixtral", "4bit"), ("llama", "8bit")])
def test_restored_weights_are_those_that_were_computed_with(places, tmp_path, kind, quantisation):
    with torch.no_grad():
        small, _ = load(places[kind], device="cpu", quantisation=quantisation)
        before = small(IDS).logits
        dequantise(small).save_pretrained(tmp_path, max_shard_size="300KB")
        restored = AutoModelForCausalLM.from_pretrained(tmp_path)
        after = restored(IDS).logits
    assert weight_map(tmp_path).keys() == weight_map(places[kind]).keys()
    assert "quantization_config" not in json.loads((tmp_path / "config.json").read_text())
    assert {weight.dtype for weight in restored.parameters()} == {torch.float32}
    # 8-bit layers round what they multiply with as well; restored ones do not.
    tolerance = 1e-6 if quantisation == "4bit" else 0.05
    assert (before - after).norm() <= tolerance * after.norm()
