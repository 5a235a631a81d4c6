"""The review page in a real browser: a whole review, what it stores, text that must stay text."""
import json
import re
import shutil

import pytest
from helpers.review import embedded, make

from lib.studies.experts.pages import read_submissions

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    from playwright.sync_api import sync_playwright
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=[
            "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser, tmp_path):
    """Opens a page from a file and collects what it complains about or asks from elsewhere."""
    contexts = []

    def opened(html, **options):
        path = tmp_path / "page.html"
        path.write_text(html, encoding="utf-8")
        context = browser.new_context(**options)
        contexts.append(context)
        page, problems = context.new_page(), []
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: (request.url.startswith(("file:", "blob:"))
                                            or problems.append(request.url)))
        page.goto(path.as_uri())
        return page, problems
    yield opened
    for context in contexts:
        context.close()


def look(page):
    """Look at both profiles to their ends."""
    for end in ("left-end", "right-end"):
        page.evaluate("name => document.getElementById(name).scrollIntoView({block: 'center'})",
                      end)
        page.wait_for_timeout(60)


def press(page, key):
    look(page)
    page.wait_for_timeout(230)  # the page ignores what comes right after a pair appears
    page.keyboard.press(key)


def start(page):
    page.get_by_role("button", name=re.compile("Start|Go on")).click()


def answered(page):
    return page.locator("#count").inner_text()


def save(page, button, path):
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    download.value.save_as(path / download.value.suggested_filename)
    return path / download.value.suggested_filename


def test_a_whole_review_by_keyboard_and_mouse(open_page, tmp_path):
    _, pages, key = make()
    page, problems = open_page(pages["R2"], viewport={"width": 1280, "height": 800})
    assert "No name is asked for" in page.inner_text("#intro").replace("\n", " ")
    page.keyboard.press("1")
    assert not page.is_visible("#question"), "keys do nothing before the start"
    start(page)
    assert page.evaluate("document.activeElement.id") == "question-title"
    page.keyboard.press("2")
    assert answered(page) == "0 of 8 answered", "a double press on the button answers nothing"
    for step in ("1", "ArrowRight", "t"):
        press(page, step)
    page.locator("#reason").fill("  It names\n what 1 is about. ")
    page.locator("#reason").press("c")
    assert answered(page) == "3 of 8 answered", "who types a reason answers nothing"
    page.locator("#question-title").focus()
    press(page, "C")
    assert answered(page) == "4 of 8 answered"
    assert page.inner_text("#live").startswith("Recorded: cannot judge. Pair 5 of 8")
    press(page, "Backspace")
    assert answered(page) == "3 of 8 answered"
    assert page.inner_text("#question-title") == "Pair 4 of 8"
    assert page.locator("#reason").input_value() == "It names what 1 is about. c"
    press(page, "2")
    page.reload()
    page.get_by_role("button", name="Go on").wait_for()  # the state outlives the page
    start(page)
    assert answered(page) == "4 of 8 answered"
    for name in ("Profile 1 is better", "Profile 2 is better", "Tie", "Undo", "Cannot judge"):
        look(page)
        page.wait_for_timeout(230)
        page.get_by_role("button", name=name).click()
    press(page, "ArrowLeft")
    assert page.inner_text("h2:visible") == "Thank you, that was all"
    assert answered(page) == "8 of 8 answered"
    press(page, "u")
    press(page, "1")
    saved = save(page, "Download the answers", tmp_path)
    assert saved.name == "review-R2.json" and "Saved as review-R2.json" in page.inner_text("#note")
    read, aside = read_submissions(tmp_path, key)
    assert aside == [] and [row["choice"] for row in read["R2"]] == [
        "left", "right", "tie", "right", "left", "right", "cannot_judge", "left"]
    assert all(0.2 <= row["seconds"] < 30 for row in read["R2"])
    assert [row.get("reason") for row in read["R2"]] == [
        None, None, None, "It names what 1 is about. c", None, None, None, None]
    asked = [{name: row[name] for name in ("item", "left", "right")} for row in read["R2"]]
    assert asked == key["pages"]["R2"]["questions"]
    assert problems == []


