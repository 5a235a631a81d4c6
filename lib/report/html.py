"""Self-contained pages: Markdown and executed notebooks as HTML, nothing loaded from elsewhere."""
import html
import re
from pathlib import Path

import mistune
from latex2mathml.converter import convert as mathml

LONG = 24  # rows; a longer table is folded away under its caption


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


def page(title, body, headings=(), current="", links=()):
    """A whole page: no script, nothing loaded from elsewhere. links: (file, name) of the pages that are named at its top."""
    toc = "".join(f'<li><a href="#{anchor}">{text}</a></li>' for level, anchor, text in headings if level == 2)
    others = "".join(f"<li>{name}</li>" if file == current else f'<li><a href="{file}">{name}</a></li>' for file, name in links)
    site = f'<nav aria-label="Pages"><ul class="pages">{others}</ul></nav>' if links else ""
    css = Path(__file__).with_name("site.css").read_text(encoding="utf-8")
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
