"""Supervised tuning: the loss is on the answer alone, prompt and answer meet as they will when
generating, and bases may be quantised.
"""
import copy
from contextlib import nullcontext

import pytest
import torch
import trl.trainer.utils
from helpers.tunings import said
from transformers import LlamaConfig, LlamaForCausalLM

from lib.core.records import DataError
from lib.core.sections.tuning import Lora, Tuning
from lib.embedded import pretraining
from lib.models import loading
from lib.models.chats import encode_chats
from lib.training import sft

QUESTION = ("Instruction: Is it so? Please choose an answer from {yes/no}.\n"
            "Input: coral mapping\nAnswer: ")
LAYERS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def tuning(**other):
    return Tuning(**{
        "method": "lora", "learning_rate": 1e-2, "lr_scheduler_type": "constant",
        "warmup_ratio": 0.0, "epochs": 1, "batch_size": 2, "gradient_accumulation": 1,
        "max_grad_norm": 1.0, "weight_decay": 0.0, "max_length": 256,
        "gradient_checkpointing": False, "precision": "none", "seed": 1, "logging_steps": 1,
        "checkpoints": 0, **other,
        "lora": Lora(r=4, alpha=8, dropout=0.0, target_modules=LAYERS, stored="float32")})


def asked(count=4):
    return [(QUESTION, ("yes", "no")[i % 2]) for i in range(count)]


def copied(model):
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def without_wrapping(model):
    """The weights of a model with an adapter, by their names in the base."""
    return {name.replace("base_model.model.", "").replace(".base_layer", ""): weight
            for name, weight in model.named_parameters()}


def test_prompt_and_answer_are_tokenised_as_generation_sees_them(tiny):
    _, tokenizer = tiny
    item = sft.encode(tokenizer, QUESTION, "positive")
    prompt = tokenizer(QUESTION)["input_ids"]
    answer = tokenizer("positive", add_special_tokens=False)["input_ids"]
    answer.append(tokenizer.eos_token_id)
    assert item["input_ids"] == prompt + answer
    assert item["completion_mask"] == [0] * len(prompt) + [1] * len(answer)
    # The trap: as one text, the space before the answer becomes part of it, and the prompt is no
    # prefix any more.
    assert tokenizer(QUESTION + "positive")["input_ids"][:len(prompt)] != prompt


def test_a_chat_ends_its_prompt_where_the_assistant_begins(tiny):
    _, tokenizer = tiny
    chat = [said("system", "coral"), said("user", "mapping")]
    item = sft.encode(tokenizer, chat, "yes")
    start = item["completion_mask"].index(1)
    assert item["input_ids"][:start] == encode_chats(tokenizer, [chat])[0]
    assert tokenizer.decode(item["input_ids"][start:]) == "yes" + tokenizer.eos_token


def test_a_template_that_rewrites_the_prompt_scores_only_what_follows(tiny):
    _, tokenizer = tiny
    tokenizer.chat_template = ("{% for m in messages %}{{ m['content'] + '|' }}{% endfor %}"
                               "{% if add_generation_prompt %}{{ 'think' }}{% endif %}")
    item = sft.encode(tokenizer, [said("user", "coral")], "yes")
    start = item["completion_mask"].index(1)
    assert all(item["completion_mask"][start:])
    assert tokenizer.decode(item["input_ids"][start:]) == "yes|"


def test_the_loss_is_that_of_the_answer_alone(tiny, tmp_path):
    model, tokenizer = tiny
    examples = [(QUESTION, "yes"), ("coral " + QUESTION, "no")]
    pairs = []
    for item in examples:
        coded = sft.encode(tokenizer, *item)
        start = coded["completion_mask"].index(1)
        pairs.append((coded["input_ids"][:start], coded["input_ids"][start:]))
    with torch.no_grad():  # our own cross-entropy over the answers' tokens
        expected = pretraining.completion_loss(model, pairs).item()
    _, curve = sft.train(model, tokenizer, examples, tuning(), tmp_path)
    assert curve == [{"step": 1, "loss": pytest.approx(expected, rel=1e-3)}]


def test_trl_scores_the_answers_alone_and_that_changes_no_weight(tiny, tmp_path, monkeypatch):
    """Holds TRL to the name that lib.training.sft patches, and to what that does: it fails where
    the name is gone, where it saves nothing, and where it is no longer needed.
    """
    model, tokenizer = tiny
    plain, scored, tuned = trl.trainer.utils._ChunkedLogProbFunction.apply, [], []

    def counted(hidden, *others):
        scored[-1] += len(hidden)
        return plain(hidden, *others)
    monkeypatch.setattr(trl.trainer.utils._ChunkedLogProbFunction, "apply", counted)
    for patch in (sft.patch, lambda *_, **__: nullcontext()):
        monkeypatch.setattr(sft, "patch", patch)
        scored.append(0)
        mine = copy.deepcopy(model)
        place = tmp_path / str(len(tuned))
        sft.train(mine, tokenizer, asked(6), tuning(method="full"), place)
        tuned.append(mine.state_dict())
    coded = [sft.encode(tokenizer, *item) for item in asked(6)]
    answers = sum(sum(item["completion_mask"]) for item in coded)
    everything = sum(len(item["input_ids"]) - 1 for item in coded)
    assert scored[0] == answers < everything <= scored[1]
    assert any(not torch.equal(value, tuned[0][name]) for name, value in model.state_dict().items())
    for name, value in tuned[0].items():
        torch.testing.assert_close(value, tuned[1][name], rtol=1e-4, atol=1e-6)