def test_what_is_shown_is_what_the_key_says(open_page):
    items, pages, key = make()
    page, _ = open_page(pages["R1"])
    start(page)
    known = {item["item"]: item for item in items}
    for asked in key["pages"]["R1"]["questions"]:
        item = known[asked["item"]]
        for side in ("left", "right"):
            profile = item["profiles"][asked[side]]["profile"]
            assert page.locator(f"#{side} .domain").inner_text() == profile["domain"]
            names = [row["name"] for row in profile["competencies"]]
            assert page.locator(f"#{side} .name").all_inner_texts() == names
        texts = [row["text"] for row in item["abstracts"]]
        assert page.locator("#abstracts p:not(.title)").all_inner_texts() == texts
        press(page, "1")


def test_a_part_can_be_saved_and_leaving_it_warns(open_page, tmp_path):
    _, pages, key = make()
    page, problems = open_page(pages["R3"])
    start(page)
    press(page, "1")
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.type), dialog.dismiss()))
    page.close(run_before_unload=True)
    page.wait_for_timeout(300)
    assert dialogs == ["beforeunload"]
    page.get_by_text("Stop here and save what there is").click()
    assert save(page, "Download the part", tmp_path).name == "review-R3-partial.json"
    read, aside = read_submissions(tmp_path, key)
    assert read == {} and aside == [{"file": "review-R3-partial.json",
                                     "reason": "partial: 1 of 8 answered; ask R3 to finish"}]
    # Where the clipboard is closed the text appears, selected, to be copied by hand.
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.get_by_role("button", name="Copy the part").click()
    text = page.input_value("#text")
    assert page.evaluate("getSelection().toString() || document.activeElement.id")
    assert json.loads(text)["partial"] is True
    assert text == (tmp_path / "review-R3-partial.json").read_text() and problems == []


def test_hidden_time_does_not_count_and_broken_storage_is_survived(open_page):
    _, pages, _ = make()
    page, problems = open_page(pages["R1"])
    key = page.evaluate("storageKey")
    assert embedded(pages["R1"])["page"] in key and key.endswith("/R1")
    page.evaluate("localStorage.setItem(storageKey, '{\"answers\": [{\"item\": \"other\"}]}')")
    page.reload()
    start(page)
    assert answered(page) == "0 of 8 answered"
    hide = """state => {
      Object.defineProperty(document, 'visibilityState', {value: state, configurable: true});
      document.dispatchEvent(new Event('visibilitychange')); }"""
    page.evaluate(hide, "hidden")
    page.wait_for_timeout(900)
    page.evaluate(hide, "visible")
    press(page, "1")
    assert page.evaluate("answers[0].seconds") < 0.9 and problems == []


def test_hostile_text_is_shown_and_does_nothing(open_page):
    _, pages, _ = make(hostile=range(6))
    page, problems = open_page(pages["R1"])
    start(page)
    assert page.evaluate("""() => {
      const asked = data.questions[0], profile = data.items[asked.item].profiles[asked.left];
      const shown = document.querySelector('#left .name').textContent;
      return shown === profile.competencies[0].name; }""")
    assert "<img src=x onerror='window.hit=2'>" in page.inner_text("#left")
    assert "{{data}}" in page.inner_text("#abstracts")
    assert page.evaluate("document.images.length") == 0
    assert page.evaluate("window.hit") is None and problems == []
    # Even markup that found its way in would not run: the policy knows the page's own script only.
    page.evaluate("""() => {
      const made = document.createElement('script');
      made.textContent = 'window.hit = 3';
      document.body.append(made);
      const inner = "<img src='x' onerror='window.hit = 4'>";
      document.querySelector('#left').innerHTML = inner; }""")
    page.wait_for_timeout(200)
    assert page.evaluate("window.hit") is None
    assert any("Content Security Policy" in text for text in problems)


