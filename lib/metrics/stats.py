"""Statistics with intervals, every one of them from here; comparisons respect who shares a prompt.

An interval covers 95 %: Wilson's for rates, Student's over seeds, bootstraps from a seed. Where
all that was seen is the same, resampling sees nothing else: the bound is then an exact one.
"""
import math
import statistics
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from lib.core.rows import Rate

Z95 = 1.959963984540054  # 97.5 % quantile of the standard normal
TAILS = (0.025, 0.975)
# Of a kind of number: to a scale without bounds, back, and the units here that one there is worth.
SCALES: dict[str, tuple[Callable, Callable, Callable]] = {
    "difference": (lambda x: x, lambda x: x, lambda x: 1.0),
    "share": (lambda p: math.log(p / (1 - p)), lambda x: 1 / (1 + math.exp(-x)),
              lambda p: p * (1 - p)),
    "correlation": (math.atanh, math.tanh, lambda r: 1 - r * r)}


def rate(successes: float, n: int) -> Rate:
    """A rate with its 95 % Wilson interval, an exact one at 0 and 1. Ties may count as half.

    Wilson 1927. With n = 0 the rate is None and the interval is [0, 1].
    """
    if n == 0:
        return _rate(None, (0.0, 1.0), 0)
    p = successes / n
    if p in (0, 1):
        return _rate(p, exact(p, n), n)
    scale = 1 + Z95**2 / n
    centre = (p + Z95**2 / (2 * n)) / scale
    half = Z95 / scale * math.sqrt(p * (1 - p) / n + Z95**2 / (4 * n * n))
    return _rate(p, (max(0.0, centre - half), min(1.0, centre + half)), n)


