"""Whole documents: parts with places, and nothing that is lost in silence."""
import json
from pathlib import Path

import pytest
from helpers.documents import write_docx, write_mail, write_pdf

from lib.competencies import formats, whole_texts
from lib.competencies.worker import Stopped
from lib.core.records import DataError

PAPER = """Abstract
We study the kernels of streams.
1 Introduction
Streams are long, and kernels are not.
2.1 Data and methods
We fit them.
References
[1] Roe, R.
"""


def places(document):
    return [part["place"] for part in document["parts"]]


def test_a_text_is_read_by_its_sections_and_without_the_words_of_others(tmp_path):
    (tmp_path / "a.txt").write_text(PAPER)
    (document,), rejected = whole_texts.read(tmp_path)
    assert places(document) == ["Abstract", "Introduction", "Data and methods"]
    assert document["abstract"] == "We study the kernels of streams."
    assert [row["reason"] for row in rejected] == [
        "the section 'References' is left out: words of others"]


@pytest.mark.parametrize("line", ["1 in three streams is long", "Results were good.", "3.5",
                                  "2019 was a year", "We use methods"])
def test_lines_that_only_look_like_headings_are_text(line):
    assert [part["place"] for part in whole_texts.sections(f"Words.\n{line}\nMore.")] == [""]


def test_a_table_may_hold_sections_and_terms(tmp_path):
    rows = [{"id": "a", "abstract": "ABSTRACT We study.", "keyphrases": ["kernel", "kernel"],
             "sections": [{"section": "method", "text": "We fit kernels to many streams."}]},
            {"id": "b", "sections": ["x"]}, {"id": "a", "text": "The same id comes once more."},
            {"id": "c", "text": "too short"}, {"id": "d"}]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows) + "{")
    found, rejected = whole_texts.read(
        path, columns={**whole_texts.COLUMNS, "references": "keyphrases"})
    assert [(row["id"], row["abstract"], row["references"], places(row)) for row in found] == [
        ("a", "We study.", ["kernel"], ["method"])]
    assert [row["line"] for row in rejected] == [2, 3, 4, 5, 6]
    assert len(found) + len(rejected) == len(rows) + 1


def test_a_word_document_has_its_headings_for_places(tmp_path):
    write_docx(tmp_path / "a.docx", [("Normal", "Before all headings."), ("Heading1", "2. Fitting"),
                                     ("Normal", "We fit kernels to streams.")])
    (document,), _ = whole_texts.read(tmp_path)
    assert places(document) == ["text", "Fitting"]


def test_what_a_mail_quotes_and_carries_is_left_out_and_said(tmp_path):
    write_mail(tmp_path / "a.eml", "I wrote the forecast of the model for you today, at last.\n"
               "On Monday Roe wrote:\n> Do write the forecast.\n-- \nJane\n", attachment="a.csv")
    (document,), rejected = whole_texts.read(tmp_path, "mail")
    assert document["parts"][0]["text"].endswith("today, at last.")
    said = " ".join(row["reason"] for row in rejected)
    assert "2 lines that the mail quotes" in said and "'a.csv'" in said and "signature" in said


def test_each_kind_needs_its_words(tmp_path):
    (tmp_path / "a.txt").write_text("We look for a person who can fit kernels.")
    assert whole_texts.read(tmp_path)[0]
    with pytest.raises(DataError, match="9 words; a job ad needs 20"):
        whole_texts.read(tmp_path, "job_ad")


def test_profiles_that_were_written_here_are_no_documents(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps(
        {"abstracts": [], "profile": {}, "problems": [], "text": "Domain: a and many words more"}))
    with pytest.raises(DataError, match="profiles that `extract` wrote"):
        whole_texts.read(tmp_path)


def test_a_pdf_is_read_in_pages_of_which_one_without_text_is_named(tmp_path):
    write_pdf(tmp_path / "a.pdf", [f"Page of {i} many words and more" if i != 12 else ""
                                   for i in range(1, 26)])
    (document,), rejected = whole_texts.read(tmp_path)
    assert places(document) == [f"page {i}" for i in range(1, 26) if i != 12]
    assert document["parts"][11]["text"].startswith("Page of 13 ")
    assert [(row["file"], row["line"]) for row in rejected] == [("a.pdf", 12)]


class Pages:
    """In place of a worker: a PDF of many pages, of which some stall."""

    def __init__(self, count, stalling=()):
        self.count, self.stalling, self.asked = count, set(stalling), []

    def call(self, function, place, *pages):
        if function is formats.pdf_length:
            return self.count
        self.asked.append(range(*pages))
        if self.stalling & set(range(*pages)):
            raise Stopped("reading it takes more than 15 seconds")
        return [(number + 1, f"text {number + 1}", "") for number in range(*pages)]


def test_three_hundred_pages_are_read_a_few_at_a_time():
    worker = Pages(300)
    pages = whole_texts.pdf_pages(Path("a.pdf"), worker)
    first = next(pages)
    assert first == (1, "text 1", "") and len(worker.asked) == 1, "nothing is read ahead"
    assert [number for number, *_ in pages] == list(range(2, 301))
    assert max(map(len, worker.asked)) == whole_texts.PAGES


def test_a_page_that_stalls_costs_itself_alone_and_many_are_given_up():
    found = list(whole_texts.pdf_pages(Path("a.pdf"), Pages(40, [12])))
    assert [(number, reason) for number, _, reason in found if reason] == [
        (13, "reading it takes more than 15 seconds")]
    found = list(whole_texts.pdf_pages(Path("a.pdf"), Pages(40, range(14, 18))))
    assert [number for number, *_ in found] == list(range(1, 41)), "every page is accounted for"
    assert [number for number, _, reason in found if not reason] == list(range(1, 15))


def test_a_pdf_that_never_ends_is_cut_and_said(tmp_path, monkeypatch):
    monkeypatch.setattr(whole_texts, "LONGEST", 60)
    write_pdf(tmp_path / "a.pdf", ["Five words stand on a page"] * 5)
    (document,), rejected = whole_texts.read(tmp_path)
    assert places(document) == ["page 1", "page 2"]
    assert [row["reason"] for row in rejected] == ["page 3 and those after it: beyond 60 letters"]
