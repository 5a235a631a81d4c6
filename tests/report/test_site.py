"""The committed report, as a reader meets it: structure by machine, and looks in a real browser."""
import io
import re
from functools import cache
from types import SimpleNamespace

import pytest
from axe_playwright_python.sync_playwright import Axe
from helpers.browsers import in_a_browser
from helpers.pages import Page
from PIL import Image

from lib.core.records import write_json, write_text
from lib.core.sections.servers import Servers
from lib.core.settings import ROOT, load
from lib.report import chapters, claims, html, index, site
from lib.workbook import drawing, figures
from lib.workbook.tables import figure_html

PAGES = [file for file, _ in site.pages()] + [
    f"{claims.REAL}/{path.stem}.html" for path in site.executed(claims.REAL)]


@cache
def anchors(place):
    """What links can lead to in a page; each is read once for all that link to it."""
    return set(Page(place.read_text()).ids) if place.suffix == ".html" else set()


@pytest.mark.parametrize("file", PAGES)
def test_pages_are_sound(file):
    text = (ROOT / "reports" / file).read_text()
    page = Page(text)
    assert page.headings[0] == 1 and page.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(page.headings, page.headings[1:]))
    assert len(set(page.ids)) == len(page.ids)
    for image in page.images:
        assert len(image.get("alt", "")) > 20 and image["src"].startswith(
            ("data:image/png;", "data:image/svg+xml;"))
    assert page.tags.count("table") == page.tags.count("caption")
    assert page.tags.count("figure") == page.tags.count("figcaption")
    assert page.tags.count("table") == 0 or "th" in page.tags
    assert page.tags.count("script") == (file == "examples.html") and "link" not in page.tags
    assert "http-equiv" in text
    outward = text.replace("https://arxiv.org", "")
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", outward)
    for link in [link for link in page.links if not link.startswith("https://arxiv.org/")]:
        target, _, anchor = link.partition("#")
        place = (ROOT / "reports" / file).parent / target if target else ROOT / "reports" / file
        assert place.exists(), link
        assert not anchor or anchor in anchors(place) or anchor == "content", link


def numbers(total, trained, source):
    return {"03_dpo": {"parameters": {"total": total, "trained": trained}},
            "01_data_synthesis": {"source": source}}


@pytest.mark.parametrize(("metrics", "words"), [
    (numbers(1_180_544, 154_624, "synthetic"),
     "is about 46,000 times smaller and reads a synthetic language, so"),
    (numbers(135_000_000, 0, "files"), "is about 350 times smaller, so"),
    (numbers(46_700_000_000, 7, "synthetic"), "The base model here reads a synthetic language, so"),
    (numbers(46_700_000_000, 7, "openalex"), "")])
def test_how_much_smaller_the_model_is_comes_from_the_run(metrics, words):
    assert words in index.scale(metrics) and bool(index.scale(metrics)) == bool(words)


def test_the_same_model_as_page_00_measured_is_compared():
    metrics = claims.load_metrics()
    sizes = metrics["03_dpo"]["parameters"]
    base = metrics["00_embedded_models"]["models"]["base"]["parameters"]
    assert sizes["total"] - sizes["trained"] == base


@pytest.mark.parametrize(("price", "judged", "words"), [
    (None, {}, " Cost in money: none, all models ran on this machine."),
    (0.5, {"cost": 12.345}, " Cost in money of judges so far: 12.35, by the price table."),
    (0.5, {}, ""), (0.0, {"cost": 0.0}, "")])
def test_what_it_cost_comes_from_the_run(price, judged, words, monkeypatch):
    server = SimpleNamespace(price_in=price, price_out=0.0) if price is not None else None
    panel = [SimpleNamespace(endpoint=None), SimpleNamespace(endpoint=server)]
    preset = SimpleNamespace(judging=SimpleNamespace(panel=panel), servers=Servers())
    monkeypatch.setattr(site.settings, "load", lambda name: (name, preset))
    assert site.cost({"02_judging": {"preset": "x", **judged}}) == words
    assert site.cost({}) == ""


def test_a_writer_behind_a_server_costs_what_its_page_says(monkeypatch):
    monkeypatch.setattr(site.settings, "load", lambda name: ("paper", load("paper")[1].model_copy(
        update={"judging": load("default")[1].judging})))
    assert "see pages 1 and 4" in site.cost({"02_judging": {"preset": "paper"}})


def test_settings_that_differ_are_shown():
    (_, default), (_, smoke) = load("default"), load("smoke")
    assert "No setting differs" in index.parameters_html("default", default, default)
    shown = index.parameters_html("smoke", smoke, default)
    assert "data.authors.test" in shown and "No setting differs" not in shown


def test_a_reader_is_warned_of_what_weakens_the_numbers():
    sound = {"01_data_synthesis": {"models_have_seen_such_text": True},
             "04_evaluation": {"preset": "default"}, "03_dpo": {"trained": True}}
    weak = {"01_data_synthesis": {"models_have_seen_such_text": False},
            "04_evaluation": {"preset": "smoke"}, "03_dpo": {"trained": False}}
    assert index.warnings(sound) == []
    assert index.warnings(weak) == [index.UNSEEN, index.SMOKE, index.UNTRAINED]


