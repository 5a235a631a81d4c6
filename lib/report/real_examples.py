"""What models wrote to real texts, for `examples.html`: in full only where the text may be shown.

Of a text that may not be shown whole there are its id, its title and the names in the profiles.
"""
import hashlib
import html
from pathlib import Path
from typing import Any

from lib.competencies import abstracts
from lib.competencies.verdicts import visible
from lib.core.records import read_jsonl
from lib.core.rows import Profile
from lib.core.sections.preset import Preset
from lib.core.settings import ROOT
from lib.metrics.keyphrases import outcome, stem_f1

MODELS = ("base", "tuned")
SETTING = "greedy"  # in which the real study compares on all its test texts
OUTCOMES = {1.0: "tuned is better", 0.5: "level", 0.0: "base is better"}
MARKS = ("Of real texts nobody knows the true profile. <em>Right</em>: a name has the stems of a "
         "term that an indexer gave the text; the others are not thereby wrong, so nothing is "
         "called invented.")


def load(data: Path, preset: Preset) -> list[dict[str, Any]]:
    """Every real text that base and tuned wrote to, those shown in full first; [] without any.

    data: the study's folder. Returns rows {"id", "title", "text": "" where it may not be shown,
    "terms": of indexers, "profiles": {model: profile or None}}.
    """
    places = data / "prompts.jsonl", data / "evaluation.jsonl"
    if not all(place.exists() for place in places):
        return []
    written: dict[str, dict[str, Any]] = {}
    for row in read_jsonl(places[1], ("id", "model", "setting", "profile")):
        if row["setting"] == SETTING and row["model"] in MODELS:
            written.setdefault(row["id"], {})[row["model"]] = row["profile"]
    rows = [*shown(preset), *(_row(prompt, prompt.get("references", []), "")
                              for prompt in read_jsonl(places[0], ("id", "split", "abstracts"))
                              if prompt["split"] == "test")]
    return [{**row, "profiles": written[row["id"]]} for row in rows
            if set(written.get(row["id"], ())) == set(MODELS)]


def shown(preset: Preset) -> list[dict[str, Any]]:
    """The texts that pages may show whole, evaluation.shown; [] where their file is not."""
    wanted = preset.evaluation.shown
    if not wanted.path or not (ROOT / wanted.path).exists():
        return []
    columns = preset.data.columns.model_dump() | {"text": wanted.text}
    found, _ = abstracts.read(ROOT / wanted.path, columns)
    return [_row(group, [], group["abstracts"][0]["text"])
            for group in abstracts.group(found[:wanted.texts], 1)]


def _row(group, terms, text):
    return {"id": group["id"], "title": group["abstracts"][0].get("title") or "", "terms": terms,
            "text": text}


def profile_html(profile: Profile | None, row: dict[str, Any]) -> str:
    """A profile of a text: names, marked where an indexer gave the same, descriptions if shown."""
    if profile is None:
        return '<p class="soft">Nothing that could be read.</p>'
    items = []
    for item in profile["competencies"]:
        right = any(map(str.isalnum, item["name"])) and stem_f1([item["name"]], row["terms"]) > 0
        mark = '<span class="mark">right</span> ' if right else ""
        said = f": {_safe(item['description'])}" if row["text"] else ""
        items.append(f'<li{" class=right" if right else ""}>{mark}<strong>{_safe(item["name"])}'
                     f"</strong>{said}</li>")
    return f'<ul class="profile">{"".join(items)}</ul>'


def example_html(row: dict[str, Any]) -> str:
    """One text: its id and title, the profiles side by side, and who is nearer to the terms."""
    anchor = f"text-{hashlib.sha256(row['id'].encode()).hexdigest()[:10]}"
    better = (OUTCOMES[outcome(row["profiles"]["tuned"], row["profiles"]["base"], row["terms"])]
              if row["terms"] else "not known")
    told = (f"by {len(row['terms'])} terms of indexers: {better}" if row["terms"]
            else "no terms were given to this text")
    text = (f"<details><summary>Text</summary><p>{_safe(row['text'])}</p></details>"
            if row["text"] else "")
    columns = "".join(f"<div><h3>{name}</h3>{profile_html(row['profiles'][name], row)}</div>"
                      for name in MODELS)
    title = f": {_safe(row['title'])}" if row["title"] else ""
    return (f'<section class="example" id="{anchor}" data-world="real texts" '
            f'data-outcome="{better}"><h2>{_safe(row["id"])}{title} <a class="self" '
            f'href="#{anchor}" aria-label="link to {_safe(row["id"])}">link</a></h2>'
            f'<p class="soft">{told}</p>{text}<div class="side">{columns}</div></section>')


def _safe(text):
    """Untrusted text for a page: nothing invisible, escaped."""
    return html.escape("".join(filter(visible, text)))
