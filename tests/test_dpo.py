"""Direct preference optimisation: the mathematics, resuming, saving and merging."""
import json
import math

import pytest
import torch
from peft import PeftModel

from lib.core.records import file_digest, write_jsonl
from lib.core.settings import ROOT, load
from lib.models import chats, loading, lora
from lib.training import callbacks, cards, dpo


def small_settings(**changes):
    settings = load("smoke")[1]
    defaults = {"batch_size": 4, "checkpoints": 3, "logging_steps": 1, "epochs": 3}
    return settings.model_copy(update={"dpo": settings.dpo.model_copy(update=defaults | changes)})


def pairs(count, start=0):
    rows = []
    for i in range(start, start + count):
        answers = [f"Domain: physics\n\nCompetencies:\n- {name} {i}: Explains it." for name in ("kernel clustering", "leadership")]
        rows.append({"id": str(i), "author": str(i), "split": "train", "prompt": [{"role": "system", "content": "Write."},
                     {"role": "user", "content": f"Abstract {i}: We develop kernel clustering."}],
                     "chosen": [{"role": "assistant", "content": answers[0]}], "rejected": [{"role": "assistant", "content": answers[1]}]})
    return rows


def logprob(model, tokenizer, row, side):
    """Summed log-probability of an answer, in the plainest way."""
    prompt = chats.encode_chats(tokenizer, [row["prompt"]])[0]
    whole = tokenizer(tokenizer.apply_chat_template(row["prompt"] + row[side], tokenize=False), add_special_tokens=False)["input_ids"]
    assert whole[:len(prompt)] == prompt
    logp = model(torch.tensor([whole])).logits[0].log_softmax(-1)
    return sum(logp[i - 1, whole[i]].item() for i in range(len(prompt), len(whole)))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One complete training and what it was made of."""
    from types import SimpleNamespace

    from lib.core.settings import ROOT
    from lib.embedded import induction
    tokenizer = loading.load_tokenizer(str(ROOT / "data/models/embedded/base"))
    place = tmp_path_factory.mktemp("dpo")
    induction.new_model(tokenizer, SimpleNamespace(hidden=32, layers=2, heads=2, matched=1, seed=0)).save_pretrained(place / "base")
    tokenizer.save_pretrained(place / "base")

    def fresh():
        torch.manual_seed(0)
        return loading.load(str(place / "base"), device="cpu")[0]
    settings = small_settings()
    tuned, history = dpo.train(fresh(), tokenizer, pairs(16), pairs(4, 100), settings, place / "work")
    return SimpleNamespace(tokenizer=tokenizer, place=place, fresh=fresh, settings=settings, tuned=tuned, history=history)


def test_training_starts_at_ln_2_and_learns(run):
    first, last = run.history["validation"][0], run.history["validation"][-1]
    assert first["step"] == 0 and first["loss"] == pytest.approx(0.693147, abs=1e-4)
    assert last["loss"] < first["loss"] - 0.05 and last["accuracy"] == 1.0
    assert run.history["steps"] == 12


def test_rewards_are_beta_times_the_log_ratio(run):
    """TRL's reward margin against the formula, computed pair by pair from plain forward passes."""
    base, margins, losses = run.fresh(), [], []
    for row in pairs(4, 100):
        with torch.no_grad():
            ratio = {side: logprob(run.tuned, run.tokenizer, row, side) - logprob(base, run.tokenizer, row, side)
                     for side in ("chosen", "rejected")}
        margins.append(run.settings.dpo.beta * (ratio["chosen"] - ratio["rejected"]))
        losses.append(-torch.nn.functional.logsigmoid(torch.tensor(margins[-1])).item())
    last = run.history["validation"][-1]
    assert last["margin"] == pytest.approx(sum(margins) / 4, rel=1e-3)
    assert last["loss"] == pytest.approx(sum(losses) / 4, rel=1e-3)


def test_only_the_adapter_changes(run):
    before, after = run.fresh().state_dict(), run.tuned.get_base_model().state_dict()
    for name, value in before.items():
        assert torch.equal(value, after.get(name, after.get(name.replace(".weight", ".base_layer.weight"))))
    assert all(p.dtype == torch.float32 for n, p in run.tuned.named_parameters() if "lora_" in n)
    assert 0 < lora.trainable(run.tuned)["share"] < 0.5


def test_a_killed_run_resumes_to_the_same_adapter(run, monkeypatch):
    work, step = run.place / "killed", callbacks.Progress.on_step_end

    def killed(self, args, state, control, **kwargs):
        step(self, args, state, control, **kwargs)
        if state.global_step == 6:
            raise KeyboardInterrupt
    monkeypatch.setattr(callbacks.Progress, "on_step_end", killed)
    with pytest.raises(KeyboardInterrupt):
        dpo.train(run.fresh(), run.tokenizer, pairs(16), pairs(4, 100), run.settings, work)
    monkeypatch.setattr(callbacks.Progress, "on_step_end", step)
    assert any(work.glob("checkpoint-*"))
    resumed, history = dpo.train(run.fresh(), run.tokenizer, pairs(16), pairs(4, 100), run.settings, work)
    for (name, one), (_, other) in zip(resumed.named_parameters(), run.tuned.named_parameters()):
        assert torch.equal(one, other), name
    assert history == run.history


def test_saved_adapters_are_equal_files_without_paths(run):
    data = run.place / "preferences.jsonl"
    write_jsonl(data, pairs(16))
    card = cards.model_card(run.settings, run.history, {"train": pairs(16), "validation": pairs(4)}, data)
    assert f"sha256 `{file_digest(data)}`" in card and "| `lora.alpha` | `32` |" in card and str(run.place) not in card
    assert f"`model.safetensors` sha256 `{file_digest(ROOT / 'data/models/embedded/base/model.safetensors')}`" in card
    assert f"| 0 | {math.log(2):.4f} | 0.0000 |" in card and "12 steps of 4 pairs" in card
    for name in ("one", "two"):
        lora.save_adapter(run.tuned, run.place / name, "some/base", card)
    files = sorted(p.name for p in (run.place / "one").iterdir())
    assert files == ["README.md", "adapter_config.json", "adapter_model.safetensors"]
    assert all((run.place / "one" / f).read_bytes() == (run.place / "two" / f).read_bytes() for f in files)
    config = json.loads((run.place / "one" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "some/base" and str(run.place) not in json.dumps(config)


def test_merging_is_exact(run):
    lora.save_adapter(run.tuned, run.place / "adapter", str(run.place / "base"), "card")
    ids = torch.arange(20, 60)[None]
    assert lora.merge_error(str(run.place / "base"), run.place / "adapter", ids) < 1e-4
    base, adapted = run.fresh(), PeftModel.from_pretrained(run.fresh(), run.place / "adapter")
    with torch.no_grad():
        assert (base(ids).logits - adapted(ids).logits).abs().max() > 1e-2  # the adapter does something to be merged


def test_long_pairs_are_refused_and_counted(run):
    rows = pairs(3)
    rows[1]["chosen"][0]["content"] *= 50
    fit, refused = dpo.fitting(rows, run.tokenizer, 200)
    assert [row["id"] for row in fit] == ["0", "2"] and [row["id"] for row in refused] == ["1"]
    assert dpo.fitting([], run.tokenizer, 200) == ([], [])


def test_the_untrained_adapter_changes_nothing(run):
    base = run.fresh()
    with torch.no_grad():
        before = base(torch.arange(20, 40)[None]).logits
        adapted, history = dpo.untrained(base, run.settings)
        assert torch.equal(before, adapted(torch.arange(20, 40)[None]).logits) and history["steps"] == 0
