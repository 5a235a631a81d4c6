"""Tuning by instruction: which model a setting names, and models that only answer."""
from types import SimpleNamespace

from helpers.checkpoints import write_checkpoint

from lib.core import settings
from lib.core.sections.studies import Compared
from lib.studies import instruction
from lib.tasks import job_ads


def test_a_model_that_cannot_be_loaded_is_named_not_fatal(tmp_path):
    gone = Compared(name="gone", model=str(tmp_path / "nothing"), adapter="", quantisation="none")
    loaded, reason = instruction.load(settings.load("smoke")[1], gone)
    assert loaded is None and "cannot load the model" in reason


def test_a_setting_for_each_model():
    preset = SimpleNamespace(models=SimpleNamespace(base="data/models/embedded/base"))
    assert instruction.resolve(preset, "base") == "data/models/embedded/base"
    assert instruction.resolve(preset, "someone/model") == "someone/model"


def test_what_is_tuned_is_all_sets_the_advertisements_and_the_single_set():
    _, preset = settings.load("smoke")
    wanted = preset.instruction.model_copy(update={"single": "b"})
    sets = {"a": {"train": [{"id": 1}], "test": []}, "b": {"train": [{"id": 2}], "test": []}}
    plans = instruction.plans(wanted, sets, [{"id": 3}])
    assert {name: [row["id"] for row in rows] for name, (rows, _, _) in plans.items()} == {
        "tuned_all": [1, 2], "job_bias": [3], "tuned_single": [2]}
    assert plans["tuned_all"][1] == "none"
    assert plans["job_bias"][2].epochs == wanted.job_ads.epochs


def test_each_method_trains_what_its_name_says(tmp_path):
    """LoRA on a base in full precision, in 8 bits and in 4, and all weights; only those change."""
    place = write_checkpoint(tmp_path / "model", "llama")
    _, preset = settings.load("smoke")
    wanted = preset.instruction.model_copy(update={
        "model": place, "methods": ["8bit", "qlora", "full"], "full_learning_rate": 3e-3,
        "tuning": preset.instruction.tuning.model_copy(update={
            "epochs": 4, "learning_rate": 3e-3, "method": "lora", "logging_steps": 1})})
    preset = preset.model_copy(update={"instruction": wanted})
    rows = [{"id": str(number), "instruction": "Is it good?", "text": text, "label": label}
            for number, (text, label) in enumerate(4 * [("data", "positive"), ("of", "negative")])]
    found = {method: instruction.tried(preset, method, {"train": rows, "test": rows[:2]},
                                       tmp_path / method)
             for method in ("lora", *wanted.methods)}
    trained = {method: one["parameters"]["trained"] for method, one in found.items()}
    assert trained["lora"] == trained["8bit"] == trained["qlora"] < trained["full"] / 3
    assert trained["full"] == found["full"]["parameters"]["total"]
    for method, one in found.items():
        assert one["loss"][-1]["loss"] < one["loss"][0]["loss"], method
        assert len(one["answers"]) == 2 and one["seconds"] > 0 and one["memory_mb"] >= 0


def test_ahead_are_intervals_that_lie_above_those_of_every_rival():
    def item(low, high):
        return {key: {"low": low, "high": high} for key in ("accuracy", "weighted_f1")}

    assert instruction.ahead(item(0.6, 0.7), [item(0.1, 0.2), item(0.4, 0.5)])
    assert not instruction.ahead(item(0.6, 0.7), [item(0.1, 0.2), item(0.5, 0.6)])
    one_sided = {**item(0.6, 0.7), "weighted_f1": {"low": 0.1, "high": 0.9}}
    assert not instruction.ahead(one_sided, [item(0.4, 0.5)])


def test_those_who_are_no_model_are_scored_on_the_same_advertisements():
    _, preset = settings.load("smoke")
    wanted = preset.instruction.job_ads
    train, test = (job_ads.ads(part, 40, wanted.seed) for part in ("train", "test"))
    labels = job_ads.annotate(train, wanted.missed, wanted.alarmed, wanted.seed)
    labelled = [{**row, "label": label} for row, label in zip(train, labels, strict=True)]
    found = instruction.screenings(labelled, test, wanted)
    assert set(found) == {"majority", "length", "words", "word list", "labeller"}
    assert found["labeller"]["accuracy"]["n"] == 40
    kappa = instruction.labeller_kappa(train, labels)
    assert kappa["low"] <= kappa["rate"] <= kappa["high"] and kappa["n"] == 40
    truth = [row["truth"] for row in train]
    assert instruction.labeller_kappa(train, truth)["rate"] == 1
    labels = ["negative", "positive", "positive", "positive"] * 10
    parts = {part: [{**row, "label": label} for row, label in zip(rows, labels, strict=True)]
             for part, rows in (("train", train), ("test", test))}
    assert instruction.rules(parts)["majority"]["accuracy"]["rate"] == 0.75
