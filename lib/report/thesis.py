"""The whole report as one PDF: title, contents, a chapter for each page, numbered figures, tables.

`make pdf` runs `python -m lib pdf`.
"""
import base64
import html
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lib.core.records import DataError, read_json
from lib.report import index, pictures, references, site
from lib.report.answers import answer, overall
from lib.report.chapters import QUESTION
from lib.report.claims import CLAIMS, REAL, World, claims_html, contents, measured, worlds
from lib.report.html import Renderer, notebook_html

NEEDED = ("a PDF takes WeasyPrint of requirements.lock and Pango of the system: `make env` "
          "installs the first, `apt-get install libpangoft2-1.0-0` or the like the second")
LINK = re.compile(r'href="(\.\./|smollm2/)?(\w+)\.html(?:#([\w-]*))?"')


class Chapter(NamedTuple):
    """A part of the document. name: its anchor, which begins all anchors in it."""
    name: str
    title: str
    body: str


class PrintRenderer(Renderer):
    """Formulas as pictures, since WeasyPrint knows no MathML."""

    def inline_math(self, text: str) -> str:
        return formula(text)

    def block_math(self, text: str) -> str:
        return f'<p class="formula">{formula(text)}</p>'


def formula(text: str) -> str:
    """A formula of LaTeX as a picture, its source as the alternative text."""
    from matplotlib import mathtext  # a second, for this alone
    out = io.BytesIO()
    mathtext.math_to_image(f"${text.strip()}$", out, format="svg", dpi=72)
    image = base64.b64encode(out.getvalue()).decode()
    alt = html.escape(text.strip(), quote=True)
    return f'<img class="math" alt="{alt}" src="data:image/svg+xml;base64,{image}">'


def notebook_chapter(path: Path, metrics: Mapping[str, Any], folder: str) -> Chapter:
    """An executed notebook without its code, with the answer to its question."""
    body, headings = notebook_html(read_json(path), PrintRenderer())
    body = re.sub(r'<details class="code">.*?</details>|<summary>.*?</summary>', "", body,
                  flags=re.DOTALL)
    title = re.sub(r"<[^>]+>", "", headings[0][2])
    if number := re.search(r"_(\d+)$", path.stem):
        title = f"{title}: number {number[1]}"
        body = body.replace("</h1>", f": number {number[1]}</h1>", 1)
    if path.stem in metrics:
        words = html.escape(answer(path.stem, metrics[path.stem], bool(folder)))
        told = f'<p class="answer"><strong>Answer</strong> {words}</p>'
        body = QUESTION.sub(lambda found: found[1] + told, body, count=1)
    body = references.linked(body)
    return Chapter(name_of(path.stem, folder), title, body)


def name_of(stem: str, folder: str) -> str:
    """The anchor of a page's chapter."""
    return f"study-{stem}" if folder else stem


def joined(chapter: Chapter, known: set[str]) -> str:
    """A chapter with anchors of its own, and with links between pages as links within the document.

    known: names of all chapters. A link to a page that is none of them leads to this chapter.
    """
    own = re.sub(r'\bid="([^"]+)"', rf'id="{chapter.name}--\1"', chapter.body)
    own = re.sub(r'href="#([^"]+)"', rf'href="#{chapter.name}--\1"', own)
    here = REAL if chapter.name.startswith("study-") else ""

    def inner(found: re.Match) -> str:
        into, stem, anchor = found.groups()
        folder = REAL if into == f"{REAL}/" or (here and not into) else ""
        name = next((name for name in (name_of(stem, folder), stem) if name in known), chapter.name)
        return f'href="#{name}--{anchor}"' if anchor and name != chapter.name else f'href="#{name}"'
    return f'<section class="chapter" id="{chapter.name}">{LINK.sub(inner, own)}</section>'


def claims_chapter(places: list[World]) -> Chapter:
    """All claims, chapter by chapter, and what they do not show."""
    rows = measured(places)
    parts = [f"<h1>Claims</h1><p>{index.INTERVALS}</p>"]
    for key, title in contents(CLAIMS)["chapters"].items():
        if mine := [row for row in rows if row["chapter"] == key]:
            parts.append(f"<h2>{html.escape(title)}</h2>{claims_html(mine, places, title)}")
    return Chapter("claims", "Claims", "".join([*parts, "<h2>Limits</h2>", index.LIMITS]))


def document(places: list[World]) -> str:
    """The whole report as one HTML document for print."""
    log = re.search(r'<main id="content">(.*)</main>', site.log_html(), re.DOTALL)
    chapters = [claims_chapter(places)]
    for place in places:
        chapters += [notebook_chapter(path, place.metrics, place.folder)
                     for path in site.executed(place.folder)]
    literature = f"<h1>References</h1>{references.listed_html()}{index.cite()}"
    chapters += [Chapter("log", "Log of experiments", log[1] if log else ""),
                 Chapter("references", "References", literature)]
    listed = "".join(f'<li><a href="#{one.name}">{one.title}</a></li>' for one in chapters)
    said = " ".join(map(html.escape, overall(*(dict(place.metrics) for place in places))))
    effect = pictures.effect(*(dict(place.metrics) for place in places))
    known = {one.name for one in chapters}
    css = Path(__file__).with_name("thesis.css").read_text(encoding="utf-8")
    return (f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{index.TITLE}'
            f'</title><style>{css}</style></head><body><section class="cover"><h1>{index.TITLE}'
            f'</h1>{index.QUESTION}<p class="answer"><strong>Answer</strong> {said}</p>{effect}'
            f'</section><nav><h1>Contents</h1><ol>{listed}</ol></nav>'
            f'{"".join(joined(one, known) for one in chapters)}</body></html>')


def command(output: Path) -> None:
    """Write the whole report to a PDF. Raises DataError without what that takes."""
    try:
        from weasyprint import HTML  # a second, and it needs Pango
        from weasyprint.urls import URLFetcher  # as HTML
    except (ImportError, OSError) as error:
        raise DataError(f"{NEEDED} ({str(error).splitlines()[0]}).") from None
    output.parent.mkdir(parents=True, exist_ok=True)
    loads_nothing = URLFetcher(allowed_protocols=("data",))  # but what the document itself holds
    HTML(string=document(worlds()), url_fetcher=loads_nothing).write_pdf(output)
