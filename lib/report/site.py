"""The report: one self-contained page per executed notebook, the log, the run times, and an index with the claims.

`python -m lib report` renders everything and refreshes the results in README.md; `python -m lib report --runtime` renders
the run times only. Numbers come from reports/metrics/*.json and nowhere else.
"""
import html
import json
import re
import sys
from importlib import metadata
from pathlib import Path

import mistune
import yaml

from lib.core import settings
from lib.core.records import DataError, read_json, write_text
from lib.core.settings import ROOT, flatten
from lib.report.html import Renderer, notebook_html, output_html, page, scroll
from lib.workbook.book import METRICS
from lib.workbook.tables import interval, table_html

REPORTS = ROOT / "reports"
CLAIMS = Path(__file__).with_name("claims.yaml")
TITLE = "Competency profiles by preference optimisation"
PACKAGES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "datasets", "accelerate", "papermill", "dvc", "matplotlib")


def executed():
    """Paths of the executed notebooks, in order."""
    return sorted((REPORTS / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def pages():
    """(file, name) of every page of the report."""
    return [("index.html", "Overview"), *((f"{path.stem}.html", path.stem.replace("_", " ")) for path in executed()),
            ("log.html", "Log"), ("runtime.html", "Run times")]


def load_metrics():
    return {path.stem: read_json(path) for path in sorted(METRICS.glob("[0-9]*.json"))}


def lookup(metrics, key):
    """A number by its dotted key; a key's own part may hold a dot ("temperature_0.7").

    None where the run has nothing of this kind (a part of the way is null). Raises DataError if the key is unknown.
    """
    def walk(tree, rest):
        if not rest or tree is None:
            return tree
        for cut in range(1, len(rest) + 1):
            name = ".".join(rest[:cut])
            if isinstance(tree, dict) and name in tree:
                return walk(tree[name], rest[cut:])
        raise DataError(f"reports/metrics: no number {key!r}; run dvc repro, or correct lib/report/claims.yaml.")
    return walk(metrics, key.split("."))


def claims(metrics):
    """Every claim that this run has a number for, and whether its target is met (None where it has none)."""
    rows = []
    for claim in yaml.safe_load(CLAIMS.read_text(encoding="utf-8")):
        notebook = claim["metric"].split(".")[0]
        value = lookup(metrics, claim["metric"]) if notebook in metrics else None
        if value is None:
            continue
        checks = [("at_least", "rate", 1, "≥"), ("low_at_least", "low", 1, "low end ≥"), ("at_most", "rate", -1, "≤")]
        goals = [(sign * value[end], sign * claim[goal]) for goal, end, sign, _ in checks if goal in claim and value["rate"] is not None]
        met = all(number >= goal for number, goal in goals) if goals else None
        target = ", ".join(f"{words} {claim[goal]:.2f}" for goal, _, _, words in checks if goal in claim)
        rows.append({**claim, "value": value, "target": target, "met": met,
                     "link": f"{claim['metric'].split('.')[0]}.html#{claim['section']}"})
    return rows


def claims_html(rows):
    verdicts = {True: '<span class="met">met</span>', False: '<span class="missed">missed</span>', None: "–"}
    body = "".join(
        f'<tr><td><a href="{row["link"]}">{html.escape(row["claim"])}</a></td><td class="number">{interval(row["value"])}</td>'
        f'<td>{row["value"]["n"]}</td><td>{row["target"] or "–"}</td><td>{verdicts[row["met"]]}</td></tr>' for row in rows)
    head = "".join(f'<th scope="col">{name}</th>' for name in ("claim", "rate [95 % interval]", "n", "target", "outcome"))
    caption = "Each claim links to the place where it was measured. Targets were set before the run."
    return scroll(f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>", "claims")


def parameters_html(name, mine, default):
    mine, usual = flatten(mine.model_dump()), flatten(default.model_dump())
    differing = [{"setting": key, "value": value, "default": usual.get(key)} for key, value in mine.items() if value != usual.get(key)]
    every = scroll(table_html([{"setting": key, "value": value} for key, value in mine.items()], f"All settings of {name!r}."), "settings")
    text = (scroll(table_html(differing, "Settings that differ from the default preset."), "differing settings") if differing
            else f"<p>This run used the preset <code>{html.escape(name)}</code>. No setting differs from the default preset.</p>")
    return f"{text}<details><summary>All settings</summary>{every}</details>"


def environment_html(runtime):
    import torch
    rows = [{"what": "Python", "version": ".".join(map(str, sys.version_info[:3]))},
            *({"what": name, "version": metadata.version(name).split("+")[0]} for name in PACKAGES),
            {"what": "CPU instruction set used by torch", "version": torch.backends.cpu.get_cpu_capability()},
            {"what": "threads", "version": runtime.threads}]
    return scroll(table_html(rows, "What the run was made with. Equal inputs give equal bytes on one platform; another number "
                             "of threads or another instruction set changes the seventh digit."), "environment")


def index_html():
    metrics = load_metrics()
    name = metrics["04_evaluation"]["preset"]
    _, mine = settings.load(name)
    _, default = settings.load("default")
    synthesis = metrics["01_data_synthesis"]
    warnings = []
    if not synthesis["models_have_seen_such_text"]:
        warnings.append("The embedded models have never seen text like the abstracts of this run. The pages show that the "
                        "pipeline works on such input, not what the method achieves on it.")
    if name == "smoke":
        warnings.append("This is the smoke preset: its counts are too small to conclude anything.")
    if not metrics["03_dpo"]["trained"]:
        warnings.append("There were too few preferences to train on: the tuned model equals its base.")
    body = [f"<h1>{TITLE}</h1>",
            "<p>From the abstracts of an author, a language model writes a competency profile: a domain and three to eight "
            "competencies with descriptions. This workbook synthesises data, lets a judge compare candidate profiles, tunes "
            "the model on these preferences by DPO, and measures what that achieved. Every number on these pages was written "
            "by the run that they describe.</p>",
            *(f'<p class="warning" role="note">{html.escape(text)}</p>' for text in warnings),
            '<h2 id="claims">Claims</h2>', claims_html(claims(metrics)),
            "<p>Intervals are 95 % intervals over authors: Wilson for preferences, bootstrap for means. They do not cover the choice "
            "of training seed.</p>",
            picture("04_evaluation", "preference"),
            '<h2 id="published">Beside the published result</h2>',
            "<p>The thesis reports that its tuned Mixtral-8x7B was preferred to its base in 80 % of 50 pairs (standard error about "
            "six points), by the judge that had made the training labels. The models here are tens of thousands of "
            "times smaller and read a synthetic language, so the two numbers share a method, not a scale.</p>",
            '<h2 id="pages">Pages</h2><ul>',
            *(f'<li><a href="{path.stem}.html">{html.escape(question(path))}</a></li>' for path in executed()),
            '<li><a href="log.html">What was tried, and what did not work</a></li>'
            '<li><a href="runtime.html">Run times and hardware</a></li></ul>',
            '<h2 id="parameters">Parameters</h2>', parameters_html(name, mine, default),
            '<h2 id="environment">Environment</h2>', environment_html(mine.runtime)]
    headings = [(2, anchor, anchor.capitalize()) for anchor in ("claims", "published", "pages", "parameters", "environment")]
    return page(TITLE, "\n".join(body), headings, "index.html", pages())


def picture(notebook, name):
    """A figure of an executed notebook, with its caption and alternative text."""
    cells = json.loads((REPORTS / "notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    outputs = [output_html(output) for item in cells for output in item.get("outputs", ())]
    return next((content for content in outputs if content.startswith(f'<figure id="figure-{name}"')), "")


def question(path):
    """The title and question of an executed notebook, in one line."""
    text = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
    title = re.search(r"^# (.+)$", text, re.MULTILINE).group(1)
    return f"{title}: {re.search(r'[*][*]Question[*][*] (.+)', text).group(1)}"


def runtime_html():
    place = REPORTS / "runtime.json"
    known = read_json(place) if place.exists() else {"stages": {}, "hardware": {}}
    rows = [{"stage": stage, "preset": value["preset"], "minutes": f"{value['seconds'] / 60:.1f}",
             "peak memory (MB)": value["peak_memory_mb"]} for stage, value in sorted(known["stages"].items())]
    hardware = ", ".join(f"{key}: {value}" for key, value in known["hardware"].items())
    return page("Run times", "<h1>Run times</h1><p>Wall-clock time and peak memory of each stage when it last ran. Nothing else in the "
                f"workbook depends on this page. Cost in money: none, all models run locally.</p><p>{html.escape(hardware)}</p>"
                + scroll(table_html(rows, "Run times by stage."), "run times"), current="runtime.html", links=pages())


def results_markdown(metrics):
    """The table of results in README.md."""
    lines = ["| claim | rate [95 % interval] | n | target | outcome |", "|---|---|---|---|---|"]
    outcome = {True: "met", False: "**missed**", None: "–"}
    lines += [f"| {row['claim']} | {interval(row['value'])} | {row['value']['n']} | {row['target'] or '–'} | {outcome[row['met']]} |"
              for row in claims(metrics)]
    return "\n".join(lines)


def with_results(readme, metrics):
    """The text of README.md with its results replaced by those of the last run."""
    start, end = "<!-- results: written by lib/report.py -->", "<!-- end of results -->"
    before, _, rest = readme.partition(start)
    _, _, after = rest.partition(end)
    return f"{before}{start}\n{results_markdown(metrics)}\n{end}{after}"


def command(runtime_only=False):
    """Render every page and refresh the results in README.md, or render the page of run times only."""
    if not runtime_only:
        for path in executed():
            body, headings = notebook_html(json.loads(path.read_text(encoding="utf-8")))
            title = html.unescape(re.sub(r"<[^>]+>", "", headings[0][2]))
            write_text(REPORTS / f"{path.stem}.html", page(title, body, headings, f"{path.stem}.html", pages()))
        renderer = Renderer()
        log = mistune.create_markdown(renderer=renderer, plugins=["table"])((ROOT / "notebooks" / "LOG.md").read_text(encoding="utf-8"))
        write_text(REPORTS / "log.html", page("Log", log, renderer.headings, "log.html", pages()))
        write_text(REPORTS / "index.html", index_html())
        readme = ROOT / "README.md"
        write_text(readme, with_results(readme.read_text(encoding="utf-8"), load_metrics()))
    write_text(REPORTS / "runtime.html", runtime_html())
