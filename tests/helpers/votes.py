"""Candidates of known quality, and judges of known bias who vote on all their pairs."""
import itertools
from types import SimpleNamespace

RULES = SimpleNamespace(seed=1, rounds=4, pairs=12, threshold=0.5, min_margin=0.0, drop_cycles=True)
SCORES = {str(prompt): [0.1 * i for i in range(5)] for prompt in range(12)}
TEXTS = {key: ["x" * (10 + 7 * ((3 * i) % 5)) for i in range(5)] for key in SCORES}
PAIRS = [(key, *pair) for key in SCORES for pair in itertools.permutations(range(5), 2)]


def changed(**rules):
    return SimpleNamespace(**{**vars(RULES), **rules})


def cast(decide, judge="judge"):
    """The votes of a judge who decides(prompt id, left, right)."""
    return [{"id": key, "left": left, "right": right, "judge": judge,
             "winner": decide(key, left, right)} for key, left, right in PAIRS]


def right(key, a, b):
    return "left" if SCORES[key][a] > SCORES[key][b] else "right"


def wrong(key, a, b):
    return right(key, b, a)
