"""The literature: one list, and citations on pages that lead to it."""
import html
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

LISTED = Path(__file__).with_name("references.yaml")


@cache
def entries() -> list[dict[str, Any]]:
    """All entries of references.yaml, by author and year."""
    found = yaml.safe_load(LISTED.read_text(encoding="utf-8"))
    return sorted(found, key=lambda entry: (entry["authors"], entry["year"]))


def linked(body: str, up: str = "") -> str:
    """A page's HTML in which citations are links. up: from its folder to that of references.html.
    """
    known = {html.escape(entry["cited"]): entry["key"] for entry in entries()}
    citation = re.compile("|".join(map(re.escape, known)))

    def link(found: re.Match) -> str:
        return f'<a href="{up}references.html#{known[found[0]]}">{found[0]}</a>'
    # Between tags only: no attribute holds a link, and code stays as it is.
    parts = re.split(r"(<pre>.*?</pre>|<[^>]*>)", body, flags=re.DOTALL)
    return "".join(part if part.startswith("<") else citation.sub(link, part) for part in parts)


def listed_html() -> str:
    """The list, each entry with an anchor of its own."""
    items = []
    for entry in entries():
        url = html.escape(entry.get("url", ""), quote=True)
        link = f' <a href="{url}">{url}</a>' if url else ""
        items.append(f'<li id="{entry["key"]}">{html.escape(entry["authors"])} ({entry["year"]}): '
                     f'<em>{html.escape(entry["title"])}</em>. {html.escape(entry["where"])}.{link}'
                     "</li>")
    return f'<ul class="references">{"".join(items)}</ul>'
