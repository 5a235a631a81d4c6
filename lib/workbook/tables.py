"""Rows as tables and drawings with captions: all text escaped, numbers as readers want them."""
import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lib.workbook import naming


def by_name(head: str, found: Mapping[str, Mapping[str, Any]],
            columns: Mapping[str, str] | Iterable[str]) -> list[dict[str, Any]]:
    """One row for each name: the name under `head`, and some of what was found for it.

    columns: {key: title}, or keys that make their own titles, without underscores.
    """
    if not isinstance(columns, Mapping):
        columns = {key: key.replace("_", " ") for key in columns}
    return [{head: name, **{title: values.get(key) for key, title in columns.items()}}
            for name, values in found.items()]


def ends(points: Sequence[Mapping[str, float]], measure: str) -> dict[str, float] | None:
    """Where a curve of training begins and ends: {"first", "last"}; None where there is none."""
    return {"first": points[0][measure], "last": points[-1][measure]} if points else None


def named(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same rows with columns, and with cells that are a key, as a person would say them."""
    return [{naming.said(key): naming.known(value) if isinstance(value, str) else value
             for key, value in row.items()} for row in rows]


def figure_html(drawn: str, slim: str, name: str, alt: str, caption: str) -> str:
    """A drawing with its caption: one for pages, one for phones, both SVG, shown as images.

    As an image nothing in a drawing can run or reach the page.
    """
    wide, narrow = (f"data:image/svg+xml;base64,{base64.b64encode(text.encode()).decode()}"
                    for text in (drawn, slim))
    return (f'<figure id="figure-{name}"><picture><source media="screen and (max-width: 44rem)" '
            f'srcset="{narrow}"><img alt="{html.escape(alt, quote=True)}" src="{wide}"></picture>'
            f"<figcaption>{html.escape(caption)}</figcaption></figure>")


def table_html(rows: list[dict[str, Any]], caption: str) -> str:
    """A table with a caption. Its columns are the keys of all rows, in the order they come in."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    head = "".join(f'<th scope="col">{html.escape(str(column))}</th>' for column in columns)
    lines = ["".join(cell_html(row.get(column, "")) for column in columns) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return (f"<table><caption>{html.escape(caption)}</caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table>")


def cell_html(value: Any) -> str:
    """One escaped cell; numbers and intervals do not wrap."""
    kind = ' class="number"' if isinstance(value, (int, float, dict)) else ""
    return f"<td{kind}>{html.escape(cell(value))}</td>"


def cell(value: Any) -> str:
    """A rate as "0.812 [0.756, 0.857]", a float with three decimals, None as a dash, else text."""
    if isinstance(value, dict) and {"rate", "low", "high"} <= set(value):
        return interval(value)
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) >= 0.001 or value == 0 else f"{value:.2g}"
    return str(value)


def interval(value: Mapping[str, Any], scale: float = 1.0, digits: int = 3) -> str:
    """A rate with its 95 % interval, such as "0.812 [0.756, 0.857]"."""
    if value["rate"] is None:
        return "–"
    if value["low"] is None:  # a bootstrap over a single cluster
        return f"{value['rate'] * scale:.{digits}f}"
    rate, low, high = (f"{value[key] * scale:.{digits}f}" for key in ("rate", "low", "high"))
    return f"{rate} [{low}, {high}]"
