"""Quantised models, fused experts included: loading, what is stored how, tuning, resuming, merging; on checkpoints as a hub has them."""
import json
from pathlib import Path

import bitsandbytes
import pytest
import torch
from peft import LoraConfig, get_peft_model
from test_dpo import pairs, small_settings
from torch.nn.utils import parametrize
from transformers import AutoModelForCausalLM, LlamaConfig, MixtralConfig

from lib.core.records import DataError
from lib.core.settings import ROOT
from lib.models import lora
from lib.models.loading import load, load_tokenizer, merge
from lib.models.parts import count_parameters, refuse_experts, storage
from lib.models.quantisation import dequantise
from lib.training import callbacks, dpo

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
KINDS = {"llama": LlamaConfig, "mixtral": MixtralConfig}


def write_checkpoint(place, kind, hidden=64, inner=128, layers=2, experts=4):
    """A random model as the hub has them: sharded safetensors with an index, the experts one by one, tokenizer and chat template."""
    tokenizer = load_tokenizer(str(ROOT / "data/models/embedded/base"))
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(KINDS[kind](
        vocab_size=len(tokenizer), hidden_size=hidden, intermediate_size=inner, num_hidden_layers=layers, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=2048, initializer_range=0.1, eos_token_id=tokenizer.eos_token_id,
        **({"num_local_experts": experts} if kind == "mixtral" else {})))
    model.save_pretrained(place, max_shard_size="300KB")
    tokenizer.save_pretrained(place)
    return str(place)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    return {kind: write_checkpoint(tmp_path_factory.mktemp(kind), kind) for kind in KINDS}


def weight_map(place):
    """The names of a sharded checkpoint's tensors, and the file of each."""
    return json.loads((Path(place) / "model.safetensors.index.json").read_text())["weight_map"]


def settings_for(dtype="float32", quantisation="4bit", targets=ATTENTION, **changes):
    """Settings of four steps, with adapters on attention."""
    settings = small_settings(**{"epochs": 1, "learning_rate": 1e-3, "lora": small_settings().dpo.lora.model_copy(
        update={"r": 4, "target_modules": targets})} | changes)
    return settings.model_copy(update={"models": settings.models.model_copy(update={"dtype": dtype, "quantisation": quantisation})})


def tune(place, work, settings):
    base, tokenizer = load(place, settings.models.dtype, "cpu", settings.models.quantisation)
    return dpo.train(base, tokenizer, pairs(16), pairs(4, 100), settings, work)


def awake(model):
    """An adapter on attention that does something."""
    model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=4, target_modules=ATTENTION))
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data = torch.randn_like(parameter) * 0.1
    return model.eval()


def test_experts_are_really_stored_in_4_bits(places):
    index = weight_map(places["mixtral"])
    assert "model.layers.0.block_sparse_moe.experts.3.w2.weight" in index and len(set(index.values())) > 2
    plain, small = (load(places["mixtral"], device="cpu", quantisation=kind)[0] for kind in ("none", "4bit"))
    rows = {row["part"]: row for row in storage(small)}
    assert {part for part, row in rows.items() if row["stored as"] == "4bit"} == {"experts", "attention"}
    assert {row["stored as"] for part, row in rows.items() if part not in ("experts", "attention")} == {"float32"}
    assert rows["experts"]["parameters"] == 2 * 4 * 3 * 64 * 128 and rows["experts"]["bits per parameter"] < 4.5
    assert rows["attention"]["tensors"] == 8 and rows["experts"]["tensors"] == 4
    parts = {row["part"]: row["parameters"] for row in storage(plain)}
    assert parts == {part: row["parameters"] for part, row in rows.items()}
    assert count_parameters(small) == sum(p.numel() for p in plain.parameters()) == count_parameters(plain)


