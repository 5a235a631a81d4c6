"""The claims of claims.yaml beside the numbers of two worlds, which reports/metrics holds.

One is the run of this report, synthetic by default, where the truth is known. The other is the real
study: a pretrained model on real texts, where people's terms stand for the truth.
"""
import html
from collections.abc import Mapping
from functools import cache
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
# What a number of each kind can be, and with it the ends of its interval.
POSSIBLE = {"share": (0, 1), "mean": (0, 1), "difference": (-1, 1), "correlation": (-1, 1),
            "ratio": (0, float("inf")), "count": (0, float("inf"))}
MADE_BY = {"wilson": "Wilson's", "bootstrap": "bootstrap", "student": "Student's",
           "exact": "exact", "range": "lowest to highest"}


class World(NamedTuple):
    """Where claims are measured. folder: of its numbers and pages; "": the run of this report."""
    title: str
    folder: str
    metrics: Mapping[str, Any]  # {notebook: its numbers}


class Finding(TypedDict):
    """What one world has on a claim."""
    metric: str
    value: dict[str, Any] | None  # a rate; None: its notebook has not run yet
    measure: dict[str, str]  # kind; over and by, which say what the interval covers and how
    target: str
    set: str  # when the target was
    met: bool | None  # None: without a target, or without a number
    note: str  # what is counted otherwise in this world
    link: str  # to the place where it was measured
    beside: dict[str, dict[str, Any] | None]  # {control or baseline: its number}


class Row(TypedDict):
    """One claim; findings: of each world, None where it is not measured."""
    claim: str
    chapter: str
    headline: bool
    effect: bool
    findings: list[Finding | None]


