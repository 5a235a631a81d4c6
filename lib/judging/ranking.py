"""From comparisons to preferences: strengths, which pairs to trust, Elo ratings.

A result is a comparison with its outcome, ((left, right), outcome). An outcome is a number from -1
(right is better) to 1 (left is better), the mean vote of a panel, or None when no judge gave a
valid vote. Players are indices of candidates.
"""
import itertools
import random
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from lib.core.rows import Candidates, Message, Preference, Prompt
from lib.core.sections.judging import Judging

PRIOR = 1.5  # standard deviation of strengths (logits) before any comparison
Pair = tuple[int, int]
Result = tuple[Pair, float | None]
Asked = tuple[str, int, int]  # prompt id, left, right
Outcomes = list[float | None]


def entrants(candidates: Iterable[Candidates]) -> dict[str, list[int]]:
    """{prompt id: indices of the candidates that may be compared, those with status "ok"}."""
    return {row["id"]: [i for i, status in enumerate(row["status"]) if status == "ok"]
            for row in candidates}


def by_prompt(asked: Iterable[Asked], outcomes: Outcomes) -> dict[str, list[Result]]:
    """Results of comparisons and their outcomes, which come in the same order, by prompt."""
    results: dict[str, list] = {}
    for (key, *pair), outcome in zip(asked, outcomes, strict=True):
        results.setdefault(key, []).append((tuple(pair), outcome))
    return results


def preferences(prompt: Prompt, completions: list[str], pairs: list[Pair],
                results: list[Result]) -> list[Preference]:
    """Pairs [(better, worse)] of a prompt's completions; margins, in logits, by its results."""
    strength = bradley_terry(range(len(completions)), results)
    about = {"id": prompt["id"], "author": prompt["author"], "split": prompt["split"]}
    turns: list[list[Message]] = [[{"role": "assistant", "content": text}] for text in completions]
    return [{**about,  # type: ignore[typeddict-item]  # the keys that the rest lacks
             "prompt": prompt["messages"], "chosen": turns[better], "rejected": turns[worse],
             "margin": strength[better] - strength[worse]} for better, worse in pairs]


def decide(outcome: float | None, threshold: float = 0.5) -> int:
    """1, -1 or 0: whether the share of votes for one side reaches the threshold."""
    if outcome is None or not outcome or abs(outcome) < 2 * threshold - 1:
        return 0
    return 1 if outcome > 0 else -1


def both_ways(results: Iterable[Result]) -> Iterator[tuple[Pair, float]]:
    """Valid results as seen from either side: ((a, b), x) and ((b, a), -x)."""
    for (left, right), outcome in results:
        if outcome is not None:
            yield (left, right), outcome
            yield (right, left), -outcome


def preferable(players: Sequence[int], results: list[Result], rules: Judging) -> list[Pair]:
    """All pairs that may become preferences [(better, worse)], largest difference first.

    Left out are pairs nearer than rules.min_margin (logits), pairs in a preference cycle, where
    human judges hardly agree (arXiv 2505.17691), and pairs whose votes miss rules.threshold.
    """
    strength = bradley_terry(players, results)
    circular = cyclic(players, results) if rules.drop_cycles else set()
    votes: dict[Pair, list[float]] = {}
    for pair, outcome in both_ways(results):
        votes.setdefault(pair, []).append(outcome)
    own = {pair: decide(sum(cast) / len(cast), rules.threshold) for pair, cast in votes.items()}
    apart = [(one, other) for one, other in itertools.permutations(players, 2)
             if strength[one] - strength[other] > rules.min_margin]
    kept = [pair for pair in apart if frozenset(pair) not in circular and own.get(pair, 1) == 1]
    return sorted(kept, key=lambda pair: (strength[pair[1]] - strength[pair[0]], pair))


def bradley_terry(players: Sequence[int], results: list[Result], prior: float = PRIOR,
                  steps: int = 50) -> dict[int, float]:
    """Strengths {player: logit}: the mode of a Bradley-Terry model with a normal prior.

    An outcome of 0.5 is three quarters of a win. Without the prior, who won every comparison would
    be infinitely strong, and a knockout could not be fitted (Caron & Doucet 2012). A slot effect,
    shared by all players, takes up what a judge grants to the first place.
    """
    index = {player: i for i, player in enumerate(players)}
    known = [(index[left], index[right], (outcome + 1) / 2)
             for (left, right), outcome in results if outcome is not None]
    size = len(index)
    if not known:
        return dict.fromkeys(players, 0.0)
    left, right, share = (np.array(column) for column in zip(*known))
    design = np.zeros((len(known), size + 1))
    rows = np.arange(len(known))
    design[rows, left], design[rows, right], design[:, size] = 1.0, -1.0, 1.0
    weights = np.zeros(size + 1)
    for _ in range(steps):  # Newton's method on a strictly concave function
        chance = 1 / (1 + np.exp(-design @ weights))
        gradient = design.T @ (share - chance) - weights / prior**2
        weighted = design * (chance * (1 - chance))[:, None]
        curvature = weighted.T @ design + np.eye(size + 1) / prior**2
        step = np.linalg.solve(curvature, gradient)
        weights += step
        if np.abs(step).max() < 1e-10:
            break
    return {player: float(round(weights[i], 9)) for player, i in index.items()}


def cyclic(players: Sequence[int], results: Iterable[Result]) -> set[frozenset[int]]:
    """Pairs whose players beat each other in a circle: in one strongly connected component."""
    total: dict[Pair, float] = {}
    for pair, outcome in both_ways(results):
        total[pair] = total.get(pair, 0) + outcome
    reach = {player: {other for other in players if total.get((player, other), 0) > 0}
             for player in players}
    for middle in players:  # transitive closure (Warshall 1962)
        for player in players:
            if middle in reach[player]:
                reach[player] |= reach[middle]
    return {frozenset((one, other)) for one, other in itertools.combinations(players, 2)
            if other in reach[one] and one in reach[other]}


def elo(players: Sequence[int], results: Iterable[Result], seed: int = 0, orderings: int = 100,
        start: float = 1000.0, scale: float = 400.0, k: float = 32.0) -> dict[int, float]:
    """Elo ratings (1978), each outcome a game, averaged over random orders of the games."""
    games = [(left, right, (outcome + 1) / 2)
             for (left, right), outcome in results if outcome is not None]
    rng, total = random.Random(seed), dict.fromkeys(players, 0.0)
    for _ in range(orderings):
        rating = dict.fromkeys(players, start)
        rng.shuffle(games)
        for left, right, score in games:
            expected = 1 / (1 + 10 ** ((rating[right] - rating[left]) / scale))
            rating[left] += k * (score - expected)
            rating[right] -= k * (score - expected)
        for player in players:
            total[player] += rating[player] / orderings
    return total


def settle(results: list[Result], threshold: float | None) -> list[Result]:
    """All votes on a pair, in either order, as one game: a win where a share of votes reaches the
    threshold, else a draw. threshold None keeps every vote as a game of its own."""
    if threshold is None:
        return results
    pooled: dict[Pair, list[float]] = {}
    for (left, right), outcome in results:
        if outcome is not None:
            turned = (right, left) in pooled
            key, value = ((right, left), -outcome) if turned else ((left, right), outcome)
            pooled.setdefault(key, []).append(value)
    return [(pair, decide(sum(votes) / len(votes), threshold)) for pair, votes in pooled.items()]
