"""How many prompts, or pairs put to experts, it takes to see a preference of a given size.

A preference is seen where the whole 95 % interval of the share lies above one half (Wilson's, as in
`stats.rate`). Its chance is exact: a sum over the binomial distribution, no normal approximation.
"""
import math

import numpy as np

from lib.core.records import DataError
from lib.metrics.stats import Z95

MOST = 100_000  # prompts; an effect that needs more is not worth a test


def chance(prompts: int | np.ndarray, share: float) -> np.ndarray:
    """The probability of seeing a preference of size `share`, for each number of prompts.

    Wilson's low end is above 1/2 where k wins of n give k - n/2 > z sqrt(n) / 2 (his interval
    inverts the score test). Fewer than six prompts never show it: where all are won the interval is
    exact, and its low end still below 1/2.
    """
    from scipy.stats import binom  # a second, for this alone
    wins = np.floor(prompts / 2 + Z95 * np.sqrt(prompts) / 2)
    return binom.sf(np.where(np.less(prompts, 6), prompts, wins), prompts, share)


def prompts_needed(share: float, power: float = 0.8) -> int:
    """The number of independent prompts from which on the chance is at least `power`.

    share: of prompts on which the better one is preferred, above 0.5 and at most 1. The chance is
    a saw with teeth, for wins are whole; no larger number falls below. Raises DataError.
    """
    if not (0.5 < share <= 1 and 0 < power < 1):
        raise DataError(f"an effect of {share:g} at power {power:g}: the share must lie above 0.5 "
                        "and be at most 1, the power between 0 and 1.")
    counts = np.arange(1, MOST + 1)
    short = np.flatnonzero(chance(counts, share) < power)
    if len(short) and short[-1] == MOST - 1:
        raise DataError(f"a share of {share:g} is so near to one half that {MOST:,} prompts do not "
                        "show it; set a larger effect.")
    return int(counts[short[-1]]) + 1 if len(short) else 1


def design_effect(ratings: int, similarity: float) -> float:
    """By how much ratings of one item count less than as many independent ones.

    similarity: their intra-class correlation, 0 to 1. Kish 1965, Survey Sampling, section 5.4.
    """
    return 1 + (ratings - 1) * similarity


def items_needed(share: float, ratings: int, similarity: float, power: float = 0.8) -> int:
    """How many items, each rated so many times, see a preference as `prompts_needed` ratings would.

    Raises DataError.
    """
    if ratings < 1 or not 0 <= similarity <= 1:
        raise DataError(f"{ratings} ratings an item of similarity {similarity:g}: take at least "
                        "one, and a similarity from 0 to 1.")
    effective = prompts_needed(share, power)
    return math.ceil(effective * design_effect(ratings, similarity) / ratings)


def detectable(items: int, ratings: int = 1, similarity: float = 0.0,
               power: float = 0.8) -> float | None:
    """The smallest share, in hundredths, that so many items show; None where not even 1 is seen."""
    shares = (hundredths / 100 for hundredths in range(51, 101))
    return next((share for share in shares
                 if items_needed(share, ratings, similarity, power) <= items), None)
