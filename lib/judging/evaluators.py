"""Judges that measure: asked in both orders, counted by author, and tried on known outcomes.

A judge of any kind may measure. Only one that gets nine of ten cases of the suite right earns the
name: the numbers of others are shown, and no claim rests on them.
"""
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lib.competencies.prompts import document
from lib.core.records import DataError, digest
from lib.core.rows import Comparison, Prompt, Rate, Written
from lib.core.sections.judging import Panelist
from lib.core.sections.models import Models
from lib.core.sections.preset import Preset
from lib.endpoint.store import Calls
from lib.judging import cases
from lib.judging.judges import VALUE, win_rate
from lib.judging.panel import Training, assemble
from lib.metrics import stats
from lib.models import places

EARNED = 0.9  # the share of the suite that a judge has to get right
ROUNDING = 1e-6  # scores that are nearer than this differ by rounding: they are a tie
OTHER = {"left": "right", "right": "left", "tie": "tie"}  # the winner, were the sides exchanged


class Evaluator:
    """A judge who says of two texts about a prompt which is better, always in both orders."""

    def __init__(self, judge: Any, prompts: Iterable[Prompt], families: Iterable[str] = (),
                 made_by: str = ""):
        """judge: has a `name`, and `votes(comparisons) -> votes`. made_by: see `made_of`."""
        self.judge, self.name, self.made_by = judge, judge.name, made_by
        self.family = ", ".join(families) or judge.family
        rows = list(prompts)
        self.texts = {row["id"]: document(row["abstracts"]).strip() for row in rows}
        self.authors = {row["id"]: row.get("author") or row["id"] for row in rows}

    def both_orders(self, pairs: list[tuple[str, str, str]]) -> list[tuple[str | None, str | None]]:
        """The winner of each (prompt id, left, right) in both orders; None: nothing valid was said.

        Each winner is "left", "right" or "tie", of the pair as it is given. Equal texts are a tie
        that nobody is asked about.
        """
        asked = [pair for pair in pairs if pair[1] != pair[2]]
        orders = [[Comparison(id=key, abstracts=self.texts[key], left=one, right=other, repeat=0)
                   for key, left, right in asked
                   for one, other in ((left, right) if not turned else (right, left),)]
                  for turned in (False, True)]
        votes = self.judge.votes(orders[0] + orders[1]) if asked else []
        winners = [vote["winner"] for vote in votes]
        turned_back = [winner and OTHER[winner] for winner in winners[len(asked):]]
        found = iter(zip(winners[:len(asked)], turned_back, strict=True))
        return [("tie", "tie") if left == right else next(found) for _, left, right in pairs]

    def contest(self, ours: list[Written], theirs: list[Written],
                tie_margin: float = 0.0) -> list[dict[str, Any]]:
        """As `judges.contest`, by texts; rows also say the "author". tie_margin: not used."""
        pairs = [(one["id"], one["text"], other["text"])
                 for one, other in zip(ours, theirs, strict=True)]
        rows = []
        for (key, *_), (first, second) in zip(pairs, self.both_orders(pairs), strict=True):
            known = first is not None and second is not None
            points = VALUE[first] + VALUE[second] if known else 0
            rows.append({"id": key, "author": self.authors[key],
                         "outcome": (points / 2 + 1) / 2 if known else None,
                         "consistent": first == second if known else None})
        return rows


class Team(NamedTuple):
    """The evaluators by name, the headline's first: of some prompts, and of the suite's."""
    study: dict[str, Evaluator]
    suite: dict[str, Evaluator]
    cases: cases.Suite


def origin(name: str) -> str:
    """The model that an adapter was trained on, and so on to the first; else the model itself."""
    return str(places.lineage(name)[-1]) if places.find(name) else name


def gather(settings: Preset, prompts: list[Prompt], texts: dict[str, list[str]],
           training: Training, calls: Calls, work: Path) -> Team:
    """The judges of evaluation.panel, ready for some prompts and for the suite.

    texts: all that will be compared, by prompt id, for judges who set it against each other. work:
    for what they write. Raises DataError where the headline's judge is akin to the base or to one
    that labelled, and where a judge has nothing to learn from.
    """
    refuse_kin(settings)
    suite, loaded = cases.load(settings.models.prompt), dict[str, Any]()
    study = assembled(settings, prompts, texts, training, calls, work / "study", loaded)
    tried_on = assembled(settings, suite.prompts, cases.texts(suite.cases), training, calls,
                         work / "suite", loaded)
    return Team(study, tried_on, suite)


def headline(settings: Preset, prompts: list[Prompt], texts: dict[str, list[str]],
             training: Training, calls: Calls, work: Path) -> Evaluator:
    """The judge whose measurements make the headline, for some prompts; see `gather`."""
    refuse_kin(settings)
    first = settings.evaluators()[0]
    chosen = settings.evaluation.model_copy(update={"judge": first.name, "panel": [
        one for one in settings.evaluation.panel
        if one.name == first.name or one.name in (first.standardised or {})]})
    only = settings.model_copy(update={"evaluation": chosen})
    return assembled(only, prompts, texts, training, calls, work)[first.name]


def refuse_kin(settings: Preset) -> None:
    """Raise DataError where the headline's judge is akin to who is tuned or who labelled.

    Settings were checked by names; here an adapter's folder says what it was trained on.
    """
    if reason := settings.kinship(origin):
        raise DataError(f"params.yaml: {reason}.")