def test_cards_are_shown_below_their_names_without_front_matter(tmp_path, monkeypatch):
    monkeypatch.setattr(site, "ROOT", tmp_path)
    monkeypatch.setattr(site, "REPORTS", tmp_path)
    write_text(tmp_path / "data" / "CARD.md", "---\nlicense: x\n---\n# Data\n\n## Fields\n\n<b>")
    text = site.cards_html()
    assert Page(text).headings == [1, 2, 3, 4] and "license" not in text and "<b>" not in text


def test_run_times_are_rendered_alone_and_only_when_asked_for(tmp_path, monkeypatch):
    """Their page differs from run to run; as an output of the stage it would break equality."""
    monkeypatch.setattr(site, "REPORTS", tmp_path)
    monkeypatch.setattr(site, "load_metrics", dict)
    stage = {"preset": "p", "seconds": 90.0, "peak_memory_mb": 7, "machine": "<x>, 2 cores"}
    write_json(tmp_path / "runtime.json", {"stages": {"03_dpo": stage}})
    site.command(runtime_only=True)
    assert {path.name for path in tmp_path.iterdir()} == {
        "runtime.json", "runtime.html", "lab.md"}
    page = (tmp_path / "runtime.html").read_text()
    assert "<td>03_dpo</td>" in page and "1.5" in page and "&lt;x&gt;" in page
    (tmp_path / "runtime.html").unlink()
    (tmp_path / "README.md").touch()
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "LOG.md").write_text("# Log")
    monkeypatch.setattr(site, "ROOT", tmp_path)
    monkeypatch.setattr(site.index, "index_html", lambda *_: "")
    monkeypatch.setattr(site, "METRICS", tmp_path / "metrics")
    site.command()
    assert {path.name for path in tmp_path.glob("*.html")} == {
        "index.html", "log.html", "cards.html", "references.html", "examples.html"}


def test_the_readme_shows_the_figures_that_are_there(tmp_path, monkeypatch):
    monkeypatch.setattr(site, "ROOT", tmp_path)
    text = "![x](reports/figures/10/a.png) ![y](reports/r/figures/10/b.svg) [z](data/c.png)"
    write_text(tmp_path / "reports/figures/10/a.svg", "<svg/>")
    assert site.with_figures(text) == (
        "![x](reports/figures/10/a.svg) ![y](reports/r/figures/10/b.png) [z](data/c.png)")


def notebook(title, link=""):
    """An executed notebook."""
    question = {"cell_type": "markdown", "source": f"# {title}\n\n**Question** Why? {link}"}
    return {"cells": [question]}


def test_pages_of_the_real_study_stand_in_a_folder_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(site, "REPORTS", tmp_path)
    monkeypatch.setattr(site, "ROOT", tmp_path)
    monkeypatch.setattr(index, "environment_html", str)
    monkeypatch.setattr(site, "METRICS", tmp_path / "metrics")
    write_text(tmp_path / "README.md", "")
    write_text(tmp_path / "notebooks" / "LOG.md", "# Log")
    write_json(tmp_path / "notebooks" / "04_evaluation.ipynb", notebook("Here"))
    write_json(tmp_path / "notebooks" / "03_dpo.ipynb", notebook("Tuning"))
    site.command()
    assert "real" not in Page((tmp_path / "index.html").read_text()).ids
    assert not (tmp_path / claims.REAL).exists()
    folder = tmp_path / claims.REAL
    for name in ("quick", claims.REAL):
        write_json(tmp_path / name / "notebooks" / "04_evaluation.ipynb",
                   notebook("There", "[there](03_dpo.html), [log](log.html)"))
        write_json(tmp_path / name / "notebooks" / "05_more.ipynb",
                   notebook("More", "[back](04_evaluation.html#why)"))
    stage = {"preset": "p", "seconds": 60.0, "peak_memory_mb": 7, "machine": "m"}
    write_json(folder / "runtime.json", {"stages": {"04_evaluation": stage}})
    site.command()
    site.command(runtime_only=True)
    assert not list((tmp_path / "quick").glob("*.html"))
    first = Page((tmp_path / "index.html").read_text())
    assert {f"{claims.REAL}/04_evaluation.html", "03_dpo.html", "#real"} <= set(first.links)
    pages = {file: Page((folder / f"{file}.html").read_text())
             for file in ("04_evaluation", "05_more")}
    assert {"../03_dpo.html", "../log.html", "05_more.html"} <= set(pages["04_evaluation"].links)
    assert "04_evaluation.html#why" in pages["05_more"].links
    assert chapters.OF_STUDY in (folder / "05_more.html").read_text()
    assert chapters.OF_STUDY not in (tmp_path / "03_dpo.html").read_text()
    for page in pages.values():
        targets = [link.split("#")[0] for link in page.links if link != "#content"]
        assert targets and all((folder / target).exists() for target in targets)
    assert "Run times of the real study" in (tmp_path / "runtime.html").read_text()


