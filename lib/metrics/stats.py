"""Statistics that the reports use: rates with intervals and comparisons that respect who shares a prompt."""
import math
import statistics
from collections import Counter

import numpy as np
from scipy.stats import t as student

Z95 = 1.959963984540054  # 97.5 % quantile of the standard normal


def rate(successes, n):
    """A rate with its 95 % Wilson interval: {"rate", "low", "high", "n"}. Ties may enter as half a success.

    Wilson 1927. With n = 0 the rate is None and the interval is [0, 1].
    """
    if n == 0:
        return {"rate": None, "low": 0.0, "high": 1.0, "n": 0}
    p = successes / n
    scale = 1 + Z95**2 / n
    centre = (p + Z95**2 / (2 * n)) / scale
    half = Z95 / scale * math.sqrt(p * (1 - p) / n + Z95**2 / (4 * n * n))
    return {"rate": p, "low": max(0.0, centre - half), "high": min(1.0, centre + half), "n": n}


def mean(values, clusters=None, seed=0, draws=2000):
    """A mean with a 95 % percentile-bootstrap interval, resampling whole clusters (prompts, authors).

    values: (n,) numbers. clusters: (n,) keys; None makes each value its own cluster. Same keys as `rate`.
    Resampling rows that share a prompt would give intervals that are too narrow.
    """
    values = np.asarray(values, dtype=float)
    if not len(values):
        return {"rate": None, "low": None, "high": None, "n": 0}
    keys, index = np.unique(np.arange(len(values)) if clusters is None else np.asarray(clusters), return_inverse=True)
    sums, counts = np.bincount(index, values), np.bincount(index)
    picks = np.random.default_rng(seed).integers(len(keys), size=(draws, len(keys)))
    means = sums[picks].sum(1) / counts[picks].sum(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return {"rate": float(values.mean()), "low": float(low), "high": float(high), "n": len(values)}


def win_rate(outcomes):
    """Wilson interval of the share of wins, ties as half a win. outcomes: 1, 0.5 or 0, one per independent prompt."""
    outcomes = list(outcomes)
    return rate(sum(outcomes), len(outcomes))


def quantiles(values):
    """{"mean", "median", "p10", "p90"} of some numbers, None for none."""
    if not len(values):
        return {"mean": None, "median": None, "p10": None, "p90": None}
    p10, median, p90 = np.quantile(values, [0.1, 0.5, 0.9])
    return {"mean": float(np.mean(values)), "median": float(median), "p10": float(p10), "p90": float(p90)}


def kappa(one, other):
    """Cohen's kappa of two raters: (observed - chance) / (1 - chance), chance from each rater's own margins.

    one, other: (n,) labels of the same items, in the same order; an item that either rater left out (None) does not count.
    None without items, and where both raters gave one and the same label throughout (chance agreement is 1).
    Cohen 1960, eq. 1.
    """
    pairs = _both(one, other)
    labels = {label for pair in pairs for label in pair}
    n = len(pairs)
    chance = sum(sum(a == label for a, _ in pairs) * sum(b == label for _, b in pairs) for label in labels) / (n * n) if n else 1
    return None if chance == 1 else (sum(a == b for a, b in pairs) / n - chance) / (1 - chance)


def ac1(one, other, categories=None):
    """Gwet's AC1 of two raters, which stays near raw agreement where one label is common (kappa falls to 0 there).

    one, other: as for `kappa`. categories: how many labels the raters could choose from; None counts those that were used.
    None without items. Gwet 2008, eq. 5: chance = sum p (1 - p) / (categories - 1), p the mean of both raters' shares.
    """
    pairs = _both(one, other)
    if not pairs:
        return None
    n, labels = len(pairs), {label for pair in pairs for label in pair}
    shares = [sum((a == label) + (b == label) for a, b in pairs) / (2 * n) for label in labels]
    chance = sum(p * (1 - p) for p in shares) / (max(categories or len(labels), 2) - 1)
    return (sum(a == b for a, b in pairs) / n - chance) / (1 - chance)


def krippendorff_alpha(units):
    """Krippendorff's alpha for nominal labels: 1 - observed disagreement / disagreement expected by chance.

    units: one list of labels per item, by any number of raters, None for a missing one; an item with fewer than two labels
    cannot be paired and does not count. None without pairable items, and where only one label was ever used.
    Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section C.
    """
    units = [[label for label in unit if label is not None] for unit in units]
    units = [Counter(unit) for unit in units if len(unit) > 1]
    totals = sum(units, Counter())
    n = totals.total()
    expected = n * n - sum(count * count for count in totals.values())
    if not expected:
        return None
    observed = sum((unit.total() ** 2 - sum(count * count for count in unit.values())) / (unit.total() - 1) for unit in units)
    return 1 - (n - 1) * observed / expected


def cluster_bootstrap(clusters, statistic, seed=0, draws=2000):
    """Any statistic with a 95 % percentile-bootstrap interval, resampling whole clusters (reviewers, prompts, authors).

    clusters: a list of lists of rows. statistic: from a list of rows to a number, or None where these rows give none; such
    draws are left out. Returns {"rate", "low", "high", "n"}, n in rows. Fewer than two clusters have no interval (None).
    Efron and Tibshirani 1993, chapter 13; Davison and Hinkley 1997, section 3.8, for clusters.
    """
    rows = [row for cluster in clusters for row in cluster]
    value = statistic(rows) if rows else None
    found = []
    if value is not None and len(clusters) > 1:
        picks = np.random.default_rng(seed).integers(len(clusters), size=(draws, len(clusters)))
        found = [statistic([row for index in pick for row in clusters[index]]) for pick in picks]
        found = [float(item) for item in found if item is not None]
    low, high = np.quantile(found, [0.025, 0.975]) if found else (None, None)
    return {"rate": None if value is None else float(value), "low": None if low is None else float(low),
            "high": None if high is None else float(high), "n": len(rows)}


def _both(one, other):
    """The pairs of labels where both raters gave one."""
    return [(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None]


def correlation(one, other):
    """Phi, the correlation of two lists of bools (Matthews 1975): 1 where they agree throughout, 0 where one of them never varies."""
    n, both, first, second = len(one), sum(a and b for a, b in zip(one, other, strict=True)), sum(one), sum(other)
    spread = (first * (n - first) * second * (n - second)) ** 0.5
    return (n * both - first * second) / spread if spread else 0.0


def over_seeds(values):
    """Mean of a few independent runs with Student's 95 % interval: {"rate", "low", "high", "n"}; no interval for a single run."""
    n, centre = len(values), statistics.mean(values)
    half = student.ppf(0.975, n - 1) * statistics.stdev(values) / n ** 0.5 if n > 1 else None
    return {"rate": centre, "low": None if half is None else centre - half, "high": None if half is None else centre + half, "n": n}
