"""Examples: what is marked right, invented and missed; nothing that models wrote is interpreted."""
import shutil

import pytest
from helpers.pages import Page

from lib.core.records import write_jsonl
from lib.report import examples

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((path for name in BROWSERS if (path := shutil.which(name))), None)


def profile(*names, domain="sea", said="Draws them."):
    return {"domain": domain,
            "competencies": [{"name": name, "description": said} for name in names]}


@pytest.fixture
def rows(tmp_path):
    """Two test authors: tuned wins by names on one; base and tuned are the same on the other."""
    abstracts = [{"title": "<b>On waves</b>", "text": "We map </script> waves\u202e."}]
    prompts = [{"id": f"author {n}", "split": split, "abstracts": abstracts,
                "truth": profile("Tides", "Wave maps")}
               for n, split in ((1, "test"), (2, "held_out"))]
    write_jsonl(tmp_path / "prompts.jsonl", [
        *prompts, {"id": "t", "split": "train", "abstracts": [], "truth": None}])
    wrote = {("author 1", "base"): profile("tides", "Rockets"),
             ("author 1", "tuned"): profile("tides", "wave maps"),
             ("author 2", "base"): profile("tides", "tides"),
             ("author 2", "tuned"): profile("tides", "tides"), ("author 2", "larger"): None}
    write_jsonl(tmp_path / "evaluation.jsonl", [
        {"id": key, "model": model, "setting": setting, "profile": found}
        for (key, model), found in wrote.items() for setting in ("usual", "other")])
    return examples.load(tmp_path, "usual")


def test_every_test_author_is_there_with_who_is_better(rows, tmp_path):
    assert [row["prompt"]["id"] for row in rows] == ["author 1", "author 2"]
    assert rows[0]["outcomes"] == {"truth": 1.0, "names": 1.0, "descriptions": 0.5}
    assert rows[1]["outcomes"] == {"truth": 0.5, "names": 0.5, "descriptions": 0.5}
    assert examples.load(tmp_path / "nowhere", "usual") == []


def test_right_invented_again_and_missed_are_marked(rows):
    truth = rows[0]["prompt"]["truth"]
    shown = examples.profile_html(profile("Tides", "tides", "<Rockets>"), truth)
    kinds = [part.split('"')[0] for part in shown.split('<li class="')[1:]]
    assert kinds == ["right", "again", "invented", "missed"] and "&lt;Rockets&gt;" in shown
    assert 'class=""' in examples.profile_html(profile("x"), None)
    assert "Nothing that could be read" in examples.profile_html(None, None)


def test_the_page_lists_all_without_a_script_and_interprets_nothing(rows):
    text = examples.examples_page(rows, [("index.html", "Overview"), ("examples.html", "E")])
    page = Page(text)
    assert page.tags.count("section") == 2 and page.tags.count("script") == 1
    assert "</script> waves" not in text and "\u202e" not in text
    assert "&lt;b&gt;On waves" in text
    assert len(set(page.ids)) == len(page.ids) and "<form class=\"filters\" hidden" in text


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_filters_and_links_work_in_a_browser(rows, tmp_path):
    from playwright.sync_api import sync_playwright
    place = tmp_path / "examples.html"
    place.write_text(examples.examples_page(rows, []))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[
            "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"])
        page, said = browser.new_page(), []
        page.on("console", lambda message: said.append(message.text))
        page.goto(place.as_uri())

        def visible():
            return page.evaluate("[...document.querySelectorAll('section.example')]"
                                 ".filter(one => one.offsetParent).length")
        assert visible() == 2 and "2 of 2" in page.inner_text("[role=status]")
        page.select_option("[data-filter=outcome]", "tuned is better")
        assert visible() == 1 and "1 of 2" in page.inner_text("[role=status]")
        page.select_option("[data-filter=outcome]", "")
        page.fill("[data-words]", "rockets")
        assert visible() == 1
        page.fill("[data-words]", "nothing like it")
        assert visible() == 0
        page.fill("[data-words]", "")
        page.keyboard.press("Tab")
        assert visible() == 2 and said == []
        browser.close()
