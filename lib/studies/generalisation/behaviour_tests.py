"""The gate of generalisation: concrete changes to an author's abstracts, and what has to change in the profile, and what must not.

A test is a dict: {"id", "kind", "before": abstracts | None, "after": abstracts, "expectation": a sentence, "expected": what `broken` checks}.
The authors are fresh ones of the synthetic world, so that every expectation follows from a truth that is known.
"""
import random
import re

from lib.competencies import prompts, world
from lib.core.sections.studies import Decoding
from lib.metrics import stats
from lib.metrics.competencies import precision_recall_f1
from lib.studies.evaluation import write_profiles

PASS = 0.9  # share of the tests that a step has to meet


def add(rows, rng):
    """One more competency is shown, in a sentence of its own."""
    item = fresh(rows, rng)
    abstract, sentence = rng.randrange(len(rows)), world.phrase(item, rng)
    return inserted(rows, abstract, sentence, rng), f"With “{sentence}” added, the profile names {item['name']}.", {"names": [item["name"]]}


def drop(rows, rng):
    """The sentence that shows a competency is taken out."""
    name = rng.choice(shown(rows))
    return (edited(rows, lambda sentence: "" if name in sentence else sentence),
            f"Without the sentence about {name}, the profile no longer names it, and still names the others that it named.",
            {"lacks": [name], "keeps": [name]})


def rename(rows, rng):
    """The same sentence is about another competency."""
    old, new = rng.choice(shown(rows)), fresh(rows, rng)["name"]
    return (edited(rows, lambda sentence: sentence.replace(old, new)),
            f"With {old} renamed to {new} in the abstracts, the profile names {new} and not {old}.", {"names": [new], "lacks": [old]})


def reorder(rows, rng):
    """The abstracts come in another order."""
    order = list(range(len(rows)))
    while order == sorted(order):
        rng.shuffle(order)
    return ([rows[i] for i in order], f"With the abstracts in the order {', '.join(str(i + 1) for i in order)}, the profile names the same "
            "competencies, in whatever order.", {"keeps": []})


def paraphrase(rows, rng):
    """The same is said about a competency in other words."""
    name = rng.choice(shown(rows))
    sentence = next(sentence for row in rows for sentence in sentences(row) if name in sentence)
    manner, frame = next((manner, frame) for manner, frames in world.SHOWN.items() for frame in frames
                         if re.fullmatch(frame.format(name=name, object="(.+)"), sentence))
    topic = re.fullmatch(frame.format(name=name, object="(.+)"), sentence).group(1)
    other = rng.choice([text for text in world.SHOWN[manner] if text != frame]).format(name=name, object=topic)
    return (edited(rows, lambda text: other if text == sentence else text),
            f"With “{sentence}” reworded as “{other}”, the profile names the same competencies.", {"keeps": []})


def domain(rows, rng):
    """The abstracts say that they belong to another domain."""
    old = rows[0]["domain"]
    new = rng.choice([name for name in world.seen_domains() if name != old])
    fields = {frame.format(domain=old): frame.format(domain=new) for frame in world.FIELD}
    return (edited(rows, lambda sentence: fields.get(sentence, sentence)),
            f"With {new} in place of {old} wherever the abstracts name their field, the domain of the profile is {new}.", {"domain": new})


def distractor(rows, rng):
    """A competency is mentioned that nobody shows."""
    name = fresh(rows, rng)["name"]
    sentence = rng.choice(world.MENTIONED).format(name=name)
    return (inserted(rows, rng.randrange(len(rows)), sentence, rng),
            f"With “{sentence}” added, the profile names the same competencies, and not {name}.", {"lacks": [name], "keeps": [name]})


def unseen(rows, rng):
    """An author of a domain that no training has seen."""
    return rows, f"The competencies of an author in {rows[0]['domain']} are found with an F1 of at least {{floor}}.", {"f1": world.truth(rows)}


KINDS = {"add": add, "drop": drop, "rename": rename, "reorder": reorder, "paraphrase": paraphrase, "domain": domain,
         "distractor": distractor, "unseen domain": unseen}


def build(count, seed, floor, tolerance=0):
    """`count` tests, as many of each kind as can be.

    floor: F1 that an author of an unseen domain has to reach. tolerance: how many names may go, and how many may come, where the same
    ones are expected.
    """
    tests = []
    for number in range(count):
        kind = list(KINDS)[number % len(KINDS)]
        place = list(world.lexicon()[1]) if kind == "unseen domain" else world.seen_domains()
        rng = random.Random(f"{seed}/gate/{number}")
        rows = suitable(seed, number, place)
        after, expectation, expected = KINDS[kind](rows, rng)
        if "f1" in expected:
            expected = {**expected, "floor": floor}
        if "keeps" in expected and tolerance:
            expected, expectation = {**expected, "tolerance": tolerance}, f"{expectation} Up to {tolerance} may go and come."
        tests.append({"id": f"{kind} {number // len(KINDS) + 1}", "kind": kind, "before": None if kind == "unseen domain" else rows,
                      "after": after, "expectation": expectation.format(floor=floor), "expected": expected})
    return tests


