"""Behaviour tests on real texts: a change to a text, and what has to change in its profile by it.

Nobody knows all that a real text shows, but people gave it terms, and a change to a term that
stands in it has a known consequence. The gate opens for a model that meets 90 of 100 tests.

Two kinds, `removed` and `renamed`, ask what becomes of a term; that only makes sense where the
model named the term of the original. So each model is tested on the first texts of the seed's order
for which it did, and in a text on the first term that it named; the texts passed over are counted.
Otherwise who never names a term would lose it without fail, or would be blamed twice for missing
it. Who named too few fails the tests that are missing. The other kinds have the same texts for all.
"""
import random
from collections.abc import Iterable, Sequence
from typing import Any

from lib.competencies.prompts import messages
from lib.core.records import DataError
from lib.core.rows import Profile, Prompt, Shown, Written
from lib.core.sections.studies import Gate
from lib.metrics.competencies import names_in
from lib.metrics.stats import rate
from lib.metrics.words import stems
from lib.studies.generalisation.behaviour_tests import PASS
from lib.studies.generalisation.real_changes import KINDS, Change, runs


class Case(Change):
    """A change that a model may be tested with. text: the prompt's id."""
    id: str
    kind: str
    text: str
    before: Shown


def cases(prompts: Iterable[Prompt], gate: Gate) -> list[Case]:
    """All changes that suit some texts, kind by kind, each kind's texts in an order of the seed's.

    prompts: of one text each; those without references are left out. Raises DataError where none
    is left.
    """
    known = sorted((row for row in prompts if row.get("references") and len(row["abstracts"]) == 1),
                   key=lambda row: row["id"])
    if not known:
        raise DataError("the gate on real texts: no prompt has one text and references; set "
                        "data.group_size to 1 and name the column of terms in data.columns.")
    made: list[Case] = []
    for kind, change in KINDS.items():
        for row in random.Random(f"{gate.seed}/{kind}").sample(known, len(known)):
            rng = random.Random(f"{gate.seed}/{kind}/{row['id']}")
            others = [other for other in known if other is not row]
            made += [{"id": f"{kind} {row['id']} {number}", "kind": kind, "text": row["id"],
                      "before": row["abstracts"][0], **changed}
                     for number, changed in enumerate(change(row, others, rng), 1)]
    return made


def taken(cases: Iterable[Case], originals: Iterable[Written],
          gate: Gate) -> tuple[list[Case], dict[str, int]]:
    """The tests of one model, a fifth of gate.tests of each kind, no text twice in a kind.

    originals: what it wrote to the texts. Returns also how many texts of each kind were passed over
    because it named no term of theirs that could be asked about. Where too few are left, the first
    of these make up the number: it fails them.
    """
    profiles = {row["id"]: row["profile"] for row in originals}
    count, tests, passed_over = gate.tests // len(KINDS), [], dict.fromkeys(KINDS, 0)
    by_text: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        by_text.setdefault((case["kind"], case["text"]), []).append(case)
    for kind in KINDS:
        sound: list[Case] = []
        rest: list[Case] = []
        for (of_kind, text), given in by_text.items():
            if of_kind == kind and len(sound) < count:
                fits = [case for case in given if asks(case, profiles[text])]
                (sound if fits else rest).append((fits or given)[0])
        tests += [*sound, *rest][:count]
        passed_over[kind] = len(rest)
    return tests, passed_over


def asks(case: Case, before: Profile | None) -> bool:
    """Whether a case says something of a model, given its profile of the original."""
    return case["term"] is None or lists(before, case["term"])


def questions(tests: Iterable[Case], originals: Iterable[Written], style: str,
              prompts: Iterable[Prompt] = ()) -> list[Prompt]:
    """One prompt for each changed text whose profile decides, with the test's id.

    style: of the prompts, settings.models.prompt. prompts: of the texts as they are; the examples
    that they show before the question, if any, are shown here too.
    """
    profiles = {row["id"]: row["profile"] for row in originals}
    before = {row["id"]: row["messages"][:-1] for row in prompts}
    found: list[Prompt] = []
    for case in tests:
        if asks(case, profiles[case["text"]]):
            *rules, question = messages([case["after"]], style)
            found.append({"id": case["id"], "author": case["text"], "split": "test",
                          "domain": None, "truth": None, "abstracts": [case["after"]],
                          "messages": [*before.get(case["text"], rules), question]})
    return found


def verdicts(tests: Iterable[Case], originals: Iterable[Written], changed: Iterable[Written],
             tolerance: int) -> list[dict[str, Any]]:
    """Each test's row {"id", "kind", "text", "term", "passed", "why"}; why: "" where it is passed.

    originals, changed: what the model wrote to the texts, and to the `questions`. tolerance: as of
    `broken`.
    """
    before = {row["id"]: row["profile"] for row in originals}
    after = {row["id"]: row["profile"] for row in changed}
    rows = []
    for case in tests:
        wrong = broken(case, before[case["text"]], after.get(case["id"]), tolerance)
        rows.append({**{key: case[key] for key in ("id", "kind", "text", "term")},
                     "passed": not wrong, "why": "; ".join(wrong)})
    return rows


def broken(case: Case, before: Profile | None, after: Profile | None, tolerance: int) -> list[str]:
    """What a case expects and a model did not do, as short phrases; empty when it is passed.

    before, after: its profiles, None where unreadable. tolerance: how many names may go, and how
    many may come, where the same ones are expected; one has to stay, or else a profile of a single
    name would always pass. Names are compared by their stems.
    """
    if not asks(case, before):
        return ["named no term of the original that could be asked about"]
    if after is None or (case["keeps"] and before is None):
        return ["no readable profile"]
    wrong = [f"does not name {name}" for name in case["names"] if not lists(after, name)]
    wrong += [f"names {name}" for name in case["lacks"]
              if any(runs(name, given) for given in names_in(after))]
    if case["keeps"]:
        had, has = ({stems(name): name for name in names_in(side)} for side in (before, after))
        lost, gained = had.keys() - has.keys(), has.keys() - had.keys()
        if max(len(lost), len(gained)) > tolerance or not had.keys() & has.keys():
            wrong += [f"lost {name}" for name in sorted(had[key] for key in lost)]
            wrong += [f"gained {name}" for name in sorted(has[key] for key in gained)]
    return wrong


def outcome(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """{kind: Rate, "all": Rate, "passed": whether 90 % of all are met}, with Wilson's intervals."""
    met = {kind: [row["passed"] for row in rows if row["kind"] == kind] for kind in KINDS}
    total = sum(map(sum, met.values()))
    return {**{kind: rate(sum(passed), len(passed)) for kind, passed in met.items()},
            "all": rate(total, len(rows)), "passed": bool(rows) and total >= PASS * len(rows)}


def lists(profile: Profile | None, term: str) -> bool:
    """Whether a profile has a competency of this name, by stems."""
    return stems(term) in map(stems, names_in(profile))