CONTRAST = """() => {
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const linear = v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = c => { const [r, g, b] = c.map(v => linear(v / 255));
                       return .2126 * r + .7152 * g + .0722 * b; };
  const known = new Map();
  const ground = e => {
    if (!e) return [255, 255, 255];
    if (!known.has(e)) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      known.set(e, c.length < 4 || c[3] ? c : ground(e.parentElement));
    }
    return known.get(e);
  };
  const texts = 'p, a, li, h1, h2, td, th, caption, figcaption, summary, pre, .met, .missed';
  let worst = 99;
  for (const e of document.querySelectorAll(texts)) {
    if (!e.textContent.trim() || e.classList.contains('skip')) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))];
    worst = Math.min(worst, (Math.max(a, b) + .05) / (Math.min(a, b) + .05));
  }
  return worst; }"""


# Each page is loaded once and then shown in these ways. What axe finds in the structure of a page
# is the same in all of them: after the first it is asked for what colours and sizes decide.
LOOKS = (("light", 1280, 800), ("dark", 390, 844), ("light", 320, 640))
BY_LOOKS = {"runOnly": ["color-contrast", "link-in-text-block", "scrollable-region-focusable",
                        "target-size", "css-orientation-lock"]}
FITS = "document.documentElement.scrollWidth <= innerWidth"
SHOWN = "[...document.images].every(image => image.complete && image.naturalWidth > 0)"


@in_a_browser
@pytest.mark.parametrize("file", PAGES)
def test_pages_in_a_browser(browser, file):
    page, said, asked = browser.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((ROOT / "reports" / file).as_uri())
    for number, (scheme, width, height) in enumerate(LOOKS):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate(FITS), "wider than the screen"
        page.wait_for_function(SHOWN)
        if number < 2:  # the third has the colours of the first
            assert page.evaluate(CONTRAST) >= 4.5
            if file != "examples.html":  # whose sections are all alike, and many
                found = Axe().run(page, options=BY_LOOKS if number else None).response
                assert found["violations"] == []
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 680, "height": 960})  # A4 with margins
    assert page.evaluate(FITS), "cut off in print"
    assert said == [] and all(url.startswith(("file:", "data:")) for url in asked)
    page.close()


@in_a_browser
def test_a_figure_is_drawn_for_the_screen_that_it_is_on(browser, tmp_path):
    """On a phone by its narrow drawing, in the dark on a dark ground; wide on paper."""
    picture = figures.intervals({"<a>": 0.5, "b & c": 0.7}, xlabel="share", reference=(0.5,))
    shown = figure_html(drawing.svg(picture.figure), drawing.svg(picture.slim), "x", "Alt.", "C")
    place = tmp_path / "page.html"
    place.write_text(html.page("Title", f"<h1>Title</h1>{shown}"))
    page, said = browser.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.goto(place.as_uri())
    looks = {}
    for scheme, width, media in (("light", 1280, "screen"), ("dark", 390, "screen"),
                                 ("light", 680, "print")):
        page.emulate_media(color_scheme=scheme, media=media)
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_function(SHOWN)
        page.wait_for_timeout(200)
        looks[width] = page.evaluate("document.images[0].currentSrc.length")
        assert page.evaluate(FITS)
        if width == 390:
            pixels = Image.open(io.BytesIO(page.locator("img").screenshot())).convert("RGB")
            assert max(pixels.getpixel((3, 3))) < 60, "a dark ground"
            assert page.evaluate("document.images[0].width / document.images[0].naturalWidth") > .85
    assert looks[1280] == looks[680] != looks[390] and said == []
    page.close()


@in_a_browser
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_first_screen_has_question_answer_and_the_beginning_of_the_picture(browser, width,
                                                                               height):
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto((ROOT / "reports" / "index.html").as_uri())
    for place in (".answer", "#figure-effect"):
        assert page.locator(place).bounding_box()["y"] < height - 30
    assert "Question" in page.inner_text("main p >> nth=0")
    page.close()


@in_a_browser
def test_examples_have_no_violation_where_there_are_few(browser, tmp_path):
    text = (ROOT / "reports" / "examples.html").read_text()
    sections = re.split(r'(?=<section class="example")', text)
    head, few, end = sections[0], sections[1:4], text[text.rindex("</section>") + 10:]
    place = tmp_path / "few.html"
    place.write_text("".join([head, *few, end]))
    page = browser.new_page()
    page.goto(place.as_uri())
    assert Axe().run(page).response["violations"] == []
    page.close()


def test_pages_are_light():
    sizes = {path.name: path.stat().st_size / 1000
             for path in (ROOT / "reports").glob("*.html")}
    assert sizes.pop("index.html") <= 150 and sizes.pop("examples.html") <= 5000
    assert max(sizes.values()) <= 500
