"""Which cases of benchmarks/dpo.py are measured, round by round, and the numbers that several rounds give.

Times of TRL's trainer and of single pairs are per pair, whatever K is: they are measured once per prompt length, on few pairs, and
stand beside the tree of every K.
"""
import itertools
from functools import partial

from lib.benchmarks.dpo import SIZES, draw, step
from lib.benchmarks.measuring import apart, spread

BY_PAIR = ("default", "precomputed", "pair")
TOKENS_AT_ONCE = 7200  # of the sequences in one step of TRL's
CANDIDATES, BATCHES = (2, 4, 8, 16), (1, 2, 4)  # that growth is measured over
# Passes over the tokens. Through frozen weights only gradients of activations go back, which costs as much as the way forward;
# checkpointing adds a pass forward, and so does a reference in each step.
PASSES = {"default": 4, "precomputed": 2, "tree": 2}


def closure(k):
    """How many preferences a knockout of k = 2^n candidates gives with all that it implies (lib.ranking)."""
    return k * (k.bit_length() - 1) // 2


def all_pairs(k):
    return k * (k - 1) // 2


def at_once(prompt, completion):
    """How many pairs a step of TRL's is timed on, one or two: long sequences need much time and memory."""
    return max(1, min(2, TOKENS_AT_ONCE // (2 * (prompt + completion))))


def middle(prompts):
    return sorted(prompts)[len(prompts) // 2]


def compared(families, prompts, completion, ks):
    """The arguments of each `step` that the comparison needs: (method, family, size, prompt, completion, k, pairs)."""
    found = []
    for family, prompt in itertools.product(families, prompts):
        found += [(method, family, "medium", prompt, completion, 8, at_once(prompt, completion)) for method in BY_PAIR]
        found += [("tree", family, "medium", prompt, completion, k, pairs) for k in ks for pairs in (closure(k), all_pairs(k))]
    return found


def growing(family, prompt, completion):
    """The same for what `growth` and `memory` show: more candidates, larger models and batches, and checkpointing."""
    case, pairs = (prompt, completion, 8), at_once(prompt, completion)
    return [("precomputed_checkpointing", family, "medium", *case, pairs), ("tree_checkpointing", family, "medium", *case, closure(8)),
            *(("tree", family, "medium", prompt, completion, k, closure(k)) for k in CANDIDATES),
            *((method, family, size, *case, count) for size in SIZES
              for method, count in (("default", 1), ("precomputed", 1), ("tree", closure(8)))),
            *(("default", family, "medium", *case, count) for count in BATCHES)]


def training_jobs(families, prompts, completion, ks, rounds, threads):
    """For `measuring.measure`: every step of every round, round after round. The last of several rounds has only the middle prompt."""
    whole = [*compared(families, prompts, completion, ks), *growing(families[0], middle(prompts), completion)]
    last = compared(families, [middle(prompts)], completion, ks)
    return jobs(step, [whole] * max(1, rounds - 1) + [last] * (rounds > 1), threads)


def sampling_jobs(prompts, new, k, rounds, threads):
    """The same for `draw`: every prompt with the shortest completion, the middle prompt with each."""
    arguments = [(prompt, new[0], k) for prompt in prompts] + [(middle(prompts), length, k) for length in new[1:]]
    return jobs(draw, [arguments] * rounds, threads)


def jobs(function, rounds, threads):
    """{key: job} of lists of arguments, one list per round; in a round nothing is measured twice."""
    return {" ".join(map(str, (function.__name__, *one, "round", number))): partial(apart, function, *one, threads)
            for number, arguments in enumerate(rounds, 1) for one in arguments}


def training(rows, families, prompts, completion, ks):
    """The numbers of all rows of `step`: {"dpo": {family: {"1500x300": {"k8": see `case`}}}, "growth", "memory"}."""
    cases = {family: {f"{prompt}x{completion}": {f"k{k}": case(rows, family, prompt, completion, k) for k in ks} for prompt in prompts}
             for family in families}
    target = select(rows, family=families[0], prompt=middle(prompts), completion=completion)
    return {"dpo": cases, "growth": growth(target), "memory": memory(target, at_once(middle(prompts), completion))}


def select(rows, **wanted):
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def seconds(rows):
    return spread(row["seconds_per_pair"] for row in rows)


def times_faster(ours, theirs):
    """The ratio of two methods' seconds per pair, round by round, over the rounds that both have."""
    return spread(slow["seconds_per_pair"] / fast["seconds_per_pair"] for slow, fast in zip(theirs, ours))


def case(rows, family, prompt, completion, k):
    """One tournament: pairs per second of each method, how many times faster the tree is, and what its tokens promise."""
    mine = select(rows, family=family, size="medium", prompt=prompt, completion=completion)
    found = {method: select(mine, method=method, pairs=at_once(prompt, completion)) for method in BY_PAIR}
    found["tree"], every = (select(mine, method="tree", k=k, pairs=pairs) for pairs in (closure(k), all_pairs(k)))
    speed = {name: spread(1 / row["seconds_per_pair"] for row in timed) for name, timed in [*found.items(), ("all_pairs", every)]}
    return {"preferences": closure(k), "pairs_per_second": speed,
            **{f"tree_vs_{method}": times_faster(found["tree"], found[method]) for method in BY_PAIR},
            "all_pairs_vs_default": times_faster(every, found["default"]),
            "ceiling": promise(prompt, completion, k, "default"), "ceiling_precomputed": promise(prompt, completion, k, "precomputed")}


def promise(prompt, completion, k, method):
    """How many times faster the tree of a knockout would be if time were tokens times passes."""
    return 2 * closure(k) * (prompt + completion) / (prompt + k * completion) * PASSES[method] / PASSES["tree"]


def growth(rows):
    """Seconds per pair as K, the model and TRL's batch grow, each with the rest as it is. rows: of one family and length."""
    usual = select(rows, size="medium")
    default = {size: select(rows, method="default", size=size, pairs=1) for size in SIZES}
    trees = {k: select(usual, method="tree", k=k, pairs=closure(k)) for k in CANDIDATES}
    models = {size: select(rows, method="tree", size=size, k=8, pairs=closure(8)) for size in SIZES}
    return {"k": {str(k): {"preferences": closure(k), "tree": seconds(tree), "tree_vs_default": times_faster(tree, default["medium"])}
                  for k, tree in trees.items()},
            "size": {size: {"width": SIZES[size][0], "layers": SIZES[size][1], "tree": seconds(tree), "default": seconds(default[size]),
                            "precomputed": seconds(select(rows, method="precomputed", size=size, pairs=1)),
                            "tree_vs_default": times_faster(tree, default[size])} for size, tree in models.items()},
            "batch": {str(pairs): seconds(select(usual, method="default", pairs=pairs)) for pairs in BATCHES}}


def memory(rows, pairs):
    """By how many MB training raises the process's peak, and with how many pairs in a step: TRL's grows with them, the tree's with K."""
    usual = select(rows, size="medium", k=8)
    counts = {**dict.fromkeys((*BY_PAIR, "precomputed_checkpointing"), pairs), **dict.fromkeys(("tree", "tree_checkpointing"), closure(8))}
    return {method: {"pairs": count, **{key: spread(row[key] for row in select(usual, method=method, pairs=count))
                                        for key in ("training_mb", "peak_mb")}} for method, count in counts.items()}


def sampling(rows):
    """{prompt: {"k8": {"new_tokens", "ratio", "by_new_tokens"}}}: how many times faster the prompt that is read once makes sampling.

    "ratio" is that of the shortest completions, "by_new_tokens" has every length's, with the seconds of both ways.
    """
    found = {}
    for prompt, k in dict.fromkeys((row["prompt"], row["k"]) for row in rows):
        mine = select(rows, prompt=prompt, k=k)
        lengths = {new: select(mine, new=new) for new in sorted({row["new"] for row in mine})}
        by_length = {str(new): {"ratio": spread(row["generate"] / row["prefilled"] for row in timed),
                                **{f"{way}_seconds": spread(row[way] for row in timed) for way in ("prefilled", "generate")}}
                     for new, timed in lengths.items()}
        shortest = min(lengths)
        found.setdefault(str(prompt), {})[f"k{k}"] = {
            "new_tokens": shortest, "ratio": by_length[str(shortest)]["ratio"], "by_new_tokens": by_length}
    return found
