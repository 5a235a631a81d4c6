"""Sampling: the library's own completions, in any batch, read once, drawn exactly, and resumed."""
import pytest
import torch

from lib.competencies import world
from lib.core.records import Journal
from lib.embedded import pretraining
from lib.models import chats, sampling


@pytest.fixture(scope="module")
def items(base):
    """(key, prompt ids) of fresh authors."""
    probes = pretraining.probe_prompts(12, world.seen_domains())
    ids = chats.encode_chats(base[1], [probe["messages"] for probe in probes])
    return list(zip([probe["id"] for probe in probes], ids))


def test_greedy_completions_equal_plain_generate(base, items):
    model, tokenizer = base
    keys, prompts = zip(*items[:4])
    ours = sampling.complete(model, tokenizer, list(prompts), keys, k=2, max_new_tokens=80)
    for prompt, pair in zip(prompts, ours):
        plain = model.generate(torch.tensor([prompt]), max_new_tokens=80, do_sample=False)
        said = tokenizer.decode(plain[0, len(prompt):], skip_special_tokens=True).strip()
        assert pair[0]["text"] == pair[1]["text"] == said


def test_samples_do_not_depend_on_batch_size_or_order(base, items):
    def draw(rows, size, seed=7):
        return sampling.complete_all(*base, rows, size, k=3, temperature=0.9, top_p=0.95,
                                     max_new_tokens=24, seed=seed)
    together, apart, alone = draw(items, 12), draw(items[::-1], 5), draw(items[:5], 1)
    assert together == apart
    assert alone == {key: together[key] for key, _ in items[:5]}
    other = draw(items[:3], 3, seed=8)
    assert all(other[key] != together[key] for key in other)
    assert len({completion["text"] for completion in together[items[0][0]]}) > 1


def test_the_prompt_is_read_once(base, items, monkeypatch):
    model, tokenizer = base
    read, forward = [], model.forward

    def watched(*args, **options):
        read.append(tuple(options["input_ids"].shape))
        return forward(*args, **options)
    monkeypatch.setattr(model, "forward", watched)
    prompt = items[0][1]
    sampling.complete(model, tokenizer, [prompt], ["x"], k=8, temperature=1.0, max_new_tokens=5)
    assert read[0] == (1, len(prompt)) and all(shape == (8, 1) for shape in read[1:])


def test_seeded_sampling_draws_from_the_softmax():
    scores = torch.tensor([[0.0, 1.0, 2.0, -1.0]])
    sampler = sampling.SeededSampler([5], 4000, temperature=0.7, top_p=1.0)
    drawn = sampler(None, scores.expand(4000, 4)).argmax(-1)
    expected = torch.softmax(scores[0] / 0.7, -1)
    found = torch.bincount(drawn, minlength=4) / 4000
    assert (found - expected).abs().max() < 0.03
    nucleus = sampling.SeededSampler([5], 4000, temperature=0.7, top_p=float(expected[2]) + 0.01)
    assert set(nucleus(None, scores.expand(4000, 4)).argmax(-1).tolist()) == {1, 2}


def test_an_interrupted_sampling_resumes(base, items, tmp_path, monkeypatch):
    def draw(*journal):
        return sampling.complete_all(*base, items[:6], 2, *journal, max_new_tokens=20)
    whole = draw()
    calls, complete = [], sampling.complete

    def failing(*args, **options):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return complete(*args, **options)
    monkeypatch.setattr(sampling, "complete", failing)
    with pytest.raises(KeyboardInterrupt):
        draw(Journal(tmp_path / "journal"))
    assert draw(Journal(tmp_path / "journal")) == whole
    assert len(calls) == 4  # two before the stop, the one that stopped, and the one left over


def test_what_another_model_wrote_is_never_taken_over(tiny, tmp_path):
    """Not after a change of weights, prompt or way of drawing: each row says what it is of."""
    model, tokenizer = tiny
    journal = Journal(tmp_path / "journal")

    def draw(prompt=(5, 6, 7), **decoding):
        given = {"max_new_tokens": 4, "temperature": 1.0, **decoding}
        items = [("a", list(prompt))]
        return sampling.complete_all(model, tokenizer, items, 2, journal, **given)["a"]
    first = draw()
    assert draw() == first and len(journal.items) == 1
    for count, changed in enumerate(({"seed": 1}, {"k": 2}, {"prompt": (5, 6, 8)}), 2):
        draw(**changed)
        assert len(journal.items) == count
    with torch.no_grad():
        model.lm_head.weight[-1, -1] += 1
    fresh = draw()
    assert len(journal.items) == 5 and fresh == draw()
