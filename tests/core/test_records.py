"""Rows in and out: bad lines are named, and no crash leaves half of anything."""
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.core import records

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: (
    st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)), max_leaves=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("records")


@settings(max_examples=40)  # each one waits for the disk
@given(st.lists(st.dictionaries(st.text(), JSON, max_size=3), max_size=4))
def test_rows_come_back_as_they_were_written(folder, rows):
    rows.append({"text": "ends\u2028no\u2029line\x85of\x0cJSON\r\n"})
    records.write_jsonl(folder / "rows.jsonl", rows)
    assert records.read_jsonl(folder / "rows.jsonl") == rows


def test_bad_lines_name_file_line_and_field(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": 1, "text": "a"}\n\n{"id": 2}\n')
    with pytest.raises(records.DataError, match=r"rows.jsonl line 3: no field 'text'"):
        records.read_jsonl(path, ("id", "text"))
    path.write_text('{"id": 1}\r\nnot json\n')
    with pytest.raises(records.DataError, match="line 2: not JSON"):
        records.read_jsonl(path)
    path.write_text("[1]\n")
    with pytest.raises(records.DataError, match="line 1: no field 'id'"):
        records.read_jsonl(path, ("id",))
    path.write_bytes(b'{"id": "caf\xe9"}\n')
    with pytest.raises(records.DataError, match=r"not UTF-8 \(byte 11\); save it as UTF-8"):
        records.read_jsonl(path)
    with pytest.raises(records.DataError, match="no such file"):
        records.read_jsonl(tmp_path / "absent.jsonl")


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "value.txt"
    records.write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        records.write_text(path, "new \ud800")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_equal_values_have_equal_bytes_and_keys(tmp_path):
    one, other = {"a": 1, "ü": [2]}, {"ü": [2], "a": 1}
    assert records.digest(one) == records.digest(other) != records.digest({**one, "a": 2})
    records.write_json(tmp_path / "one.json", one)
    records.write_json(tmp_path / "other.json", other)
    assert records.read_json(tmp_path / "one.json") == other
    digests = {records.file_digest(tmp_path / name) for name in ("one.json", "other.json")}
    assert len(digests) == 1


def test_a_journal_survives_being_cut_off_anywhere(tmp_path):
    path = tmp_path / "journal.jsonl"
    records.Journal(path).add([("a", {"x": 1}), ("b", "ü")])
    whole = path.read_bytes()
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        journal = records.Journal(path)
        complete = whole[:cut].count(b"\n")
        assert [key in journal for key in "ab"] == [complete > 0, complete > 1]
        journal.add([("c", 3)])
        assert records.Journal(path)["c"] == 3
    journal.remove()
    journal.remove()
    assert not path.exists()