@cache
def contents(path: Path) -> dict[str, Any]:
    """All of claims.yaml: {"chapters", "measures", "claims"}."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def load_metrics(folder: str = "") -> dict[str, Any]:
    """The numbers of every notebook: {"03_dpo": {...}}. folder: of a preset that has its own."""
    places = sorted((METRICS / folder).glob("[0-9]*.json"))
    return {path.stem: read_json(path) for path in places}


def world(folder: str = "") -> World:
    """The run of this report, or a study of real texts, as far as it has run."""
    metrics = load_metrics(folder)
    source = metrics.get("01_data_synthesis", {}).get("source", "synthetic")
    own = "synthetic world" if source == "synthetic" else "this run"
    return World("real texts" if folder else own, folder, metrics)


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
    for claim in contents(CLAIMS)["claims"]:
        sources = [claim.get("real" if place.folder else "synthetic", {}) for place in places]
        findings = [finding(*both) for both in zip(sources, places, strict=True)]
        if any(findings):
            rows.append(Row(claim=claim["claim"], chapter=claim["chapter"], findings=findings,
                            headline=claim.get("headline", False),
                            effect=claim.get("effect", False)))
    return rows


def finding(source: dict[str, Any], world: World) -> Finding | None:
    """What a world has on a claim; None where nothing of the kind is measured there.

    source: the world's part of a claim of claims.yaml. Raises DataError for a number that a
    notebook which has run did not record, and for one that its kind cannot be.
    """
    notebook, _, _ = source.get("metric", "").partition(".")
    if not notebook or not _holds(source.get("when", {}), world):
        return None
    value = _number(source["metric"], world)
    if value is None and notebook in world.metrics:
        return None
    measure = contents(CLAIMS)["measures"][source["measure"]]
    check(value, measure["kind"], source["metric"])
    given = source.get("target", {})
    goals = [(given[name], *rest) for name, *rest in GOALS if name in given]
    words = [f"{sign} {goal:.2f}" if isinstance(goal, float) else f"{sign} {goal}"
             for goal, _, _, sign in goals]
    reached = [reaches(value[part], goal) for goal, part, reaches, _ in goals
               if value and value[part] is not None]
    met = all(reached) if goals and len(reached) == len(goals) else None
    place = f"{world.folder}/{notebook}" if world.folder else notebook
    beside = {name: _number(metric, world) for name, metric in source.get("beside", {}).items()}
    return Finding(metric=source["metric"], value=value, measure=measure, target=", ".join(words),
                   set=given.get("set", ""), met=met, note=source.get("note", ""),
                   link=f"{place}.html#{source['section']}", beside=beside)


def check(value: dict[str, Any] | None, kind: str, metric: str) -> None:
    """Raise DataError where a number, or an end of its interval, is none that its kind can be."""
    low, high = POSSIBLE[kind]
    parts = [value[part] for part in ("rate", "low", "high")] if value else []
    if wrong := [part for part in parts if part is not None and not low <= part <= high]:
        raise DataError(f"reports/metrics: {metric} holds {wrong[0]:g}, which no {kind} can be; "
                        "its interval was made in a way that does not suit it.")


def _number(metric: str, world: World) -> dict[str, Any] | None:
    """A number as a rate, None where its notebook has not run or measures no such thing."""
    if metric.partition(".")[0] not in world.metrics:
        return None
    value = lookup(world.metrics, metric)
    if isinstance(value, (int, float)):
        return {"rate": value, "low": None, "high": None, "n": None}
    return value


def _holds(conditions: dict[str, Any], world: World) -> bool:
    """Whether numbers of a world are what a claim makes its condition."""
    known = {metric: _number(metric, world) for metric in conditions}
    return all(value is None or value["rate"] == conditions[metric]
               for metric, value in known.items())


def figure(value: Mapping[str, Any], kind: str) -> str:
    """A number of a claim as readers want to see it: with what its interval is."""
    if value["rate"] is None:
        return "–"
    if kind == "count":
        return f"{value['rate']:g}"
    if kind == "ratio" and value["low"] is not None:
        low, high = (f"{value[end]:.2f}" for end in ("low", "high"))
        return f"{value['rate']:.2f} ({low} to {high})"
    return interval(value)


def told(found: Finding) -> tuple[str, str]:
    """A finding in words: the number with its interval, and its n, note and target."""
    measure = found["measure"]
    goal = f"target {found['target']}" if found["target"] else ""
    if found["value"] is None:
        return "not run yet", "; ".join(filter(None, [found["note"], goal]))
    n = found["value"]["n"]
    over, by = measure.get("over", ""), measure.get("by", "")
    count = f"n = {n}" if n is not None else ""
    certain = by != "range" and found["value"]["rate"] in (0, 1)  # then the bound is an exact one
    covers = f"{'exact' if certain else MADE_BY[by]}, over {over}" if by else ""
    words = "; ".join(filter(None, [count, covers, found["note"], goal]))
    return figure(found["value"], measure["kind"]), words


def beside(found: Finding) -> list[str]:
    """The controls and baselines of a finding with their numbers, as far as they have run."""
    kind = found["measure"]["kind"]
    return [f"{name} {figure(value, kind)}" for name, value in found["beside"].items() if value]


def claims_html(rows: list[Row], places: list[World], caption: str) -> str:
    """A table of claims, rows of `measured`, as HTML."""
    verdicts = {True: ': <span class="met">met</span>', None: "",
                False: ': <span class="missed">missed</span>'}

    def cell(found: Finding | None, title: str) -> str:
        label = f'<td data-label="{html.escape(title, quote=True)}">'
        if found is None:
            return f"{label}–</td>"
        number, rest = told(found)
        if found["value"] is not None:
            number = f'<a href="{found["link"]}">{number}</a>'
        when = f" (set {html.escape(found['set'])})" if found["target"] else ""
        controls = "".join(f"<li>{html.escape(line)}</li>" for line in beside(found))
        shown = f'<ul class="beside" aria-label="beside it">{controls}</ul>' if controls else ""
        return (f'{label}<span class="number">{number}</span><br><span class="soft">'
                f"{html.escape(rest)}{when}{verdicts[found['met']]}</span>{shown}</td>")

    titles = ["claim", *(place.title for place in places)]
    head = "".join(f'<th scope="col">{html.escape(title)}</th>' for title in titles)
    body = "".join(f'<tr><th scope="row">{html.escape(row["claim"])}</th>'
                   f"{''.join(map(cell, row['findings'], titles[1:]))}</tr>" for row in rows)
    return scroll(f'<table class="claims"><caption>{caption}</caption><thead><tr>{head}</tr>'
                  f"</thead><tbody>{body}</tbody></table>", caption)


def results_markdown(rows: list[Row], places: list[World]) -> str:
    """The claims, rows of `measured`, as a table in Markdown."""
    verdicts = {True: ": met", False: ": **missed**", None: ""}

    def cell(found: Finding | None) -> str:
        if found is None:
            return "–"
        when = f" (set {found['set']})" if found["target"] else ""
        words = "; ".join(filter(None, told(found))) + when + verdicts[found["met"]]
        controls = "; ".join(beside(found))
        return f"{words}. Beside it: {controls}" if controls else words

    lines = [["claim", *(place.title for place in places)],
             *([row["claim"], *map(cell, row["findings"])] for row in rows)]
    table = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([table[0], "|---" * len(lines[0]) + "|", *table[1:]])


def as_records(rows: list[Row], places: list[World]) -> list[dict[str, Any]]:
    """Every claim in every world that has a number, for reports/metrics/claims.json."""
    return [{"claim": row["claim"], "chapter": row["chapter"], "headline": row["headline"],
             "world": place.title, "metric": found["metric"], "kind": found["measure"]["kind"],
             "value": found["value"], "interval": {key: found["measure"].get(key)
                                                   for key in ("over", "by")},
             "target": found["target"] and {"goal": found["target"], "set": found["set"]},
             "met": found["met"], "beside": found["beside"], "effect": row["effect"]}
            for row in rows for place, found in zip(places, row["findings"], strict=True)
            if found and found["value"] is not None]


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