def assembled(settings: Preset, prompts: list[Prompt], texts: dict[str, list[str]],
              training: Training, calls: Calls, work: Path,
              loaded: dict[str, Any] | None = None) -> dict[str, Evaluator]:
    """All evaluators by name, the headline's first. loaded: models by name, as for `assemble`."""
    members, panel = settings.evaluators(), settings.judging.panel
    parts = [one for one in panel if members[0] in panel
             and one.name in (members[0].standardised or {})]
    judging = settings.judging.model_copy(update={"panel": [*parts, *members],
                                                  "tie_margin": ROUNDING})
    known = assemble(settings.model_copy(update={"judging": judging}), prompts, texts, calls, work,
                     training, loaded).known
    return {one.name: Evaluator(known[one.name], prompts, settings.families(one, origin),
                                made_of(one, settings.models, training)) for one in members}


def made_of(judge: Panelist, models: Models, training: Training) -> str:
    """A digest of all that decides what a judge says; "" where a server or other judges do."""
    if judge.kind in ("endpoint", "standardised"):
        return ""
    name = judge.of(models)
    learnt = [row["abstracts"] for row in training.prompts]
    return digest([judge.model_dump(), places.identity(name) if places.find(name) else name,
                   models.prompt, learnt, training.texts])


def shares(rows: list[dict[str, Any]]) -> dict[str, Rate]:
    """Of a contest: the "preference", by author, and how often a judge told nothing or fell over.

    ties: of the prompts with a verdict, those that neither won. invalid: of all prompts, those
    without a verdict in both orders. order_consistency: where both orders said the same.
    """
    known = [row for row in rows if row["outcome"] is not None]
    return {"preference": win_rate(rows),
            "ties": stats.rate(sum(row["outcome"] == 0.5 for row in known), len(known)),
            "invalid": stats.rate(len(rows) - len(known), len(rows)),
            "order_consistency": stats.rate(sum(row["consistent"] for row in known), len(known))}


def tried(evaluator: Evaluator, suite: cases.Suite, keep: bool = False,
          kept: Path = cases.KEPT) -> dict[str, Any]:
    """What the suite says of an evaluator: {"suite", "suite_by_kind", "suite_by_half", "valid"}.

    A case is right where both orders have an outcome that is allowed. Where texts are missing, what
    is known of this very judge is recalled; who is not known to have been asked all cases cannot be
    valid. keep: what is found of cases whose texts may be missing elsewhere, in the file `kept`.
    """
    pairs = [(case["text"], case["left"], case["right"]) for case in suite.cases]
    right = {case["id"]: all(winner in case["allowed"] for winner in winners)
             for case, winners in zip(suite.cases, evaluator.both_orders(pairs), strict=True)}
    if keep and evaluator.made_by:
        cases.remember(evaluator.made_by, right, suite, kept)
    right |= cases.recalled(evaluator.made_by, suite, kept)
    asked = [case for case in (*suite.cases, *suite.lacking) if case["id"] in right]
    not_run = len(suite.cases) + len(suite.lacking) - len(asked)
    whole = stats.rate(sum(right.values()), len(asked))
    valid = not not_run and whole["rate"] is not None and whole["rate"] >= EARNED

    def by(part: Mapping[str, list[bool]]) -> dict[str, Rate]:
        return {name: stats.rate(sum(found), len(found)) for name, found in part.items()}

    kinds: dict[str, list[bool]] = {}
    halves: dict[str, list[bool]] = {}
    for case in asked:
        kinds.setdefault(case["kind"], []).append(right[case["id"]])
        halves.setdefault(cases.half(case), []).append(right[case["id"]])
    return {"suite": whole, "suite_by_kind": by(kinds), "suite_by_half": by(halves),
            "suite_not_run": not_run, "valid": valid}


def measured(team: Team, ours: list[Written], theirs: list[Written],
             keep: bool = False) -> dict[str, dict[str, Any]]:
    """What page 4 says of each evaluator: its family, what `tried` finds, and a contest's `shares`.

    The share of `ours` preferred is called "preference_over_base".
    """
    found = {}
    for name, judge in team.study.items():
        of_contest = shares(judge.contest(ours, theirs))
        found[name] = {"family": judge.family, **tried(team.suite[name], team.cases, keep),
                       "preference_over_base": of_contest.pop("preference"), **of_contest}
    return found


def table_rows(found: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Lines for the table of evaluators. found: as `measured` has it."""
    return [{"evaluator": name, "family": one["family"],
             "suite, valid here": one["suite"] if one["valid"] else None,
             "not valid here": None if one["valid"] else one["suite"],
             "tuned preferred to base": one["preference_over_base"],
             "ties": one["ties"], "invalid": one["invalid"]} for name, one in found.items()]


def said(name: str, found: Mapping[str, Any]) -> str:
    """Whether an evaluator may measure, in a sentence. found: as `tried` has it."""
    suite, missing = found["suite"], found["suite_not_run"]
    share = "none" if suite["rate"] is None else f"{suite['rate']:.3f}"
    verdict = "valid" if found["valid"] else "NOT VALID HERE"
    lacking = f", and {missing} were not run, as their texts are missing" if missing else ""
    return f"The evaluator {name} is {verdict}: right in {share} of {suite['n']} cases{lacking}."


def texts_of(written: Iterable[list[Written]]) -> dict[str, list[str]]:
    """All that several models wrote, by prompt id."""
    found: dict[str, list[str]] = {}
    for row in (row for rows in written for row in rows):
        found.setdefault(row["id"], []).append(row["text"])
    return found


def paid(settings: Preset) -> bool:
    """Whether a judge of either panel asks a server, whose answers are kept between runs."""
    judges = (*settings.judging.panel, *settings.evaluators())
    return any(judge.kind == "endpoint" for judge in judges)
