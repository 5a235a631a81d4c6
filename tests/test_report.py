"""The committed report, as a reader meets it: structure by machine, and looks in a real browser."""
import re
import shutil
from html.parser import HTMLParser

import pytest

from lib.core.records import DataError
from lib.core.settings import ROOT
from lib.report import html, site
from lib.workbook import tables
from lib.workbook.book import rounded
from lib.workbook.runner import normalise
from lib.workbook.tables import cell, interval, table_html

PAGES = [file for file, _ in site.pages()]
CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)


class Page(HTMLParser):
    """What a page holds."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.links, self.headings, self.images = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag == "a":
            self.links.append(attributes["href"])
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "img":
            self.images.append(attributes)


@pytest.mark.parametrize("file", PAGES)
def test_pages_are_sound(file):
    text = (ROOT / "reports" / file).read_text()
    page = Page(text)
    assert page.headings[0] == 1 and page.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(page.headings, page.headings[1:]))
    assert len(set(page.ids)) == len(page.ids)
    assert all(len(image.get("alt", "")) > 20 and image["src"].startswith("data:image/png") for image in page.images)
    assert page.tags.count("table") == page.tags.count("caption") and page.tags.count("figure") == page.tags.count("figcaption")
    assert page.tags.count("table") == 0 or "th" in page.tags
    assert "script" not in page.tags and "link" not in page.tags and "http-equiv" in text
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", text.replace("https://arxiv.org", ""))
    for link in [link for link in page.links if not link.startswith("https://arxiv.org/")]:
        target, _, anchor = link.partition("#")
        other = Page((ROOT / "reports" / (target or file)).read_text())
        assert not anchor or anchor in other.ids or anchor == "content", link


def test_every_claim_links_to_where_it_is_measured():
    metrics = site.load_metrics()
    for row in site.claims(metrics):
        file, anchor = row["link"].split("#")
        assert anchor in Page((ROOT / "reports" / file).read_text()).ids
        assert interval(row["value"]) in (ROOT / "reports" / "index.html").read_text()


def test_an_unknown_number_is_named():
    assert site.lookup({"n": {"temperature_0.7": {"x": 1}}}, "n.temperature_0.7.x") == 1
    with pytest.raises(DataError, match=r"no number 'n.y'"):
        site.lookup({"n": {"x": 1}}, "n.y")


def test_claims_say_when_a_target_is_missed():
    rows = [{"claim": "<b>", "link": "a.html#b", "value": {"rate": 0.5, "low": 0.4, "high": 0.6, "n": 9}, "target": "≥ 0.80", "met": False}]
    page = site.claims_html(rows)
    assert "missed" in page and "&lt;b&gt;" in page and "0.500 [0.400, 0.600]" in page


def test_untrusted_text_is_escaped():
    evil = "<script>alert(1)</script>"
    notebook = {"cells": [{"cell_type": "markdown", "source": f"# T\n\n{evil}"},
                          {"cell_type": "code", "source": evil, "outputs": [{"name": "stdout", "text": evil}]}]}
    body, headings = html.notebook_html(notebook)
    assert "<script" not in body + table_html([{"x": evil}], evil) and headings == [(1, "t", "T")]


def test_long_tables_are_folded_under_their_caption():
    def shown(rows):
        return html.output_html({"data": {"text/html": tables.table_html([{"a": i} for i in range(rows)], "Cases & more.")}})
    assert "<details>" not in shown(html.LONG)
    assert shown(html.LONG + 1).startswith(f"<details><summary>Cases &amp; more. {html.LONG + 1} rows.</summary>")


def test_equal_headings_get_different_anchors_and_formulas_become_mathml():
    body, headings = html.notebook_html({"cells": [{"cell_type": "markdown", "source": "# A\n\n## B\n\n$x^2$\n\n## B"}]})
    assert [anchor for _, anchor, _ in headings] == ["a", "b", "b-2"] and "<math" in body


def test_values_as_readers_see_them():
    assert cell({"rate": 0.5, "low": 0.25, "high": 0.75, "n": 4}) == "0.500 [0.250, 0.750]"
    assert (cell(None), cell(0.123456), cell(3), cell("x")) == ("–", "0.123", "3", "x")
    assert rounded({"a": [0.12345678]}) == {"a": [0.123457]}


def test_executed_notebooks_forget_times_and_progress():
    notebook = {"metadata": {"papermill": {"start_time": 1}, "kernelspec": {"name": "python3"}}, "cells": [
        {"cell_type": "code", "id": "random", "metadata": {"tags": ["parameters"], "execution": {"x": 1}, "papermill": {}},
         "outputs": [{"output_type": "stream", "name": "stderr", "text": "50%"}, {"output_type": "stream", "name": "stdout", "text": "kept"}]}]}
    clean = normalise(notebook)
    assert clean["metadata"] == {"kernelspec": {"name": "python3"}}
    assert clean["cells"][0]["id"] == "cell-0" and clean["cells"][0]["metadata"] == {"tags": ["parameters"]}
    assert [output["text"] for output in clean["cells"][0]["outputs"]] == ["kept"]


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=[
            "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"])
        yield chromium
        chromium.close()


CONTRAST = """() => {
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const light = c => { const [r, g, b] = c.map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
                       return .2126 * r + .7152 * g + .0722 * b; };
  const ground = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3]) return c; }
                        return [255, 255, 255]; };
  let worst = 99;
  for (const e of document.querySelectorAll('p, a, li, h1, h2, td, th, caption, figcaption, summary, pre, .met, .missed')) {
    if (!e.innerText || !e.innerText.trim() || e.classList.contains('skip')) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))];
    worst = Math.min(worst, (Math.max(a, b) + .05) / (Math.min(a, b) + .05));
  }
  return worst; }"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("file", PAGES)
def test_pages_in_a_browser(browser, file):
    for scheme, width in (("light", 1200), ("dark", 390)):
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
        page, problems = context.new_page(), []
        page.on("console", lambda message, problems=problems: problems.append(message.text))
        page.on("request", lambda request, problems=problems: request.url.startswith(("file:", "data:")) or problems.append(request.url))
        page.goto((ROOT / "reports" / file).as_uri())
        assert problems == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "wider than the screen"
        assert page.evaluate(CONTRAST) >= 4.5
        assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
        context.close()
