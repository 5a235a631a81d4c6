"""Where models come from and where they are put, and what it costs to import their rooms."""
import subprocess
import sys

import pytest
from transformers import AutoModelForCausalLM

from lib.core.records import DataError
from lib.core.settings import ROOT
from lib.models import loading

# They take seconds each, so only functions that need them import them.
HEAVY = {"peft", "bitsandbytes", "trl", "accelerate", "datasets", "sklearn", "scipy", "pandas"}
RANK = {"LOCAL_RANK": "3"}


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
    loading.load("any", device=device, quantisation=quantisation)
    assert asked[AutoModelForCausalLM].get("device_map") == place


def test_importing_models_takes_no_library_of_training():
    rooms = [path for room in ("models", "embedded") for path in (ROOT / "lib" / room).glob("*.py")]
    names = {f"lib.{path.parent.name}.{path.stem}" for path in rooms if path.stem != "quantisers"}
    code = f"import sys, {', '.join(sorted(names))}; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    modules = set(found.stdout.split())
    assert names <= modules, found.stderr
    assert not HEAVY & modules
