"""What models wrote, side by side with the abstracts, and what of it is right, invented or missed.

`examples.html` has every test author of the run in one file. Its script only filters what is there:
without it everything is listed.
"""
import hashlib
import html
from pathlib import Path
from typing import Any

from lib.competencies.verdicts import visible
from lib.core.records import read_jsonl
from lib.core.rows import Profile, Prompt
from lib.judging import judges
from lib.metrics.competencies import names_by, names_in
from lib.report import real_examples
from lib.report.html import page
from lib.workbook.naming import JUDGES

MODELS = ("base", "tuned", "larger")
OUTCOMES = {1.0: "tuned is better", 0.5: "level", 0.0: "base is better", None: "not known"}
MARKS = ("<em>Right</em>: this author showed it, by the truth that the synthetic world records; "
         "<em>again</em>: listed a second time; <em>invented</em>: this author did not show it, "
         "perhaps mentioned it; <em>missed</em>: shown, and not listed. A name counts if it is the "
         "same, case aside.")
REFEREES = ("Each verdict has its reason: the scores of the tuned profile and of the base's, from "
            "0 to 1. A referee that scores one profile at a time says the same in both orders. The "
            "evaluation judge's verdicts are not kept author by author; its share, and how often "
            'its two orders agree, stand on <a href="04_evaluation.html">page 4</a>.')
SCRIPT = Path(__file__).with_name("examples.js")


def load(data: Path, setting: str) -> list[dict[str, Any]]:
    """Every test author with what each model wrote, in the order of the file; [] where none is.

    data: the run's folder. setting: of decoding. Returns rows {"prompt", "profiles": {model:
    profile or None}, "outcomes": {"truth" | "names" | "descriptions": 1, 0.5, 0 or None},
    "scores": {the same: (tuned's, base's)}}.
    """
    places = data / "prompts.jsonl", data / "evaluation.jsonl"
    if not all(place.exists() for place in places):
        return []
    prompts: list[Any] = [row for row in read_jsonl(places[0], ("id", "split", "abstracts"))
               if row["split"] in ("test", "held_out")]
    written: dict[str, dict[str, Any]] = {}
    for row in read_jsonl(places[1], ("id", "model", "setting", "profile")):
        if row["setting"] == setting and row["model"] in MODELS:
            written.setdefault(row["id"], {})[row["model"]] = row["profile"]
    asked = (judges.Truth(prompts), judges.TrueNames(prompts), judges.TrueDescriptions(prompts))
    rows = []
    for prompt in prompts:
        profiles = written.get(prompt["id"], {})
        if {"base", "tuned"} <= set(profiles):
            outcomes = {judge.name: outcome(judge, prompt["id"], profiles) for judge in asked}
            scores = {judge.name: tuple(judge.score(prompt["id"], profiles[model])
                                        for model in ("tuned", "base")) for judge in asked}
            rows.append({"prompt": prompt, "profiles": profiles, "outcomes": outcomes,
                         "scores": scores})
    return rows


def outcome(judge: judges.Scoring, key: str, profiles: dict[str, Profile | None]) -> float | None:
    """Whether the tuned profile is better: 1, 0.5 or 0; None where the judge cannot tell."""
    found = judges.compare(judge, key, profiles["tuned"], profiles["base"])
    return None if found is None else (found + 1) / 2


def profile_html(profile: Profile | None, truth: Profile | None) -> str:
    """A profile as a list, each competency marked right or invented, and what is missed below it.

    An alias is right, and the same competency under another one comes again. Without a truth
    nothing is marked.
    """
    if profile is None:
        return '<p class="soft">Nothing that could be read.</p>'
    expected = {item["name"].casefold(): item["name"] for item in truth["competencies"]} \
        if truth else {}
    items, seen = [], set()
    called = names_by(truth, profile) if truth else names_in(profile)
    for item, name in zip(profile["competencies"], called, strict=True):
        key = name.casefold()
        kind = "" if truth is None else "right" if key in expected and key not in seen \
            else "again" if key in seen else "invented"
        seen.add(key)
        mark = f'<span class="mark">{kind}</span> ' if kind else ""
        items.append(f'<li class="{kind}">{mark}<strong>{shown(item["name"])}</strong>: '
                     f'{shown(item["description"])}</li>')
    items += [f'<li class="missed"><span class="mark">missed</span> {shown(name)}</li>'
              for key, name in expected.items() if key not in seen]
    return f'<p>{shown(profile["domain"])}</p><ul class="profile">{"".join(items)}</ul>'


