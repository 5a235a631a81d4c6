"""The judges themselves under study: what page 2 asks of a panel, as rows for its tables."""
from collections.abc import Iterable
from typing import Any

from lib.core import families
from lib.core.rows import Preference, Verdict
from lib.core.sections.judging import Judging
from lib.core.sections.models import Models
from lib.judging import audit
from lib.judging.ranking import Asked

THRESHOLDS = (1.0, 0.9, 0.75, 0.5, None)  # shares of votes that make a win; None: votes are games


def members(judging: Judging, models: Models) -> list[dict[str, str]]:
    """One row for each judge of the panel: what it is, and whether it is akin to the candidates."""
    own, rows = families.of_judge_model(models.base), []
    for member in judging.panel:
        found = families.of_judge(member, judging.panel, models)
        rows.append({"judge": member.name, "kind": member.kind, "model": member.of(models),
                     "family": ", ".join(found),
                     "the base's family": "yes" if own in found else "no",
                     "votes": "yes" if member.votes else "no",
                     "votes while screening": "yes" if member.votes and member.screens else "no"})
    return rows


def counts(verdicts: list[Verdict]) -> dict[str, int]:
    """How many votes there are, how many of them ties, and how many are none."""
    winners = [verdict["winner"] for verdict in verdicts]
    return {"votes": len(winners), "ties": winners.count("tie"), "invalid": winners.count(None)}


def by_margin(preferences: list[Preference], pairs: list[Asked],
              scores: audit.Scores) -> list[dict[str, Any]]:
    """Agreement with the truth in fifths of the margins: [{"from", "to", "agreement"}], if known.

    pairs: of the same preferences, (prompt id, better, worse).
    """
    margins = [row["margin"] for row in preferences]
    order = sorted(zip(margins, pairs, strict=True), key=lambda item: item[0])
    rows: list[dict[str, Any]] = []
    for fifth in range(5):
        if part := order[fifth * len(order) // 5:(fifth + 1) * len(order) // 5]:
            rows.append({"from": part[0][0], "to": part[-1][0],
                         "agreement": audit.pair_accuracy([pair for _, pair in part], scores)})
    return [row for row in rows if row["agreement"]["rate"] is not None]


def both_orders(entrants: dict[str, list[int]]) -> list[Asked]:
    """All pairs of each prompt's candidates in both orders."""
    return [(key, left, right) for key, players in entrants.items()
            for left in players for right in players if left != right]


def spread_out(asked: list[Asked], count: int) -> list[Asked]:
    """At most `count` comparisons, from all over."""
    return asked[::max(1, len(asked) // max(1, count))][:count]


def correlations(votes: list[Verdict], groups: dict[str, list[str]],
                 entrants: dict[str, list[int]], scores: audit.Scores,
                 seed: int) -> dict[str, dict[str, Any]]:
    """{group: {threshold as text: `audit.rank_correlations` of its judges' votes}}."""
    found = {}
    for group, names in groups.items():
        cast = of_judges(votes, names)
        found[group] = {str(level or "none"): audit.rank_correlations(cast, entrants, scores, level,
                                                                      seed)
                        for level in THRESHOLDS}
    return found


def of_judges(votes: Iterable[Verdict], names: Iterable[str]) -> list[Verdict]:
    return [vote for vote in votes if vote["judge"] in names]
