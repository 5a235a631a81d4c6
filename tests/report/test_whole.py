"""The command on whole documents of several kinds, with the embedded judge for a writer."""
import os

import pytest
from helpers.documents import write_docx, write_mail, write_pdf

from lib.__main__ import main
from lib.competencies import world
from lib.core.records import read_jsonl, write_jsonl

BASE = "data/models/embedded/label_judge"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """The command sets variables; they end with the test."""
    monkeypatch.setattr(os, "environ", os.environ.copy())


def run(*words):
    main(["extract", "--model", BASE, "--device", "cpu", *map(str, words)])


@pytest.fixture(scope="module")
def texts():
    return [row["text"] for row in world.author("Author 0", 4, world.seen_domains())]


def test_a_pdf_is_read_page_by_page_and_each_competency_says_where(texts, tmp_path, capsys):
    write_pdf(tmp_path / "a.pdf", [*texts, ""])
    run("--extraction", "full_text", tmp_path / "a.pdf", "-o", tmp_path / "p.jsonl")
    row, = read_jsonl(tmp_path / "p.jsonl")
    found = [item["places"] for item in row["profile"]["competencies"]]
    pages = {f"page {i}" for i in range(1, len(texts) + 1)}
    assert found and all(set(places) <= pages and places for places in found)
    last = len(texts) + 1
    assert f"left out: a.pdf line {last}: page {last}: no text" in capsys.readouterr().err
    for ending in ("csv", "html"):
        run("--extraction", "full_text", tmp_path / "a.pdf", "-o", tmp_path / f"p.{ending}")
        assert "page 1" in (tmp_path / f"p.{ending}").read_text()
    assert (tmp_path / "p.csv").read_text().splitlines()[0].endswith(",places")


def test_a_mail_is_read_without_personal_data_which_is_counted(texts, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    write_mail(tmp_path / "in" / "a.eml", f"{texts[0]} Ask Jane or jane@x.org.")
    write_docx(tmp_path / "in" / "b.docx", [("Normal", texts[1])])
    run("--document", "mail", "--personal", "left_out", tmp_path / "in", "-o",
        tmp_path / "p.jsonl")
    rows = read_jsonl(tmp_path / "p.jsonl")
    assert [(row["id"], row["author"]) for row in rows] == [("a.eml", ""), ("b.docx", "")]
    said = capsys.readouterr().err
    assert "left out: a.eml line 1: personal data: 1 x name, 1 x mail address" in said


def test_chunks_that_are_not_read_are_a_problem_and_summaries_can_be_read(texts, tmp_path):
    write_jsonl(tmp_path / "a.jsonl", [{"id": "x", "text": texts, "title": "T"}])
    where = ["-o", tmp_path / "p.jsonl", tmp_path / "a.jsonl"]
    run("--extraction", "full_text", "--max-prompt-tokens", 80, "--chunks", 1, *where)
    row, = read_jsonl(tmp_path / "p.jsonl")
    assert "chunks of the document were not read" in row["problems"][-1]
    run("--extraction", "summaries", *where)
    assert read_jsonl(tmp_path / "p.jsonl")[0]["id"] == "x"


def test_the_input_is_never_written_over(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", [{"id": "x", "text": "We fit kernels to long streams."}])
    before = (tmp_path / "a.jsonl").read_bytes()
    with pytest.raises(SystemExit) as ended:
        run("--document", "report", tmp_path / "a.jsonl", "-o", tmp_path / "a.jsonl")
    assert "writing would destroy it" in ended.value.code
    assert (tmp_path / "a.jsonl").read_bytes() == before
