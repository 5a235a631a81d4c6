"""What the original study's experts preferred, as published: the only place of these numbers."""
from collections.abc import Mapping
from typing import Any, NamedTuple

from lib.core.rows import Rate

SOURCE = ("Master's thesis \"Domain-Agnostic Approaches to Competency Extraction via Large "
          "Language Models\", KIT 2024")


class Share(NamedTuple):
    """A published share of preferences: in percent, and the number of wins that gives it."""
    percent: float
    wins: int


# Of the preferences whose winner was made from abstracts. The counts were derived from the study's
# published answers; they hold byes as self-preferences, and some pairs twice.
TABLE_7 = {"Mixtral-8x7B": Share(34.12, 29), "GPT-4o-mini": Share(31.76, 27),
           "Phi3-3.8B, fine-tuned": Share(16.47, 14), "Phi3-14B": Share(11.76, 10),
           "Phi3-3.8B": Share(5.88, 5)}
FIGURE_20 = {"from abstracts": Share(46.10, 71), "from full texts": Share(23.38, 36),
             "from summaries": Share(21.43, 33), "by fine-tuning": Share(9.09, 14)}
# 95 % interval of the fine-tuned model's percentage in table 7, derived from the published answers
# by a bootstrap over the experts.
FINE_TUNED = (0, 41)
EXPERTS, ANSWERED = 9, 6  # experts, and those whose answers the shares come from


def record() -> dict[str, Any]:
    """The published numbers for the metrics, in percent."""
    tables = {"table_7": TABLE_7, "figure_20": FIGURE_20}
    found: dict[str, Any] = {
        name: {row: {"percent": share.percent, "count": share.wins}
               for row, share in table.items()} for name, table in tables.items()}
    interval = dict(zip(("low", "high"), FINE_TUNED, strict=True))
    found["table_7"]["Phi3-3.8B, fine-tuned"]["derived_interval"] = interval
    return {**found, "source": SOURCE, "experts": EXPERTS, "experts_counted": ANSWERED}


def beside(measured: Mapping[str, Mapping[str, Rate]]) -> dict[str, Rate | float]:
    """Rows for one picture: the published shares, then the measured ones, each by who preferred.

    measured: {who: {model: share}}.
    """
    rows: dict[str, Rate | float] = {f"table 7: {name}": share.percent / 100
                                     for name, share in TABLE_7.items()}
    rows |= {f"figure 20: {name}": share.percent / 100 for name, share in FIGURE_20.items()}
    return rows | {f"{who}: {model}": share for who, shares in measured.items()
                   for model, share in shares.items()}


def table(shares: Mapping[str, Share]) -> list[dict[str, Any]]:
    """Published shares as rows for a table."""
    total = sum(share.wins for share in shares.values())
    return [{"preferred": name, "share, %": f"{share.percent:.2f}",
             "preferences": f"{share.wins} of {total}"} for name, share in shares.items()]
