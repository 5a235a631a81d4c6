"""Skip-bigrams: pairs of tokens in their order, with up to a gap of others between (Lin 2004)."""
from bisect import bisect
from collections.abc import Sequence

import numpy as np

from lib.metrics.subsequences import numbered

PAIRS = 2**22  # skip-bigrams held at once


def skip_total(n: int, gap: int | None) -> int:
    """How many pairs of n tokens have at most `gap` tokens between them; None for any number."""
    reach = max(n - 1, 0) if gap is None else min(gap + 1, max(n - 1, 0))
    return reach * n - reach * (reach + 1) // 2


def skip_hits(x: Sequence[str], y: Sequence[str], gap: int | None) -> int:
    """How many skip-bigrams two token lists share, each as often as in the list with fewer of it.

    Small gaps: the pairs are listed, n * gap of them, in portions. Large ones: per distinct token,
    how often each other follows it, n * distinct steps. Without a limit, the tokens that occur once
    in each list share the pairs whose order agrees, which one search per token counts.
    """
    n = max(len(x), len(y))
    if not len(x) or not len(y):
        return 0
    if gap is None or gap >= n - 2:
        shared = set(x) & set(y)
        kept = ([token for token in tokens if token in shared] for tokens in (x, y))
        return _unlimited_hits(*numbered(*kept))
    a, b, size = numbered(x, y)
    if n * (gap + 1) <= PAIRS or 20 * (gap + 1) <= size:
        return _listed_hits(a, b, size, gap)
    hits = 0
    for token in np.intersect1d(a, b).tolist():
        one, other = (_followers(ids, token, size, gap) for ids in (a, b))
        hits += int(np.minimum(one, other).sum())
    return hits


def _listed_hits(x, y, size, gap):
    """By listing all pairs, as numbers, in portions by their first token."""
    portions = max(len(x), len(y)) * (gap + 1) // PAIRS + 1
    hits = 0
    for portion in range(portions):
        found = []
        for ids in (x, y):
            steps = range(1, min(gap + 1, len(ids) - 1) + 1)
            pairs = [ids[:-step] * size + ids[step:] for step in steps]
            if portions > 1:
                pairs = [part[ids[:len(part)] % portions == portion] for part in pairs]
            every = np.concatenate(pairs) if pairs else ids[:0]
            found.append(np.unique(every, return_counts=True))
        (one, one_counts), (other, other_counts) = found
        _, i, j = np.intersect1d(one, other, assume_unique=True, return_indices=True)
        hits += int(np.minimum(one_counts[i], other_counts[j]).sum())
    return hits


def _unlimited_hits(x: np.ndarray, y: np.ndarray, size: int) -> int:
    """By what follows and precedes each token that is repeated, and by order among the others."""
    in_x, in_y = np.bincount(x, minlength=size), np.bincount(y, minlength=size)
    once = (in_x == 1) & (in_y == 1)
    hits = 0
    for token in np.flatnonzero(~once).tolist():
        after_x, after_y = _followers(x, token, size, None), _followers(y, token, size, None)
        hits += int(np.minimum(after_x, after_y).sum())
        # A token that occurs once comes before this one as often as it does not come after it.
        hits += int(np.minimum(in_x[token] - after_x, in_y[token] - after_y)[once].sum())
    place = np.zeros(size, dtype=np.int64)
    place[y[once[y]]] = np.arange(once.sum())
    earlier: list[int] = []
    for position in place[x[once[x]]].tolist():
        rank = bisect(earlier, position)
        hits += rank
        earlier.insert(rank, position)
    return hits


def _followers(ids, token, size, gap):
    """(size,) how often each token follows the given one, with at most `gap` tokens between."""
    before = np.concatenate([[0], np.cumsum(ids == token)])[:-1]
    if gap is not None:
        before[gap + 1:] -= before[:-gap - 1].copy()
    return np.bincount(ids, weights=before, minlength=size).astype(np.int64)
