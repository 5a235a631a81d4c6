"""From comparisons to preferences: a knockout among the candidates of one prompt, and what its results imply."""
import random


def knockout(players, compare, seed):
    """A knockout with random seeding. Returns (matches, preferences).

    players: hashable candidates of one prompt. compare(left, right) -> 1 when left wins, -1 when right wins, 0 for a tie.
    matches: [(left, right, result)] in the order played. preferences: [(winner, loser)], the closure of the results:
    who beats a rival is also preferred to everyone below that rival, so 2^k players give (n / 2) log2 n pairs from
    n - 1 comparisons. A bye is not a match. After a tie a coin decides who goes on, and nothing is implied.
    """
    rng = random.Random(seed)
    round_ = list(players)
    rng.shuffle(round_)
    below = {player: [] for player in round_}
    matches, preferences = [], []
    while len(round_) > 1:
        winners = []
        for left, right in zip(round_[::2], round_[1::2]):
            result = compare(left, right)
            matches.append((left, right, result))
            winner, loser = (left, right) if (result or rng.choice([1, -1])) > 0 else (right, left)
            if result:
                fresh = [loser, *below[loser]]
                preferences += [(winner, player) for player in fresh]
                below[winner] += fresh
            winners.append(winner)
        round_ = winners + (round_[-1:] if len(round_) % 2 else [])
    return matches, preferences
