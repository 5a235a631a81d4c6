"""Where models come from and where they are put, and what it costs to import their rooms."""
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoModelForCausalLM

from lib.core.records import DataError
from lib.core.settings import ROOT, load
from lib.models import loading, places

# They take seconds each, so only functions that need them import them.
HEAVY = {"peft", "bitsandbytes", "trl", "accelerate", "datasets", "sklearn", "scipy", "pandas"}
RANK = {"LOCAL_RANK": "3"}
LORA = load("smoke")[1].dpo.lora


def test_a_missing_model_is_one_sentence():
    said = r"cannot load the model 'no/such-model'.*give an existing directory"
    with pytest.raises(DataError, match=said):
        loading.load("no/such-model", device="cpu")


@pytest.mark.parametrize(("environment", "device", "quantisation", "place"), [
    ({}, "cuda", "none", "auto"), ({}, "cuda", "4bit", "auto"), (RANK, "cuda", "4bit", {"": 3}),
    (RANK | {"ACCELERATE_USE_FSDP": "true"}, "cuda", "none", None),
    ({}, "cpu", "4bit", {"": "cpu"}), ({}, "cpu", "none", None)])
def test_models_are_put_where_they_belong(base, monkeypatch, environment, device, quantisation,
                                          place):
    """Alone on all GPUs, one of several on its own, of a split one nowhere yet, or on the CPU."""
    asked = {}

    def pretrained(kind, name, **options):
        return asked.setdefault(kind, options) and base[0]
    monkeypatch.setattr(loading, "pretrained", pretrained)
    monkeypatch.setattr(loading, "pick_device", lambda device: device)
    monkeypatch.setattr(loading, "load_tokenizer", lambda name: None)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    loading.load("own/any", device=device, quantisation=quantisation)
    assert asked[AutoModelForCausalLM].get("device_map") == place


def test_importing_models_takes_no_library_of_training():
    rooms = [path for room in ("models", "embedded") for path in (ROOT / "lib" / room).glob("*.py")]
    names = {f"lib.{path.parent.name}.{path.stem}" for path in rooms if path.stem != "quantisers"}
    code = f"import sys, {', '.join(sorted(names))}; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    modules = set(found.stdout.split())
    assert names <= modules, found.stderr
    assert not HEAVY & modules


def test_an_adapter_that_is_a_model_is_its_base_with_it_merged(base, tmp_path):
    """A warm start is kept as an adapter and used as a model, also by a further adapter."""
    import torch
    from peft import get_peft_model

    from lib.models import lora
    model, tokenizer = base
    directory = tmp_path / "base"
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    tuned = get_peft_model(loading.load(directory)[0], lora.lora_config(LORA))
    with torch.no_grad():
        for name, weights in tuned.named_parameters():
            if "lora_B" in name:
                weights.normal_(std=0.1, generator=torch.Generator().manual_seed(1))
    lora.save_adapter(tuned, tmp_path / "start", str(directory), "card", "float16")
    ids = torch.arange(8)[None]
    merged, _ = loading.load(tmp_path / "start")
    beside, _ = loading.load(directory, adapter=tmp_path / "start")
    with torch.no_grad():
        expected, plain = beside(ids).logits, loading.load(directory)[0](ids).logits
        assert torch.allclose(merged(ids).logits, expected, atol=1e-3)
    assert not torch.allclose(plain, expected, atol=1e-2)
    assert not [name for name, _ in merged.named_parameters() if "lora" in name]
    assert places.lineage(tmp_path / "start") == [tmp_path / "start", str(directory)]
    assert loading.fingerprint(tmp_path / "start") != loading.fingerprint(directory)
    kept = lora.load_file(tmp_path / "start" / "adapter_model.safetensors")
    assert {tensor.dtype for tensor in kept.values()} == {torch.float16}


def test_a_missing_packaged_model_says_which_command_makes_it(monkeypatch, tmp_path):
    monkeypatch.setattr(places, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="run `make models`"):
        loading.load("data/models/smollm2", device="cpu")


def test_merging_multiplies_exactly_whatever_the_settings_allow():
    seen = []
    adapted = SimpleNamespace(
        get_base_model=lambda: SimpleNamespace(is_quantized=False),
        merge_and_unload=lambda **kwargs: seen.append(torch.get_float32_matmul_precision()))
    torch.set_float32_matmul_precision("medium")
    try:
        loading.merge(adapted)
        assert seen == ["highest"] and torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
