"""Self-contained pages: Markdown and executed notebooks as HTML, nothing loaded from elsewhere."""
import base64
import hashlib
import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mistune
from latex2mathml.converter import convert as mathml

LONG = 24  # rows; a longer table is folded away under its caption
Heading = tuple[int, str, str]  # level, anchor, text as HTML


class Renderer(mistune.HTMLRenderer):
    """Markdown to HTML with unique heading anchors and with formulas as MathML."""

    def __init__(self) -> None:
        super().__init__(escape=True)
        self.headings: list[Heading] = []
        self.tables = 0

    def heading(self, text: str, level: int, **attributes: Any) -> str:
        """A heading with an anchor of its own, which is noted in `headings`."""
        anchor = slug(html.unescape(re.sub(r"<[^>]+>", "", text)))
        taken = {known for _, known, _ in self.headings}
        choices = [anchor, *(f"{anchor}-{number}" for number in range(2, 99))]
        anchor = next(name for name in choices if name not in taken)
        self.headings.append((level, anchor, text))
        return f'<h{level} id="{anchor}">{text}</h{level}>\n'

    def inline_math(self, text: str) -> str:
        return mathml(text)

    def block_math(self, text: str) -> str:
        return scroll(mathml(text, display="block"), "formula")

    def table(self, text: str) -> str:
        self.tables += 1
        title = f"Table {self.tables}"
        return scroll(f"<table><caption>{title}</caption>{text}</table>", title)


def slug(text: str) -> str:
    """A heading as an anchor: small letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def scroll(content: str, label: str) -> str:
    """Content that may be wider than a phone: it scrolls by itself, by keyboard too."""
    name = html.escape(label, quote=True)
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{name}">{content}</div>'


def notebook_html(notebook: dict[str, Any],
                  renderer: Renderer | None = None) -> tuple[str, list[Heading]]:
    """Body and headings of an executed notebook: code folded away, outputs where they arose."""
    renderer = renderer or Renderer()
    markdown = mistune.create_markdown(renderer=renderer, plugins=["math", "table"])
    parts: list[str] = []
    code: list[str] = []  # since the last prose or output

    def fold() -> None:
        if code:
            source = html.escape("\n\n".join(code))
            parts.append('<details class="code"><summary>Code</summary>'
                         f"<pre><code>{source}</code></pre></details>")
            code.clear()

    for item in notebook["cells"]:
        source = "".join(item["source"])
        if item["cell_type"] == "markdown":
            fold()
            parts.append(str(markdown(source)))
        elif source.strip():
            code.append(source)
            if shown := [text for text in map(output_html, item["outputs"]) if text]:
                fold()
                parts += shown
    fold()
    return "\n".join(parts), renderer.headings


def output_html(output: dict[str, Any]) -> str:
    """One output of a cell. HTML comes from our own tables and figures, which escape all text."""
    data = output.get("data", {})
    if "text/html" not in data:
        text = "".join(output.get("text", data.get("text/plain", ""))).rstrip()
        return f"<pre>{html.escape(text)}</pre>" if text.strip() else ""
    content = "".join(data["text/html"])
    found = re.search(r"<caption>(.*?)</caption>", content, re.DOTALL)
    if not (content.startswith("<table") and found):
        return content
    caption, rows = found.group(1), content.count("<tr>") - 1
    table = scroll(content, html.unescape(caption))
    if rows <= LONG and not caption.startswith("Settings of "):
        return table
    return f'<details class="folded"><summary>{caption} {rows} rows.</summary>{table}</details>'


def page(title: str, body: str, headings: Sequence[Heading] = (), current: str = "",
         links: Sequence[tuple[str, str]] = (), script: str = "") -> str:
    """A whole page: nothing loaded from elsewhere, and no script but one that its policy names.

    links: (file, name) of the pages that are named at its top. current: its own file among them,
    whose neighbours are named at its end.
    """
    policy = f"default-src 'none'; style-src 'unsafe-inline'; img-src data:{_admitting(script)}"
    css = Path(__file__).with_name("site.css").read_text(encoding="utf-8")
    last = f"<script>{script}</script>\n" if script else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{html.escape(title)}</title>
<style>{css}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
{menus(current, links, headings)}
<main id="content">
{body}
</main>
{neighbours(current, links)}
{last}</body>
</html>
"""


def _admitting(script):
    """What a content security policy says of a script: only this one, by its hash."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"; script-src 'sha256-{base64.b64encode(digest).decode()}'" if script else ""


def menus(current: str, links: Sequence[tuple[str, str]], headings: Sequence[Heading]) -> str:
    """All pages, and the parts of this one, in menus that open without a script."""
    names = [f'<span aria-current="page">{name}</span>' if file == current
             else f'<a href="{file}">{name}</a>' for file, name in links]
    parts = [f'<a href="#{anchor}">{text}</a>' for level, anchor, text in headings if level == 2]
    home = f'<a href="{links[0][0]}">Overview</a>' if links and links[0][0] != current else ""
    shown = home + _menu("All pages", names) + _menu("On this page", parts)
    return f'<nav class="site" aria-label="Pages and parts">{shown}</nav>' if shown else ""


def _menu(title, items):
    listed = "".join(f"<li>{item}</li>" for item in items)
    return (f'<details class="menu"><summary>{title}</summary><ul class="pages">{listed}</ul>'
            "</details>") if items else ""


def neighbours(current: str, links: Sequence[tuple[str, str]]) -> str:
    """Links to the page before and the page after, where the page is one of `links`."""
    files = [file for file, _ in links]
    if current not in files:
        return ""
    at = files.index(current)
    named = [("Previous", link) for link in links[max(at - 1, 0):at]]
    named += [("Next", link) for link in links[at + 1:at + 2]]
    items = "".join(f'<li>{word}: <a href="{file}">{name}</a></li>' for word, (file, name) in named)
    return f'<nav aria-label="Previous and next page"><ul class="pages">{items}</ul></nav>'
