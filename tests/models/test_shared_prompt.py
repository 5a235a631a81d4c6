"""Rows that share a prompt write what the library's own way writes, and what they say is exact."""
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    MistralConfig,
    MixtralConfig,
    Qwen2Config,
)

from lib.models import noise, sampling, scoring, shared_prompt

FAMILIES = {
    "llama": (LlamaConfig, {}), "mistral": (MistralConfig, {}),
    "qwen2": (Qwen2Config, {}), "wide window": (MistralConfig, {"sliding_window": 64}),
    "mixtral": (MixtralConfig, {"num_local_experts": 4, "num_experts_per_tok": 2})}
PROMPTS = [list(range(5, 22)), [7, 9, 30], list(range(40, 29, -1)), [8]]
KEYS = ["a", "b", "c", "d"]
NEW, ENDS = 24, [1, 2, 3, 4]


def new_model(family="llama", dtype=torch.float32, **options):
    torch.manual_seed(0)
    kind, special = FAMILIES[family]
    options = {"vocab_size": 50, "sliding_window": None} | special | options
    config = kind(hidden_size=48, intermediate_size=64, num_hidden_layers=3, initializer_range=0.2,
                  num_attention_heads=6, num_key_value_heads=2, max_position_embeddings=128,
                  bos_token_id=None, eos_token_id=ENDS, **options)
    return AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").to(dtype).eval()