def exact(p: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a rate of 0 or 1 in n independent trials. Clopper and Pearson 1934."""
    bound = TAILS[0] ** (1 / n)  # the rate at which n out of n are as rare as a tail
    return (bound, 1.0) if p else (0.0, 1 - bound)


def win_rate(outcomes: Iterable[float]) -> Rate:
    """Wilson interval of the share of wins. outcomes: 1, 0.5 or 0, one per independent prompt."""
    outcomes = list(outcomes)
    return rate(sum(outcomes), len(outcomes))


def percentiles(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """The 95 % percentile interval (low, high) of what resampling gave."""
    low, high = np.quantile(values, TAILS)
    return float(low), float(high)


def mean(values: Sequence[float] | np.ndarray, clusters: Sequence[Hashable] | None = None,
         seed: int = 0, draws: int = 2000) -> Rate:
    """A mean with a 95 % percentile-bootstrap interval, resampling whole clusters.

    values: (n,) numbers. clusters: (n,) keys (prompts, authors); None makes each value its own.
    Resampling rows that share a prompt would give intervals that are too narrow. Values that are
    all 0 or all 1 are taken for a rate, with an exact interval, one trial a cluster.
    """
    values = np.asarray(values, dtype=float)
    if not len(values):
        return _rate(None, (None, None), 0)
    keys = np.arange(len(values)) if clusters is None else np.asarray(clusters)
    keys, index = np.unique(keys, return_inverse=True)
    if values[0] in (0, 1) and (values == values[0]).all():
        return _rate(float(values[0]), exact(values[0], len(keys)), len(values))
    sums, counts = np.bincount(index, values), np.bincount(index)
    picks = _picks(len(keys), seed, draws)
    means = sums[picks].sum(1) / counts[picks].sum(1)
    return _rate(float(values.mean()), percentiles(means), len(values))


def cluster_bootstrap(clusters: Sequence[Sequence[Any]],
                      statistic: Callable[[list[Any]], float | None],
                      seed: int = 0, draws: int = 2000) -> Rate:
    """Any statistic with a 95 % percentile-bootstrap interval, resampling whole clusters.

    clusters: a list of lists of rows (by reviewer, prompt, author). statistic: from a list of rows
    to a number, or None where these rows give none; such draws are left out. n counts rows. Fewer
    than two clusters have no interval (None). Efron and Tibshirani 1993, chapter 13; Davison and
    Hinkley 1997, section 3.8, for clusters.
    """
    rows = [row for cluster in clusters for row in cluster]
    value = statistic(rows) if rows else None
    if value is None or len(clusters) < 2:
        return _rate(None if value is None else float(value), (None, None), len(rows))
    picks = _picks(len(clusters), seed, draws)
    drawn = [statistic([row for index in pick for row in clusters[index]]) for pick in picks]
    found = [float(item) for item in drawn if item is not None]
    return _rate(float(value), percentiles(found) if found else (None, None), len(rows))


def count_bootstrap(counts: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray],
                    seed: int = 0, draws: int = 2000) -> list[Rate]:
    """Statistics of a table of counts, each with a 95 % percentile-bootstrap interval over rows.

    counts: how many rows fall into each cell, of any shape. statistic: from (draws, *shape) counts
    to (draws, k) numbers. Returns k rates. Rows of one cell are interchangeable, so resampling them
    is a multinomial draw of the counts.
    """
    n = int(counts.sum())
    drawn = np.random.default_rng(seed).multinomial(n, counts.ravel() / n, size=draws)
    values, resampled = statistic(counts[None])[0], statistic(drawn.reshape(draws, *counts.shape))
    spreads = map(percentiles, resampled.T)
    return [_rate(value, spread, n) for value, spread in zip(values.tolist(), spreads)]


def sum_interval(counts: np.ndarray, statistic: Callable[[np.ndarray], float],
                 seed: int = 0, draws: int = 2000) -> tuple[float, float]:
    """The 95 % percentile-bootstrap interval of a statistic of summed counts, resampling rows.

    counts: (rows, k). statistic: from (k,) sums to a number.
    """
    picks = _picks(len(counts), seed, draws)
    return percentiles([statistic(counts[pick].sum(0)) for pick in picks])


def over_seeds(values: Sequence[float], kind: str = "difference") -> Rate:
    """Mean of a few independent runs with Student's 95 % interval; None for that of one run.

    kind: "difference"; "share" or "correlation" have bounds, so their intervals are made on the
    scale of log-odds or of Fisher's z (1921), by the delta method. Runs that all gave the largest
    or the smallest possible value have no interval, as they tell nothing of the spread.
    """
    from scipy.stats import t as student  # a second, for this alone
    stretch, shrink, slope = SCALES[kind]
    n, centre = len(values), statistics.mean(values)
    if n < 2 or not slope(centre):
        return _rate(centre, (None, None), n)
    half = student.ppf(TAILS[1], n - 1) * statistics.stdev(values) / n ** 0.5 / slope(centre)
    return _rate(centre, (shrink(stretch(centre) - half), shrink(stretch(centre) + half)), n)


def quantiles(values: Sequence[float]) -> dict[str, float | None]:
    """{"mean", "median", "p10", "p90"} of some numbers, None for none."""
    if not len(values):
        return {"mean": None, "median": None, "p10": None, "p90": None}
    p10, median, p90 = np.quantile(values, [0.1, 0.5, 0.9])
    return {"mean": float(np.mean(values)), "median": float(median),
            "p10": float(p10), "p90": float(p90)}


def kappa(one: Iterable[Hashable], other: Iterable[Hashable]) -> float | None:
    """Cohen's kappa of two raters: (observed - chance) / (1 - chance), chance from their margins.

    one, other: (n,) labels of the same items, in the same order; an item that either rater left out
    (None) does not count. None without items, and where both raters gave one and the same label
    throughout (chance agreement is 1). Cohen 1960, eq. 1.
    """
    pairs = _both(one, other)
    if not pairs:
        return None
    n, first, second = len(pairs), Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    chance = sum(first[label] * second[label] for label in first) / (n * n)
    return None if chance == 1 else (_agreement(pairs) - chance) / (1 - chance)


def ac1(one: Iterable[Hashable], other: Iterable[Hashable],
        categories: int | None = None) -> float | None:
    """Gwet's AC1 of two raters, near raw agreement where one label is common (kappa falls to 0).

    one, other: as for `kappa`. categories: how many labels the raters could choose from; None
    counts those that were used. None without items. Gwet 2008, eq. 5:
    chance = sum p (1 - p) / (categories - 1), p the mean of both raters' shares.
    """
    pairs = _both(one, other)
    if not pairs:
        return None
    n, labels = len(pairs), {label for pair in pairs for label in pair}
    shares = [sum((a == label) + (b == label) for a, b in pairs) / (2 * n) for label in labels]
    chance = sum(p * (1 - p) for p in shares) / (max(categories or len(labels), 2) - 1)
    return (_agreement(pairs) - chance) / (1 - chance)


def krippendorff_alpha(units: Iterable[Iterable[Hashable]]) -> float | None:
    """Krippendorff's alpha for nominal labels: 1 - observed disagreement / that expected by chance.

    units: one list of labels per item, by any number of raters, None for a missing one; an item
    with fewer than two labels cannot be paired and does not count. None without pairable items, and
    where only one label was ever used.
    Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section C.
    """
    counted = [Counter(label for label in unit if label is not None) for unit in units]
    counted = [unit for unit in counted if unit.total() > 1]
    totals = sum(counted, Counter())
    n, expected = totals.total(), _differing(totals)
    if not expected:
        return None
    observed = sum(_differing(unit) / (unit.total() - 1) for unit in counted)
    return 1 - (n - 1) * observed / expected


def correlation(one: Collection[bool], other: Collection[bool]) -> float:
    """Phi, the correlation of two lists of bools (Matthews 1975); 0 where one never varies."""
    n, first, second = len(one), sum(one), sum(other)
    both = sum(a and b for a, b in zip(one, other, strict=True))
    spread = (first * (n - first) * second * (n - second)) ** 0.5
    return (n * both - first * second) / spread if spread else 0.0


def _rate(value, interval, n):
    return {"rate": value, "low": interval[0], "high": interval[1], "n": n}


def _picks(n, seed, draws):
    """(draws, n) indices below n: which rows or clusters each bootstrap sample holds."""
    return np.random.default_rng(seed).integers(n, size=(draws, n))


def _both(one, other):
    """The pairs of labels where both raters gave one."""
    pairs = zip(one, other, strict=True)
    return [(a, b) for a, b in pairs if a is not None and b is not None]


def _agreement(pairs):
    return sum(a == b for a, b in pairs) / len(pairs)


def _differing(counts):
    """How many ordered pairs of labels differ."""
    return counts.total() ** 2 - sum(count * count for count in counts.values())
