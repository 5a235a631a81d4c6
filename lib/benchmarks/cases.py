"""Which cases of lib/benchmarks/dpo.py are measured, round by round, and what is made of them.

Times of TRL's trainer and of single pairs are per pair, whatever K is: they are measured once per
prompt length, on few pairs, and stand beside the tree of every K.
"""
import itertools
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from lib.benchmarks.dpo import SIZES, draw, step
from lib.benchmarks.measuring import spread
from lib.core.rows import Rate
from lib.training.parallel import apart

Row = dict[str, Any]  # what `step` or `draw` measured
Jobs = dict[str, Callable[[], Row]]
BY_PAIR = ("default", "precomputed", "pair")
TOKENS_AT_ONCE = 7200  # of the sequences in one step of TRL's
CANDIDATES, BATCHES = (2, 4, 8, 16), (1, 2, 4)  # that growth is measured over
# Passes over the tokens. Through frozen weights only gradients of activations go back, which costs
# as much as the way forward; checkpointing adds a pass forward, and so does a reference.
PASSES = {"default": 4, "precomputed": 2, "tree": 2}


def closure(k: int) -> int:
    """How many preferences a knockout of k = 2^n gives, with all that it implies."""
    return k * (k.bit_length() - 1) // 2


def all_pairs(k: int) -> int:
    return k * (k - 1) // 2