def test_4_bit_experts_compute_with_the_nearest_of_16_levels(places):
    """Against NF4 by its definition: levels of Dettmers et al. 2023, times the largest of each 64 numbers."""
    plain, small = (load(places["mixtral"], device="cpu", quantisation=kind)[0] for kind in ("none", "4bit"))
    levels = bitsandbytes.functional.get_4bit_type("nf4", device="cpu")
    for name in ("gate_up_proj", "down_proj"):
        original, found = (getattr(model.model.layers[1].mlp.experts, name) for model in (plain, small))
        blocks = original.detach().reshape(-1, 64)
        largest = blocks.abs().amax(1, keepdim=True)
        nearest = levels[(blocks[..., None] / largest[..., None] - levels).abs().argmin(-1)] * largest
        # The largest numbers themselves are kept in 8 bits.
        assert found.shape == original.shape and (found.reshape(-1, 64) - nearest).norm() < 0.02 * nearest.norm()
        assert 0.05 < (found - original).norm() / original.norm() < 0.12


def test_while_loading_no_more_than_one_tensor_of_experts_is_unquantised(places, monkeypatch):
    from lib.models import quantisers
    loading, plain, quantize = [], [], bitsandbytes.functional.quantize_4bit
    before = quantisers.Quantiser4bit._process_model_before_weight_loading

    def keep(self, model, **kwargs):
        loading.append(model)
        before(self, model, **kwargs)

    def count(*args, **kwargs):
        plain.append([name for name, weight in loading[0].named_parameters()
                      if "experts" in name and weight.is_floating_point() and not weight.is_meta])
        return quantize(*args, **kwargs)
    monkeypatch.setattr(quantisers.Quantiser4bit, "_process_model_before_weight_loading", keep)
    monkeypatch.setattr(bitsandbytes.functional, "quantize_4bit", count)
    load(places["mixtral"], device="cpu", quantisation="4bit")
    assert len(plain) >= 4 and not any(plain)  # the one in hand is not yet in the model, the others are quantised


@pytest.mark.parametrize("quantisation", ["4bit", "8bit"])
def test_dense_models_are_stored_in_4_or_8_bits(places, quantisation):
    plain, small = (load(places["llama"], device="cpu", quantisation=way)[0] for way in ("none", quantisation))
    stored = {row["part"]: row["stored as"] for row in storage(small)}
    assert stored["attention"] == stored["feed-forward"] == quantisation and stored["output head"] == "float32"
    assert count_parameters(small) == count_parameters(plain)
    ids = torch.arange(20, 60)[None]
    with torch.no_grad():
        error = (small(ids).logits - plain(ids).logits).norm() / plain(ids).logits.norm()
    assert 0 < error < (0.05 if quantisation == "8bit" else 0.4)


def test_experts_that_would_stay_as_they_are_are_refused(places):
    with pytest.raises(DataError, match=r"quantisation 8bit cannot store the experts of this mixtral model, \d\d% .*set it to 4bit or none"):
        load(places["mixtral"], device="cpu", quantisation="8bit")
    odd = torch.nn.Module()
    odd.mlp, odd.config = torch.nn.Module(), MixtralConfig()
    odd.mlp.experts = torch.nn.Module()
    odd.mlp.experts.w1 = torch.nn.Parameter(torch.zeros(4 * 8, 8))  # all experts in one matrix
    with pytest.raises(DataError, match=r"quantisation 4bit cannot store.*100%.*set it to none"):
        refuse_experts(odd, "4bit")
    refuse_experts(odd, "none")


def test_rows_that_cpus_restore_wrongly_are_refused(tmp_path):
    """A row of 96 is a block and a half. If this kernel is ever right, the refusal can go."""
    weight = torch.randn(64, 96)
    data, state = bitsandbytes.functional.quantize_4bit(weight, quant_type="nf4")
    whole, flat = bitsandbytes.functional.quantize_4bit(weight.flatten(), quant_type="nf4")
    errors = [(bitsandbytes.functional.dequantize_4bit(*pair).reshape(64, 96) - weight).norm() / weight.norm()
              for pair in ((data, state), (whole, flat))]
    assert torch.equal(data, whole) and errors[1] < 0.1
    if errors[0] > 0.2:  # seen with AVX-512
        with pytest.raises(DataError, match="this model has rows of 96; set it to none"):
            load(write_checkpoint(tmp_path, "mixtral", inner=96), device="cpu", quantisation="4bit")


