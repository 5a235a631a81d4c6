"""Statistics that the reports use: rates with intervals and comparisons that respect who shares a prompt."""
import math

import numpy as np

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


def cluster_rate(wins, clusters, seed=0):
    """`mean` of 0/0.5/1 outcomes whose rows share prompts."""
    return mean(wins, clusters, seed)


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
