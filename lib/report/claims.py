"""The claims of claims.yaml beside the numbers of two worlds, which reports/metrics holds.

One is the run of this report, synthetic by default, where the truth is known. The other is the real
study: a pretrained model on real texts, where people's terms stand for the truth.
"""
import html
from collections.abc import Mapping
from operator import ge, gt, le
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import yaml

from lib.core.records import DataError, read_json
from lib.report.html import scroll
from lib.workbook.book import METRICS
from lib.workbook.tables import interval

CLAIMS = Path(__file__).with_name("claims.yaml")
REAL = "smollm2"  # the preset of the real study, and its folder in reports and reports/metrics
START, END = "<!-- results: written by lib/report/site.py -->", "<!-- end of results -->"
# A target's name in claims.yaml, the part of the number it is for, its direction, and its sign.
GOALS = (("at_least", "rate", ge, "≥"), ("low_at_least", "low", ge, "low end ≥"),
         ("low_above", "low", gt, "low end >"), ("at_most", "rate", le, "≤"),
         ("n_at_least", "n", ge, "n ≥"))


class World(NamedTuple):
    """Where claims are measured. folder: of its numbers and pages; "": the run of this report."""
    title: str
    folder: str
    metrics: Mapping[str, Any]  # {notebook: its numbers}


class Finding(TypedDict):
    """What one world has on a claim."""
    value: dict[str, Any] | None  # a rate; None: its notebook has not run yet
    target: str
    met: bool | None  # None: without a target, or without a number
    note: str  # what is counted otherwise in this world
    link: str  # to the place where it was measured


class Row(TypedDict):
    """One claim; findings: of each world, None where it is not measured."""
    claim: str
    headline: bool
    findings: list[Finding | None]


def load_metrics(folder: str = "") -> dict[str, Any]:
    """The numbers of every notebook: {"03_dpo": {...}}. folder: of a preset that has its own."""
    places = sorted((METRICS / folder).glob("[0-9]*.json"))
    return {path.stem: read_json(path) for path in places}


def world(folder: str = "") -> World:
    """The run of this report, or a study of real texts, as far as it has run."""
    metrics = load_metrics(folder)
    source = metrics.get("01_data_synthesis", {}).get("source", "synthetic")
    own = "synthetic world (truth)" if source == "synthetic" else "this run"
    return World("real texts (people's terms)" if folder else own, folder, metrics)


def worlds() -> list[World]:
    """Both worlds, in the order of the table's columns."""
    return [world(), world(REAL)]


def lookup(metrics: Mapping[str, Any], key: str) -> Any:
    """A number by its dotted key; a key's own part may hold a dot ("temperature_0.7").

    None where the run has nothing of this kind (a part of the way is null). Raises DataError if the
    key is unknown.
    """
    def walk(tree: Any, rest: list[str]) -> Any:
        if not rest or tree is None:
            return tree
        for cut in range(1, len(rest) + 1):
            name = ".".join(rest[:cut])
            if isinstance(tree, dict) and name in tree:
                return walk(tree[name], rest[cut:])
        raise DataError(f"reports/metrics: no number {key!r}; "
                        "run dvc repro, or correct lib/report/claims.yaml.")
    return walk(metrics, key.split("."))


def measured(places: list[World]) -> list[Row]:
    """Every claim that at least one of the worlds measures, or will when its notebook has run."""
    rows = []
    for claim in yaml.safe_load(CLAIMS.read_text(encoding="utf-8")):
        sources = [claim.get("real", {}) if place.folder else claim for place in places]
        findings = [finding(*both) for both in zip(sources, places, strict=True)]
        if any(findings):
            rows.append(Row(claim=claim["claim"], headline=claim.get("headline", False),
                            findings=findings))
    return rows


def finding(source: dict[str, Any], world: World) -> Finding | None:
    """What a world has on a claim; None where nothing of the kind is measured there.

    source: metric, section, targets and note of claims.yaml. Raises DataError for a number that a
    notebook which has run did not record.
    """
    notebook, _, _ = source.get("metric", "").partition(".")
    value = lookup(world.metrics, source["metric"]) if notebook in world.metrics else None
    if not notebook or (value is None and notebook in world.metrics):
        return None
    goals = [(source[name], *rest) for name, *rest in GOALS if name in source]
    words = [f"{sign} {goal:.2f}" if isinstance(goal, float) else f"{sign} {goal}"
             for goal, _, _, sign in goals]
    reached = [reaches(value[part], goal) for goal, part, reaches, _ in goals
               if value and value[part] is not None]
    met = all(reached) if goals and len(reached) == len(goals) else None
    place = f"{world.folder}/{notebook}" if world.folder else notebook
    return Finding(value=value, target=", ".join(words), met=met, note=source.get("note", ""),
                   link=f"{place}.html#{source['section']}")


def told(found: Finding) -> tuple[str, str]:
    """A finding in words: the number with its interval, and its n, note and target."""
    rest = [found["note"], f"target {found['target']}" if found["target"] else ""]
    if found["value"] is None:
        return "not run yet", "; ".join(filter(None, rest))
    count = f"n = {found['value']['n']}"
    return interval(found["value"]), "; ".join(filter(None, [count, *rest]))


def claims_html(rows: list[Row], places: list[World]) -> str:
    """The table of claims, rows of `measured`, as HTML."""
    verdicts = {True: ': <span class="met">met</span>', None: "",
                False: ': <span class="missed">missed</span>'}

    def cell(found: Finding | None) -> str:
        if found is None:
            return "<td>–</td>"
        number, rest = told(found)
        if found["value"] is not None:
            number = f'<a href="{found["link"]}">{number}</a>'
        return (f'<td><span class="number">{number}</span><br>'
                f'<span class="soft">{html.escape(rest)}{verdicts[found["met"]]}</span></td>')

    titles = ["claim", *(place.title for place in places)]
    head = "".join(f'<th scope="col">{html.escape(title)}</th>' for title in titles)
    body = "".join(f"<tr><td>{html.escape(row['claim'])}</td>"
                   f"{''.join(map(cell, row['findings']))}</tr>" for row in rows)
    caption = ("Rates with 95 % intervals; each links to the place where it was measured. "
               "Targets were set before the run. –: not measured in that world.")
    return scroll(f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead>"
                  f"<tbody>{body}</tbody></table>", "claims")


def results_markdown(rows: list[Row], places: list[World]) -> str:
    """The claims, rows of `measured`, as a table in Markdown."""
    verdicts = {True: ": met", False: ": **missed**", None: ""}

    def cell(found: Finding | None) -> str:
        if found is None:
            return "–"
        return "; ".join(filter(None, told(found))) + verdicts[found["met"]]

    lines = [["claim", *(f"{place.title}, rate [95 % interval]" for place in places)],
             *([row["claim"], *map(cell, row["findings"])] for row in rows)]
    table = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([table[0], "|---" * len(lines[0]) + "|", *table[1:]])


def with_results(readme: str, places: list[World]) -> str:
    """The text of README.md with its results replaced by the headlines of the last runs.

    They come at the end where it names no place for them. Raises DataError where it does not say
    once where they begin and, after that, once where they end.
    """
    before, _, rest = readme.partition(START)
    _, end, after = rest.partition(END)
    named = readme.count(START), readme.count(END)
    if named != (0, 0) and (named != (1, 1) or not end):
        raise DataError(f"README.md: its results stand between {START} and {END}; put back what is "
                        "missing, and each once, so that nothing else is replaced.")
    table = results_markdown([row for row in measured(places) if row["headline"]], places)
    return f"{before}{START}\n{table}\n{END}{after}"