def test_evaluation_leaves_4_bit_layers_trainable(places):
    """On some CPUs bitsandbytes repacks weights when a model first evaluates; results and gradients must not depend on that."""
    model, _ = load(places["llama"], device="cpu", quantisation="4bit")
    ids = torch.arange(20, 60)[None]
    embedded = model.get_input_embeddings()(ids).detach()

    def gradient():
        inputs = embedded.clone().requires_grad_()
        model(inputs_embeds=inputs).logits.square().sum().backward()
        return inputs.grad
    first = gradient()
    with torch.no_grad():
        evaluated = model(inputs_embeds=embedded).logits
    assert torch.equal(first, gradient()) and torch.equal(evaluated, model(inputs_embeds=embedded).logits) and first.abs().sum() > 0


@pytest.mark.parametrize(("kind", "quantisation"), [("mixtral", "4bit"), ("llama", "8bit")])
def test_restored_weights_are_those_that_were_computed_with(places, tmp_path, kind, quantisation):
    ids = torch.arange(20, 60)[None]
    with torch.no_grad():
        small, _ = load(places[kind], device="cpu", quantisation=quantisation)
        before = small(ids).logits
        dequantise(small).save_pretrained(tmp_path, max_shard_size="300KB")
        names = weight_map(tmp_path)
        restored = AutoModelForCausalLM.from_pretrained(tmp_path)
        after = restored(ids).logits
    assert names.keys() == weight_map(places[kind]).keys()
    assert "quantization_config" not in json.loads((tmp_path / "config.json").read_text())
    assert {weight.dtype for weight in restored.parameters()} == {torch.float32}
    # 8-bit layers round what they multiply with as well; restored ones do not.
    assert (before - after).norm() <= (1e-6 if quantisation == "4bit" else 0.05) * after.norm()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_both_trainers_tune_4_bit_experts_alike(places, tmp_path, dtype):
    """Also with checkpointing, which restores each layer's experts a second time; none may stay in memory."""
    curves = []
    for trainer, checkpointing in (("tree", True), ("trl", False)):
        settings = settings_for(dtype, trainer=trainer, gradient_checkpointing=checkpointing)
        tuned, history = tune(places["mixtral"], tmp_path / f"{trainer}-{checkpointing}", settings)
        curves.append([point["loss"] for point in history["validation"]])
        assert {p.dtype for p in tuned.parameters() if p.requires_grad} == {torch.float32}
        assert not parametrize._cache and not parametrize._cache_enabled
        assert lora.trainable(tuned) == lora.planned(load(places["mixtral"], device="cpu", quantisation="4bit")[0],
                                                             settings.dpo.lora)
    tree, trl = curves
    assert tree[0] == pytest.approx(0.693147, abs=1e-4) and tree[-1] < tree[0] - 0.05
    assert tree[-1] == pytest.approx(trl[-1], rel=1e-4 if dtype == "float32" else 0.02)


def test_8_bit_models_are_tuned(places, tmp_path):
    _, history = tune(places["llama"], tmp_path, settings_for(quantisation="8bit", trainer="trl"))
    losses = [point["loss"] for point in history["validation"]]
    assert losses[0] == pytest.approx(0.693147, abs=1e-3) and losses[-1] < losses[0] - 0.05


