"""What is timed: that both ways write equally much, and that ours is held against plain passes."""
import pytest
from helpers.checkpoints import write_checkpoint

from lib.benchmarks import sampling

PROMPTS = [[5, 6, 7, 8, 9, 10], [11, 12, 13]]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("llama"), "llama", hidden=32, inner=32)


def test_both_ways_write_as_many_tokens(place, monkeypatch):
    from lib.models import loading
    model, _ = loading.load(place, device="cpu")
    generated, generate = [], type(model).generate

    def watched(*args, **options):
        generated.append(generate(*args, **options))
        return generated[-1]
    monkeypatch.setattr(type(model), "generate", watched)
    seconds = sampling.timed(model, PROMPTS, 30, 3, warm=2)
    written = sampling.drawn(model, PROMPTS, 30, 3, 1.0)
    assert set(seconds) == {"prefilled", "generate"}
    assert [tuple(ids.shape) for ids in generated] == [(6, 6 + 2), (6, 6 + 30)]
    assert [len(tokens) for tokens, *_ in written] == [30] * 6
    assert len({tuple(tokens) for tokens, *_ in written}) == 6


def test_rounds_become_a_ratio_with_its_spread(place):
    rows = [sampling.beside_generate(place, PROMPTS, 5, 2, turn, 1) for turn in (1, 2, 3)]
    found = sampling.against_generate(rows)
    ratios = sorted(row["generate"] / row["prefilled"] for row in rows)
    assert found["ratio"] == {"rate": ratios[1], "low": ratios[0], "high": ratios[2], "n": 3}
    assert 0 < found["largest_difference"] < 1e-5
    assert found["prompts"] == [6, 3] and found["new"] == 5
    assert found["tokens_per_second"]["high"] == 20 / min(row["prefilled"] for row in rows)
