"""Calibration against hand-computed tables, and what always holds."""
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.core.records import DataError
from lib.metrics.calibration import (
    auroc,
    confidence_rows,
    expected_calibration_error,
    reliability,
)

ROWS = [(0.0, False), (0.1, True), (0.7, True), (0.7, False), (0.65, True), (0.95, True)]


def test_the_reliability_table_counts_by_hand():
    table = reliability(ROWS)
    assert [row["n"] for row in table] == [2, 0, 0, 0, 0, 0, 3, 0, 0, 1]  # 0.1 and 0.7 end a bin
    assert table[0]["confidence"] == 0.05 and table[0]["accuracy"]["rate"] == 0.5
    assert table[6]["confidence"] == pytest.approx(2.05 / 3)
    assert table[1]["confidence"] is None and table[1]["accuracy"]["rate"] is None
    assert (table[6]["above"], table[6]["to"]) == (0.6, 0.7)


def test_the_expected_calibration_error_is_that_of_guo():
    by_hand = (2 * abs(0.5 - 0.05) + 3 * abs(2 / 3 - 2.05 / 3) + abs(1 - 0.95)) / 6
    assert expected_calibration_error(ROWS) == pytest.approx(by_hand)
    perfect = [(0.75, True)] * 3 + [(0.75, False)]
    assert expected_calibration_error(perfect) == 0
    assert expected_calibration_error([]) is None


def test_auroc_counts_pairs_in_the_right_order():
    right, wrong = [0.1, 0.7, 0.65, 0.95], [0.0, 0.7]
    pairs = [(one > other) + 0.5 * (one == other) for one in right for other in wrong]
    assert auroc(ROWS) == pytest.approx(sum(pairs) / len(pairs))
    assert auroc([(0.3, True), (0.4, True)]) is None and auroc([]) is None


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=30))
def test_every_row_is_in_one_bin(rows):
    table = reliability(rows)
    assert sum(row["n"] for row in table) == len(rows)
    assert all(row["above"] <= row["confidence"] <= row["to"] for row in table if row["n"])
    assert 0 <= (expected_calibration_error(rows) or 0) <= 1


def test_a_confidence_that_is_no_probability_is_refused():
    for strange in (1.1, -0.1, float("nan")):
        with pytest.raises(DataError, match="outside 0 to 1"):
            reliability([(strange, True)])


def test_a_name_is_right_by_its_stems_and_counts_the_first_time():
    items = [("Neural networks", 0.9), ("bees", 0.2), ("wax", None), ("neural network", 1.0)]
    profile = {"domain": "", "competencies": [
        {"name": name, "description": "", "confidence": sure} for name, sure in items]}
    assert confidence_rows(profile, ["neural network", "wax"]) == [(0.9, True), (0.2, False)]
    assert confidence_rows(None, ["bees"]) == []
