"""The PDF: all chapters, numbered tables and figures, every claim's number, no dead link."""
import re

import pytest

from lib.core.records import DataError
from lib.report import claims, thesis

try:
    import weasyprint
except (ImportError, OSError):  # the system has no Pango
    weasyprint = None
printed = pytest.mark.skipif(weasyprint is None, reason="no Pango on this machine")


@pytest.fixture(scope="module")
def text():
    return thesis.document(claims.worlds())


def test_every_link_within_the_document_has_its_place(text):
    ids = set(re.findall(r'\bid="([^"]+)"', text))
    dead = [link for link in re.findall(r'href="#([^"]+)"', text) if link not in ids]
    assert not dead and len(ids) > 100
    assert not re.search(r'href="[^"#]*\.html', text) and "<script" not in text


def test_formulas_are_pictures_with_their_source():
    shown = thesis.formula(r"\beta \log \frac{a}{b}")
    assert r'alt="\beta \log \frac{a}{b}"' in shown and "data:image/svg+xml" in shown


def test_links_between_pages_become_links_between_chapters():
    known = {"03_dpo", "04_evaluation", "study-04_evaluation", "log"}

    def links(name, body):
        return re.findall(r'href="([^"]+)"', thesis.joined(thesis.Chapter(name, "T", body), known))
    body = ('<a href="03_dpo.html"><a href="04_evaluation.html#why"><a href="#here">'
            '<a href="smollm2/04_evaluation.html#x"><a href="gone.html#y">')
    assert links("log", body) == ["#03_dpo", "#04_evaluation--why", "#log--here",
                                  "#study-04_evaluation--x", "#log"]
    body = '<a href="../log.html"><a href="04_evaluation.html#z">'
    assert links("study-04_evaluation", body) == ["#log", "#study-04_evaluation"]


@printed
def test_the_pdf_has_contents_numbered_tables_and_every_claim(text, tmp_path, monkeypatch):
    from pypdf import PdfReader
    monkeypatch.setattr(thesis, "document", lambda _: text)
    thesis.command(tmp_path / "reports" / "thesis.pdf")
    reader = PdfReader(tmp_path / "reports" / "thesis.pdf")
    pages = [page.extract_text().replace("\x00", "") for page in reader.pages]
    found = " ".join(" ".join(pages).split())
    assert "Contents" in pages[1] and len(pages) > 30
    assert "Table 1." in found and "Figure 2." in found
    for row in claims.measured(claims.worlds()):
        for one in filter(None, row["findings"]):
            if one["value"] is not None:
                assert claims.figure(one["value"], one["measure"]["kind"]) in found, row["claim"]


def test_without_what_it_takes_it_says_so(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "weasyprint", None)
    with pytest.raises(DataError, match="a PDF takes WeasyPrint"):
        thesis.command(tmp_path / "x.pdf")