def at_once(prompt: int, completion: int) -> int:
    """How many pairs a step of TRL's is timed on, one or two: long ones need time and memory."""
    return max(1, min(2, TOKENS_AT_ONCE // (2 * (prompt + completion))))


def middle(prompts: Iterable[int]) -> int:
    return (ordered := sorted(prompts))[len(ordered) // 2]


def compared(families: Sequence[str], prompts: Sequence[int], completion: int,
             ks: Sequence[int]) -> list[tuple]:
    """The arguments of each `step` that the comparison needs.

    They are (method, family, size, prompt, completion, k, pairs).
    """
    found: list[tuple] = []
    for family, prompt in itertools.product(families, prompts):
        case, few = (family, "medium", prompt, completion), at_once(prompt, completion)
        found += [(method, *case, 8, few) for method in BY_PAIR]
        found += [("tree", *case, k, pairs) for k in ks for pairs in (closure(k), all_pairs(k))]
    return found


def growing(family: str, prompt: int, completion: int) -> list[tuple]:
    """The same for `growth` and `memory`: more candidates, larger models and batches."""
    case, few = (prompt, completion, 8), at_once(prompt, completion)
    found = [("precomputed_checkpointing", family, "medium", *case, few),
             ("tree_checkpointing", family, "medium", *case, closure(8))]
    found += [("tree", family, "medium", prompt, completion, k, closure(k)) for k in CANDIDATES]
    for size in SIZES:
        counts = {"default": 1, "precomputed": 1, "tree": closure(8)}
        found += [(method, family, size, *case, count) for method, count in counts.items()]
    return found + [("default", family, "medium", *case, count) for count in BATCHES]


def training_jobs(families: Sequence[str], prompts: Sequence[int], completion: int,
                  ks: Sequence[int], rounds: int, threads: int) -> Jobs:
    """For `measuring.measure`: every step of every round, round after round.

    The last of several rounds has only the middle prompt.
    """
    central = middle(prompts)
    whole = compared(families, prompts, completion, ks) + growing(families[0], central, completion)
    last = compared(families, [central], completion, ks)
    return jobs(step, [whole] * max(1, rounds - 1) + [last] * (rounds > 1), threads)


def sampling_jobs(prompts: Sequence[int], new: Sequence[int], k: int, rounds: int,
                  threads: int) -> Jobs:
    """The same for `draw`: every prompt with the shortest completion, the middle one with each."""
    arguments = [(prompt, new[0], k) for prompt in prompts]
    arguments += [(middle(prompts), length, k) for length in new[1:]]
    return jobs(draw, [arguments] * rounds, threads)


def jobs(function: Callable[..., Row], rounds: list[list[tuple]], threads: int) -> Jobs:
    """{key: job} of lists of arguments, one list per round, in which nothing is measured twice."""
    return {" ".join(map(str, (function.__name__, *arguments, "round", number))):
            partial(apart, function, *arguments, threads)
            for number, lot in enumerate(rounds, 1) for arguments in lot}


def training(rows: list[Row], families: Sequence[str], prompts: Sequence[int], completion: int,
             ks: Sequence[int]) -> dict[str, Any]:
    """The numbers of all rows of `step`: "growth", "memory" and "dpo".

    "dpo" is {family: {"1500x300": {"k8": see `case`}}}.
    """
    def by_k(family: str, prompt: int) -> dict[str, Any]:
        return {f"k{k}": case(rows, family, prompt, completion, k) for k in ks}

    cases = {family: {f"{prompt}x{completion}": by_k(family, prompt) for prompt in prompts}
             for family in families}
    central = middle(prompts)
    target = select(rows, family=families[0], prompt=central, completion=completion)
    return {"dpo": cases, "growth": growth(target),
            "memory": memory(target, at_once(central, completion))}


def select(rows: Iterable[Row], **wanted: Any) -> list[Row]:
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def seconds(rows: Iterable[Row]) -> Rate:
    return spread(row["seconds_per_pair"] for row in rows)


def times_faster(ours: Iterable[Row], theirs: Iterable[Row]) -> Rate:
    """The ratio of two methods' seconds per pair, round by round, where both have one."""
    return spread(slow["seconds_per_pair"] / fast["seconds_per_pair"]
                  for slow, fast in zip(theirs, ours))


def case(rows: list[Row], family: str, prompt: int, completion: int, k: int) -> dict[str, Any]:
    """One tournament: pairs per second of each method, what the tree gains, what tokens promise."""
    mine = select(rows, family=family, size="medium", prompt=prompt, completion=completion)
    few = at_once(prompt, completion)
    found = {method: select(mine, method=method, pairs=few) for method in BY_PAIR}
    for name, pairs in (("tree", closure(k)), ("all_pairs", all_pairs(k))):
        found[name] = select(mine, method="tree", k=k, pairs=pairs)
    return {"preferences": closure(k),
            "pairs_per_second": {name: spread(1 / row["seconds_per_pair"] for row in timed)
                                 for name, timed in found.items()},
            **{f"tree_vs_{name}": times_faster(found["tree"], found[name]) for name in BY_PAIR},
            "all_pairs_vs_default": times_faster(found["all_pairs"], found["default"]),
            "ceiling": promise(prompt, completion, k, "default"),
            "ceiling_precomputed": promise(prompt, completion, k, "precomputed")}


def promise(prompt: int, completion: int, k: int, method: str) -> float:
    """How many times faster a knockout's tree would be if time were tokens times passes."""
    apart_tokens, tree_tokens = prompt + completion, prompt + k * completion
    return 2 * closure(k) * apart_tokens / tree_tokens * PASSES[method] / PASSES["tree"]


def growth(rows: list[Row]) -> dict[str, Any]:
    """Seconds per pair as K, the model and TRL's batch grow, each with the rest as it is.

    rows: of one family and length.
    """
    usual, by_k, by_size = select(rows, size="medium"), {}, {}
    default = {size: select(rows, method="default", size=size, pairs=1) for size in SIZES}
    for k in CANDIDATES:
        tree = select(usual, method="tree", k=k, pairs=closure(k))
        by_k[str(k)] = {"preferences": closure(k), "tree": seconds(tree),
                        "tree_vs_default": times_faster(tree, default["medium"])}
    for size, (width, layers) in SIZES.items():
        tree = select(rows, method="tree", size=size, k=8, pairs=closure(8))
        precomputed = select(rows, method="precomputed", size=size, pairs=1)
        by_size[size] = {"width": width, "layers": layers, "tree": seconds(tree),
                         "default": seconds(default[size]), "precomputed": seconds(precomputed),
                         "tree_vs_default": times_faster(tree, default[size])}
    batch = {str(pairs): seconds(select(usual, method="default", pairs=pairs)) for pairs in BATCHES}
    return {"k": by_k, "size": by_size, "batch": batch}


def memory(rows: list[Row], pairs: int) -> dict[str, Any]:
    """By how many MB training raises the process's peak, and with how many pairs in a step.

    TRL's grows with these, the tree's with K.
    """
    usual, found = select(rows, size="medium", k=8), {}
    counts = dict.fromkeys((*BY_PAIR, "precomputed_checkpointing"), pairs)
    counts |= dict.fromkeys(("tree", "tree_checkpointing"), closure(8))
    for method, count in counts.items():
        mine = select(usual, method=method, pairs=count)
        peaks = {key: spread(row[key] for row in mine) for key in ("training_mb", "peak_mb")}
        found[method] = {"pairs": count, **peaks}
    return found


def sampling(rows: list[Row]) -> dict[str, dict[str, Any]]:
    """How many times faster the prompt that is read once makes sampling.

    {prompt: {"k8": {"new_tokens", "ratio", "by_new_tokens"}}}: "ratio" is that of the shortest
    completions, "by_new_tokens" has every length's, with the seconds of both ways.
    """
    found: dict[str, dict[str, Any]] = {}
    for prompt, k in dict.fromkeys((row["prompt"], row["k"]) for row in rows):
        mine, by_length = select(rows, prompt=prompt, k=k), {}
        lengths = sorted({row["new"] for row in mine})
        for new in lengths:
            timed = select(mine, new=new)
            by_length[str(new)] = {
                "ratio": spread(row["generate"] / row["prefilled"] for row in timed),
                "prefilled_seconds": spread(row["prefilled"] for row in timed),
                "generate_seconds": spread(row["generate"] for row in timed)}
        found.setdefault(str(prompt), {})[f"k{k}"] = {
            "new_tokens": lengths[0], "ratio": by_length[str(lengths[0])]["ratio"],
            "by_new_tokens": by_length}
    return found
