"""Files as users have them: found by name, read in every format, refused with file and line."""
import json

import pytest
from helpers.sentiment_sets import pairs, write

from lib.core.records import DataError
from lib.tasks import sentiment
from lib.tasks.sentiment_files import csv_records, files, read_file


def test_an_open_quote_swallows_no_rows_in_silence(tmp_path):
    path = write(tmp_path / "tfns.csv", 'text,label\nfirst,0\n"never closed,1\nsecond,1\n')
    rows, rejected, _ = sentiment.read("tfns", [path])
    assert pairs(rows) == [("first", "negative"), ("second", "positive")]
    refused, = rejected
    assert refused["line"] == 3 and "not CSV: a quote is not closed" in refused["reason"]


def test_parquet_and_missing_columns(tmp_path):
    import pyarrow
    import pyarrow.parquet
    table = pyarrow.table({"news": ["up", "down"], "label": ["strong positive", "neutral"]})
    pyarrow.parquet.write_table(table, tmp_path / "nwgi.parquet")
    assert pairs(sentiment.read("nwgi", [tmp_path / "nwgi.parquet"])[0]) == [
        ("up", "positive"), ("down", "neutral")]
    path = write(tmp_path / "nwgi.csv", "title,label\nx,neutral\n")
    with pytest.raises(DataError,
                       match=r"nwgi\.csv line 2: no column 'news' \(found: title, label\)"):
        sentiment.read("nwgi", [path])
    write(tmp_path / "nwgi_broken.parquet", b"nothing")
    with pytest.raises(DataError, match="cannot be read"):
        sentiment.read("nwgi", [tmp_path / "nwgi_broken.parquet"])


def test_files_are_found_by_their_name_or_their_folder(tmp_path):
    wanted = [write(tmp_path / name, "x") for name in ("TFNS/sent_train.csv", "tfns_valid.csv")]
    write(tmp_path / "README.md", "tfns")
    write(tmp_path / "other/tfns.csv", "x")
    (tmp_path / "tfns_out.csv").symlink_to(write(tmp_path.parent / "secret.csv", "x"))
    (tmp_path / "TFNS" / "lost.csv").symlink_to("nowhere.csv")
    found, left_out = files(tmp_path, "tfns")
    assert found == wanted and files(tmp_path / "nowhere", "tfns") == ([], [])
    assert {item["file"]: item["reason"] for item in left_out} == {
        "TFNS/lost.csv": "no file that can be read", "tfns_out.csv": "a link out of this folder"}


def test_empty_lines_of_a_table_are_no_records():
    assert list(csv_records("a,b\n1,2\n\n3,4\n", "")) == [(2, {"a": "1", "b": "2"}),
                                                          (4, {"a": "3", "b": "4"})]
    assert list(csv_records("", "")) == list(csv_records("\n\n", "")) == []


@pytest.mark.parametrize(("name", "content", "reason"), [
    ("tfns.csv", "", "there is nothing in this file"),
    ("tfns.csv", 'text,"label\nx,1\n', "cannot be read (the header is not CSV"),
    ("tfns/._a.csv", "Mac OS X", "cannot be read (a file that macOS keeps"),
    ("fiqa.json", '{"1": {}, "2": {}, "1": {}}', "the key '1' comes twice"),
    ("fiqa.json", "[" * 100_000, "nested too deeply"),
    ("nwgi.jsonl", '"a sentence"', "not a JSON object")])
def test_what_is_in_no_file_is_said(tmp_path, name, content, reason):
    found, _ = read_file(write(tmp_path / name, content))
    assert len(found) == 1 and found[0][0] == 1 and reason in found[0][1]


def test_values_that_no_number_is_made_of_are_refused(tmp_path):
    rows = [{"sentence": "a \ud800", "score": "0.5", "targets": "x"},
            {"sentence": "b", "score": 10 ** 400}]
    path = write(tmp_path / "fiqa.jsonl", "\n".join(map(json.dumps, rows)))
    rows, (rejected,), _ = sentiment.read("fiqa", [path])
    assert pairs(rows) == [("a \N{REPLACEMENT CHARACTER}", "positive")]
    assert rejected["line"] == 2 and "is no number" in rejected["reason"]
