"""Rows in and out: bad lines are named, and no crash leaves half of anything."""
import ast
import errno
import gc
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
from helpers.rooms import ROOT, modules, source
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.core import records

TEXT = st.text(st.characters(exclude_categories=()))  # all of Unicode, lone surrogates too
JSON = st.recursive(st.none() | st.booleans() | st.integers() | TEXT, lambda inner: (
    st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)), max_leaves=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("records")


def joined(value):
    """The value with pairs of surrogates as the character that they are in JSON."""
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    if isinstance(value, dict):
        return {joined(key): joined(item) for key, item in value.items()}
    return list(map(joined, value)) if isinstance(value, list) else value


@settings(max_examples=40)  # each one waits for the disk
@given(st.lists(st.dictionaries(TEXT, JSON, max_size=3), max_size=4))
def test_rows_come_back_as_they_were_written(folder, rows):
    rows.append({"text": "ends\u2028no\u2029line\x85of\x0cJSON\r\n", "name": "caf\udce9"})
    records.write_jsonl(folder / "rows.jsonl", rows)
    assert records.read_jsonl(folder / "rows.jsonl") == joined(rows)
    records.write_json(folder / "rows.json", rows)
    assert records.read_json(folder / "rows.json") == joined(rows)
    journal = records.Journal(folder / "journal.jsonl")
    journal.add((str(number), row) for number, row in enumerate(rows))
    del journal
    again = records.Journal(folder / "journal.jsonl")
    assert list(again.items.values()) == joined(rows)
    again.remove()


def test_every_character_comes_back(folder):
    rows = [{"text": "".join(f"{chr(code)}." for code in range(start, start + 0x1000))}
            for start in range(0, 0x110000, 0x1000)]
    records.write_jsonl(folder / "rows.jsonl", rows)
    assert records.read_jsonl(folder / "rows.jsonl") == rows


def test_text_that_no_file_can_hold_is_replaced_not_refused(tmp_path):
    records.write_text(tmp_path / "caf\udce9.txt", "a\ud800b \ud83d\ude00 ü")
    assert (tmp_path / "caf\udce9.txt").read_text("utf-8") == "a\ufffdb \U0001f600 ü"
    assert records.digest("\ud800") != records.digest("\ud801")


def splitting(tree):
    """Lines on which code of its own splits JSON Lines."""
    def is_splitting(node):
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        return called and (node.func.attr == "splitlines" or (
            node.func.attr == "split" and [ast.unparse(one) for one in node.args] == [r"'\n'"]))

    loops = [(node, [node.iter]) for node in ast.walk(tree) if isinstance(node, ast.For)]
    loops += [(node, [part.iter for part in node.generators]) for node in ast.walk(tree)
              if isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp))]
    return [loop.lineno for loop, over in loops
            if any(is_splitting(node) for one in over for node in ast.walk(one))
            and "json.loads(" in ast.unparse(loop)]


def test_nothing_else_splits_lines_of_json():
    notebooks = [str(path.relative_to(ROOT)) for path in (ROOT / "notebooks").rglob("*.ipynb")]
    tests = [str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("*.py")]
    found = {path: splitting(ast.parse(source(path))) for path in [*modules(), *notebooks, *tests]
             if path != "lib/core/records.py" and "json.loads(" in source(path)}
    assert not any(found.values()), {path: lines for path, lines in found.items() if lines}


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
    path.write_text(f"{{}}\n{'[' * 100_000}\n")
    with pytest.raises(records.DataError, match="line 2: not JSON: nested too deeply; write"):
        records.read_jsonl(path)
    with pytest.raises(records.DataError, match="no such file"):
        records.read_jsonl(tmp_path / "absent.jsonl")


