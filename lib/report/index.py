"""The first page: question, answer, picture, an example, how it works, claims, and the pages."""
import html
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from lib.core import settings
from lib.core.records import read_json
from lib.core.sections.preset import Preset
from lib.core.settings import ROOT, flatten
from lib.report import examples, pictures
from lib.report.answers import overall
from lib.report.claims import CLAIMS, World, claims_html, contents, measured
from lib.report.html import page, scroll
from lib.workbook.tables import table_html

TITLE = "Competency profiles by preference optimisation"
PACKAGES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "datasets", "accelerate",
            "papermill", "dvc", "matplotlib")
MIXTRAL = 46.7e9  # parameters of the thesis's model
QUESTION = """<p><strong>Question</strong> From the abstracts of an author, a language model \
writes a competency profile. Does tuning it by preference (DPO), on pairs that other models \
judged, make its profiles better, and what else would have?</p>"""
STUDY = """<p>In the synthetic world every author's profile is known: that is the truth. The real \
study (<code>make real</code>) takes a pretrained model, SmolLM2-135M-Instruct, and real texts. \
Their true profiles nobody knows; the terms that professional indexers gave a text stand for the \
truth. They say what a text is about: a proxy for competencies with a person behind it, not the \
thing itself. The weights are those of a 4-bit file, restored: near the original model, not equal \
to it.</p>"""
INTERVALS = """Each number links to the place where it was measured. Intervals are 95 % \
intervals, and each says what it covers; none covers the choice of training seed unless it says \
so. –: not measured in that world."""
PUBLISHED = """The thesis reports that Mixtral-8x7B after one round of DPO was preferred to its \
base in 74 % of 50 pairs, and in 80 % after its best of six runs, which imitation reached, too \
(standard error about six points), by the judge that had made the training labels."""
UNSEEN = """The embedded models have never seen text like the abstracts of this run. The pages \
show that the pipeline works on such input, not what the method achieves on it."""
SMOKE = "This is the smoke preset: its counts are too small to conclude anything."
UNTRAINED = "There were too few preferences to train on: the tuned model equals its base."
EQUAL_BYTES = """What the run was made with. Equal inputs give equal bytes on one platform; \
another number of threads or another instruction set changes the seventh digit."""
LIMITS = """<ul><li>The synthetic world is a language of templates, and its base's faults are \
made: how large an effect is there says little about other texts.</li><li>The truth and the \
evaluation judge of the synthetic world compare in the same way, with different references: they \
are not two independent opinions.</li><li>One training run each, one seed. No expert has reviewed \
anything yet.</li><li>No profile made here should decide about a person.</li></ul>"""


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
    return f'{text}<details class="folded"><summary>All settings</summary>{every}</details>'


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


def claims_by_chapter(places: list[World]) -> str:
    """The headlines in a table, and all claims, folded by chapter."""
    rows = measured(places)
    headlines = [row for row in rows if row["headline"]]
    parts = [claims_html(headlines, places, "The claims that matter most. " + INTERVALS)]
    for key, title in contents(CLAIMS)["chapters"].items():
        mine = [row for row in rows if row["chapter"] == key]
        if mine:
            table = claims_html(mine, places, title)
            parts.append(f'<details class="folded"><summary>{html.escape(title)} '
                         f"{len(mine)} claims.</summary>{table}</details>")
    return "".join(parts)


def example(rows: list[dict[str, Any]]) -> str:
    """The first test author of the file, without a choice."""
    if not rows:
        return ""
    words = (f"<p>The first test author in the file, not the best one; "
             f'<a href="examples.html">all of them</a> can be searched. {examples.MARKS}</p>')
    shown = examples.example_html(rows[0], level=3, folded=False)
    return f'<h2 id="example">An example</h2>{words}{shown}'


