"""Longest common subsequences of two token lists: plain, weighted by runs, united over sentences.

What ROUGE-L, Lsum and W count (Lin 2004, sections 3 and 4), also for texts of 100,000 tokens.
"""
import functools
from collections import Counter
from collections.abc import Sequence

import numpy as np

SMALL = 20_000  # cells below which a table of Python numbers is faster than numpy
BLOCK = 2048    # anti-diagonals between two that are kept


def numbered(x: Sequence[str], y: Sequence[str]) -> tuple[np.ndarray, np.ndarray, int]:
    """Two token lists as arrays of numbers below the third value, equal ones for equal tokens."""
    ids: dict[str, int] = {}
    a, b = (np.array([ids.setdefault(token, len(ids)) for token in tokens], dtype=np.int64)
            for tokens in (x, y))
    return a, b, len(ids)


def lcs_length(x: Sequence[str], y: Sequence[str]) -> int:
    """Length of the longest common subsequence of two token lists.

    One bit per token of the longer, one row of bits per token of the shorter: len(x) * len(y) / 64
    steps of the machine. Hyyrö 2004, "Bit-Parallel LCS-length Computation Revisited", section 4.
    """
    shared = set(x) & set(y)
    kept = ([token for token in tokens if token in shared] for tokens in sorted((x, y), key=len))
    a, b, _ = numbered(*kept)

    @functools.lru_cache(4096)  # all masks of a text without repetitions would not fit into memory
    def places(token):
        return int.from_bytes(np.packbits(b == token, bitorder="little").tobytes(), "little")

    full = row = (1 << len(b)) - 1
    for token in a.tolist():
        hit = row & places(token)
        row = ((row + hit) | (row - hit)) & full
    return len(b) - row.bit_count()


def weighted_lcs(x: Sequence[str], y: Sequence[str], weight: float) -> float:
    """Weighted LCS: a run of k tokens without a gap counts k ** weight (Lin 2004, section 4).

    len(x) * len(y) steps in numpy, memory len(x): a quarter of a minute for two texts of 100,000
    words, longer the more of them are equal. A match is always taken, as in the paper, even where a
    gap would earn more.
    """
    if shorter := _shared_end(x, y):
        return shorter**weight
    powers = _powers(x, y, weight)
    if len(x) * len(y) <= SMALL:
        return _table(x, y, powers.tolist())[-1][-1]
    a, b, _ = numbered(x, y)
    b, state = b[::-1], _zeros(len(x))
    for d in range(2, len(x) + len(y) + 1):
        _fill_diagonal(d, a, b, powers, state, 1, len(x))
    return float(state[(len(x) + len(y)) % 3][0][-1])


def union_hits(reference: list[list[str]], prediction: list[list[str]],
               weight: float) -> tuple[int, float]:
    """Hits of the program's summary-level LCS: (their number, their runs weighted).

    A token of a reference sentence is marked where the LCS with any sentence of the prediction
    takes it, and counts while the prediction still has one left. As in the program a run ends where
    the marks end; one whose last token no longer counts goes on with the next run of its sentence,
    and is lost at the end of the sentence. Lin 2004, section 3.2, eq. 5.
    """
    left = Counter(token for line in prediction for token in line)
    places: dict[str, list[int]] = {}
    for number, line in enumerate(prediction):
        for token in dict.fromkeys(line):
            places.setdefault(token, []).append(number)
    hits, weighted = 0, 0.0
    for line in reference:
        marked, run = _marked(line, prediction, places, weight), 0
        for i, token in enumerate(line):
            if marked[i] and left[token] > 0:
                left[token] -= 1
                hits, run = hits + 1, run + 1
                if not marked[i + 1]:
                    weighted, run = weighted + run**weight, 0
    return hits, weighted


