"""Sampling from prompts that are held once beside `generate`, with as many sequences at once.

Both write the same number of tokens: neither stops at an end token.
"""
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lib.benchmarks.measuring import spread
from lib.core.rows import Rate

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from lib.models.shared_prompt import Written


def beside_generate(name: str, prompts: list[list[int]], new: int, k: int, turn: int, threads: int,
                    dtype: str = "float32", temperature: float = 0.9) -> dict[str, Any]:
    """One round on a model of a directory or the hub; needs a process of its own.

    prompts: token ids; k completions of `new` tokens are drawn of each. turn: in even ones
    `generate` goes first. The row has the seconds of both ways, and by how much log-probabilities
    as ours gives them differ at most from those of one plain pass over each text.
    """
    import torch  # here and below: seconds, for the measured process alone

    from lib.models.loading import load  # see above
    torch.set_num_threads(threads)
    model, _ = load(name, dtype)
    seconds = timed(model, prompts, new, k, temperature, generate_first=turn % 2 == 0)
    written = drawn(model, prompts, new, k, temperature, with_logps=True)
    return {"turn": turn, "k": k, "new": new, "prompts": list(map(len, prompts)), "dtype": dtype,
            **seconds, "largest_difference": largest_difference(model, prompts, k, written)}


def timed(model: "PreTrainedModel", prompts: list[list[int]], new: int, k: int,
          temperature: float = 1.0, generate_first: bool = False, warm: int = 4,
          ) -> dict[str, float]:
    """Seconds of both ways, {"prefilled", "generate"}.

    warm: tokens that each writes beforehand, uncounted.
    """
    from lib.models.chats import left_padded  # torch: see `beside_generate`
    ids, mask, _ = left_padded(prompts, 0, model.device)

    def prefilled(tokens: int) -> None:
        drawn(model, prompts, tokens, k, temperature)

    def generate(tokens: int) -> None:
        model.generate(ids, attention_mask=mask, do_sample=True, temperature=temperature, top_k=0,
                       top_p=1.0, num_return_sequences=k, max_new_tokens=tokens,
                       min_new_tokens=tokens, pad_token_id=0).tolist()

    ways: list[Callable] = [generate, prefilled] if generate_first else [prefilled, generate]
    seconds = {}
    for way in ways:
        way(warm)
    for way in ways:
        start = time.perf_counter()
        way(new)
        seconds[way.__name__] = time.perf_counter() - start
    return seconds


def drawn(model: "PreTrainedModel", prompts: list[list[int]], new: int, k: int, temperature: float,
          with_logps: bool = False) -> list["Written"]:
    """k completions of `new` tokens after each prompt, as lib.models.sampling draws them."""
    from lib.models.noise import SeededSampler  # torch: see `beside_generate`
    from lib.models.shared_prompt import write
    sampler = SeededSampler(range(len(prompts)), k, temperature, 1.0)
    return write(model, prompts, k, sampler, (), new, with_logps)


def largest_difference(model: "PreTrainedModel", prompts: list[list[int]], k: int,
                       written: list["Written"]) -> float:
    """Between the log-probabilities of all tokens as drawn and those of one plain pass."""
    from lib.models.scoring import token_logps  # torch: see `beside_generate`
    worst = 0.0
    for place, (tokens, logps, _) in enumerate(written):
        plain, = token_logps(model, [prompts[place // k]], [tokens])
        worst = max([worst, *(abs(one - other) for one, other in zip(logps, plain))])
    return worst


def against_generate(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The numbers of all rounds of `beside_generate`: how many times faster, and how exact."""
    def over_rounds(number: Callable[[dict[str, Any]], float]) -> Rate:
        return spread(map(number, rows))
    tokens = len(rows[0]["prompts"]) * rows[0]["k"] * rows[0]["new"]
    return {"ratio": over_rounds(lambda row: row["generate"] / row["prefilled"]),
            "prefilled_seconds": over_rounds(lambda row: row["prefilled"]),
            "generate_seconds": over_rounds(lambda row: row["generate"]),
            "tokens_per_second": over_rounds(lambda row: tokens / row["prefilled"]),
            "largest_difference": max(row["largest_difference"] for row in rows),
            **{key: rows[0][key] for key in ("k", "new", "prompts", "dtype")}}
