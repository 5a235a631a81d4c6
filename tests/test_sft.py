"""Supervised tuning: the loss is on the answer alone, prompt and answer meet as they will when generating, and bases may be quantised."""
import copy
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from lib.embedded import pretraining
from lib.models import loading
from lib.models.chats import encode_chats
from lib.training import sft

QUESTION = "Instruction: Is it so? Please choose an answer from {yes/no}.\nInput: coral mapping\nAnswer: "
LAYERS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def tuning(**other):
    return SimpleNamespace(**{
        "method": "lora", "learning_rate": 1e-2, "lr_scheduler_type": "constant", "warmup_ratio": 0.0, "epochs": 1, "batch_size": 2,
        "gradient_accumulation": 1, "max_grad_norm": 1.0, "weight_decay": 0.0, "max_length": 256, "gradient_checkpointing": False,
        "precision": "none", "seed": 1, "logging_steps": 1, "checkpoints": 0,
        "lora": SimpleNamespace(r=4, alpha=8, dropout=0.0, target_modules=LAYERS), **other})


def rows(tokenizer, count=4):
    return [sft.row(tokenizer, QUESTION, ("yes", "no")[i % 2]) for i in range(count)]


def copied(model):
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def test_prompt_and_answer_are_tokenised_as_generation_sees_them(tiny):
    _, tokenizer = tiny
    item = sft.encode(tokenizer, sft.row(tokenizer, QUESTION, "positive"))
    prompt = tokenizer(QUESTION)["input_ids"]
    answer = tokenizer("positive", add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
    assert item["input_ids"] == prompt + answer
    assert item["completion_mask"] == [0] * len(prompt) + [1] * len(answer)
    # The trap: as one text, the space before the answer becomes part of it, and the prompt is no prefix any more.
    assert tokenizer(QUESTION + "positive")["input_ids"][:len(prompt)] != prompt


def test_a_chat_ends_its_prompt_where_the_assistant_begins(tiny):
    _, tokenizer = tiny
    chat = [{"role": "system", "content": "coral"}, {"role": "user", "content": "mapping"}]
    item = sft.encode(tokenizer, sft.row(tokenizer, chat, "yes"))
    start = item["completion_mask"].index(1)
    assert item["input_ids"][:start] == encode_chats(tokenizer, [chat])[0]
    assert tokenizer.decode(item["input_ids"][start:]) == "yes" + tokenizer.eos_token


def test_a_template_that_rewrites_the_prompt_scores_only_what_follows(tiny):
    _, tokenizer = tiny
    tokenizer.chat_template = ("{% for m in messages %}{{ m['content'] + '|' }}{% endfor %}"
                               "{% if add_generation_prompt %}{{ 'think' }}{% endif %}")
    item = sft.encode(tokenizer, sft.row(tokenizer, [{"role": "user", "content": "coral"}], "yes"))
    assert tokenizer.decode([t for t, scored in zip(item["input_ids"], item["completion_mask"]) if scored]) == "yes|"


def test_the_loss_is_that_of_the_answer_alone(tiny, tmp_path):
    model, tokenizer = tiny
    examples = [sft.row(tokenizer, QUESTION, "yes"), sft.row(tokenizer, "coral " + QUESTION, "no")]
    pairs = []
    for item in examples:
        coded = sft.encode(tokenizer, item)
        start = coded["completion_mask"].index(1)
        pairs.append((coded["input_ids"][:start], coded["input_ids"][start:]))
    with torch.no_grad():
        expected = pretraining.completion_loss(model, pairs).item()  # our own cross-entropy over the answers' tokens
    _, curve = sft.train(model, tokenizer, examples, tuning(), tmp_path)
    assert curve == [{"step": 1, "loss": pytest.approx(expected, rel=1e-3)}]


def test_scoring_answers_alone_changes_no_weight(tiny, tmp_path, monkeypatch):
    model, tokenizer = tiny
    tuned = []
    for name, scored in (("answers", sft.patch), ("everything", lambda *_, **__: nullcontext())):
        monkeypatch.setattr(sft, "patch", scored)
        mine = copy.deepcopy(model)
        sft.train(mine, tokenizer, rows(tokenizer, 6), tuning(method="full"), tmp_path / name)
        tuned.append(mine.state_dict())
    assert any(not torch.equal(value, tuned[0][name]) for name, value in model.state_dict().items())
    for name, value in tuned[0].items():
        torch.testing.assert_close(value, tuned[1][name], rtol=1e-4, atol=1e-6)


def test_too_long_examples_are_set_apart_not_cut(tiny):
    _, tokenizer = tiny
    examples = [*rows(tokenizer, 1), sft.row(tokenizer, QUESTION + "coral " * 50, "yes")]
    length = len(sft.encode(tokenizer, examples[0])["input_ids"])
    assert sft.fitting(examples, tokenizer, length) == (examples[:1], examples[1:])
    assert sft.fitting(examples, tokenizer, length - 1) == ([], examples)
    assert sft.fitting([], tokenizer, 10) == ([], [])


def test_an_adapter_learns_and_leaves_the_base_alone(tiny, tmp_path):
    model, tokenizer = tiny
    before = copied(model)
    tuned, curve = sft.train(model, tokenizer, rows(tokenizer, 16), tuning(epochs=3), tmp_path)
    assert curve[-1]["loss"] < 0.7 * curve[0]["loss"]
    after = {name.replace("base_model.model.", "").replace(".base_layer", ""): weight for name, weight in tuned.named_parameters()}
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert any(weight.abs().max() > 0 for name, weight in tuned.named_parameters() if "lora_B" in name)
    assert not tuned.training


def test_full_tuning_moves_every_weight_and_equal_seeds_give_equal_weights(tiny, tmp_path):
    model, tokenizer = tiny
    start = copied(model)
    ends = []
    for name in ("one", "two"):
        model.load_state_dict(start, strict=False)
        tuned, _ = sft.train(model, tokenizer, rows(tokenizer), tuning(method="full", learning_rate=1e-3), tmp_path / name)
        ends.append(copied(tuned))
    assert all(not torch.equal(start[name], ends[0][name]) for name in start)
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in start)


