"""Numbers as words."""
from lib.report import words


def rate(value, spread=0.05, n=100):
    return {"rate": value, "low": value - spread, "high": value + spread, "n": n}


def test_numbers_without_an_interval_or_without_a_value_are_shown_as_such():
    assert words.percent(rate(0.5)) == "50 % [45, 55]"
    assert words.percent({"rate": 0.5, "low": None, "high": None, "n": 1}) == "50 %"
    assert words.percent({"rate": 0.0, "low": 0.0, "high": 0.16, "n": 20}) == "0 % [0, 16]"
    assert words.percent({"rate": None, "low": 0.0, "high": 1.0, "n": 0}) == "–"
    unknown = {"rate": 0.9, "low": None, "high": None}
    assert words.apart(rate(0.5), unknown) == "not to be told from"
    assert [words.apart(rate(share), rate(0.5)) for share in (0.7, 0.55, 0.3)] == [
        "above", "not to be told from", "below"]
    assert [words.than_even(rate(share), "+", "=", "-") for share in (0.7, 0.52, 0.3)] == [
        "+", "=", "-"]
