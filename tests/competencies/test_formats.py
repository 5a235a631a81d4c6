"""PDF, Word and mail: what stands in them, and what is refused."""
import zipfile

import pytest
from helpers.documents import WORD, write_docx, write_mail, write_pdf

from lib.competencies import formats
from lib.core.records import DataError


def test_pages_of_a_pdf_come_with_their_numbers(tmp_path):
    path = str(write_pdf(tmp_path / "a.pdf", ["one", "", "three"]))
    assert formats.pdf_length(path) == 3
    assert formats.pdf_pages(path, 0, 1) == [(1, "one", "")]
    (two, text, reason), three = formats.pdf_pages(path, 1, 3)
    assert (two, text, three) == (2, "", (3, "three", "")) and "no text on this page" in reason


def test_headings_of_a_word_document_are_told_from_its_text(tmp_path):
    path = write_docx(tmp_path / "a.docx", [("Heading1", "Methods"), ("Normal", "We &lt;fit&gt;.")])
    assert formats.docx(str(path)) == [(True, "Methods"), (False, "We <fit>.")]


def test_deleted_text_of_a_word_document_is_no_part_of_it(tmp_path):
    path = tmp_path / "a.docx"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("word/document.xml", f'<d xmlns:w="{WORD}"><w:p><w:r><w:t>a</w:t><w:tab/>'
                      "<w:delText>gone</w:delText><w:t>b</w:t></w:r></w:p></d>")
    assert formats.docx(str(path)) == [(False, "a b")]


def test_a_word_document_may_define_no_entities_and_be_nothing_else(tmp_path):
    bomb = '<!DOCTYPE d [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
    with pytest.raises(Exception, match="EntitiesForbidden"):
        formats.docx(str(write_docx(tmp_path / "bomb.docx", [("x", "&b;")], bomb)))
    (tmp_path / "no.docx").write_text("words")
    with pytest.raises(DataError, match="no Word document"):
        formats.docx(str(tmp_path / "no.docx"))


def test_a_word_document_that_unpacks_to_too_much_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "LARGEST", 50)
    with pytest.raises(DataError, match="unpacks to more than"):
        formats.docx(str(write_docx(tmp_path / "a.docx", [("x", "y" * 60)])))


def test_a_mail_in_html_is_read_without_mark_up_and_scripts(tmp_path):
    path = write_mail(tmp_path / "a.eml", "<p>We fit</p><script>alert(1)</script><p>models.</p>",
                      html=True)
    found = formats.eml(str(path))
    assert found["text"].split() == ["We", "fit", "models."]
    assert (found["title"], found["author"]) == ("A forecast", "Jane Doe <jane@x.org>")
