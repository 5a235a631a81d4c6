"""From comparisons to preferences: which candidates of one prompt meet, and what their results say.

A scheme is a generator for the candidates of one prompt. It yields a list of (left, right) to be compared, receives their
outcomes in the same order, and returns its preferences [(better, worse)]. So many prompts can play in step (`play`), and
a judge gets one large batch instead of many small ones.

Most of what `two_pass` asks only decides whom to look at again. It yields those comparisons as `Screening`, which a panel
may leave to its cheaper judges.

An outcome is a number from -1 (right is better) to 1 (left is better), the mean vote of a panel, or None when no judge
gave a valid vote. `rules` are the settings of judging: seed, rounds, pairs, threshold (the share of votes that makes a win),
min_margin, drop_cycles.
"""
import itertools
import random

import numpy as np


def preferences(prompt, completions, pairs, results):
    """Pairs of one prompt as rows of the preferences contract.

    completions: its candidate texts. pairs: [(better, worse)] of indices. results: [((left, right), outcome)] of its comparisons.
    The margin is the difference in Bradley-Terry strength, in logits.
    """
    strength = bradley_terry(range(len(completions)), results)
    return [{"id": prompt["id"], "author": prompt["author"], "split": prompt["split"], "prompt": prompt["messages"],
             "chosen": [{"role": "assistant", "content": completions[better]}],
             "rejected": [{"role": "assistant", "content": completions[worse]}],
             "margin": strength[better] - strength[worse]} for better, worse in pairs]


PRIOR = 1.5  # standard deviation of strengths (logits) before any comparison


class Screening(list):
    """Comparisons on which no preference is going to rest."""


def knockout(players, seed, rules):
    """A knockout with random seeding, and the closure of its results, as in the thesis.

    Who beats a rival is also preferred to everyone below that rival: 2^k players give (n / 2) log2 n preferences from
    n - 1 comparisons. A bye is not a match. After a draw a coin decides who goes on, and nothing is implied.
    """
    rng = random.Random(seed)
    entrants = list(players)
    rng.shuffle(entrants)
    below = {player: [] for player in entrants}
    preferences = []
    while len(entrants) > 1:
        pairs = list(zip(entrants[::2], entrants[1::2]))
        outcomes = yield pairs
        winners = []
        for (left, right), outcome in zip(pairs, outcomes, strict=True):
            result = decide(outcome, rules.threshold)
            winner, loser = (left, right) if (result or rng.choice([1, -1])) > 0 else (right, left)
            if result:
                fresh = [loser, *below[loser]]
                preferences += [(winner, player) for player in fresh]
                below[winner] += fresh
            winners.append(winner)
        entrants = winners + (entrants[-1:] if len(entrants) % 2 else [])
    return preferences


def all_pairs(players, seed, rules):
    """Every pair in both orders, n (n - 1) comparisons: the most that can be known, and the most expensive."""
    meetings = [pair for one in itertools.combinations(players, 2) for pair in (one, one[::-1])]
    outcomes = yield meetings
    return strongest(players, list(zip(meetings, outcomes)), rules)


def swiss(players, seed, rules):
    """Each round pairs neighbours in the present ranking that have not met; single order, every player left about as often as right."""
    results = yield from swiss_results(players, seed, rules.rounds, list)
    return strongest(players, results, rules)


def merge_sort(players, seed, rules):
    """Merge sort, about n log2 n - n comparisons, whose results go through the same model as those of other schemes."""
    rng = random.Random(seed)
    entrants = list(players)
    rng.shuffle(entrants)
    results = []
    yield from _sorted(entrants, results, rng)
    return strongest(players, results, rules)


