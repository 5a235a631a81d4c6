"""Files as users have them: found by name, read in every format, refused with file and line."""
import pytest
from helpers.sentiment_sets import pairs, write

from lib.core.records import DataError
from lib.tasks import sentiment
from lib.tasks.sentiment_files import csv_records, files


def test_an_open_quote_swallows_no_rows_in_silence(tmp_path):
    path = write(tmp_path / "tfns.csv", 'text,label\nfirst,0\n"never closed,1\nsecond,1\n')
    rows, rejected, _ = sentiment.read("tfns", [path])
    assert pairs(rows) == [("first", "negative")]
    assert rejected[0]["line"] == 3 and "not CSV" in rejected[0]["reason"]


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
    assert files(tmp_path, "tfns") == wanted and files(tmp_path / "nowhere", "tfns") == []


def test_empty_lines_of_a_table_are_no_records():
    assert list(csv_records("a,b\n1,2\n\n3,4\n", "")) == [(2, {"a": "1", "b": "2"}),
                                                          (4, {"a": "3", "b": "4"})]
    assert list(csv_records("", "")) == list(csv_records("\n\n", "")) == []