def alignment(x: Sequence[str], y: Sequence[str], weight: float) -> Sequence[int]:
    """Positions in x that a weighted LCS takes, from the last; of equal ones the program's choice.

    len(x) * len(y) steps; for long texts in numpy, with every 2,048th anti-diagonal kept and those
    between made again along the path, so that two texts of 100,000 tokens need about 250 MB. With
    weight 1 it is the LCS.
    """
    if shorter := _shared_end(x, y):
        return range(len(x) - 1, len(x) - shorter - 1, -1)
    powers = _powers(x, y, weight)
    if len(x) * len(y) <= SMALL:
        table = _table(x, y, powers.tolist())
        return _path(x, y, lambda i, j: table[i - 1][j] >= table[i][j - 1])
    a, b, _ = numbered(x, y)
    b, state, kept = b[::-1], _zeros(len(x)), {0: _zeros(len(x))}
    for d in range(2, len(x) + len(y) + 1):
        _fill_diagonal(d, a, b, powers, state, 1, len(x))
        if d % BLOCK == 0:
            kept[d] = [(scores.copy(), runs.copy()) for scores, runs in state]
            kept[d][(d + 1) % 3] = _zeros(0)[0]  # of diagonal d - 2; nothing reads it again
    window: dict[int, tuple[int, np.ndarray]] = {}

    def goes_up(i, j):
        d = i + j - 1
        if d not in window:
            window.clear()
            start = d - d % BLOCK
            # The path meets at most d - start rows above i: a small part of each anti-diagonal.
            first, state = max(1, i - (d - start) - 1), kept.pop(start)
            state[(start + 1) % 3] = _zeros(len(x))[0]
            for step in range(start, d + 1):
                if step > start:
                    _fill_diagonal(step, a, b, powers, state, first, i)
                window[step] = first - 1, state[step % 3][0][first - 1:i + 1].copy()
        first, scores = window[d]
        return scores[i - 1 - first] >= scores[i - first]

    return _path(x, y, goes_up)


def _shared_end(x, y):
    """The length of the shorter list where the other ends with it, as equal ones do; else 0."""
    shorter = min(len(x), len(y))
    return shorter if x[len(x) - shorter:] == y[len(y) - shorter:] else 0


def _marked(line, prediction, places, weight):
    """For each token of a sentence whether any sentence of the prediction aligns with it.

    places: in which sentences each token stands. One more mark, False, stands behind the last.
    """
    marked, done = [False] * (len(line) + 1), set()
    for i, token in enumerate(line):
        for number in places.get(token, ()):
            if marked[i]:  # a sentence adds nothing to what is marked: few pairs need a table
                break
            if number not in done:
                done.add(number)
                for position in alignment(line, prediction[number], weight):
                    marked[position] = True
    return marked


def _powers(x, y, weight):
    return np.array([float(k) ** weight for k in range(min(len(x), len(y)) + 2)])


def _table(x, y, powers):
    """The scores of all prefixes, added in the program's order: ties depend on the last bit."""
    table, runs = [[0.0] * (len(y) + 1)], [0] * (len(y) + 1)
    for token in x:
        above, row, last = table[-1], [0.0], 0
        for j, other in enumerate(y, 1):
            corner, last = last, runs[j]
            if token == other:
                row.append(above[j - 1] + powers[corner + 1] - powers[corner])
                runs[j] = corner + 1
            else:
                row.append(above[j] if above[j] >= row[-1] else row[-1])
                runs[j] = 0
        table.append(row)
    return table


def _path(x, y, goes_up):
    """Positions in x of the matches, from the last; `goes_up` tells the way where tokens differ."""
    i, j, found = len(x), len(y), []
    while i and j:
        if x[i - 1] == y[j - 1]:
            i, j = i - 1, j - 1
            found.append(i)
        elif goes_up(i, j):
            i -= 1
        else:
            j -= 1
    return found


def _zeros(rows):
    """Scores and run lengths by row, of three anti-diagonals in a row: number d is at d % 3."""
    return [(np.zeros(rows + 1), np.zeros(rows + 1, dtype=np.int32)) for _ in range(3)]


def _fill_diagonal(d, x, y, powers, state, first, last):
    """Fill rows first to last of the cells with row + column = d, from the two diagonals before.

    y is reversed.
    """
    low, high = max(first, d - len(y)), min(last, d - 1)
    if low > high:
        return
    (scores, runs), (side, _), (corner, corner_runs) = (state[(d - back) % 3] for back in range(3))
    np.maximum(side[low - 1:high], side[low:high + 1], out=scores[low:high + 1])
    runs[low:high + 1] = 0
    shift = len(y) - d
    rows = np.flatnonzero(x[low - 1:high] == y[shift + low:shift + high + 1]) + low
    run = corner_runs[rows - 1]
    scores[rows] = corner[rows - 1] + powers[run + 1] - powers[run]
    runs[rows] = run + 1