CONTRAST = """() => {
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const linear = v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = c => { const [r, g, b] = c.map(v => linear(v / 255));
                       return .2126 * r + .7152 * g + .0722 * b; };
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  const ground = e => {
    for (; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3]) return c;
    }
    return dark ? [0, 0, 0] : [255, 255, 255]; };
  const kinds = 'p, li, h1, h2, h3, li div, span, summary, kbd, strong, button:enabled';
  let worst = 99;
  for (const e of document.querySelectorAll(kinds)) {
    if (!e.innerText || !e.innerText.trim() || !e.checkVisibility()) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))];
    worst = Math.min(worst, (Math.max(a, b) + .05) / (Math.min(a, b) + .05));
  }
  return worst; }"""
SMALL = """() => [...document.querySelectorAll('button, summary')].filter(e => e.checkVisibility())
  .map(e => [e.innerText, e.getBoundingClientRect()])
  .filter(([, r]) => r.width < 44 || r.height < 44).map(([text]) => text)"""
UNIQUE = """() => { const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
  return new Set(ids).size === ids.length; }"""


@pytest.mark.parametrize(("scheme", "width", "height"), [
    ("light", 1280, 800), ("dark", 390, 844), ("light", 320, 568)])
def test_it_can_be_read_and_touched_on_a_desktop_and_on_a_phone(open_page, scheme, width, height):
    _, pages, _ = make(hostile=[0])
    page, problems = open_page(pages["R1"], color_scheme=scheme, reduced_motion="reduce",
                               viewport={"width": width, "height": height})

    def sound():
        narrow = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert narrow, "wider than the screen"
        assert page.evaluate(CONTRAST) >= 4.5 and page.evaluate(SMALL) == []
        assert page.locator("h1").count() == 1 and page.evaluate(UNIQUE)
    sound()
    start(page)
    press(page, "1")
    sound()
    left, right = (page.locator(f"article[aria-labelledby={side}-title]").bounding_box()
                   for side in ("left", "right"))
    assert left["y"] == right["y"] if width > 768 else left["y"] + left["height"] <= right["y"]
    choices = page.locator(".choices").bounding_box()
    assert choices["y"] + choices["height"] <= height + 1, "the buttons stay in sight"
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    for _ in range(7):
        press(page, "t")
    sound()
    assert problems == []


def test_on_a_phone_profiles_come_first_and_answers_unlock_when_both_were_seen(open_page):
    _, pages, _ = make(hostile=[0])
    page, problems = open_page(pages["R1"], viewport={"width": 390, "height": 844}, has_touch=True,
                               is_mobile=True)
    assert not page.is_visible(".keys"), "no keys on a screen without any"
    start(page)
    assert page.locator("#left .domain").bounding_box()["y"] < 700
    page.evaluate("""() => { for (const side of ['left', 'right'])
      document.getElementById(side).style.minHeight = '900px'; }""")
    page.evaluate("watch()")
    page.wait_for_timeout(300)
    tie = page.locator("[data-choice=tie]")
    assert tie.is_disabled() and page.is_visible("#unseen")
    page.keyboard.press("t")
    assert answered(page) == "0 of 8 answered"
    assert "Scroll to the end" in page.inner_text("#live")
    press(page, "Escape")  # which does nothing but scroll to both ends first
    assert tie.is_enabled() and not page.is_visible("#unseen")
    tie.click()
    assert answered(page) == "1 of 8 answered" and problems == []


def test_what_differs_is_shown_on_request(open_page):
    items, pages, key = make()
    page, _ = open_page(pages["R1"])
    start(page)
    asked = key["pages"]["R1"]["questions"][0]
    profiles = next(item for item in items if item["item"] == asked["item"])["profiles"]
    names = {side: {row["name"].lower() for row in profiles[asked[side]]["profile"]["competencies"]}
             for side in ("left", "right")}
    assert page.locator("#left .only").count() == len(names["left"] - names["right"])
    button = page.get_by_role("button", name="Show what differs")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert page.locator(".pair.differ").count() == 1