def test_too_long_examples_are_set_apart_not_cut(tiny):
    _, tokenizer = tiny
    examples = [*asked(1), (QUESTION + "coral " * 50, "yes")]
    length = len(sft.encode(tokenizer, *examples[0])["input_ids"])
    assert sft.fitting(examples, tokenizer, length) == (examples[:1], examples[1:])
    assert sft.fitting(examples, tokenizer, length - 1) == ([], examples)
    assert sft.fitting([], tokenizer, 10) == ([], [])


def test_tuning_sets_the_seed_and_warns_of_what_it_leaves_out(tiny, tmp_path, capsys):
    model, tokenizer = tiny
    ends = []
    for number, extra in enumerate(([], [(QUESTION + "coral " * 300, "yes")])):
        torch.manual_seed(number)
        mine = copy.deepcopy(model)
        tuned, curve, left_out = sft.tune(mine, tokenizer, asked() + extra, tuning())
        ends.append((copied(tuned), curve))
        assert left_out == extra
        assert ("1 of 5 examples exceed max_length" in capsys.readouterr().err) == bool(extra)
    (one, curve), (other, same_curve) = ends
    assert curve == same_curve and all(torch.equal(one[name], other[name]) for name in one)
    with pytest.raises(DataError, match="none of 4 examples fits in max_length"):
        sft.tune(model, tokenizer, asked(), tuning(max_length=16), tmp_path)


def test_an_adapter_learns_and_leaves_the_base_alone(tiny, tmp_path):
    model, tokenizer = tiny
    before = copied(model)
    tuned, curve = sft.train(model, tokenizer, asked(16), tuning(epochs=3), tmp_path)
    assert curve[-1]["loss"] < 0.7 * curve[0]["loss"]
    after = without_wrapping(tuned)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert any(weight.abs().max() > 0 for name, weight in after.items() if "lora_B" in name)
    assert not tuned.training


def test_full_tuning_moves_every_weight_and_equal_seeds_give_equal_weights(tiny, tmp_path):
    model, tokenizer = tiny
    start, ends = copied(model), []
    for name in ("one", "two"):
        model.load_state_dict(start, strict=False)
        full = tuning(method="full", learning_rate=1e-3)
        tuned, _ = sft.train(model, tokenizer, asked(), full, tmp_path / name)
        ends.append(copied(tuned))
    assert all(not torch.equal(start[name], ends[0][name]) for name in start)
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in start)


def test_training_goes_on_from_the_last_checkpoint(tiny, tmp_path):
    model, tokenizer = tiny
    start = copied(model)
    settings = tuning(method="full", learning_rate=1e-3, checkpoints=2, epochs=2)
    whole, _ = sft.train(model, tokenizer, asked(), settings, tmp_path)
    expected = copied(whole)
    for name in ("whole", "trainer_state.json"):  # as if it had been killed while it wrote this one
        (tmp_path / "checkpoint-4" / name).unlink()
    model.load_state_dict(start, strict=False)
    resumed, _ = sft.train(model, tokenizer, asked(), settings, tmp_path)
    for name, weight in resumed.named_parameters():
        assert torch.equal(expected[name], weight), name


@pytest.mark.parametrize("bits", ["8bit", "4bit"])
def test_an_adapter_on_a_quantised_base(tiny, tmp_path, bits):
    """QLoRA: the base is stored in few bits and stays, the adapter is trained in float32."""
    _, tokenizer = tiny
    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig(  # widths in multiples of 64, which bitsandbytes needs on a CPU
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2, pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id, bos_token_id=tokenizer.bos_token_id,
    )).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    model, tokenizer = loading.load(str(tmp_path / "base"), device="cpu", quantisation=bits)
    stored = {name: weight for name, weight in copied(model).items()
              if weight.dtype in (torch.int8, torch.uint8)}
    assert len(stored) == 7  # every linear layer of the block
    examples, work = asked(12), tmp_path / "work"
    tuned, curve = sft.train(model, tokenizer, examples, tuning(epochs=3), work)
    after = without_wrapping(tuned)
    assert all(torch.equal(stored[name], after[name]) for name in stored)
    trained = [weight for weight in tuned.parameters() if weight.requires_grad]
    assert {weight.dtype for weight in trained} == {torch.float32}
    assert curve[-1]["loss"] < curve[0]["loss"]
