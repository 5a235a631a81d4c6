"""Tables: escaped cells, numbers as readers want to see them."""
from lib.workbook.tables import by_name, cell, cell_html, ends, interval, table_html


def test_values_as_readers_see_them():
    assert cell({"rate": 0.5, "low": 0.25, "high": 0.75, "n": 4}) == "0.500 [0.250, 0.750]"
    assert [cell(value) for value in (None, 3, "x")] == ["–", "3", "x"]
    assert [cell(value) for value in (0.123456, 0.0, 0.000012)] == ["0.123", "0.000", "1.2e-05"]


def test_an_interval_in_other_units_and_one_that_is_not_known():
    half = {"rate": 0.5, "low": 0.25, "high": 0.75, "n": 4}
    assert interval(half, scale=100, digits=1) == "50.0 [25.0, 75.0]"
    assert interval({"rate": 0.5, "low": None, "high": None, "n": 1}) == "0.500"
    assert interval({"rate": None, "low": 0.0, "high": 1.0, "n": 0}) == "–"


def test_every_cell_is_escaped_and_numbers_do_not_wrap():
    evil = "<script>alert(1)</script>"
    assert "<script" not in table_html([{evil: evil}], evil)
    assert cell_html("a & b") == "<td>a &amp; b</td>"
    assert cell_html(1) == '<td class="number">1</td>'


def test_columns_are_those_of_all_rows_in_the_order_in_which_they_come():
    table = table_html([{"a": 1}, {"b": 2, "a": 3}], "Two rows.")
    head, body = table.split("<tbody>")
    assert head.startswith("<table><caption>Two rows.</caption>")
    assert head.endswith('<tr><th scope="col">a</th><th scope="col">b</th></tr></thead>')
    assert body.startswith('<tr><td class="number">1</td><td></td></tr><tr><td class="number">3<')


def test_rows_by_name_take_titles_or_make_them():
    found = {"truth": {"ac1": 1, "by_hand": 2, "other": 3}, "chat": {"ac1": 4}}
    assert by_name("judge", found, {"ac1": "AC1"}) == [
        {"judge": "truth", "AC1": 1}, {"judge": "chat", "AC1": 4}]
    assert by_name("judge", found, ("by_hand",)) == [
        {"judge": "truth", "by hand": 2}, {"judge": "chat", "by hand": None}]



def test_a_curve_has_two_ends_or_none():
    points = [{"step": step, "loss": 1 / step} for step in (1, 2, 4)]
    assert ends(points, "loss") == {"first": 1.0, "last": 0.25}
    assert ends([], "loss") is None
