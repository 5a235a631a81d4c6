"""The claims of claims.yaml beside the run's numbers, which reports/metrics holds."""
import html
from pathlib import Path
from typing import Any

import yaml

from lib.core.records import DataError, read_json
from lib.report.html import scroll
from lib.workbook.book import METRICS
from lib.workbook.tables import interval

CLAIMS = Path(__file__).with_name("claims.yaml")
COLUMNS = ("claim", "rate [95 % interval]", "n", "target", "outcome")
START, END = "<!-- results: written by lib/report/site.py -->", "<!-- end of results -->"
# A target's name in claims.yaml, the end of the interval it is for, its direction, and its sign.
GOALS = (("at_least", "rate", 1, "≥"), ("low_at_least", "low", 1, "low end ≥"),
         ("at_most", "rate", -1, "≤"))


def load_metrics() -> dict[str, Any]:
    """The numbers of every notebook: {"03_dpo": {...}}."""
    return {path.stem: read_json(path) for path in sorted(METRICS.glob("[0-9]*.json"))}


def lookup(metrics: dict[str, Any], key: str) -> Any:
    """A number by its dotted key; a key's own part may hold a dot ("temperature_0.7").

    None where the run has nothing of this kind (a part of the way is null). Raises DataError if the
    key is unknown.
    """
    def walk(tree: Any, rest: list[str]) -> Any:
        if not rest or tree is None:
            return tree
        for cut in range(1, len(rest) + 1):
            name = ".".join(rest[:cut])
            if isinstance(tree, dict) and name in tree:
                return walk(tree[name], rest[cut:])
        raise DataError(f"reports/metrics: no number {key!r}; "
                        "run dvc repro, or correct lib/report/claims.yaml.")
    return walk(metrics, key.split("."))


def measured(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """Every claim that the run has a number for, with "value", "target", "met" and "link".

    met: whether the value reaches the target, None where there is none.
    """
    rows = []
    for claim in yaml.safe_load(CLAIMS.read_text(encoding="utf-8")):
        notebook, _, _ = claim["metric"].partition(".")
        value = lookup(metrics, claim["metric"]) if notebook in metrics else None
        if value is None:
            continue
        goals = [goal for goal in GOALS if goal[0] in claim]
        reached = [sign * value[end] >= sign * claim[name] for name, end, sign, _ in goals
                   if value["rate"] is not None]
        rows.append({**claim, "value": value, "met": all(reached) if reached else None,
                     "target": ", ".join(f"{sign} {claim[name]:.2f}" for name, *_, sign in goals),
                     "link": f"{notebook}.html#{claim['section']}"})
    return rows


def claims_html(rows: list[dict[str, Any]]) -> str:
    """The table of claims, rows of `measured`, as HTML."""
    verdicts = {True: '<span class="met">met</span>', False: '<span class="missed">missed</span>',
                 None: "–"}
    body = ""
    for row in rows:
        link = f'<a href="{row["link"]}">{html.escape(row["claim"])}</a>'
        body += (f'<tr><td>{link}</td><td class="number">{interval(row["value"])}</td>'
                 f'<td>{row["value"]["n"]}</td><td>{row["target"] or "–"}</td>'
                 f'<td>{verdicts[row["met"]]}</td></tr>')
    head = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS)
    caption = ("Each claim links to the place where it was measured. "
               "Targets were set before the run.")
    return scroll(f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead>"
                  f"<tbody>{body}</tbody></table>", "claims")


def results_markdown(metrics: dict[str, Any], headlines: bool = False) -> str:
    """The claims in Markdown: all of them for the adapter's card, headlines for README.md."""
    verdicts = {True: "met", False: "**missed**", None: "–"}
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for row in measured(metrics):
        if headlines and not row.get("headline"):
            continue
        cells = (row["claim"], interval(row["value"]), str(row["value"]["n"]), row["target"] or "–",
                 verdicts[row["met"]])
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def with_results(readme: str, metrics: dict[str, Any]) -> str:
    """The text of README.md with its results replaced by those of the last run."""
    before, _, rest = readme.partition(START)
    table = results_markdown(metrics, headlines=True)
    return f"{before}{START}\n{table}\n{END}{rest.partition(END)[2]}"