def test_a_killed_run_on_4_bit_experts_resumes_to_the_same_adapter(places, tmp_path, monkeypatch):
    settings = settings_for()
    whole, _ = tune(places["mixtral"], tmp_path / "whole", settings)
    step = callbacks.Progress.on_step_end

    def killed(self, args, state, control, **kwargs):
        step(self, args, state, control, **kwargs)
        if state.global_step == 3:
            raise KeyboardInterrupt
    monkeypatch.setattr(callbacks.Progress, "on_step_end", killed)
    with pytest.raises(KeyboardInterrupt):
        tune(places["mixtral"], tmp_path / "killed", settings)
    monkeypatch.setattr(callbacks.Progress, "on_step_end", step)
    assert any((tmp_path / "killed").glob("checkpoint-*"))
    resumed, _ = tune(places["mixtral"], tmp_path / "killed", settings)
    for (name, one), (_, other) in zip(resumed.named_parameters(), whole.named_parameters()):
        assert torch.equal(one, other), name


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_on_quantised_weights_is_merged_into_the_restored_ones(places, tmp_path, kind):
    base, tokenizer = load(places[kind], device="cpu", quantisation="4bit")
    tuned, ids = awake(base), torch.arange(20, 60)[None]
    lora.save_adapter(tuned, tmp_path / "adapter", places[kind], "card")
    with torch.no_grad():
        beside = tuned(ids).logits
        with tuned.disable_adapter():
            effect = (tuned(ids).logits - beside).abs().max()
    error = lora.merge_error(places[kind], tmp_path / "adapter", ids, "4bit")
    assert error < 1e-4 < 0.1 < effect
    with pytest.raises(DataError, match="merging into quantised weights would round the adapter away"):
        merge(tuned)
    # What PEFT does by itself: merge into the 16 levels. The error is of the order of the rounding, not of arithmetic.
    with torch.no_grad():
        assert (tuned.merge_and_unload()(ids).logits - beside).abs().max() > 100 * error
    lora.save_merged(places[kind], tmp_path / "adapter", tmp_path / "merged", "4bit")
    merged, same = load(str(tmp_path / "merged"), device="cpu")
    again, _ = load(places[kind], device="cpu", quantisation="4bit", adapter=tmp_path / "adapter")
    texts = [model.generate(ids, max_new_tokens=12, do_sample=False)[0, 40:].tolist() for model in (merged, again)]
    assert texts[0] == texts[1] and len(texts[0]) > 0 and same.chat_template == tokenizer.chat_template


@pytest.mark.parametrize(("kind", "targets", "named"), [
    ("mixtral", ["gate_proj", "up_proj", "down_proj"], "down_proj, gate_proj, up_proj match no linear layer"),
    ("mixtral", ["q_proj", "w1", "w3"], "w1, w3 match no linear layer"), ("mixtral", ["gate"], "gate matches no linear layer"),
    ("mixtral", ["q_proj", "experts"], "experts matches no"), ("mixtral", "all-linear", "all-linear matches no"),
    ("mixtral", ["qproj"], "whose experts and router take no adapters; choose among k_proj, o_proj, q_proj, v_proj"),
    ("llama", ["q_proj", "w1"], "w1 matches no linear layer of this llama model; choose among down_proj, gate_proj, k_proj")])
@pytest.mark.parametrize("quantisation", ["none", "4bit"])
def test_targets_that_cannot_be_trained_are_named_before_training(places, tmp_path, kind, targets, named, quantisation):
    base, tokenizer = load(places[kind], device="cpu", quantisation=quantisation)
    with pytest.raises(DataError, match=named):
        lora.check_targets(base, LoraConfig(target_modules=targets))
    if isinstance(targets, list):
        with pytest.raises(DataError, match=named):
            dpo.train(base, tokenizer, pairs(4), pairs(2, 100), settings_for(targets=targets), tmp_path)


def test_tensors_of_experts_take_no_adapters(places):
    base, _ = load(places["mixtral"], device="cpu", quantisation="4bit")
    for name in ("down_proj", "model.layers.0.mlp.experts.down_proj"):
        with pytest.raises(DataError, match=f"target_parameters .{name}.: adapters are for linear layers only"):
            lora.check_targets(base, LoraConfig(target_modules=["q_proj"], target_parameters=[name]))
    lora.check_targets(base, LoraConfig(target_modules=ATTENTION))
