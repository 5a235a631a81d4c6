"""Tuning by instruction: which model a setting names, and models that only answer."""
from types import SimpleNamespace

from lib.core import settings
from lib.core.sections.studies import Compared
from lib.studies import instruction


def test_a_model_that_cannot_be_loaded_is_named_not_fatal(tmp_path):
    gone = Compared(name="gone", model=str(tmp_path / "nothing"), adapter="", quantisation="none")
    loaded, reason = instruction.load(settings.load("smoke")[1], gone)
    assert loaded is None and "cannot load the model" in reason


def test_a_setting_for_each_model():
    preset = SimpleNamespace(models=SimpleNamespace(base="data/models/embedded/base"))
    assert instruction.resolve(preset, "base") == "data/models/embedded/base"
    assert instruction.resolve(preset, "someone/model") == "someone/model"