def drawn(model, prompts=PROMPTS, keys=KEYS, k=3, temperature=1.0, ends=ENDS, new=NEW, top_p=1.0):
    """[(tokens, log-probabilities, finished)] of all rows."""
    seeds = [sampling.seed_of(0, key) for key in keys]
    sampler = noise.SeededSampler(seeds, k, temperature, top_p)
    return shared_prompt.write(model, prompts, k, sampler, ends, new, with_logps=True)


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_rows_equal_generate_token_for_token(family):
    model = new_model(family)
    assert shared_prompt.can_share(model, len(PROMPTS[0]) + NEW)
    rows = drawn(model, k=2, temperature=0)
    for place, (tokens, _, finished) in enumerate(rows):
        prompt = PROMPTS[place // 2]
        plain = model.generate(torch.tensor([prompt]), max_new_tokens=NEW, do_sample=False,
                               pad_token_id=0)[0, len(prompt):].tolist()
        assert tokens + plain[len(tokens):][:1] * finished == plain
        assert len(tokens) == NEW or finished


@pytest.mark.parametrize(("family", "dtype", "tolerance"), [
    ("llama", torch.float32, 1e-5), ("qwen2", torch.float32, 1e-5),
    ("llama", torch.float64, 1e-9), ("mistral", torch.float64, 1e-9)])
def test_log_probabilities_equal_those_of_one_plain_forward(family, dtype, tolerance):
    model = new_model(family, dtype)
    rows = drawn(model)
    prompts = [prompt for prompt in PROMPTS for _ in range(3)]
    for prompt, (tokens, logps, _) in zip(prompts, rows):
        plain, = scoring.token_logps(model, [prompt], [tokens]) if tokens else [[]]
        assert logps == pytest.approx(plain, abs=tolerance)
    assert {finished for *_, finished in rows} == {True, False}
    assert model.config._attn_implementation == "sdpa"


def test_an_adapter_is_heard():
    plain, model = drawn(new_model()), new_model()
    config = LoraConfig(task_type="CAUSAL_LM", r=4, init_lora_weights=False)
    model = get_peft_model(model, config).eval()
    assert shared_prompt.can_share(model, len(PROMPTS[0]) + NEW)
    rows = drawn(model)
    assert [tokens for tokens, *_ in rows] != [tokens for tokens, *_ in plain]
    for place, (tokens, logps, _) in enumerate(rows):
        forward, = scoring.token_logps(model, [PROMPTS[place // 3]], [tokens]) if tokens else [[]]
        assert logps == pytest.approx(forward, abs=1e-5)


def test_rows_that_leave_change_nothing(monkeypatch):
    """Against rows that all go on to the limit and are cut afterwards; prompts leave as wholes."""
    shapes, keep = set(), shared_prompt.SharedPrompts.keep

    def watched(shared, staying):
        keep(shared, staying)
        shapes.add(shared.shape)
    monkeypatch.setattr(shared_prompt.SharedPrompts, "keep", watched)
    model = new_model(dtype=torch.float64)
    rows = drawn(model, k=6, ends=range(20))
    assert len(shapes) > 3 and {prompts for prompts, _ in shapes} >= {2, 3, 4}
    shapes.clear()
    whole = drawn(model, k=6, ends=())
    assert not shapes
    for (tokens, logps, finished), (all_tokens, all_logps, _) in zip(rows, whole):
        assert tokens == all_tokens[:len(tokens)]
        assert logps == pytest.approx(all_logps[:len(tokens)], abs=1e-12)
        assert not finished or all_tokens[len(tokens)] < 20


def test_rows_do_not_depend_on_who_else_is_written():
    model = new_model(dtype=torch.float64)
    together = drawn(model)
    backwards = drawn(model, PROMPTS[::-1], KEYS[::-1])
    for place, (prompt, key) in enumerate(zip(PROMPTS, KEYS)):
        mine = [tokens for tokens, *_ in together[3 * place:3 * place + 3]]
        other = len(PROMPTS) - 1 - place
        assert mine == [tokens for tokens, *_ in backwards[3 * other:3 * other + 3]]
        assert mine == [tokens for tokens, *_ in drawn(model, [prompt], [key])]
        assert len(set(map(tuple, mine))) == 3


def test_half_precision_writes():
    model = new_model(dtype=torch.bfloat16)
    for tokens, logps, _ in drawn(model, top_p=0.9):
        assert len(tokens) == len(logps) and all(logp <= 0 for logp in logps)


@pytest.mark.parametrize("case", ["window", "penalty", "family"])
def test_what_it_does_not_know_is_left_to_generate(case, tiny):
    _, tokenizer = tiny
    model = new_model("mistral" if case == "window" else "llama", vocab_size=len(tokenizer),
                      sliding_window=8 if case == "window" else None, pad_token_id=0)
    if case == "penalty":
        model.generation_config.repetition_penalty = 1.3
    if case == "family":
        model.config.model_type = "gemma2"
    assert not shared_prompt.can_share(model, 20)
    written = sampling.complete(model, tokenizer, PROMPTS, KEYS, k=2, max_new_tokens=NEW,
                                with_logps=True)
    for prompt, pair in zip(PROMPTS, written):
        plain = model.generate(torch.tensor([prompt]), max_new_tokens=NEW, do_sample=False)
        plain = plain[0, len(prompt):].tolist()
        assert pair[0] == pair[1] and pair[0]["ids"] == plain[:pair[0]["tokens"]]
        assert len(pair[0]["logps"]) == pair[0]["tokens"]
    drawn = sampling.complete(model, tokenizer, PROMPTS, KEYS, k=2, temperature=1.0,
                              max_new_tokens=NEW)
    assert all(set(row) == {"text", "tokens", "finished"} for rows in drawn for row in rows)


def test_noise_is_that_of_torchs_own_exponential_draws():
    """So that what was drawn by them stays as it was drawn."""
    sampler = noise.SeededSampler([5, 6], 3, 1.0, 1.0)
    rows = torch.tensor([0, 2, 3, 4, 5])
    generators = [torch.Generator().manual_seed(seed) for seed in (5, 6)]
    for _ in range(2):
        plain = [torch.empty(3, 40).exponential_(generator=generator) for generator in generators]
        found = sampler.perturbed(torch.zeros(5, 40), rows)
        assert torch.equal(found, -torch.cat(plain).log()[rows])