def cite() -> str:
    """How to cite the workbook, and what it rebuilds, from CITATION.cff."""
    known = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))

    def people(entry: dict[str, Any]) -> str:
        names = [", ".join(filter(None, (one.get("family-names"), one.get("given-names"),
                                         one.get("name")))) for one in entry["authors"]]
        return "; ".join(names)
    year = str(known["date-released"])[:4]
    lines = [f"{people(known)} ({year}): {known['title']}, version {known['version']}."]
    for entry in known["references"]:
        url = entry.get("url", "")
        link = f' <a href="{html.escape(url, quote=True)}">{html.escape(url)}</a>' if url else ""
        lines.append(f"{html.escape(people(entry))} ({entry['year']}): "
                     f"{html.escape(entry['title'])}.{link}")
    return f'<h2 id="cite">Cite</h2><ul>{"".join(f"<li>{line}</li>" for line in lines)}</ul>'


def listing(notebooks: list[Path], folder: str = "") -> list[str]:
    """Executed notebooks as items of a list, each a link to its page."""
    return [f'<li><a href="{folder}{path.stem}.html">{html.escape(question(path))}</a></li>'
            for path in notebooks]


def question(path: Path) -> str:
    """The title and question of an executed notebook, in one line."""
    text = "".join(read_json(path)["cells"][0]["source"])
    parts = [re.search(pattern, text, re.MULTILINE)
             for pattern in (r"^# (.+)$", r"[*][*]Question[*][*] (.+)")]
    number = re.search(r"_(\d+)$", path.stem)
    found = [part.group(1) for part in parts if part]
    if number and found:
        found[0] = f"{found[0]}, number {number[1]}"
    return ": ".join(found)


def index_html(places: list[World], rows: list[dict[str, Any]], notebooks: list[Path],
               of_study: list[Path], links: list[tuple[str, str]]) -> str:
    """The first page. places: both worlds. rows: of `examples.load`."""
    own, real = (dict(place.metrics) for place in places)
    name, mine = settings.load(own["04_evaluation"]["preset"])
    _, default = settings.load("default")
    notes = [f'<p class="warning" role="note">{text}</p>' for text in warnings(own)]
    answer = " ".join(html.escape(sentence) for sentence in overall(own, real))
    group = ['<h2 id="real">The real study</h2>', STUDY, "<ul>",
             *listing(of_study, f"{places[1].folder}/"), "</ul>"] if of_study else []
    body = [f"<h1>{TITLE}</h1>", QUESTION, *notes,
            f'<p class="answer"><strong>Answer</strong> {answer}</p>', pictures.effect(own, real),
            example(rows), '<h2 id="how">How it works</h2>', pictures.diagram(own),
            '<h2 id="claims">Claims</h2>', claims_by_chapter(places),
            '<h2 id="limits">What it does not show</h2>', LIMITS,
            '<h2 id="published">Beside the published result</h2>',
            f"<p>{PUBLISHED}{scale(own)}</p>",
            '<h2 id="pages">Pages</h2><ul>', *listing(notebooks),
            *(f'<li><a href="{file}">{words}</a></li>' for file, words in (
                ("examples.html", "Examples: what the models wrote for every test author"),
                ("cards.html", "Cards of data and models"),
                ("log.html", "What was tried, and what did not work"),
                ("references.html", "References"),
                ("runtime.html", "Run times and hardware"))), "</ul>", *group,
            '<h2 id="parameters">Parameters</h2>', parameters_html(name, mine, default),
            '<h2 id="environment">Environment</h2>', environment_html(mine.runtime.threads), cite()]
    titles = {"example": "An example", "how": "How it works", "claims": "Claims",
              "limits": "What it does not show", "published": "Beside the published result",
              "pages": "Pages", "real": "The real study", "parameters": "Parameters",
              "environment": "Environment", "cite": "Cite"}
    text = "\n".join(body)
    headings = [(2, anchor, title) for anchor, title in titles.items()
                if f'<h2 id="{anchor}"' in text]
    return page(TITLE, text, headings, "index.html", links)
