"""The tree and sampling on a real model's weights, at the lengths of the real study."""
from collections.abc import Callable
from functools import partial
from typing import Any

from lib.benchmarks.cases import closure, times_faster
from lib.benchmarks.dpo import new_model, step, tournament
from lib.benchmarks.measuring import spread
from lib.benchmarks.sampling import against_generate, beside_generate
from lib.core.rows import Rate
from lib.training.parallel import apart

PROMPT, ANSWER, NEW, K, PROMPTS = 310, 150, 150, 8, 8  # as long as the study's are on average
PAIRS = {"default": 2, "precomputed": 2, "tree": closure(K)}  # in one step of each method
Jobs = dict[str, Callable[[], dict[str, Any]]]


def jobs(place: str, rounds: int, threads: int) -> Jobs:
    """For `measuring.measure`: in each round every way of training, and both of sampling."""
    found: Jobs = {}
    prompts = [tournament(PROMPT, 1, 2, 1, seed)[0]["prompt_ids"] for seed in range(PROMPTS)]
    for turn in range(rounds):
        for method, pairs in PAIRS.items():
            found[f"{method} {turn}"] = partial(apart, step, method, place, "as it is", PROMPT,
                                                ANSWER, K, pairs, threads)
        found[f"sampling {turn}"] = partial(apart, beside_generate, place, prompts, NEW, K, turn,
                                            threads)
    found["exactness"] = partial(apart, exactness, place, threads)
    return found


def exactness(place: str, threads: int) -> dict[str, Any]:
    """By how much answers' log-probabilities, summed, differ when a tree reads them at once."""
    import torch  # here and below: seconds, for the measured process alone

    from lib.training.tree import Pack, grow  # see above
    from lib.training.tree_attention import plant, separate_logps  # see above
    torch.set_num_threads(threads)
    model = new_model(place)
    tree, = grow(tournament(PROMPT, ANSWER, K, closure(K)))
    alone = separate_logps(model, tree.prompt, tree.completions)
    with torch.no_grad():
        logps = plant(model)(tree=Pack([tree]))[0].double()
    together = [float(part.sum()) for part in logps.split([len(c) for c in tree.completions])]
    return {"largest_difference": max(abs(a - b) for a, b in zip(alone, together, strict=True))}


def numbers(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What the rows of all `jobs` say."""
    trained = {method: [row for row in rows if row.get("method") == method] for method in PAIRS}
    drawn = against_generate([row for row in rows if "generate" in row])
    exact, = (row["largest_difference"] for row in rows if set(row) == {"largest_difference"})

    def seconds(method: str) -> Rate:
        return spread(row["seconds_per_pair"] for row in trained[method])
    return {"tree_vs_default": times_faster(trained["tree"], trained["default"]),
            "tree_vs_precomputed": times_faster(trained["tree"], trained["precomputed"]),
            "seconds_per_pair": {method: seconds(method) for method in PAIRS},
            "tree_largest_difference": exact, "sampling_ratio": drawn["ratio"], "sampling": drawn,
            "lengths": {"prompt": PROMPT, "answer": ANSWER, "k": K, "prompts": PROMPTS}}
