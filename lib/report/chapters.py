"""A page for each executed notebook: its answer under its question, and at its end where all of it
comes from: numbers, tables as CSV, the executed notebook, the command that makes it.
"""
import csv
import html
import io
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from lib.core.records import read_json, write_text
from lib.report.answers import answer
from lib.report.cells import harmless
from lib.report.html import notebook_html, page
from lib.report.references import linked

OF_STUDY = '<p class="soft">A page of the real study: a pretrained model on real texts.</p>'
QUESTION = re.compile(r"(<p><strong>Question</strong> .*?</p>)", re.DOTALL)
Links = list[tuple[str, str]]


class Tables(HTMLParser):
    """The tables of a page: [(caption, rows of cells)]."""

    def __init__(self, text: str):
        super().__init__()
        self.found: list[tuple[str, list[list[str]]]] = []
        self.into: list[str] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        if tag == "table":
            self.found.append(("", []))
        elif self.found and tag == "tr":
            self.found[-1][1].append([])
        elif self.found and tag in ("td", "th", "caption"):
            self.into = []

    def handle_data(self, data: str) -> None:
        if self.into is not None:
            self.into.append(data)

    def handle_endtag(self, tag: str) -> None:
        if self.into is None or tag not in ("td", "th", "caption"):
            return
        text, (_, rows) = "".join(self.into), self.found[-1]
        if tag == "caption":
            self.found[-1] = (text, rows)
        else:
            rows[-1].append(text)
        self.into = None


def as_csv(rows: list[list[str]]) -> str:
    """Rows of cells as CSV in which no spreadsheet finds a formula."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([harmless(cell) for cell in row] for row in rows)
    return out.getvalue()


def write_tables(path: Path, folder: Path) -> list[tuple[str, str]]:
    """Every table of an executed notebook as folder/<notebook>-<number>.csv: [(file, caption)]."""
    body, _ = notebook_html(read_json(path))
    written = []
    for number, (caption, rows) in enumerate(Tables(body).found, 1):
        file = f"{path.stem}-{number}.csv"
        write_text(folder / file, as_csv(rows))
        written.append((file, caption))
    return written


def notebook_page(path: Path, links: Links, metrics: Mapping[str, Any] | None, metrics_place: str,
                  tables: list[tuple[str, str]], of_study: bool = False) -> str:
    """The page of one executed notebook.

    links: to the other pages, as seen from this one. metrics: the notebook's numbers, None where it
    recorded none; metrics_place: their file. tables: as `write_tables` gives them. of_study: a page
    of the real study, whose notebooks may link to pages that only the other group has.
    """
    body, headings = notebook_html(read_json(path))
    if of_study:
        own = {file for file, _ in links}
        body = re.sub(r'(?<=href=")\w+\.html',
                      lambda found: found[0] if found[0] in own else f"../{found[0]}", body)
        body = body.replace("</h1>", f"</h1>{OF_STUDY}", 1)
    title = html.unescape(re.sub(r"<[^>]+>", "", headings[0][2]))
    if number := re.search(r"_(\d+)$", path.stem):  # one of several runs of a notebook
        body = body.replace("</h1>", f": number {number[1]}</h1>", 1)
        title = f"{title}: number {number[1]}"
    if metrics:
        words = html.escape(answer(path.stem, metrics, of_study))
        told = f'<p class="answer"><strong>Answer</strong> {words}</p>'
        body = QUESTION.sub(lambda found: found[1] + told, body, count=1)
    body = linked(zoomed(body, path.stem), "../" if of_study else "")
    body += foot(path, metrics_place if metrics else "", tables, of_study)
    return page(title, body, headings, f"{path.stem}.html", links)


def zoomed(body: str, stem: str) -> str:
    """A page whose figures lead to their files, where a browser shows them as large as they are."""
    return re.sub(r'(<figure id="figure-([\w-]+)">)(<img [^>]*>)',
                  rf'\1<a href="figures/{stem}/\2.png">\3</a>', body)


def foot(path: Path, metrics_place: str, tables: list[tuple[str, str]], of_study: bool) -> str:
    """Where a page comes from, and how it is made again."""
    number = re.search(r"_(\d+)$", path.stem)
    stem = path.stem[:number.start()] if number else path.stem
    stage = f"{stem}@{number[1]}" if number and not of_study else stem
    command = f"make real PART={stem}" if of_study else f"dvc repro --single-item {stage}"
    parts = [f'<a href="notebooks/{path.name}" download>the executed notebook</a>']
    if metrics_place:
        parts.insert(0, f'<a href="{metrics_place}" download>its numbers (JSON)</a>')
    listed = "".join(f'<li><a href="tables/{file}" download>{html.escape(caption or file)}</a></li>'
                     for file, caption in tables)
    folded = (f"<details><summary>Its {len(tables)} tables as CSV</summary><ul>{listed}</ul>"
              "</details>")
    return (f'<section class="foot" aria-label="Where this page comes from"><p>Data: '
            f"{', '.join(parts)}. Run this: <code>{command}</code></p>"
            f"{folded if tables else ''}</section>")
