"""Direct preference optimisation: the mathematics, both trainers, resuming, saving and merging."""
import json
import math
import shutil
from types import SimpleNamespace

import pytest
import torch
from helpers.trainers import new_model
from helpers.tunings import logprob, pairs, save_tiny, small_settings, tournaments
from peft import PeftModel

from lib.core.records import DataError, file_digest, write_jsonl
from lib.core.settings import ROOT
from lib.models import loading, lora
from lib.training import callbacks, cards, dpo


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One complete training and what it was made of."""
    place, settings = tmp_path_factory.mktemp("dpo"), small_settings()
    tokenizer = save_tiny(place / "base")

    def fresh():
        torch.manual_seed(0)
        return loading.load(str(place / "base"), device="cpu")[0]

    def train(work):
        return dpo.train(fresh(), tokenizer, pairs(16), pairs(4, 100), settings, work)
    tuned, history = train(place / "work")
    return SimpleNamespace(tokenizer=tokenizer, place=place, fresh=fresh, train=train,
                           settings=settings, tuned=tuned, history=history)


def test_training_starts_at_ln_2_and_learns(run):
    first, last = run.history["validation"][0], run.history["validation"][-1]
    assert first["step"] == 0 and first["loss"] == pytest.approx(math.log(2), abs=1e-4)
    assert last["loss"] < first["loss"] - 0.05 and last["accuracy"] == 1.0
    assert run.history["steps"] == 12


def test_rewards_are_beta_times_the_log_ratio(run):
    """The reward margin against the formula, computed pair by pair from plain forward passes."""
    base, margins, losses = run.fresh(), [], []
    for row in pairs(4, 100):
        with torch.no_grad():
            chosen, rejected = (
                logprob(run.tuned, run.tokenizer, row, side)
                - logprob(base, run.tokenizer, row, side) for side in ("chosen", "rejected"))
        margins.append(run.settings.dpo.beta * (chosen - rejected))
        losses.append(-torch.nn.functional.logsigmoid(torch.tensor(margins[-1])).item())
    last = run.history["validation"][-1]
    assert last["margin"] == pytest.approx(sum(margins) / 4, rel=1e-3)
    assert last["loss"] == pytest.approx(sum(losses) / 4, rel=1e-3)


def test_only_the_adapter_changes(run):
    before, after = run.fresh().state_dict(), run.tuned.get_base_model().state_dict()
    for name, value in before.items():
        wrapped = after.get(name.replace(".weight", ".base_layer.weight"))
        assert torch.equal(value, after.get(name, wrapped))
    adapter = [weight for name, weight in run.tuned.named_parameters() if "lora_" in name]
    assert all(weight.dtype == torch.float32 for weight in adapter)
    assert 0 < lora.trainable(run.tuned)["share"] < 0.5


def test_a_killed_run_resumes_to_the_same_adapter(run, monkeypatch):
    work, step = run.place / "killed", callbacks.Progress.on_step_end

    def killed(self, args, state, control, **kwargs):
        step(self, args, state, control, **kwargs)
        if state.global_step == 6:
            raise KeyboardInterrupt
    monkeypatch.setattr(callbacks.Progress, "on_step_end", killed)
    with pytest.raises(KeyboardInterrupt):
        run.train(work)
    monkeypatch.setattr(callbacks.Progress, "on_step_end", step)
    assert any(work.glob("checkpoint-*"))
    resumed, history = run.train(work)
    for (name, one), (_, other) in zip(resumed.named_parameters(), run.tuned.named_parameters()):
        assert torch.equal(one, other), name
    assert history == run.history


def test_saved_adapters_are_equal_files_without_paths(run):
    data, base = run.place / "preferences.jsonl", ROOT / "data/models/embedded/base"
    write_jsonl(data, pairs(16))
    parts = {"train": pairs(16), "validation": pairs(4)}
    card = cards.model_card(run.settings, run.history, parts, data)
    assert f"sha256 `{file_digest(data)}`" in card and "| `lora.alpha` | `32` |" in card
    weights = file_digest(base / "model.safetensors")
    assert f"`model.safetensors` sha256 `{weights}`" in card and str(run.place) not in card
    assert f"| 0 | {math.log(2):.4f} | 0.0000 |" in card and "12 steps of 4 pairs" in card
    one, two = run.place / "one", run.place / "two"
    for place in (one, two):
        lora.save_adapter(run.tuned, place, "some/base", card)
    files = sorted(path.name for path in one.iterdir())
    assert files == ["README.md", "adapter_config.json", "adapter_model.safetensors"]
    assert all((one / file).read_bytes() == (two / file).read_bytes() for file in files)
    config = json.loads((one / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "some/base"
    assert str(run.place) not in json.dumps(config)


def test_merging_is_exact(run):
    base, adapter = str(run.place / "base"), run.place / "adapter"
    lora.save_adapter(run.tuned, adapter, base, "card")
    ids = torch.arange(20, 60)[None]
    assert lora.merge_error(base, adapter, ids) < 1e-4
    plain, adapted = run.fresh(), PeftModel.from_pretrained(run.fresh(), adapter)
    with torch.no_grad():  # the adapter does something to be merged
        assert (plain(ids).logits - adapted(ids).logits).abs().max() > 1e-2


def test_long_pairs_are_refused_and_counted(run):
    rows = pairs(3)
    rows[1]["chosen"][0]["content"] *= 50
    fit, refused = dpo.fitting(rows, run.tokenizer, 200)
    assert [row["id"] for row in fit] == ["0", "2"] and [row["id"] for row in refused] == ["1"]
    assert dpo.fitting([], run.tokenizer, 200) == ([], [])


def test_fitting_counts_the_very_tokens(run):
    rows, tokenizer = tournaments(1, pairs=2), run.tokenizer
    longest = max(len(tokenizer.apply_chat_template([*row["prompt"], *row[side]])["input_ids"])
                  for row in rows for side in ("chosen", "rejected"))
    assert dpo.fitting(rows, tokenizer, longest) == (rows, [])
    assert len(dpo.fitting(rows, tokenizer, longest - 1)[1]) >= 1
    assert dpo.fitting(rows, tokenizer, longest - 1, "truncate") == (rows, [])
    assert dpo.fitting(rows, tokenizer, 5, "truncate") == ([], rows)


@pytest.mark.parametrize(("trains", "validations", "others", "found"), [
    (4, 1, 0, True), (5, 2, 3, True), (3, 1, 4, False), (4, 0, 1, False), (0, 0, 0, False)])
def test_enough_is_a_batch_to_train_on_and_a_pair_to_validate(trains, validations, others, found):
    splits = ["train"] * trains + ["test"] * others + ["validation"] * validations
    assert dpo.enough([{"split": split} for split in splits], 4) is found


def test_the_untrained_adapter_changes_nothing(run):
    base, ids = run.fresh(), torch.arange(20, 40)[None]
    with torch.no_grad():
        before = base(ids).logits
        adapted, history = dpo.untrained(base, run.settings.dpo)
        assert torch.equal(before, adapted(ids).logits) and history["steps"] == 0


def test_the_settings_choose_the_trainer(run, tmp_path):
    """Both trainers learn the same from the same pairs, resume to the same bits, and leave the same
    kind of adapter.
    """
    histories, sizes = {}, {}
    rows = [{**row, "id": str(i)} for i, row in enumerate(tournaments(6))]
    for name in ("trl", "tree"):
        settings = small_settings(trainer=name, batch_size=6, epochs=2, learning_rate=3e-3)
        place, trained = tmp_path / name, []
        for _ in range(2):
            model = new_model(run.tokenizer)
            trained.append(dpo.train(model, run.tokenizer, rows, rows[:6], settings, place))
            shutil.rmtree(callbacks.last_checkpoint(place))  # go on from the one before
        (one, histories[name]), (other, history) = trained
        assert history == histories[name]
        assert all(map(torch.equal, one.parameters(), other.parameters()))
        lora.save_adapter(one, place / "adapter", "base", "card")
        sizes[name] = (place / "adapter/adapter_model.safetensors").stat().st_size
    theirs, ours = histories["trl"], histories["tree"]
    assert theirs["tokens"] is None and ours["tokens"]["tree"] < ours["tokens"]["pairs"] / 3
    assert theirs["steps"] == ours["steps"] == 12 and sizes["trl"] == sizes["tree"]
    first, last = ours["validation"][0], ours["validation"][-1]
    assert first["loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert last["loss"] == pytest.approx(theirs["validation"][-1]["loss"], abs=0.1)
    assert last["loss"] < first["loss"] - 0.05


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"label_smoothing": 0.1}, "TRL's own trainer ignores it"),
    ({"too_long": "truncate"}, "cuts answers without counting")])
def test_what_trls_own_trainer_does_not_do_is_refused(changes, sentence):
    with pytest.raises(DataError, match=sentence):
        dpo.new_trainer(small_settings(trainer="trl", **changes).dpo, None)
