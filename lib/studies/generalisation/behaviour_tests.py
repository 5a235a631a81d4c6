"""Behaviour tests: a change to an author's abstracts, and what has to change in the profile by it.

The authors are fresh ones of the synthetic world, so that every expectation follows from a truth
that is known. The gate is the decision on the tests: it opens for a step that meets 90 of 100.
"""
import random
import re
from typing import Any

from torch.nn import Module
from transformers import PreTrainedTokenizerBase as Tokenizer

from lib.competencies import prompts, world
from lib.core.rows import Profile
from lib.core.sections.models import Models
from lib.core.sections.studies import Decoding
from lib.metrics import stats
from lib.metrics.competencies import precision_recall_f1
from lib.studies.evaluation import write_profiles
from lib.studies.generalisation import open_changes
from lib.studies.generalisation.editing import (
    Abstracts,
    Change,
    edited,
    inserted,
    reorder,
    sentences,
    shown,
    unseen,
)

PASS = 0.9  # share of the tests that a step has to meet
# {"id", "kind", "before": abstracts or None, "after": abstracts, "expectation": a sentence,
# "expected": what `broken` checks}, once taken also {"profiles": of both sides, "broken": phrases}.
Test = dict[str, Any]


def add(rows: Abstracts, rng: random.Random) -> Change:
    """One more competency is shown, in a sentence of its own."""
    item = fresh(rows, rng)
    abstract, sentence, name = rng.randrange(len(rows)), world.phrase(item, rng), item["name"]
    return (inserted(rows, abstract, sentence, rng),
            f"With “{sentence}” added, the profile names {name}.", {"names": [name]})


def drop(rows: Abstracts, rng: random.Random) -> Change:
    """The sentence that shows a competency is taken out."""
    name = rng.choice(shown(rows))
    return (edited(rows, lambda sentence: "" if name in sentence else sentence),
            f"Without the sentence about {name}, the profile no longer names it, and still names "
            "the others that it named.", {"lacks": [name], "keeps": [name]})


def rename(rows: Abstracts, rng: random.Random) -> Change:
    """The same sentence is about another competency."""
    old, new = rng.choice(shown(rows)), fresh(rows, rng)["name"]
    return (edited(rows, lambda sentence: sentence.replace(old, new)),
            f"With {old} renamed to {new} in the abstracts, the profile names {new} and not {old}.",
            {"names": [new], "lacks": [old]})


def paraphrase(rows: Abstracts, rng: random.Random) -> Change:
    """The same is said about a competency in other words."""
    name = rng.choice(shown(rows))
    said = next(text for row in rows for text in sentences(row) if name in text)
    frames = {frame: manner for manner, frames in world.SHOWN.items() for frame in frames}
    found = {frame: re.fullmatch(frame.format(name=name, object="(.+)"), said) for frame in frames}
    frame, match = next((frame, match) for frame, match in found.items() if match)
    others = [text for text in world.SHOWN[frames[frame]] if text != frame]
    other = rng.choice(others).format(name=name, object=match.group(1))
    return (edited(rows, lambda text: other if text == said else text),
            f"With “{said}” reworded as “{other}”, the profile names the same competencies.",
            {"keeps": []})


def domain(rows: Abstracts, rng: random.Random) -> Change:
    """The abstracts say that they belong to another domain."""
    old = rows[0]["domain"]
    new = rng.choice([name for name in world.seen_domains() if name != old])
    fields = {frame.format(domain=old): frame.format(domain=new) for frame in world.FIELD}
    return (edited(rows, lambda sentence: fields.get(sentence, sentence)),
            f"With {new} in place of {old} wherever the abstracts name their field, the domain of "
            f"the profile is {new}.", {"domain": new})


def distractor(rows: Abstracts, rng: random.Random) -> Change:
    """A competency is mentioned that nobody shows."""
    name = fresh(rows, rng)["name"]
    sentence = rng.choice(world.MENTIONED).format(name=name)
    return (inserted(rows, rng.randrange(len(rows)), sentence, rng),
            f"With “{sentence}” added, the profile names the same competencies, and not {name}.",
            {"lacks": [name], "keeps": [name]})


KINDS = {"add": add, "drop": drop, "rename": rename, "reorder": reorder, "paraphrase": paraphrase,
         "domain": domain, "distractor": distractor, "unseen domain": unseen}


def build(count: int, seed: int, floor: float, tolerance: int = 0,
          wording: str = "plain") -> list[Test]:
    """`count` tests, as many of each kind as can be.

    floor: F1 that an author of an unseen domain has to reach. tolerance: how many names may go, and
    how many may come, where the same ones are expected. wording: of the authors.
    """
    tests = []
    kinds = open_changes.KINDS if wording == "open" else KINDS
    for number in range(count):
        kind = list(KINDS)[number % len(KINDS)]
        new = kind == "unseen domain"
        domains = list(world.lexicon()[1]) if new else world.seen_domains()
        rows = suitable(seed, number, domains, wording)
        rng = random.Random(f"{seed}/gate/{number}")
        after, expectation, expected = kinds[kind](rows, rng)
        if "f1" in expected:
            expected = {**expected, "floor": floor}
        if "keeps" in expected and tolerance:
            expected = {**expected, "tolerance": tolerance}
            expectation = f"{expectation} Up to {tolerance} may go and come."
        tests.append({"id": f"{kind} {number // len(KINDS) + 1}", "kind": kind,
                      "before": None if new else rows, "after": after, "expected": expected,
                      "expectation": expectation.format(floor=floor)})
    return tests


