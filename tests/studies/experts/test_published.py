"""The published numbers agree with the counts behind them, and stand beside what is measured."""
import pytest

from lib.metrics import stats
from lib.studies.experts import published


@pytest.mark.parametrize("shares", [published.TABLE_7, published.FIGURE_20])
def test_the_percentages_are_those_of_the_counts(shares):
    total = sum(share.wins for share in shares.values())
    for share in shares.values():
        assert share.percent == pytest.approx(100 * share.wins / total, abs=0.006)
    assert sum(share.percent for share in shares.values()) == pytest.approx(100, abs=0.03)


def test_table_7_is_the_part_of_figure_20_that_was_made_from_abstracts():
    task = published.FIGURE_20["from abstracts"], published.FIGURE_20["by fine-tuning"]
    assert sum(share.wins for share in published.TABLE_7.values()) == sum(
        share.wins for share in task)
    tuned = published.TABLE_7["Phi3-3.8B, fine-tuned"]
    assert tuned.wins == published.FIGURE_20["by fine-tuning"].wins


def test_what_is_recorded_and_shown():
    found = published.record()
    assert found["table_7"]["Mixtral-8x7B"] == {"percent": 34.12, "count": 29}
    assert found["table_7"]["Phi3-3.8B, fine-tuned"]["derived_interval"] == {"low": 0, "high": 41}
    assert [row["percent"] for row in found["figure_20"].values()] == [46.10, 23.38, 21.43, 9.09]
    assert "KIT 2024" in found["source"]
    rows = published.beside({"experts": {"base": stats.rate(1, 4)}})
    assert list(rows)[-1] == "experts: base" and rows["experts: base"] == stats.rate(1, 4)
    assert len(published.beside({})) == 9
    assert published.table(published.TABLE_7)[0] == {
        "preferred": "Mixtral-8x7B", "share, %": "34.12", "preferences": "29 of 85"}
