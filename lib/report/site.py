"""The report: one self-contained page per executed notebook, the log, and an index with the claims.

The pages of the real study lie in a folder of their own, as far as its notebooks have run.
`python -m lib report` renders all pages and refreshes the results in README.md. The run times,
which differ from run to run, have a page that `python -m lib report --runtime` renders.
"""
import html
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import mistune

from lib.core import settings
from lib.core.records import read_json, write_text
from lib.core.sections.preset import Preset
from lib.core.settings import ROOT, flatten
from lib.report.claims import REAL, claims_html, load_metrics, measured, with_results, worlds
from lib.report.html import Renderer, notebook_html, output_html, page, scroll
from lib.workbook.tables import table_html

REPORTS = ROOT / "reports"
TITLE = "Competency profiles by preference optimisation"
PACKAGES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "datasets", "accelerate",
            "papermill", "dvc", "matplotlib")
MIXTRAL = 46.7e9  # parameters of the thesis's model
INTRODUCTION = """<p>From the abstracts of an author, a language model writes a competency \
profile: a domain and three to eight competencies with descriptions. This workbook synthesises \
data, lets a judge compare candidate profiles, tunes the model on these preferences by DPO, and \
measures what that achieved. Every number on these pages was written by the run that they \
describe.</p>"""
STUDY = """<p>In the synthetic world every author's profile is known: that is the truth. The real \
study (<code>make real</code>) takes a pretrained model, SmolLM2-135M-Instruct, and real texts. \
Their true profiles nobody knows; the terms that professional indexers gave a text stand for the \
truth. They say what a text is about: a proxy for competencies with a person behind it, not the \
thing itself. The weights are those of a 4-bit file, restored: near the original model, not equal \
to it.</p>"""
OF_STUDY = '<p class="soft">A page of the real study: a pretrained model on real texts.</p>'
INTERVALS = """<p>Intervals are 95 % intervals over authors, in the real study over texts: Wilson \
for preferences, bootstrap for means. They do not cover the choice of training seed.</p>"""
PUBLISHED = """The thesis reports that its tuned Mixtral-8x7B was preferred to its base in 80 % of \
50 pairs (standard error about six points), by the judge that had made the training labels."""
UNSEEN = """The embedded models have never seen text like the abstracts of this run. The pages \
show that the pipeline works on such input, not what the method achieves on it."""
SMOKE = "This is the smoke preset: its counts are too small to conclude anything."
UNTRAINED = "There were too few preferences to train on: the tuned model equals its base."
EQUAL_BYTES = """What the run was made with. Equal inputs give equal bytes on one platform; \
another number of threads or another instruction set changes the seventh digit."""


