"""The wired circuit: it copies at once, and can match three tokens."""
from types import SimpleNamespace

import torch

from lib.embedded import induction, lessons, pretraining


def new_model(tokenizer, matched):
    size = SimpleNamespace(hidden=128, layers=2, heads=4, matched=matched, seed=0)
    return induction.new_model(tokenizer, size)


def test_the_wired_circuit_copies_after_a_few_steps(tiny):
    _, tokenizer = tiny
    generator = torch.Generator().manual_seed(0)
    model = new_model(tokenizer, matched=1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(80):
        loss = pretraining.completion_loss(model, lessons.repeats(tokenizer, 16, generator))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    assert loss.item() < 3  # guessing among 1,900 tokens costs 7.5 nats


def test_a_circuit_that_matches_three_tokens_finds_what_follows_all_of_them(tiny):
    """Between many tokens, a b c stands once before the end; its pairs stand in other threes."""
    _, tokenizer = tiny
    attended = {}
    for matched in (1, 3):
        model = new_model(tokenizer, matched)
        model.set_attn_implementation("eager")
        shares = []
        for seed in range(20):
            generator = torch.Generator().manual_seed(seed)
            tokens = torch.randperm(len(tokenizer) - 40, generator=generator)[:40] + 40
            a, b, c, *rest = tokens.tolist()
            text = [*rest[:6], a, rest[6], c, *rest[7:11], b, c, *rest[11:14]]
            text += [a, b, c]
            behind = len(text)
            text += [*rest[14:20], a, b, *rest[20:30], a, b, c]
            with torch.no_grad():
                result = model(input_ids=torch.tensor([text]), output_attentions=True)
            shares.append(result.attentions[1][0, 1:3, -1, behind].mean())
        attended[matched] = float(torch.stack(shares).mean())
    assert attended[3] > 1.5 * attended[1]