def two_pass(players, seed, rules):
    """The economical recipe: Swiss in single order, then the second order for those pairs only that would be trained on.

    A pair stays when the second look confirms it, and the strengths are fitted to both. Who is to lose stands first, unless they
    met that way before, so that a judge who favours the first place confirms nothing by it.
    """
    results = yield from swiss_results(players, seed, rules.rounds, Screening)
    shown = {pair for pair, _ in results}
    chosen = strongest(players, results, rules)
    again = [(better, worse) if (worse, better) in shown else (worse, better) for better, worse in chosen]
    outcomes = (yield again) if again else []
    second = {frozenset(pair): outcome * (1 if pair == kept else -1) for pair, kept, outcome in zip(again, chosen, outcomes)
              if outcome is not None}
    confirmed = preferable(players, results + list(zip(again, outcomes)), rules)
    return [pair for pair in confirmed if second.get(frozenset(pair), 0) > 0]


SCHEMES = {"knockout": knockout, "swiss": swiss, "merge_sort": merge_sort, "two_pass": two_pass, "all_pairs": all_pairs}


def play(entrants, scheme, ask, rules):
    """Play one scheme for many prompts in step.

    entrants: {key: players}. scheme: a name in SCHEMES. ask([(key, left, right)], screening) -> outcomes, called once per round
    for all prompts together, for screening and for other comparisons apart. Returns {key: [(better, worse)]}.
    """
    games = {key: SCHEMES[scheme](players, f"{rules.seed}/{key}", rules) for key, players in entrants.items()}
    preferences, asked = {}, {}

    def advance(key, outcomes):
        try:
            asked[key] = games[key].send(outcomes)
        except StopIteration as end:
            preferences[key] = end.value
            asked.pop(key, None)

    for key in games:
        advance(key, None)
    while asked:
        for screening in (True, False):
            now = {key: meetings for key, meetings in asked.items() if isinstance(meetings, Screening) == screening}
            batch = [(key, *pair) for key, meetings in now.items() for pair in meetings]
            outcomes = iter(ask(batch, screening) if batch else [])
            for key, meetings in now.items():
                advance(key, [next(outcomes) for _ in meetings])
    return preferences


def decide(outcome, threshold=0.5):
    """1, -1 or 0: whether the share of votes for one side reaches the threshold; None (no valid vote) is no decision."""
    if outcome is None or not outcome or abs(outcome) < 2 * threshold - 1:
        return 0
    return 1 if outcome > 0 else -1


def swiss_results(players, seed, rounds, kind):
    """Play Swiss rounds, yielding lists of a kind. Returns [((left, right), outcome)]."""
    rng = random.Random(seed)
    order = list(players)
    rng.shuffle(order)
    results, lefts = [], dict.fromkeys(order, 0)
    for _ in range(min(rounds, len(order) - 1)):
        met = {frozenset(pair) for pair, _ in results}
        meetings = [balanced(pair, lefts, rng) for pair in neighbours(order, met)]
        if not meetings:
            break
        outcomes = yield kind(meetings)
        results += zip(meetings, outcomes)
        strength = bradley_terry(order, results)
        order.sort(key=lambda player: -strength[player])
    return results


def neighbours(order, met):
    """Pair each player with the nearest in the ranking that it has not met; who finds nobody sits out."""
    left, found = list(order), []
    while left:
        player = left.pop(0)
        rival = next((other for other in left if frozenset((player, other)) not in met), None)
        if rival is not None:
            left.remove(rival)
            found.append((player, rival))
    return found


def balanced(pair, lefts, rng):
    """The pair in the order that keeps every player's share of first places even."""
    one, other = pair
    if lefts[one] > lefts[other] or (lefts[one] == lefts[other] and rng.random() < 0.5):
        one, other = other, one
    lefts[one] += 1
    return one, other


def _sorted(players, results, rng):
    """Merge sort as a scheme: best first; undecided comparisons keep the present order."""
    if len(players) < 2:
        return players
    half = len(players) // 2
    one = yield from _sorted(players[:half], results, rng)
    other = yield from _sorted(players[half:], results, rng)
    merged = []
    while one and other:
        pair = (one[0], other[0]) if rng.random() < 0.5 else (other[0], one[0])
        outcome, = yield [pair]
        results.append((pair, outcome))
        better = pair[0] if (outcome or 0) > 0 else pair[1] if (outcome or 0) < 0 else one[0]
        merged.append((one if better == one[0] else other).pop(0))
    return merged + one + other