def shown(text: str) -> str:
    """Untrusted text for a page: nothing invisible, escaped."""
    return html.escape("".join(filter(visible, text)))


def abstracts_html(prompt: Prompt) -> str:
    """The abstracts of a prompt."""
    parts = []
    for row in prompt["abstracts"]:
        title = f"<strong>{shown(row['title'])}</strong> " if row.get("title") else ""
        parts.append(f"<p>{title}{shown(row['text']) or '(no text)'}</p>")
    return "".join(parts)


def verdict(name: str, row: dict[str, Any]) -> str:
    """What one referee says of an author, and why: "by the truth: tuned is better, 0.91 to 0.62".
    """
    tuned, base = row["scores"][name]
    why = "" if None in (tuned, base) else f", {tuned:.2f} to {base:.2f}"
    return f"{JUDGES[name]}: {OUTCOMES[row['outcomes'][name]]}{why}"


def example_html(row: dict[str, Any], level: int = 2, folded: bool = True) -> str:
    """One author: abstracts, profiles side by side, and who is right."""
    prompt, key = row["prompt"], row["prompt"]["id"]
    anchor = f"author-{hashlib.sha256(key.encode()).hexdigest()[:10]}"
    truth = prompt.get("truth")
    words = "; ".join(verdict(name, row) for name in row["outcomes"])
    ordered = [name for name in MODELS if name in row["profiles"]]
    columns = "".join(f"<div><h{level + 1}>{name}</h{level + 1}>"
                      f"{profile_html(row['profiles'][name], truth)}</div>" for name in ordered)
    domain = (truth or {}).get("domain", "")
    texts = abstracts_html(prompt)
    if folded:
        texts = f"<details><summary>Abstracts</summary>{texts}</details>"
    halves = {row["outcomes"]["names"], row["outcomes"]["descriptions"]}
    data = {"world": "synthetic world", "domain": domain,
            "outcome": OUTCOMES[row["outcomes"]["truth"]],
            "split": "held out" if prompt["split"] == "held_out" else "seen in training",
            "halves": "opposite" if halves == {0.0, 1.0} else "agree"}
    attributes = "".join(f' data-{name}="{html.escape(str(value), quote=True)}"'
                         for name, value in data.items())
    itself = f'<a class="self" href="#{anchor}" aria-label="link to {shown(key)}">link</a>'
    return (f'<section class="example" id="{anchor}"{attributes}><h{level}>{shown(key)} '
            f'{itself}</h{level}><p class="soft">{words}</p>{texts}'
            f'<div class="side">{columns}</div></section>')


def examples_page(rows: list[dict[str, Any]], links: list[tuple[str, str]],
                  real: list[dict[str, Any]] | None = None) -> str:
    """All rows on one page, with filters that a script works. real: of `real_examples.load`."""
    def choices(name: str, label: str, values: list[str]) -> str:
        options = "".join(f"<option>{html.escape(value)}</option>" for value in values)
        return (f'<label>{label} <select data-filter="{name}"><option value="">all</option>'
                f"{options}</select></label>")
    domains = sorted({(row["prompt"].get("truth") or {}).get("domain", "") for row in rows} - {""})
    filters = [choices("domain", "Domain", domains),
               choices("outcome", "By the truth", [
                   words for value, words in OUTCOMES.items()
                   if value in {row["outcomes"]["truth"] for row in rows}]),
               choices("halves", "Verdicts on names and on descriptions", ["agree", "opposite"]),
               choices("split", "Domains", ["seen in training", "held out"]),
               '<label>Words <input type="search" data-words></label>']
    of_real = ""
    if real:
        filters.insert(0, choices("world", "World", ["synthetic world", "real texts"]))
        of_real = f"<p>{len(real)} real texts come last. {real_examples.MARKS}</p>"
    body = ("<h1>Examples</h1><p>What the models wrote for every test author at the thesis's "
            f"setting. {MARKS}</p><p>{REFEREES}</p>{of_real}"
            f'<form class="filters" hidden aria-label="Filters">{"".join(filters)}'
            '<p role="status" class="soft"></p></form>'
            f'{"".join(example_html(row) for row in rows)}'
            f'{"".join(map(real_examples.example_html, real or []))}')
    return page("Examples", body, [], "examples.html", links,
                script=SCRIPT.read_text(encoding="utf-8"))

