"""The report: one self-contained page per executed notebook, the log, the run times, and an index with the claims.

`python -m lib.report` renders everything and refreshes the results in README.md; `python -m lib.report runtime` renders
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
from latex2mathml.converter import convert as mathml

from lib import settings as settings_module
from lib.records import DataError, read_json, write_text
from lib.settings import ROOT
from lib.workbook import METRICS, flatten, interval, table_html

REPORTS = ROOT / "reports"
LIB = Path(__file__).parent
LONG = 24  # rows; a longer table is folded away under its caption
TITLE = "Competency profiles by preference optimisation"
PACKAGES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "datasets", "accelerate", "papermill", "dvc", "matplotlib")


class Renderer(mistune.HTMLRenderer):
    """Markdown to HTML with unique heading anchors and with formulas as MathML."""

    def __init__(self):
        super().__init__(escape=True)
        self.headings = []  # (level, anchor, text as HTML)

    def heading(self, text, level, **attributes):
        anchor = slug(html.unescape(re.sub(r"<[^>]+>", "", text)))
        taken = {known for _, known, _ in self.headings}
        anchor = next(name for name in [anchor, *(f"{anchor}-{i}" for i in range(2, 99))] if name not in taken)
        self.headings.append((level, anchor, text))
        return f'<h{level} id="{anchor}">{text}</h{level}>\n'

    def inline_math(self, text):
        return mathml(text)

    def block_math(self, text):
        return scroll(mathml(text, display="block"), "formula")

    def table(self, text):
        return scroll(f"<table>{text}</table>", "table")


def slug(text):
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def scroll(content, label):
    """Content that may be wider than a phone, in a region that scrolls by itself and can be reached by keyboard."""
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{html.escape(label, quote=True)}">{content}</div>'


def notebook_html(notebook):
    """Body and headings of an executed notebook. Code is folded away; the output stands where its cell stands."""
    renderer = Renderer()
    markdown = mistune.create_markdown(renderer=renderer, plugins=["math", "table"])
    parts, code = [], []

    def fold():
        """Show the code since the last prose or output as one folded block."""
        if code:
            source = html.escape("\n\n".join(code))
            parts.append(f'<details class="code"><summary>Code</summary><pre><code>{source}</code></pre></details>')
            code.clear()

    for item in notebook["cells"]:
        source = "".join(item["source"])
        if item["cell_type"] == "markdown":
            fold()
            parts.append(markdown(source))
        elif source.strip():
            code.append(source)
            if shown := [text for text in map(output_html, item["outputs"]) if text]:
                fold()
                parts += shown
    fold()
    return "\n".join(parts), renderer.headings


def output_html(output):
    """One output of a cell. HTML comes from our own tables and figures, which escape what they show."""
    data = output.get("data", {})
    if "text/html" in data:
        content = "".join(data["text/html"])
        caption = re.search(r"<caption>(.*?)</caption>", content, re.DOTALL)
        if not (content.startswith("<table") and caption):
            return content
        table, rows = scroll(content, html.unescape(caption.group(1))), content.count("<tr>") - 1
        return table if rows <= LONG else f"<details><summary>{caption.group(1)} {rows} rows.</summary>{table}</details>"
    text = "".join(output.get("text", data.get("text/plain", "")))
    return f"<pre>{html.escape(text.rstrip())}</pre>" if text.strip() else ""


def page(title, body, headings=(), current="", links=True):
    """A whole page: no script, nothing loaded from elsewhere. links: whether the report's pages are named at its top."""
    toc = "".join(f'<li><a href="#{anchor}">{text}</a></li>' for level, anchor, text in headings if level == 2)
    others = "".join(f"<li>{name}</li>" if file == current else f'<li><a href="{file}">{name}</a></li>' for file, name in pages())
    site = f'<nav aria-label="Pages"><ul class="pages">{others}</ul></nav>' if links else ""
    css = (LIB / "report.css").read_text(encoding="utf-8")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{html.escape(title)}</title>
<style>{css}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
{site}
<main id="content">
{body.replace("</h1>", f'</h1><nav aria-label="On this page"><ul>{toc}</ul></nav>', 1) if toc else body}
</main>
</body>
</html>
"""


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
        raise DataError(f"reports/metrics: no number {key!r}; run dvc repro, or correct lib/claims.yaml.")
    return walk(metrics, key.split("."))


def claims(metrics):
    """Every claim that this run has a number for, and whether its target is met (None where it has none)."""
    rows = []
    for claim in yaml.safe_load((LIB / "claims.yaml").read_text(encoding="utf-8")):
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
    text = (scroll(table_html(differing, "Settings that differ from the default profile."), "differing settings") if differing
            else f"<p>This run used the profile <code>{html.escape(name)}</code>. No setting differs from the default profile.</p>")
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
    name = metrics["04_evaluation"]["profile"]
    _, mine = settings_module.load(name)
    _, default = settings_module.load("embedded")
    synthesis = metrics["01_data_synthesis"]
    warnings = []
    if not synthesis["models_have_seen_such_text"]:
        warnings.append("The embedded models have never seen text like the abstracts of this run. The pages show that the "
                        "pipeline works on such input, not what the method achieves on it.")
    if name == "smoke":
        warnings.append("This is the smoke profile: its counts are too small to conclude anything.")
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
    return page(TITLE, "\n".join(body), headings, "index.html")


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
    place = METRICS / "runtime.json"
    known = read_json(place) if place.exists() else {"stages": {}, "hardware": {}}
    rows = [{"stage": stage, "profile": value["profile"], "minutes": f"{value['seconds'] / 60:.1f}",
             "peak memory (MB)": value["peak_memory_mb"]} for stage, value in sorted(known["stages"].items())]
    hardware = ", ".join(f"{key}: {value}" for key, value in known["hardware"].items())
    return page("Run times", "<h1>Run times</h1><p>Wall-clock time and peak memory of each stage when it last ran. Nothing else in the "
                f"workbook depends on this page. Cost in money: none, all models run locally.</p><p>{html.escape(hardware)}</p>"
                + scroll(table_html(rows, "Run times by stage."), "run times"), current="runtime.html")


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


def main():
    if sys.argv[1:] != ["runtime"]:
        for path in executed():
            body, headings = notebook_html(json.loads(path.read_text(encoding="utf-8")))
            title = html.unescape(re.sub(r"<[^>]+>", "", headings[0][2]))
            write_text(REPORTS / f"{path.stem}.html", page(title, body, headings, f"{path.stem}.html"))
        renderer = Renderer()
        log = mistune.create_markdown(renderer=renderer, plugins=["table"])((REPORTS / "LOG.md").read_text(encoding="utf-8"))
        write_text(REPORTS / "log.html", page("Log", log, renderer.headings, "log.html"))
        write_text(REPORTS / "index.html", index_html())
        readme = ROOT / "README.md"
        write_text(readme, with_results(readme.read_text(encoding="utf-8"), load_metrics()))
    write_text(REPORTS / "runtime.html", runtime_html())


if __name__ == "__main__":
    try:
        main()
    except (DataError, settings_module.SettingsError) as error:
        sys.exit(f"error: {error}")
