"""Text in whatever encoding it was saved in."""
import pytest

from lib.competencies.decoding import decode
from lib.core.records import DataError

WORDS = "We study kernel clustering for sensor streams and report results. "
TEXTS = {
    "cp1252": "Größe und Änderung der Stahlbrücken im Winter – “so”.",
    "cp1251": "Мы изучаем кластеризацию потоков данных и сообщаем о результатах работы.",
    "koi8-r": "Мы изучаем кластеризацию потоков данных и сообщаем о результатах работы.",
    "cp1253": "Μελετάμε την ομαδοποίηση ροών δεδομένων αισθητήρων και αποτελέσματα.",
    "cp932": "本研究では、センサーデータのクラスタリングについて検討し、その結果を報告する。",
    "gb18030": "本文研究传感器数据流的聚类方法，并报告实验结果。我们提出了一种新的方法。",
    **dict.fromkeys(("utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be"), WORDS)}


@pytest.mark.parametrize("encoding", TEXTS)
def test_text_is_read_in_the_encoding_that_it_was_saved_in(tmp_path, encoding):
    path = tmp_path / "a.txt"
    path.write_bytes(TEXTS[encoding].encode(encoding))
    text, _ = decode(path)
    assert text == TEXTS[encoding]


def test_a_single_umlaut_in_english_is_western(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(f"{WORDS}naïve".encode("cp1252"))
    assert decode(path) == (f"{WORDS}naïve", "Windows-1252")
    path.write_bytes(b"half\x85line " + WORDS.encode())
    assert decode(path, "latin_1") == (f"half\x85line {WORDS}", "Latin-1")


def test_one_bad_byte_changes_no_other_letter(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("Größe über Ünicode ".encode() + b"na\xefve \x81.")
    assert decode(path) == ("Größe über Ünicode naïve \N{REPLACEMENT CHARACTER}.", "UTF-8")


@pytest.mark.parametrize(("name", "content"), [
    ("._a.txt", b"Mac OS X"), ("a.txt", b"\x00\x05\x16\x07 and more"),
    ("a.txt", bytes(range(256)) * 20)])
def test_what_is_no_text_is_said_to_be_none(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match="not a text"):
        decode(tmp_path / name)
