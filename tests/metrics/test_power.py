"""Power: exact chances against a sum by hand, and the effect of asking several experts."""
from math import comb

import numpy as np
import pytest

from lib.core.records import DataError
from lib.metrics import power, stats


@pytest.mark.parametrize("share", [0.5, 0.6, 0.8, 1.0])
@pytest.mark.parametrize("n", [1, 4, 10, 50])
def test_a_chance_is_the_sum_over_all_outcomes_whose_interval_is_above_one_half(n, share):
    seen = [wins for wins in range(n + 1) if stats.rate(wins, n)["low"] > 0.5]
    expected = sum(comb(n, wins) * share**wins * (1 - share)**(n - wins) for wins in seen)
    assert power.chance(n, share) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("share", "wanted"), [(0.6, 0.8), (0.8, 0.8), (0.7, 0.95), (1.0, 0.9)])
def test_from_the_number_needed_on_the_chance_never_falls_below(share, wanted):
    needed = power.prompts_needed(share, wanted)
    assert (power.chance(np.arange(needed, needed + 500), share) >= wanted).all()
    assert power.chance(needed - 1, share) < wanted
    # The textbook's normal approximation, with which the exact number agrees to a few prompts.
    z = {0.8: 0.8416, 0.95: 1.6449, 0.9: 1.2816}[wanted]
    spread = 1.96 / 2 + z * (share * (1 - share)) ** 0.5
    assert needed == pytest.approx((spread / (share - 0.5)) ** 2, rel=0.2, abs=5)


def test_ratings_of_one_item_count_less_the_more_alike_they_are():
    alone = power.prompts_needed(0.7)
    assert power.items_needed(0.7, 1, 0.9) == power.items_needed(0.7, 3, 1.0) == alone
    assert power.items_needed(0.7, 3, 0.0) == -(-alone // 3)
    assert power.design_effect(3, 0.5) == 2
    assert power.items_needed(0.7, 3, 0.5) == -(-alone * 2 // 3)


def test_what_is_detectable_needs_no_more_than_there_is():
    share = power.detectable(40, 3, 0.4)
    assert power.items_needed(share, 3, 0.4) <= 40 < power.items_needed(share - 0.01, 3, 0.4)
    assert power.detectable(2) is None


@pytest.mark.parametrize(("given", "words"), [
    ((0.5,), "above 0.5"), ((1.1,), "above 0.5"), ((0.7, 1.0), "between 0 and 1"),
    ((0.5001,), "set a larger effect")])
def test_an_effect_that_is_none_is_refused(given, words):
    with pytest.raises(DataError, match=words):
        power.prompts_needed(*given)
    with pytest.raises(DataError, match="at least one"):
        power.items_needed(0.7, 0, 0.5)
