"""The report: an index, a page per executed notebook, examples, cards, the log.

The pages of the real study lie in a folder of their own, as far as its notebooks have run.
`python -m lib report` renders all pages and refreshes the results in README.md. The run times,
which differ from run to run, have a page that `python -m lib report --runtime` renders.
"""
import re
from pathlib import Path
from typing import Any

import mistune

from lib.core import settings
from lib.core.records import read_json, write_json, write_text
from lib.core.settings import ROOT
from lib.report import chapters, examples, index, real_examples, references
from lib.report.claims import (
    REAL,
    as_records,
    load_metrics,
    measured,
    with_results,
    worlds,
)
from lib.report.html import Renderer, page, scroll
from lib.workbook.book import METRICS
from lib.workbook.tables import table_html

REPORTS = ROOT / "reports"
CARDS = (("data/CARD.md", "The synthetic data"), ("data/adapter/README.md", "The tuned adapter"),
         (f"data/{REAL}/CARD.md", "The real study's data"),
         (f"data/{REAL}/warm_start/README.md", "The real study's supervised start"),
         (f"data/{REAL}/adapter/README.md", "The real study's tuned adapter"))


def executed(folder: str = "") -> list[Path]:
    """Paths of the executed notebooks, in order. folder: of a preset that has its own; "": none."""
    return sorted((REPORTS / folder / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def pages(folder: str = "") -> list[tuple[str, str]]:
    """(file, name) of every page of the report, or of the group in a folder, as seen from there."""
    notebooks = [(f"{path.stem}.html", path.stem.replace("_", " ")) for path in executed(folder)]
    up = "../" if folder else ""
    ends = [(f"{up}{file}.html", name) for file, name in (
        ("examples", "Examples"), ("cards", "Cards"), ("log", "Log"),
        ("references", "References"), ("runtime", "Run times"))]
    return [(f"{up}index.html", "Overview"), *notebooks, *ends]


def cost(metrics: dict[str, Any]) -> str:
    """What the run cost in money, as far as it knows: nothing where no server is asked."""
    if "02_judging" not in metrics:
        return ""
    spent = metrics["02_judging"].get("cost")
    _, preset = settings.load(metrics["02_judging"]["preset"])
    servers = [judge.endpoint for judge in preset.judging.panel if judge.endpoint]
    writers = [server for _, server in preset.servers if server]
    if not servers and not writers:
        return " Cost in money: none, all models ran on this machine."
    if not servers:
        return " Cost in money: see pages 1 and 4, whose writers are behind servers."
    priced = any(server.price_in or server.price_out for server in servers)
    if not priced or spent is None:
        return ""
    return f" Cost in money of judges so far: {spent:.2f}, by the price table."


def runtime_html() -> str:
    """The page of run times, from what the runner noted in runtime.json of each group."""
    body = ("<h1>Run times</h1><p>Wall-clock time and peak memory of each stage when it last ran. "
            "Nothing else in the workbook depends on this page. Stage 00 trains those models only "
            "whose recipe has changed, and otherwise just measures them; stages 08 and 11 read "
            f"what was measured before.{cost(load_metrics())}</p>")
    body += runtimes("", "Run times by stage.")
    if executed(REAL):
        body += runtimes(REAL, "Run times of the real study, by stage.")
    return page("Run times", body, current="runtime.html", links=pages())


def runtimes(folder: str, caption: str) -> str:
    """The table of run times of one group."""
    place = REPORTS / folder / "runtime.json"
    known = read_json(place) if place.exists() else {"stages": {}}
    rows = [{"stage": stage, "preset": row["preset"], "minutes": f"{row['seconds'] / 60:.1f}",
             "peak memory (MB)": row["peak_memory_mb"], "machine": row["machine"]}
            for stage, row in sorted(known["stages"].items())]
    return scroll(table_html(rows, caption), caption.rstrip("."))


def lab_markdown() -> str:
    """The page that `make lab` opens: notebooks, executed copies, what they read and how long."""
    place = REPORTS / "runtime.json"
    took = read_json(place)["stages"] if place.exists() else {}
    lines = ["# Start here", "", "What is run here writes no results, and saving leaves a notebook "
             "as it was: explore. [The report](index.html) has all results, "
             "[params.yaml](../params.yaml) all settings.", "",
             "| notebook | its executed copy | reads | minutes, when it last ran as a stage |",
             "|---|---|---|---|"]
    for path in executed():
        source = re.sub(r"_\d+$", "", path.stem)
        head = "".join(read_json(path)["cells"][0]["source"])
        reads = re.search(r"[*][*]Reads[*][*] (.+)", head)
        minutes = f"{took[path.stem]['seconds'] / 60:.1f}" if path.stem in took else "–"
        lines.append(f"| [{path.stem}](../notebooks/{source}.ipynb) | [executed]"
                     f"(notebooks/{path.name}) | {reads[1] if reads else ''} | {minutes} |")
    return "\n".join([*lines, ""])


def markdown_html(text: str, renderer: Renderer) -> str:
    """Markdown, without the front matter of a card."""
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    return str(mistune.create_markdown(renderer=renderer, plugins=["table"])(text))


def log_html() -> str:
    """The log, which is written by hand beside the notebooks."""
    renderer = Renderer()
    body = markdown_html((ROOT / "notebooks" / "LOG.md").read_text(encoding="utf-8"), renderer)
    return page("Log", body, renderer.headings, "log.html", pages())


def cards_html() -> str:
    """The cards of data and adapters, as far as they are there."""
    renderer = Renderer()
    parts = ["<h1>Cards of data and models</h1><p>What the data are and how their labels came "
             "about, and what each adapter was trained on, as the stages wrote it.</p>"]
    for place, title in CARDS:
        if (ROOT / place).exists():
            parts.append(renderer.heading(title, 2))
            body = markdown_html((ROOT / place).read_text(encoding="utf-8"), renderer)
            # Its own headings come below the one that names it.
            parts.append(re.sub(r"(</?h)([1-4])\b", lambda found: found[1] + str(int(found[2]) + 2),
                                body))
    headings = [heading for heading in renderer.headings if heading[2] in dict(CARDS).values()]
    return page("Cards of data and models", "".join(parts), headings, "cards.html", pages())


def references_html() -> str:
    """What pages cite, and how to cite the workbook."""
    body = f"<h1>References</h1>{references.listed_html()}{index.cite(references.addresses())}"
    return page("References", body, [], "references.html", pages())


def write_pages(folder: str, metrics: dict[str, Any]) -> None:
    """The page of every executed notebook of a group, and its tables."""
    place = "../metrics/" + folder if folder else "metrics"
    for path in executed(folder):
        tables = chapters.write_tables(path, REPORTS / folder / "tables")
        text = chapters.notebook_page(path, pages(folder), metrics.get(path.stem),
                                      f"{place}/{path.stem}.json", tables, bool(folder))
        write_text(REPORTS / folder / f"{path.stem}.html", text)


def with_figures(readme: str) -> str:
    """The text of README.md, its figures those that are there: SVG, or PNG of an earlier run."""
    def there(found: re.Match) -> str:
        return f"({found[1]}.{'svg' if (ROOT / f'{found[1]}.svg').exists() else 'png'})"
    return re.sub(r"\((reports/[\w/]*figures/[\w/]+)\.(?:png|svg)\)", there, readme)


def command(runtime_only: bool = False) -> None:
    """Render all pages and refresh README.md; or what holds run times, which differ, alone."""
    if runtime_only:
        write_text(REPORTS / "runtime.html", runtime_html())
        write_text(REPORTS / "lab.md", lab_markdown())
        return
    places = worlds()
    for place in places:
        write_pages(place.folder, dict(place.metrics))
    write_text(REPORTS / "log.html", log_html())
    write_text(REPORTS / "cards.html", cards_html())
    write_text(REPORTS / "references.html", references_html())
    _, preset = settings.load(places[0].metrics["04_evaluation"]["preset"])
    rows = examples.load(ROOT / "data", preset.evaluation.thesis_setting)
    shown = REPORTS / "examples.html"
    if rows or not shown.exists():  # what the data made stays where there are none, as in a clone
        real = real_examples.load(ROOT / "data" / REAL, settings.load(REAL)[1])
        write_text(shown, examples.examples_page(rows, pages(), real))
    write_text(REPORTS / "index.html",
               index.index_html(places, rows, executed(), executed(REAL), pages()))
    write_json(METRICS / "claims.json", as_records(measured(places), places))
    readme = ROOT / "README.md"
    write_text(readme, with_figures(with_results(readme.read_text(encoding="utf-8"), places)))