def suitable(seed: int, number: int, domains: list[str], wording: str) -> Abstracts:
    """A fresh author who shows four competencies or more: without one a profile stays complete."""
    attempts = (world.author(f"gate-{number}-{attempt}", seed, domains, wording=wording)
                for attempt in range(100))
    return next(rows for rows in attempts if len(shown(rows)) >= 4)


def broken(test: Test, before: Profile | None, after: Profile | None) -> list[str]:
    """What a test expected and did not find, as short phrases; empty when it is passed.

    before, after: the profiles, None where unreadable.
    """
    expected, wrong, known = test["expected"], [], test["expected"].get("aliases", {})
    if after is None or (before is None and "keeps" in expected):
        return ["no readable profile"]
    found = names(after, known)
    wrong += [f"does not name {name}" for name in expected.get("names", []) if name not in found]
    wrong += [f"names {name}" for name in expected.get("lacks", []) if name in found]
    if "keeps" in expected:
        had, has = (names(profile, known)  # type: ignore[arg-type]  # both are readable
                    - set(expected["keeps"]) for profile in (before, after))
        if max(len(had - has), len(has - had)) > expected.get("tolerance", 0):
            wrong += [f"lost {name}" for name in sorted(had - has)]
            wrong += [f"gained {name}" for name in sorted(has - had)]
    if "domain" in expected and after["domain"].casefold() != expected["domain"]:
        wrong.append(f"its domain is {after['domain'] or 'missing'}")
    if "f1" in expected:
        f1 = precision_recall_f1(after, expected["f1"])["f1"]
        wrong += [f"its F1 is {f1:.2f}"] if f1 < expected["floor"] else []
    return wrong


def take(tests: list[Test], name: str, model: Module, tokenizer: Tokenizer, models: Models,
         ) -> list[Test]:
    """The tests as taken by a model, which writes all their profiles greedily."""
    asked: list[Any] = [
        {"id": f"{test['id']}/{side}", "messages": prompts.messages(test[side], models.prompt)}
        for test in tests for side in ("before", "after") if test[side]]
    greedy = Decoding(temperature=0, top_p=1)
    answers = write_profiles(name, model, tokenizer, asked, models, greedy, 0)
    written, rows = {row["id"]: row["profile"] for row in answers}, []
    for test in tests:
        sides = [written.get(f"{test['id']}/{side}") for side in ("before", "after")]
        rows.append({**test, "profiles": sides, "broken": broken(test, *sides)})
    return rows


def won_and_lost(taken: dict[str, list[Test]],
                 pairs: list[tuple[str, str]]) -> list[dict[str, str | int]]:
    """Which tests one step met and another did not, for some pairs of steps."""
    table: list[dict[str, str | int]] = []
    for one, other in pairs:
        both = [(not row["broken"], not new["broken"])
                for row, new in zip(taken[one], taken[other], strict=True)]
        table.append({"from": one, "to": other, "newly met": both.count((False, True)),
                      "no longer met": both.count((True, False))})
    return table


def outcome(rows: list[Test]) -> dict[str, Any]:
    """What the gate says of tests as taken: {"passed", "exactly", "strict": Rate, "open", "kinds":
    {kind: Rate}} and the keys of a Rate of all, with Wilson's intervals.

    exactly, strict: tests that are met without any tolerance.
    """
    passed, exactly = 0, 0
    kinds: dict[str, list[bool]] = {}
    for row in rows:
        strict = {**row, "expected": {**row["expected"], "tolerance": 0}}
        exactly += not broken(strict, *row["profiles"])
        passed += not row["broken"]
        kinds.setdefault(row["kind"], []).append(not row["broken"])
    return {"passed": passed, "exactly": exactly, **stats.rate(passed, len(rows)),
            "open": passed >= PASS * len(rows), "strict": stats.rate(exactly, len(rows)),
            "kinds": {kind: stats.rate(sum(met), len(met)) for kind, met in kinds.items()}}


def names(profile: Profile, aliases: dict[str, str]) -> set[str]:
    """The names of a profile in lower case. aliases: {another name: what the tests call it}."""
    found = {item["name"].casefold() for item in profile["competencies"]}
    return {aliases.get(name, name) for name in found}


def fresh(rows: Abstracts, rng: random.Random) -> dict[str, str]:
    """A competency of the author's domain that stands nowhere in the abstracts."""
    words = world.lexicon()[0][rows[0]["domain"]]
    text = " ".join(row["text"] for row in rows)
    name = next(name for name in world.distinct_names(words, 50, rng) if name not in text)
    return world.competency(name, rng.choice(words["objects"]), rng.choice(list(world.SHOWN)))
