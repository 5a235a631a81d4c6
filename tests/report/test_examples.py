"""Examples: what is marked right, invented and missed; nothing that models wrote is interpreted."""
import re
from types import SimpleNamespace

import pytest
from helpers.browsers import in_a_browser
from helpers.pages import Page

from lib.core.records import write_jsonl
from lib.report import examples, real_examples


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


def test_verdicts_have_their_reasons(rows):
    page = examples.examples_page(rows, [])
    assert re.search(r"by the truth: tuned is better, \d\.\d\d to \d\.\d\d", page)
    assert "by names alone: tuned is better, 1.00 to 0.50" in page
    assert "are not kept author by author" in page
    unknown = {**rows[0], "scores": {"truth": (None, None)}, "outcomes": {"truth": None}}
    assert examples.verdict("truth", unknown) == "by the truth: not known"


@pytest.fixture
def study(tmp_path):
    """Data of a real study: one text that may be shown in full, and two that may not."""
    prompts = [{"id": f"inspec-{n}", "split": "test", "references": ["Wave maps", "tides"],
                "abstracts": [{"title": f"On <i>waves</i> {n}", "text": "Secret words."}]}
               for n in (1, 2)]
    write_jsonl(tmp_path / "prompts.jsonl", prompts)
    written = {"inspec-1": (profile("wave map", "rockets", said="Secret again."), profile("x")),
               "open-1": (profile("<b>sonar", said="Hears it."), None)}
    write_jsonl(tmp_path / "evaluation.jsonl", [
        {"id": key, "model": model, "setting": "greedy", "profile": found}
        for key, both in written.items() for model, found in zip(("tuned", "base"), both)])
    columns = {"id": "id", "author": "author", "title": "title"}
    text = {"id": "open-1", "source": "We <hear> the sea every day."}
    write_jsonl(tmp_path / "open.jsonl", [text])
    shown = SimpleNamespace(path=str(tmp_path / "open.jsonl"), text="source", texts=5)
    preset = SimpleNamespace(
        evaluation=SimpleNamespace(shown=shown),
        data=SimpleNamespace(columns=SimpleNamespace(model_dump=lambda: columns)))
    return real_examples.load(tmp_path, preset)


def test_real_texts_are_shown_in_full_only_where_they_may(study, rows, tmp_path):
    assert [row["id"] for row in study] == ["open-1", "inspec-1"], "and only those written to"
    page = examples.examples_page(rows, [], study)
    assert "Secret" not in page and "We &lt;hear&gt; the sea every day." in page
    assert "Hears it." in page
    assert "&lt;b&gt;sonar" in page and "On &lt;i&gt;waves&lt;/i&gt; 1" in page
    assert '<li class=right><span class="mark">right</span> <strong>wave map</strong></li>' in page
    assert "by 2 terms of indexers: tuned is better" in page
    assert "no terms were given to this text" in page and "Nothing that could be read" in page
    assert page.count('data-world="real texts"') == 2 and "2 real texts come last" in page
    assert "real texts" not in examples.examples_page(rows, [])
    assert real_examples.load(tmp_path / "nowhere", None) == []


@in_a_browser
def test_filters_and_links_work_in_a_browser(rows, tmp_path, browser):
    place = tmp_path / "examples.html"
    place.write_text(examples.examples_page(rows, []))
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
    page.close()
