"""Abstracts in PDF and BibTeX files."""
import re
import time

import pytest

from lib.benchmarks.hostile import pdf
from lib.competencies import documents
from lib.competencies.worker import Stopped, Worker

ENTRY = "@article{%s,\n author={Doe, Jane and Roe, R},\n abstract={Of %s.}\n}\n"


@pytest.mark.parametrize(("text", "abstract"), [
    ("A title\nAbstract\nWe do.\nAnd more.\n1 Introduction\nNot this.", "We do.\nAnd more."),
    ("ABSTRACT—We do.\n \n1.\n  Introduction\nx", "We do."), ("Abstract: We.\nKeywords: x", "We."),
    ("abstract\n\nI. Introduction", ""), ("abstract only", ""),
   ("No such word\n1 Introduction", "")])
def test_the_abstract_stands_before_the_introduction(text, abstract):
    assert documents.abstract_in(text) == abstract


@pytest.mark.parametrize("text", [
    "abstract" * 4000, "abstract" + "\n" * 40000, "abstract" + "\n1" * 20000,
    "abstract" + " " * 40000 + "\n" + "1" * 40000, ("abstract\n" + " " * 50) * 800])
def test_the_abstract_is_found_in_linear_time(text):
    begun = time.process_time()
    documents.abstract_in(text)
    assert time.process_time() - begun < 2


def nested(depth):
    """A PDF whose forms draw each other twice, each after a lot of nothing."""
    drawn = b"q Q " * 4000 + b"/X Do /X Do"
    forms = b"".join(
        b"%d 0 obj\n<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject "
        b"<< /X %d 0 R >> >> /Length %d >>\nstream\n%b\nendstream\nendobj\n"
        % (10 + i, 11 + i, len(drawn), drawn) for i in range(depth))
    body = pdf().replace(b"/X 5 0 R", b"/X 10 0 R", 1)
    return re.sub(rb"xref.*", b"", body, flags=re.DOTALL) + forms + (
        b"trailer << /Size 99 /Root 1 0 R >>\nstartxref\n0\n%%EOF\n")


def test_a_pdf_that_stalls_is_stopped_and_others_are_read(tmp_path):
    (tmp_path / "bomb.pdf").write_bytes(nested(20))
    (tmp_path / "good.pdf").write_bytes(pdf())
    with Worker(seconds=4) as worker:
        with pytest.raises(Stopped, match="more than 4 seconds"):
            worker.call(documents.pdf, str(tmp_path / "bomb.pdf"))
        (line, record), = worker.call(documents.pdf, str(tmp_path / "good.pdf"))
    assert line == 1 and record["title"] == "good"
    assert record["text"].startswith("mark00: We study") and "More" not in record["text"]


def test_broken_entries_are_refused_with_their_lines(tmp_path):
    path = tmp_path / "a.bib"
    entries = [ENTRY % (key, key) for key in "abcd"]
    entries[1] = entries[1].replace("@", "")
    entries[2] = entries[2].replace("Of c.}", "Of c.")
    path.write_text("".join(["% a comment\n", *entries, entries[0]]), encoding="utf-16")
    found = documents.bib(str(path))
    assert [(line, record["id"]) for line, record in found if isinstance(record, dict)] == [
        (2, "a"), (14, "d")]
    assert found[0][1]["author"] == "Doe, Jane"
    assert [(line, record[:27]) for line, record in found if isinstance(record, str)] == [
        (6, "no entry up to line 9; is a"), (10, "not BibTeX up to line 13 (B"),
        (18, "not BibTeX up to line 21 (E")]


def test_no_string_or_comment_swallows_an_entry_in_silence(tmp_path):
    path = tmp_path / "a.bib"
    path.write_text('@string{j = "Journal"}\n@comment{jabref-meta: x}\nMade by hand.\n'
                    + (ENTRY % ("a", "a")).replace("@article", "@comment") + ENTRY % ("b", "b")
                    + (ENTRY % ("c", "c")).replace("@article{c,", '@string{j = "c,'))
    found = documents.bib(str(path))
    assert [line for line, record in found if isinstance(record, dict)] == [8]
    assert [line for line, record in found if isinstance(record, str)] == [4, 12]


def test_a_field_in_two_spellings_is_refused(tmp_path):
    path = tmp_path / "a.bib"
    path.write_text("@article{a, Abstract = {The first one.}, abstract = {The second one.}}\n")
    (line, reason), = documents.bib(str(path))
    assert line == 1 and "has a field twice" in reason
