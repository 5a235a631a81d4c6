"""References: every citation on a page is a link, and every entry is cited by its words alone."""
import re

from lib.core.records import read_json
from lib.core.settings import ROOT
from lib.report import references

CITATION = re.compile(r"[A-Z][a-z]+ et al\. \(?(?:19|20)\d\d\)?")


def test_every_citation_of_the_notebooks_is_listed():
    known = [entry["cited"] for entry in references.entries()]
    for path in (ROOT / "notebooks").rglob("[0-9]*.ipynb"):
        cells = read_json(path)["cells"]
        prose = " ".join("".join(cell["source"]) for cell in cells
                         if cell["cell_type"] == "markdown")
        for found in CITATION.findall(prose):
            assert any(found.startswith(words) for words in known), (path.name, found)


def test_citations_become_links_outside_of_tags_and_code():
    before = '<p title="Hu et al. 2021">(Hu et al. 2021)</p><pre>Hu et al. 2021</pre>'
    body = references.linked(before, "../")
    link = '<a href="../references.html#hu2021">Hu et al. 2021</a>'
    assert body == f'<p title="Hu et al. 2021">({link})</p><pre>Hu et al. 2021</pre>'


def test_every_entry_has_an_anchor_and_what_it_takes_to_find_it():
    entries = references.entries()
    page = references.listed_html()
    assert len({entry["key"] for entry in entries}) == len(entries) > 10
    for entry in entries:
        assert f'id="{entry["key"]}"' in page and entry["title"] and entry["where"]
