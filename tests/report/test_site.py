"""The committed report, as a reader meets it: structure by machine, and looks in a real browser."""
import re
import shutil
from types import SimpleNamespace

import pytest
from axe_playwright_python.sync_playwright import Axe
from helpers.pages import Page

from lib.core.records import write_json, write_text
from lib.core.settings import ROOT, load
from lib.report import chapters, claims, index, site

PAGES = [file for file, _ in site.pages()] + [
    f"{claims.REAL}/{path.stem}.html" for path in site.executed(claims.REAL)]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((path for name in BROWSERS if (path := shutil.which(name))), None)


@pytest.mark.parametrize("file", PAGES)
def test_pages_are_sound(file):
    text = (ROOT / "reports" / file).read_text()
    page = Page(text)
    assert page.headings[0] == 1 and page.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(page.headings, page.headings[1:]))
    assert len(set(page.ids)) == len(page.ids)
    for image in page.images:
        assert len(image.get("alt", "")) > 20 and image["src"].startswith("data:image/png")
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
        other = Page(place.read_text() if place.suffix == ".html" else "")
        assert not anchor or anchor in other.ids or anchor == "content", link


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
    (0.5, {"cost": 12.345}, " Cost in money of all calls so far: 12.35, by the price table."),
    (0.5, {}, ""), (0.0, {"cost": 0.0}, "")])
def test_what_it_cost_comes_from_the_run(price, judged, words, monkeypatch):
    server = SimpleNamespace(price_in=price, price_out=0.0) if price is not None else None
    panel = [SimpleNamespace(endpoint=None), SimpleNamespace(endpoint=server)]
    preset = SimpleNamespace(judging=SimpleNamespace(panel=panel))
    monkeypatch.setattr(site.settings, "load", lambda name: (name, preset))
    assert site.cost({"02_judging": {"preset": "x", **judged}}) == words
    assert site.cost({}) == ""


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


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=[
            "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync"])
        yield chromium
        chromium.close()


CONTRAST = """() => {
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const linear = v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = c => { const [r, g, b] = c.map(v => linear(v / 255));
                       return .2126 * r + .7152 * g + .0722 * b; };
  const ground = e => {
    for (; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3]) return c;
    }
    return [255, 255, 255];
  };
  const texts = 'p, a, li, h1, h2, td, th, caption, figcaption, summary, pre, .met, .missed';
  let worst = 99;
  for (const e of document.querySelectorAll(texts)) {
    if (!e.innerText || !e.innerText.trim() || e.classList.contains('skip')) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))];
    worst = Math.min(worst, (Math.max(a, b) + .05) / (Math.min(a, b) + .05));
  }
  return worst; }"""


SIZES = (("light", 1280, 800), ("dark", 390, 844), ("light", 320, 640))
FITS = "document.documentElement.scrollWidth <= innerWidth"


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("file", PAGES)
def test_pages_in_a_browser(browser, file):
    for scheme, width, height in SIZES:
        size = {"width": width, "height": height}
        context = browser.new_context(color_scheme=scheme, viewport=size)
        page, said, asked = context.new_page(), [], []
        page.on("console", lambda message, said=said: said.append(message.text))
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.goto((ROOT / "reports" / file).as_uri())
        assert said == [] and all(url.startswith(("file:", "data:")) for url in asked)
        assert page.evaluate(FITS), "wider than the screen"
        assert page.evaluate(CONTRAST) >= 4.5
        shown = "[...document.images].every(image => image.complete && image.naturalWidth > 0)"
        assert page.evaluate(shown)
        if width > 320 and file != "examples.html":  # whose sections are all alike, and 360
            assert Axe().run(page).response["violations"] == []
        if width == 1280:
            page.emulate_media(media="print")
            page.set_viewport_size({"width": 680, "height": 960})  # A4 with margins
            assert page.evaluate(FITS), "cut off in print"
        context.close()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_first_screen_has_question_answer_and_the_beginning_of_the_picture(browser, width,
                                                                               height):
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto((ROOT / "reports" / "index.html").as_uri())
    for place in (".answer", "#figure-effect"):
        assert page.locator(place).bounding_box()["y"] < height - 30
    assert "Question" in page.inner_text("main p >> nth=0")
    page.close()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
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
