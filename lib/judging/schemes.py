"""Schemes of comparison: which candidates of one prompt meet, and what preferences follow.

A scheme is a generator: it yields a list of (left, right) to be compared, receives their outcomes
in the same order, and returns its preferences [(better, worse)]. So many prompts can play in step,
and a judge gets one large batch instead of many small ones.

Most of what `two_pass` asks only decides whom to look at again. It yields those comparisons as
`Screening`, which a panel may leave to its cheaper judges.
"""
import itertools
import random
from collections.abc import Callable, Generator, Mapping, Sequence

from lib.core.sections.judging import Judging
from lib.judging.ranking import Asked, Outcomes, Pair, Result, bradley_terry, decide, preferable

Ask = Callable[[list[Asked], bool], Outcomes]
Scheme = Generator[list[Pair], Outcomes, list[Pair]]


class Screening(list):
    """Comparisons on which no preference is going to rest."""


def knockout(players: Sequence[int], seed: str, rules: Judging) -> Scheme:
    """A knockout with random seeding, and the closure of its results, as in the thesis.

    Who beats a rival is also preferred to everyone below that rival: 2^k players give
    (n / 2) log2 n preferences from n - 1 comparisons. A bye is not a match. After a draw a coin
    decides who goes on, and nothing is implied.
    """
    rng, entrants = shuffled(players, seed)
    below: dict[int, list[int]] = {player: [] for player in entrants}
    preferences = []
    while len(entrants) > 1:
        pairs = list(zip(entrants[::2], entrants[1::2]))
        outcomes = yield pairs
        winners = []
        for (left, right), outcome in zip(pairs, outcomes, strict=True):
            result = decide(outcome, rules.threshold)
            ahead = result or rng.choice([1, -1])
            winner, loser = (left, right) if ahead > 0 else (right, left)
            if result:
                fresh = [loser, *below[loser]]
                preferences += [(winner, player) for player in fresh]
                below[winner] += fresh
            winners.append(winner)
        entrants = winners + (entrants[-1:] if len(entrants) % 2 else [])
    return preferences


def all_pairs(players: Sequence[int], seed: str, rules: Judging) -> Scheme:
    """Every pair in both orders, n (n - 1) comparisons: the most that can be known, and pay."""
    pairs = itertools.combinations(players, 2)
    meetings = [meeting for pair in pairs for meeting in (pair, pair[::-1])]
    outcomes = yield meetings
    return strongest(players, list(zip(meetings, outcomes)), rules)


def swiss(players: Sequence[int], seed: str, rules: Judging) -> Scheme:
    """Each round pairs neighbours in the ranking that have not met, once, with sides balanced."""
    results = yield from swiss_results(players, seed, rules.rounds, list)
    return strongest(players, results, rules)


def merge_sort(players: Sequence[int], seed: str, rules: Judging) -> Scheme:
    """About n log2 n - n comparisons, whose results go through the model as those of others do."""
    rng, entrants = shuffled(players, seed)
    results: list[Result] = []
    yield from _sorted(entrants, results, rng)
    return strongest(players, results, rules)


def two_pass(players: Sequence[int], seed: str, rules: Judging) -> Scheme:
    """Swiss in single order, then the other order for those pairs only that would be trained on.

    A pair stays when the second look confirms it; the strengths are fitted to both. Who is to lose
    stands first, unless they met that way before, so that a judge who favours the first place
    confirms nothing by it.
    """
    results = yield from swiss_results(players, seed, rules.rounds, Screening)
    shown = {pair for pair, _ in results}
    again = {}  # {second look: the preference that it may confirm}
    for better, worse in strongest(players, results, rules):
        turned = (worse, better) not in shown
        again[(worse, better) if turned else (better, worse)] = (better, worse)
    outcomes = (yield list(again)) if again else []
    second = list(zip(again, outcomes))
    confirmed = {kept for (look, kept), outcome in zip(again.items(), outcomes)
                 if outcome is not None and (outcome if look == kept else -outcome) > 0}
    return [pair for pair in preferable(players, results + second, rules) if pair in confirmed]


SCHEMES = {"knockout": knockout, "swiss": swiss, "merge_sort": merge_sort, "two_pass": two_pass,
           "all_pairs": all_pairs}


def play(entrants: Mapping[str, Sequence[int]], scheme: str, ask: Ask, rules: Judging,
         ) -> tuple[dict[str, list[Pair]], dict[str, list[Result]]]:
    """Play one scheme, a name in SCHEMES, for many prompts {id: players} in step.

    ask(batch, screening) is called once per round for all prompts together, for screening and for
    other comparisons apart. Returns the preferences [(better, worse)] and the results of each.
    """
    games = {key: SCHEMES[scheme](players, f"{rules.seed}/{key}", rules)
             for key, players in entrants.items()}
    preferences, results, asked = {}, {key: list[Result]() for key in games}, {}

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
            now = {key: meetings for key, meetings in asked.items()
                   if isinstance(meetings, Screening) == screening}
            batch = [(key, *pair) for key, meetings in now.items() for pair in meetings]
            outcomes = iter(ask(batch, screening) if batch else [])
            for key, meetings in now.items():
                told = [next(outcomes) for _ in meetings]
                results[key] += zip(meetings, told)
                advance(key, told)
    return preferences, results


def strongest(players: Sequence[int], results: list[Result], rules: Judging) -> list[Pair]:
    """The preferences with the largest difference in strength, rules.pairs of them at most."""
    return preferable(players, results, rules)[:rules.pairs]


def shuffled(players: Sequence[int], seed: str) -> tuple[random.Random, list[int]]:
    """The players in random order, and the generator that made it."""
    rng, order = random.Random(seed), list(players)
    rng.shuffle(order)
    return rng, order


def swiss_results(players: Sequence[int], seed: str, rounds: int,
                  kind: type[list]) -> Generator[list[Pair], Outcomes, list[Result]]:
    """Swiss rounds, in lists of a kind."""
    rng, order = shuffled(players, seed)
    results, lefts = list[Result](), dict.fromkeys(order, 0)
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


def neighbours(order: Sequence[int], met: set[frozenset[int]]) -> list[Pair]:
    """Pair each player with the nearest it has not met; who finds nobody sits out."""
    left, found = list(order), []
    while left:
        player = left.pop(0)
        rival = next((other for other in left if frozenset((player, other)) not in met), None)
        if rival is not None:
            left.remove(rival)
            found.append((player, rival))
    return found


def balanced(pair: Pair, lefts: dict[int, int], rng: random.Random) -> Pair:
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
        ahead = outcome or 0
        better = one[0] if ahead == 0 else pair[0] if ahead > 0 else pair[1]
        merged.append((one if better == one[0] else other).pop(0))
    return merged + one + other
