"""How strong each of several models is, from judgments of two at a time."""
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from lib.judging import ranking
from lib.metrics import stats

Rows = list[dict[str, Any]]


def bradley_terry(rows: Rows, factors: Sequence[str] = ("reviewer", "prompt"), seed: int = 0,
                  draws: int = 1000) -> dict[str, Any]:
    """Strengths of all models that the rows are about, and what follows from them.

    rows: {"pair", "left", "right", "winner"} with names of models, winner also "tie" or None, and
    the keys in `factors`. The fit is `ranking.bradley_terry`: ties are half a win, what the left
    side is granted is taken up by an effect of its own, and a normal prior keeps a model that won
    every comparison from being infinitely strong. Intervals: `stats.crossed_bootstrap` over the
    factors; none (None) where the prior alone bounds a number. Returns

    strengths: {model: Rate} in logits, their mean 0.
    choice_shares: {model: Rate}, how often each would be chosen were all shown at once; they sum to
    1 (Luce 1959: the choice among all that agrees with these choices among two).
    pairs: {"one_over_other": Rate}, the chance that the first is preferred.
    refused: why there are none of these, or "". caution: what else to know, or "".
    """
    models, judged = named(rows), [row for row in rows if row["winner"]]
    refused, groups = connected(models, judged)
    found: dict[str, Any] = {"strengths": {}, "choice_shares": {}, "pairs": {}, "refused": refused,
                             "caution": caution(models, groups), "judgments": len(judged)}
    if refused:
        return found
    place = {model: number for number, model in enumerate(models)}
    results = [((place[row["left"]], place[row["right"]]), outcome(row)) for row in judged]
    shown, size = {row["pair"] for row in rows}, len(models)
    pairs = [(other, one) if (models[other], models[one]) in shown else (one, other)
             for one, other in combinations(range(size), 2)]
    first, second = map(list, zip(*pairs))

    def numbers(counts):
        drawn = [result for result, count in zip(results, counts) for _ in range(count)]
        fitted = ranking.bradley_terry(range(size), drawn)
        logits = np.array([fitted[number] for number in range(size)])
        logits -= logits.mean()
        chosen = np.exp(logits) / np.exp(logits).sum()
        return [*logits, *chosen, *1 / (1 + np.exp(logits[second] - logits[first]))]

    keys = [[row[factor] for row in judged] for factor in factors]
    rates = stats.crossed_bootstrap(keys, numbers, seed, draws)
    sure = [len(set(groups)) == 1] * 2 * size + [groups[i] == groups[j] for i, j in pairs]
    rates = [rate if known else {**rate, "low": None, "high": None}
             for rate, known in zip(rates, sure, strict=True)]
    names = [f"{models[i]}_over_{models[j]}" for i, j in pairs]
    return {**found, "strengths": dict(zip(models, rates[:size], strict=True)),
            "choice_shares": dict(zip(models, rates[size:2 * size], strict=True)),
            "pairs": dict(zip(names, rates[2 * size:], strict=True))}


def named(rows: Rows) -> list[str]:
    """The models that rows are about, those first that are named first in the pairs."""
    pairs = sorted({row["pair"] for row in rows})
    before = Counter(one for one, _ in pairs)
    models = {model for pair in pairs for model in pair}
    return sorted(models, key=lambda name: (-before[name], name))


def outcome(row: dict[str, Any]) -> float:
    """1 where the left model won, -1 where the right one did, 0 for a tie."""
    return {row["left"]: 1.0, row["right"]: -1.0}.get(row["winner"], 0.0)


def connected(models: list[str], judged: Rows) -> tuple[str, list[int]]:
    """(why judgments do not put all models on one scale, or "", the group of each model).

    They do not where some models were never compared with others, not even through third ones.
    Models are of one group where each won, or tied, against the other, be it through third ones;
    between groups one side always won, and the distance is infinite by the judgments alone, so
    that only the prior bounds it (Ford 1957).
    """
    from scipy.sparse.csgraph import connected_components  # half a second, for this alone
    if not judged:
        return "No judgment tells which profile is better.", [0] * len(models)
    won = np.zeros((len(models), len(models)))
    for row in judged:
        left, right, value = models.index(row["left"]), models.index(row["right"]), outcome(row)
        won[left, right] += value >= 0
        won[right, left] += value <= 0
    count, groups = connected_components(won, connection="weak")
    if count > 1:
        return f"Never compared, not even through others: {parts(models, groups)}.", [0] * len(won)
    return "", connected_components(won, connection="strong")[1].tolist()


def caution(models: list[str], groups: list[int]) -> str:
    """A sentence for models of more than one group; else ""."""
    if len(set(groups)) < 2:
        return ""
    return (f"Between these one side won every time: {parts(models, groups)}. How far they lie "
            "apart is decided by the prior, not by the judgments, so it has no interval.")


def parts(models: list[str], groups: Sequence[int]) -> str:
    """The groups in words: "base; larger, tuned"."""
    together: dict[int, list[str]] = {}
    for model, group in zip(models, groups, strict=True):
        together.setdefault(group, []).append(model)
    return "; ".join(", ".join(own) for own in together.values())


def preferences(rows: Rows, factors: Sequence[str], seed: int = 0,
                draws: int = 1000) -> dict[str, Any]:
    """Of all preferences, ties left out, the share that each model won: {model: Rate}.

    The kind of number that the original study published; with N models, each compared equally
    often, none can have more than 2 / N. Intervals as `bradley_terry`'s, exact ones at 0 and 1.
    """
    models = named(rows)
    decided = [row for row in rows if row["winner"] not in (None, "tie")]
    if not decided:
        return {model: stats.rate(0, 0) for model in models}
    wins = np.array([[row["winner"] == model for model in models] for row in decided])
    keys = [[row[factor] for row in decided] for factor in factors]
    rates = stats.crossed_bootstrap(keys, lambda counts: counts @ wins / counts.sum(), seed, draws)
    fewest = min(len(set(own)) for own in keys)
    return {model: stats.widened(rate, fewest) for model, rate in zip(models, rates, strict=True)}