@pytest.mark.parametrize(("content", "reason"), [
    (b"{", "not JSON: Expecting property name .*[.]$"), (b"[" * 100_000, "nested too deeply"),
    (b'{"a": 1, "a": 2}', "the key 'a' comes twice"),
    (b"9" * 5000, "not JSON"), (b'"\xe9"', "not UTF-8"), (None, r"cannot be opened \(Is a dir")])
def test_a_file_that_is_no_json_is_named(content, reason, tmp_path):
    path = tmp_path / "value.json"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(records.DataError, match=f"value.json: .*{reason}"):
        records.read_json(path)


@contextmanager
def full_disk(monkeypatch):
    """A disk on which nothing gets further than half of it."""
    def half(file, content):
        return write(file, content[:len(content) // 2]) or full()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        patch.setattr(os, "fsync", full)
        yield


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "value.txt"
    records.write_text(path, "old")
    sentence = r"value.txt: cannot be written \(No space left on device\); make room"
    with full_disk(monkeypatch), pytest.raises(records.DataError, match=sentence):
        records.write_text(path, "new")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    (tmp_path / "folder").mkdir()
    with pytest.raises(records.DataError, match=r"folder: cannot be written \(Is a directory\)"):
        records.write_json(tmp_path / "folder", 1)
    with pytest.raises(records.DataError, match="cannot be written"):
        records.write_json(path / "inside.json", 1)


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


def test_a_damaged_row_of_a_journal_costs_nothing_but_itself(tmp_path):
    path = tmp_path / "journal.jsonl"
    records.Journal(path).add([("a", 1), ("b", 2), ("c", 3)])
    first, _, third = path.read_bytes().splitlines(keepends=True)
    whole = b'{"key": "b"}\n', b'{"key": ["b"], "value": 2}\n', b"[]\n"
    for damaged in (b"\0" * 20 + b"\n", b"\xff\n", b"[" * 9999 + b"\n", *whole):
        path.write_bytes(first + damaged + third)
        journal = records.Journal(path)
        assert journal.items == {"a": 1, "c": 3}
        journal.add([("b", 4)])
        assert records.Journal(path).items == {"a": 1, "c": 3, "b": 4}


def test_a_full_disk_leaves_a_journal_whole(tmp_path, monkeypatch):
    path = tmp_path / "journal.jsonl"
    journal = records.Journal(path)
    journal.add([("a", 1)])
    with full_disk(monkeypatch), pytest.raises(records.DataError, match="No space left"):
        journal.add([("b", 2)])
    assert "b" not in journal
    journal.add([("c", 3)])
    assert records.Journal(path).items == {"a": 1, "c": 3}
    (tmp_path / "folder").mkdir()
    with pytest.raises(records.DataError, match=r"folder: cannot be written \(Is a directory\)"):
        records.Journal(tmp_path / "folder")


WRITER = """
import sys
from lib.core.records import Journal
journal = Journal(sys.argv[1])
journal.add([("theirs", "x" * 99)])
print("ready", flush=True)
sys.stdin.read()
"""


def test_two_processes_never_write_one_journal(tmp_path):
    path = tmp_path / "journal.jsonl"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], cwd=ROOT, text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == "ready\n"
        with pytest.raises(records.DataError, match=r"journal.jsonl: another process is writing"):
            records.Journal(path)
        other.send_signal(signal.SIGKILL)
    mine = records.Journal(path)
    assert "theirs" in mine, "the dead have let go of it, and their rows are kept"
    second = records.Journal(path)  # the same process may have it twice, and after the first
    mine.add([("a", 1)])
    del mine
    gc.collect()
    second.add([("b", 2)])
    assert list(records.Journal(path).items) == ["theirs", "a", "b"]
    said = subprocess.run([sys.executable, "-c", WRITER, str(path)], cwd=ROOT, text=True,
                          input="", capture_output=True)
    assert "another process is writing" in said.stderr
    second.remove()
    fresh = records.Journal(path)  # not the one that was removed, though `second` still has that
    fresh.add([("c", 3)])
    assert list(records.Journal(path).items) == ["c"]
