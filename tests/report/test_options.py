"""What a command works with: options before the preset, the preset before what is usual."""
import os
from argparse import Namespace

import pytest

from lib.core import settings
from lib.core.records import DataError, write_json
from lib.models import places
from lib.report import options

BASE = "data/mine/warm_start"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A preset with a folder of its own, in which all adapters lie."""
    preset = settings.load("smollm2")[1]
    preset = preset.model_copy(update={
        "runtime": preset.runtime.model_copy(update={"folder": "mine"}),
        "models": preset.models.model_copy(update={"base": BASE, "dtype": "bfloat16"}),
        "instruction": preset.instruction.model_copy(update={"model": "base"})})
    monkeypatch.setattr(options, "load", lambda name: (name, preset))
    monkeypatch.setattr(options, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    adapter(tmp_path / BASE, "data/models/smollm2")
    for place in ("adapter", "instruction/tuned_single", "instruction/job_bias"):
        adapter(tmp_path / "data/mine" / place, BASE)
    return tmp_path


def adapter(place, base):
    write_json(place / "adapter_config.json", {"base_model_name_or_path": base})


def given(**known):
    names = ("model", "adapter", "group_size", "max_prompt_tokens", "max_new_tokens", "batch_size",
             "dtype", "quantisation")
    return Namespace(**{**dict.fromkeys(names), "preset": "", "prompt": "auto", **known})


def test_without_a_preset_what_is_left_open_is_usual():
    found = options.complete(given(model="m", group_size=2))
    assert (found.model, found.adapter, found.prompt, found.group_size) == ("m", None, "auto", 2)
    assert (found.max_new_tokens, found.dtype, found.training_texts) == (400, "float32", None)


def test_a_preset_brings_its_model_adapter_and_settings(project):
    found = options.complete(given(preset="smollm2"))
    assert (found.model, found.adapter) == (BASE, "data/mine/adapter")
    assert (found.prompt, found.group_size, found.dtype) == ("full", 1, "bfloat16")
    assert (found.max_prompt_tokens, found.max_new_tokens) == (900, 300)
    assert found.training_texts == project / "data/mine/training_texts.npz"
    assert options.complete(found) == found


def test_what_is_given_wins_over_the_preset(project):
    found = options.complete(given(preset="smollm2", adapter="other", dtype="float32",
                                   max_new_tokens=7, prompt="brief"))
    assert (found.model, found.adapter, found.dtype) == (BASE, "other", "float32")
    assert (found.max_new_tokens, found.prompt) == (7, "brief")
    other = options.complete(given(preset="smollm2", model="m"))
    assert (other.model, other.adapter, other.prompt) == ("m", None, "auto")
    assert other.max_new_tokens == 300 and other.training_texts is None


def test_of_several_rounds_the_best_one_counts(project):
    for number, best in ((2, 2), (10, 2)):
        state = {"round": number, "ran": True, "best": best, "goes_on": True}
        write_json(project / f"data/mine/rounds/{number}/round.json", state)
    missing = "rounds/2/adapter of the preset smollm2 is missing; `make real PART=09_round`"
    with pytest.raises(DataError, match=missing):
        options.complete(given(preset="smollm2"))
    adapter(project / "data/mine/rounds/2/adapter", BASE)
    assert options.complete(given(preset="smollm2")).adapter == "data/mine/rounds/2/adapter"


@pytest.mark.parametrize(("gone", "made"), [
    ("adapter", "make real PART=03_dpo"), ("warm_start", "make real PART=00_warm_start")])
def test_what_is_missing_is_named_with_the_command_that_makes_it(gone, made, project):
    (project / "data/mine" / gone).rename(project / "elsewhere")
    with pytest.raises(DataError, match=f"data/mine/{gone} of the preset smollm2 .*`{made}`"):
        options.complete(given(preset="smollm2"))


def test_an_adapter_of_another_model_is_refused(project):
    adapter(project / "data/mine/adapter", "someone/else")
    with pytest.raises(DataError, match="was tuned on someone/else, not on data/mine/warm_start"):
        options.complete(given(preset="smollm2"))


def test_a_task_has_an_adapter_and_settings_of_its_own(project):
    wanted = settings.load("smollm2")[1].instruction
    asked = given(preset="smollm2", template=None)
    for task, name in options.TASKS.items():
        found = options.complete(asked, task)
        assert (found.model, found.adapter) == (BASE, f"data/mine/instruction/{name}")
        assert (found.template, found.batch_size) == (wanted.template, wanted.batch_size)
    (project / "data/mine/instruction/job_bias").rename(project / "elsewhere")
    with pytest.raises(DataError, match="PART=06_instruction_tuning"):
        options.complete(asked, "job_bias")


def test_the_hub_may_be_asked_only_where_the_preset_says_so(monkeypatch):
    monkeypatch.setenv(places.HUB, "1")
    for preset, allowed in (("", "0"), ("smoke", "0"), ("laptop", "1")):
        options.complete(given(model="m", preset=preset))
        assert os.environ[places.HUB] == allowed


def test_folders_decide_how_a_missing_adapter_is_made(project, monkeypatch):
    _, preset = options.load("")
    quick, none = (preset.model_copy(update={
        "runtime": preset.runtime.model_copy(update={"folder": folder})})
        for folder in ("quick", ""))
    with pytest.raises(DataError, match="`make real QUICK=1` makes it"):
        options.present("data/none", "smollm2_quick", quick, "03_dpo")
    with pytest.raises(DataError, match="`make repro` with `preset: laptop` in params"):
        options.present("data/none", "laptop", none, "03_dpo")
