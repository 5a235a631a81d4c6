"""A small review by experts, made up: prompts, profiles, pages, and what a reviewer would send."""
import json
import random
import re
from types import SimpleNamespace

from lib.studies.experts import design, pages

HOSTILE = ("</script><script>window.hit=1</script><img src=x onerror='window.hit=2'> {{data}} "
           "{{policy}} ${1} %s \u2028 \ud800 \u202e <!-- & &lt; \x00 \"'`")
WORDS = ("analysis", "survey", "steel", "bridges", "winter", "cracks", "sensors", "signal", "noise",
         "model", "field", "load", "frost", "design")


def words(rng, count):
    return " ".join(rng.choice(WORDS) for _ in range(count))


def make_prompts(count, hostile=()):
    rng = random.Random(1)
    rows = []
    for number in range(count):
        shown = [{"title": words(rng, 6), "text": f"{words(rng, 70)}."} for _ in range(3)]
        if number in hostile:
            shown[0] = {"title": HOSTILE, "text": HOSTILE}
        rows.append({"id": f"test-{number}", "author": f"test-{number}", "split": "test",
                     "truth": None, "abstracts": shown})
    return rows


def make_written(prompts, hostile=()):
    rng = random.Random(2)

    def profile(number):
        def said(count):
            return HOSTILE if number in hostile else words(rng, count)
        return {"domain": said(2), "competencies": [
            {"name": said(2), "description": said(12)} for _ in range(rng.randint(3, 6))]}
    return {model: {row["id"]: profile(number) for number, row in enumerate(prompts)}
            for model in ("base", "tuned", "larger")}


def settings(**changes):
    usual = {"seed": 5, "items": 12, "reviewers": 4, "ratings_per_item": 2, "repeated": 2}
    return SimpleNamespace(**usual | changes)


def make(hostile=(), **changes):
    """(items, pages, key) of a small review; of hostile prompts nothing but hostile text."""
    prompts = make_prompts(6, hostile)
    written = make_written(prompts)
    for model, profiles in make_written(prompts, hostile).items():
        for number in hostile:  # they must differ, or there is nothing to compare
            domain = f"{HOSTILE} {model[:2]}"
            written[model][f"test-{number}"] = profiles[f"test-{number}"] | {"domain": domain}
    given = settings(**changes)
    items, _ = design.draw_items(prompts, written, given.items, given.seed)
    return items, *pages.make_pages(items, design.assign(items, given))


def embedded(page):
    """The data in a page, as a script of the page reads them."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(found.group(1))


def submission(key, reviewer, choices, **changes):
    """What the page would write for choices: "1" left, "2" right, "t" tie, "c" cannot judge."""
    names = {"1": "left", "2": "right", "t": "tie", "c": "cannot_judge"}
    page = key["pages"][reviewer]
    answers = [{"question": i, **asked, "choice": names[choice], "seconds": 1.5 * i}
               for i, (asked, choice) in enumerate(zip(page["questions"], choices), 1)]
    value = {"format": pages.FORMAT, "set": key["set"], "page": page["page"], "reviewer": reviewer,
             "partial": len(answers) < len(page["questions"]), "answers": answers} | changes
    return value | {"checksum": pages.checksum(value)}


def put(folder, **files):
    """Write files {name: bytes, text or a value for JSON} as .json."""
    for name, value in files.items():
        text = value if isinstance(value, (str, bytes)) else json.dumps(value)
        data = text if isinstance(text, bytes) else text.encode()
        (folder / f"{name}.json").write_bytes(data)
