"""Rows of tables and lines of JSON: what is not read is refused by its own line."""
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.competencies.decoding import lines
from lib.competencies.tables import csv_records, header, json_records
from lib.core.records import DataError

ROWS = [f'{i},"text {i}, more\nof it"' if i % 3 else f"{i},plain {i}" for i in range(29)]


@pytest.mark.parametrize("broken", range(29))
def test_a_quote_that_is_never_closed_costs_one_row(broken):
    damaged = [*ROWS[:broken], f'"{broken},never closed', *ROWS[broken + 1:]]
    found = list(csv_records("id,text\n" + "\n".join(damaged)))
    reasons = [reason for _, reason in found if isinstance(reason, str)]
    read = [record["id"] for _, record in found if isinstance(record, dict)]
    assert len(reasons) == 1 and reasons[0].startswith("not CSV: ")
    assert read == [str(i) for i in range(29) if i != broken]


def test_an_open_quote_that_a_later_one_closes_swallows_nothing():
    text = 'id,text\n1,"open\n2,b\n3,c\n4,"d, e"\n5,f\n6,"g\n7,",h\n'
    found = list(csv_records(text))
    assert [line for line, record in found if isinstance(record, str)] == [2, 7, 8]
    assert [record["id"] for _, record in found if isinstance(record, dict)] == list("2345")


@given(st.lists(st.sampled_from(['"', '""', ",", "\n", "\r\n", "\r", "a", "b c", "\0", "\u2028"])))
def test_every_line_of_a_table_is_in_a_row_or_refused(parts):
    text = "a,b\n" + "".join(parts)
    content, found = lines(text), dict(csv_records(text))
    covered = 1
    for line, record in sorted(found.items()):
        assert all(not blank.strip() for blank in content[covered:line - 1])
        cells = "" if isinstance(record, str) else "".join(record.values())
        covered = line + len(lines(f"{cells}x")) - 1
    assert all(not blank.strip() for blank in content[covered:])


def test_many_open_quotes_take_linear_time():
    begun = time.process_time()
    found = list(csv_records("a,b\n" + 'a","b\n' * 20000))
    assert len(found) == 20000 and time.process_time() - begun < 15


def test_a_header_that_is_no_header():
    assert header("\n\na,b\n1,2\n") == ["a", "b"] and header("") == header("\n") == []
    with pytest.raises(DataError, match="the header is not CSV: a quote is not closed"):
        list(csv_records('a,"b\n1,2\n3,4\n'))


def test_each_line_of_json_is_read_or_refused():
    text = '{"a": 1}\r\n\n"a"\n[1]\n{"a": 1, "a": 2}\r{"a": "\u2028"}\n{"a"\n' + "[" * 100_000
    assert [(line, value if isinstance(value, dict) else value[:20])
            for line, value in json_records(text)] == [
        (1, {"a": 1}), (3, "not a JSON object"), (4, "not a JSON object"),
        (5, "not JSON: the key 'a"), (6, {"a": "\u2028"}), (7, "not JSON: Expecting "),
        (8, "not JSON: nested too")]