def test_training_goes_on_from_the_last_checkpoint(tiny, tmp_path):
    model, tokenizer = tiny
    start = copied(model)
    settings = tuning(method="full", learning_rate=1e-3, checkpoints=2, epochs=2)
    whole, _ = sft.train(model, tokenizer, rows(tokenizer), settings, tmp_path)
    expected = copied(whole)
    (last,) = [path for path in tmp_path.iterdir() if path.name == "checkpoint-4"]
    for name in ("whole", "trainer_state.json"):  # as if the run had been killed while it wrote this one
        (last / name).unlink()
    model.load_state_dict(start, strict=False)
    resumed, _ = sft.train(model, tokenizer, rows(tokenizer), settings, tmp_path)
    assert all(torch.equal(expected[name], weight) for name, weight in resumed.named_parameters())


@pytest.mark.parametrize("bits", ["8bit", "4bit"])
def test_an_adapter_on_a_quantised_base(tiny, tmp_path, bits):
    """QLoRA: the base is stored in few bits and stays as it is, the adapter is trained in float32."""
    _, tokenizer = tiny
    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig(  # widths in multiples of 64, which bitsandbytes needs on a CPU
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2,
        pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id, bos_token_id=tokenizer.bos_token_id,
    )).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    model, tokenizer = loading.load(str(tmp_path / "base"), device="cpu", quantisation=bits)
    stored = {name: weight.detach().clone() for name, weight in model.named_parameters() if weight.dtype in (torch.int8, torch.uint8)}
    assert len(stored) == 7  # every linear layer of the block
    tuned, curve = sft.train(model, tokenizer, rows(tokenizer, 12), tuning(epochs=3), tmp_path / "work")
    after = {name.replace("base_model.model.", "").replace(".base_layer", ""): weight for name, weight in tuned.named_parameters()}
    assert all(torch.equal(stored[name], after[name]) for name in stored)
    assert {weight.dtype for weight in tuned.parameters() if weight.requires_grad} == {torch.float32}
    assert curve[-1]["loss"] < curve[0]["loss"]