def suitable(seed, number, domains):
    """A fresh author with at least four shown competencies, so that a profile stays complete when one goes."""
    attempts = (world.author(f"gate-{number}-{attempt}", seed, domains) for attempt in range(100))
    return next(rows for rows in attempts if len(shown(rows)) >= 4)


def broken(test, before, after):
    """What a test expected and did not find, as short phrases; empty when it is passed. before, after: profiles, None where unreadable."""
    expected, wrong = test["expected"], []
    if after is None or (before is None and "keeps" in expected):
        return ["no readable profile"]
    found = names(after)
    wrong += [f"does not name {name}" for name in expected.get("names", []) if name not in found]
    wrong += [f"names {name}" for name in expected.get("lacks", []) if name in found]
    if "keeps" in expected:
        had, has = (names(profile) - set(expected["keeps"]) for profile in (before, after))
        if max(len(had - has), len(has - had)) > expected.get("tolerance", 0):
            wrong += [f"lost {name}" for name in sorted(had - has)] + [f"gained {name}" for name in sorted(has - had)]
    if "domain" in expected and after["domain"].casefold() != expected["domain"]:
        wrong.append(f"its domain is {after['domain'] or 'missing'}")
    if "f1" in expected and (f1 := precision_recall_f1(after, expected["f1"])["f1"]) < expected["floor"]:
        wrong.append(f"its F1 is {f1:.2f}")
    return wrong


def take(tests, name, model, tokenizer, models):
    """Let a model write all profiles of the tests, greedily: [{**test, "profiles": [before, after], "broken": [...]}]."""
    asked = [{"id": f"{test['id']}/{side}", "messages": prompts.messages(test[side], models.prompt)}
             for test in tests for side in ("before", "after") if test[side]]
    greedy = Decoding(temperature=0, top_p=1)
    written = {row["id"]: row["profile"] for row in write_profiles(name, model, tokenizer, asked, models, greedy, 0)}
    rows = []
    for test in tests:
        sides = [written.get(f"{test['id']}/{side}") for side in ("before", "after")]
        rows.append({**test, "profiles": sides, "broken": broken(test, *sides)})
    return rows


def outcome(rows):
    """What the gate says of one step: {"passed", "exactly", "rate", "low", "high", "n", "open", "kinds": {kind: rate}}, Wilson's intervals.

    exactly: tests that are met without any tolerance.
    """
    passed = sum(not row["broken"] for row in rows)
    exactly = sum(not broken({**row, "expected": {**row["expected"], "tolerance": 0}}, *row["profiles"]) for row in rows)
    kinds = {kind: [row for row in rows if row["kind"] == kind] for kind in dict.fromkeys(row["kind"] for row in rows)}
    return {"passed": passed, "exactly": exactly, **stats.rate(passed, len(rows)), "open": passed >= PASS * len(rows),
            "kinds": {kind: stats.rate(sum(not row["broken"] for row in part), len(part)) for kind, part in kinds.items()}}


def shown(rows):
    return [item["name"] for row in rows for item in row["truth"]["shown"]]


def names(profile):
    return {item["name"].casefold() for item in profile["competencies"]}


def fresh(rows, rng):
    """A competency of the author's domain that stands nowhere in the abstracts."""
    words = world.lexicon()[0][rows[0]["domain"]]
    text = " ".join(row["text"] for row in rows)
    name = next(name for name in world.distinct_names(words, 50, rng) if name not in text)
    return world.competency(name, rng.choice(words["objects"]), rng.choice(list(world.SHOWN)))


def sentences(row):
    return re.split(r"(?<=\.) ", row["text"])


def inserted(rows, abstract, sentence, rng):
    """The abstracts with a sentence put into one of them, never before its first."""
    parts = sentences(rows[abstract])
    parts.insert(rng.randint(1, len(parts)), sentence)
    return [{**row, "text": " ".join(parts)} if number == abstract else row for number, row in enumerate(rows)]


def edited(rows, change):
    """The abstracts with each sentence changed; an abstract that loses its only sentence goes."""
    texts = [" ".join(filter(None, map(change, sentences(row)))) for row in rows]
    return [{**row, "text": text} for row, text in zip(rows, texts) if text]