def strongest(players, results, rules):
    """The preferences with the largest difference in strength, rules.pairs of them at most."""
    return preferable(players, results, rules)[:rules.pairs]


def preferable(players, results, rules):
    """All pairs that may become preferences [(better, worse)], those with the largest difference in strength first.

    results: [((left, right), outcome)]. Pairs nearer than rules.min_margin (logits) are left out; so are pairs in a preference
    cycle, where human judges hardly agree (arXiv 2505.17691), and pairs whose own votes do not reach rules.threshold.
    """
    strength = bradley_terry(players, results)
    circular = cyclic(players, results) if rules.drop_cycles else set()
    votes = {}
    for (left, right), outcome in results:
        if outcome is not None:
            votes.setdefault((left, right), []).append(outcome)
            votes.setdefault((right, left), []).append(-outcome)
    own = {pair: decide(sum(cast) / len(cast), rules.threshold) for pair, cast in votes.items()}
    kept = [(one, other) for one, other in itertools.permutations(players, 2)
            if strength[one] - strength[other] > rules.min_margin and frozenset((one, other)) not in circular
            and own.get((one, other), 1) == 1]
    return sorted(kept, key=lambda pair: (strength[pair[1]] - strength[pair[0]], pair))


def bradley_terry(players, results, prior=PRIOR, steps=50):
    """Strengths {player: logit}: the posterior mode of a Bradley-Terry model with a normal prior and a first-slot effect.

    results: [((left, right), outcome)]; an outcome of 0.5 counts as three quarters of a win. Without the prior, who won
    every comparison would be infinitely strong, and a knockout could not be fitted at all (Caron & Doucet 2012). The
    slot effect, shared by all players, takes up what a judge grants to the first place.
    """
    index = {player: i for i, player in enumerate(players)}
    known = [(index[left], index[right], (outcome + 1) / 2) for (left, right), outcome in results if outcome is not None]
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
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design + np.eye(size + 1) / prior**2
        step = np.linalg.solve(curvature, gradient)
        weights += step
        if np.abs(step).max() < 1e-10:
            break
    return {player: float(round(weights[i], 9)) for player, i in index.items()}


def cyclic(players, results):
    """Pairs (frozensets) whose two players beat each other in a circle: both lie in one strongly connected component."""
    total = {}
    for (left, right), outcome in results:
        if outcome is not None:
            total[left, right] = total.get((left, right), 0) + outcome
            total[right, left] = total.get((right, left), 0) - outcome
    reach = {player: {other for other in players if total.get((player, other), 0) > 0} for player in players}
    for middle in players:  # transitive closure (Warshall 1962)
        for player in players:
            if middle in reach[player]:
                reach[player] |= reach[middle]
    return {frozenset((one, other)) for one, other in itertools.combinations(players, 2) if other in reach[one] and one in reach[other]}


def elo(players, results, seed=0, orderings=100, start=1000.0, scale=400.0, k=32.0):
    """Elo ratings {player: points}, averaged over random orders of the games, on which a single run depends.

    results: [((left, right), outcome)]; each outcome is one game (Elo 1978).
    """
    games = [(left, right, (outcome + 1) / 2) for (left, right), outcome in results if outcome is not None]
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


def settle(results, threshold):
    """Pool all votes on each pair, in either order, into one game: a win where a share of votes reaches the threshold, else a
    draw. threshold None keeps every vote as a game of its own."""
    if threshold is None:
        return results
    pooled = {}
    for (left, right), outcome in results:
        if outcome is not None:
            key, value = ((left, right), outcome) if (right, left) not in pooled else ((right, left), -outcome)
            pooled.setdefault(key, []).append(value)
    return [(pair, decide(sum(votes) / len(votes), threshold)) for pair, votes in pooled.items()]