def executed(folder: str = "") -> list[Path]:
    """Paths of the executed notebooks, in order. folder: of a preset that has its own; "": none."""
    return sorted((REPORTS / folder / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def pages(folder: str = "") -> list[tuple[str, str]]:
    """(file, name) of every page of the report, or of the group in a folder, as seen from there."""
    notebooks = [(f"{path.stem}.html", path.stem.replace("_", " ")) for path in executed(folder)]
    up = "../" if folder else ""
    ends = [(f"{up}log.html", "Log"), (f"{up}runtime.html", "Run times")]
    return [(f"{up}index.html", "Overview"), *notebooks, *ends]


def parameters_html(name: str, mine: Preset, default: Preset) -> str:
    """What differs from the default preset, and all settings, folded away."""
    values, usual = flatten(mine.model_dump()), flatten(default.model_dump())
    rows = [{"setting": key, "value": value} for key, value in values.items()]
    differing = [{**row, "default": usual.get(row["setting"])} for row in rows
                 if row["value"] != usual.get(row["setting"])]
    text = (f"<p>This run used the preset <code>{html.escape(name)}</code>. "
            "No setting differs from the default preset.</p>")
    if differing:
        table = table_html(differing, "Settings that differ from the default preset.")
        text = scroll(table, "differing settings")
    every = scroll(table_html(rows, f"All settings of {name!r}."), "settings")
    return f"{text}<details><summary>All settings</summary>{every}</details>"


def environment_html(threads: int) -> str:
    """Versions of what the run was made with."""
    import torch  # seconds, for this alone
    versions = {"Python": ".".join(map(str, sys.version_info[:3])),
                **{name: metadata.version(name).split("+")[0] for name in PACKAGES},
                "CPU instruction set used by torch": torch.backends.cpu.get_cpu_capability(),
                "threads": threads}
    rows = [{"what": what, "version": version} for what, version in versions.items()]
    return scroll(table_html(rows, EQUAL_BYTES), "environment")


def warnings(metrics: dict[str, Any]) -> list[str]:
    """What a reader has to know before all numbers."""
    told = {UNSEEN: not metrics["01_data_synthesis"]["models_have_seen_such_text"],
            SMOKE: metrics["04_evaluation"]["preset"] == "smoke",
            UNTRAINED: not metrics["03_dpo"]["trained"]}
    return [text for text, holds in told.items() if holds]


def scale(metrics: dict[str, Any]) -> str:
    """What sets the run apart from the thesis's: the size of its base, and its language."""
    sizes = metrics["03_dpo"]["parameters"]
    times = MIXTRAL / (sizes["total"] - sizes["trained"])
    apart = [f"is about {float(f'{times:.2g}'):,g} times smaller"] if times >= 2 else []
    if metrics["01_data_synthesis"]["source"] == "synthetic":
        apart.append("reads a synthetic language")
    if not apart:
        return ""
    found = " and ".join(apart)
    return f" The base model here {found}, so the two numbers share a method, not a scale."


def cost(metrics: dict[str, Any]) -> str:
    """What the run cost in money, as far as it knows: nothing where no judge is a server."""
    if "02_judging" not in metrics:
        return ""
    spent = metrics["02_judging"].get("cost")
    _, preset = settings.load(metrics["02_judging"]["preset"])
    servers = [judge.endpoint for judge in preset.judging.panel if judge.endpoint]
    if not servers:
        return " Cost in money: none, all models ran on this machine."
    priced = any(server.price_in or server.price_out for server in servers)
    known = priced and spent is not None
    return f" Cost in money of all calls so far: {spent:.2f}, by the price table." if known else ""


def index_html() -> str:
    metrics, both = load_metrics(), worlds()
    name, mine = settings.load(metrics["04_evaluation"]["preset"])
    _, default = settings.load("default")
    notes = [f'<p class="warning" role="note">{text}</p>' for text in warnings(metrics)]
    real = listing(executed(REAL), f"{REAL}/")
    group = ['<h2 id="real">The real study</h2><ul>', *real, "</ul>"] if real else []
    body = [f"<h1>{TITLE}</h1>", INTRODUCTION, *notes,
            '<h2 id="claims">Claims</h2>', claims_html(measured(both), both), STUDY, INTERVALS,
            picture("04_evaluation", "preference"),
            '<h2 id="published">Beside the published result</h2>',
            f"<p>{PUBLISHED}{scale(metrics)}</p>",
            '<h2 id="pages">Pages</h2><ul>', *listing(executed()),
            '<li><a href="log.html">What was tried, and what did not work</a></li>'
            '<li><a href="runtime.html">Run times and hardware</a></li></ul>', *group,
            '<h2 id="parameters">Parameters</h2>', parameters_html(name, mine, default),
            '<h2 id="environment">Environment</h2>', environment_html(mine.runtime.threads)]
    headings = [(2, anchor, anchor.capitalize())
                for anchor in ("claims", "published", "pages", "parameters", "environment")]
    if real:
        headings.insert(3, (2, "real", "The real study"))
    return page(TITLE, "\n".join(body), headings, "index.html", pages())


def listing(notebooks: list[Path], folder: str = "") -> list[str]:
    """Executed notebooks as items of a list, each a link to its page."""
    return [f'<li><a href="{folder}{path.stem}.html">{html.escape(question(path))}</a></li>'
            for path in notebooks]


def picture(notebook: str, name: str) -> str:
    """A figure of an executed notebook with its caption and alternative text, or ""."""
    path = REPORTS / "notebooks" / f"{notebook}.ipynb"
    outputs = [output_html(output) for cell in read_json(path)["cells"]
               for output in cell.get("outputs", ())]
    start = f'<figure id="figure-{name}"'
    return next((content for content in outputs if content.startswith(start)), "")


def question(path: Path) -> str:
    """The title and question of an executed notebook, in one line."""
    text = "".join(read_json(path)["cells"][0]["source"])
    parts = [re.search(pattern, text, re.MULTILINE)
             for pattern in (r"^# (.+)$", r"[*][*]Question[*][*] (.+)")]
    return ": ".join(part.group(1) for part in parts if part)


def runtime_html() -> str:
    """The page of run times, from what the runner noted in runtime.json of each group."""
    body = ("<h1>Run times</h1><p>Wall-clock time and peak memory of each stage when it last ran. "
            f"Nothing else in the workbook depends on this page.{cost(load_metrics())}</p>")
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


def notebook_page(path: Path, folder: str = "") -> str:
    """The page of one executed notebook of a group."""
    body, headings = notebook_html(read_json(path))
    links = pages(folder)
    if folder:  # a notebook that both groups run links to pages that only the first may have
        own = {file for file, _ in links}
        body = re.sub(r'(?<=href=")\w+\.html',
                      lambda found: found[0] if found[0] in own else f"../{found[0]}", body)
        body = body.replace("</h1>", f"</h1>{OF_STUDY}", 1)
    title = html.unescape(re.sub(r"<[^>]+>", "", headings[0][2]))
    return page(title, body, headings, f"{path.stem}.html", links)


def log_html() -> str:
    """The log, which is written by hand beside the notebooks."""
    renderer = Renderer()
    markdown = mistune.create_markdown(renderer=renderer, plugins=["table"])
    body = markdown((ROOT / "notebooks" / "LOG.md").read_text(encoding="utf-8"))
    return page("Log", str(body), renderer.headings, "log.html", pages())


def command(runtime_only: bool = False) -> None:
    """Render every page but the run times and refresh README.md; or render the run times only."""
    if runtime_only:
        write_text(REPORTS / "runtime.html", runtime_html())
        return
    for folder in ("", REAL):
        for path in executed(folder):
            write_text(REPORTS / folder / f"{path.stem}.html", notebook_page(path, folder))
    write_text(REPORTS / "log.html", log_html())
    write_text(REPORTS / "index.html", index_html())
    readme = ROOT / "README.md"
    write_text(readme, with_results(readme.read_text(encoding="utf-8"), worlds()))
