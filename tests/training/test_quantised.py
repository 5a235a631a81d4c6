"""Tuning quantised models, fused experts included, by preference: both trainers, and resuming."""
import pytest
import torch
from helpers.checkpoints import KINDS, settings_for, write_checkpoint
from helpers.tunings import pairs
from torch.nn.utils import parametrize

from lib.core.records import DataError
from lib.models import lora
from lib.models.loading import load
from lib.training import callbacks, dpo


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    return {kind: write_checkpoint(tmp_path_factory.mktemp(kind), kind) for kind in KINDS}


def tune(place, work, settings):
    models = settings.models
    base, tokenizer = load(place, models.dtype, "cpu", models.quantisation)
    return dpo.train(base, tokenizer, pairs(16), pairs(4, 100), settings, work)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_both_trainers_tune_4_bit_experts_alike(places, tmp_path, dtype):
    """Also with checkpointing, which restores each layer's experts a second time; none may stay."""
    curves = []
    for trainer, checkpointing in (("tree", True), ("trl", False)):
        settings = settings_for(dtype, trainer=trainer, gradient_checkpointing=checkpointing)
        tuned, history = tune(places["mixtral"], tmp_path / trainer, settings)
        curves.append([point["loss"] for point in history["validation"]])
        assert {p.dtype for p in tuned.parameters() if p.requires_grad} == {torch.float32}
        assert not parametrize._cache and not parametrize._cache_enabled
        fresh, _ = load(places["mixtral"], device="cpu", quantisation="4bit")
        assert lora.trainable(tuned) == lora.planned(fresh, settings.dpo.lora)
    tree, trl = curves
    assert tree[0] == pytest.approx(0.693147, abs=1e-4) and tree[-1] < tree[0] - 0.05
    assert tree[-1] == pytest.approx(trl[-1], rel=1e-4 if dtype == "float32" else 0.02)


def test_8_bit_models_are_tuned(places, tmp_path):
    settings = settings_for(quantisation="8bit", trainer="trl")
    _, history = tune(places["llama"], tmp_path, settings)
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
    with monkeypatch.context() as patch:
        patch.setattr(callbacks.Progress, "on_step_end", killed)
        with pytest.raises(KeyboardInterrupt):
            tune(places["mixtral"], tmp_path / "killed", settings)
    assert any((tmp_path / "killed").glob("checkpoint-*"))
    resumed, _ = tune(places["mixtral"], tmp_path / "killed", settings)
    for (name, one), (_, other) in zip(resumed.named_parameters(), whole.named_parameters()):
        assert torch.equal(one, other), name


@pytest.mark.parametrize(("kind", "quantisation"), [("mixtral", "4bit"), ("llama", "none")])
def test_targets_that_cannot_be_trained_stop_before_training(places, tmp_path, kind, quantisation):
    base, tokenizer = load(places[kind], device="cpu", quantisation=quantisation)
    settings = settings_for(targets=["q_proj", "w1"])
    with pytest.raises(DataError, match="w1 matches no linear layer"):
        dpo.train(base, tokenizer, pairs(4), pairs(2, 100), settings, tmp_path)
