"""The changes of the behaviour tests where the wording of the world is open.

A name counts by any of its aliases: "aliases" of what is expected leads from each, in lower case,
to the name that the test has for it.
"""
import random
import re
from collections.abc import Callable, Iterable

from lib.competencies import open_authors, open_wording, world
from lib.core.rows import Competency
from lib.studies.generalisation import editing
from lib.studies.generalisation.editing import Abstracts, Change, edited, inserted, sentences


def add(rows: Abstracts, rng: random.Random) -> Change:
    """One more competency is shown, by one or two sentences."""
    text, item = fresh(rows, rng)
    return (inserted(rows, rng.randrange(len(rows)), text, rng),
            f"With “{text}” added, the profile names {item['name']}.",
            {"names": [item["name"].casefold()], "aliases": aliases(rows, item)})


def drop(rows: Abstracts, rng: random.Random) -> Change:
    """All sentences that speak of a competency are taken out."""
    item = rng.choice(named(rows))
    name = item["name"].casefold()
    return (edited(rows, lambda sentence: "" if speaks_of(sentence, item) else sentence),
            f"Without the sentences about {item['name']}, the profile no longer names it, and "
            "still names the others that it named.",
            {"lacks": [name], "keeps": [name], "aliases": aliases(rows)})


def rename(rows: Abstracts, rng: random.Random) -> Change:
    """In the place of a competency another one is shown."""
    item, (text, other) = rng.choice(named(rows)), fresh(rows, rng)
    first = next(said for said in all_sentences(rows) if speaks_of(said, item))

    def change(sentence):
        return text if sentence == first else "" if speaks_of(sentence, item) else sentence
    old, new = item["name"], other["name"]
    return (edited(rows, change),
            f"With “{text}” in place of all that is said about {old}, the profile names {new} and "
            f"not {old}.", {"names": [new.casefold()], "lacks": [old.casefold()],
                            "aliases": aliases(rows, other)})


def reorder(rows: Abstracts, rng: random.Random) -> Change:
    """The abstracts come in another order."""
    after, expectation, expected = editing.reorder(rows, rng)
    return after, expectation, {**expected, "aliases": aliases(rows)}


def paraphrase(rows: Abstracts, rng: random.Random) -> Change:
    """The same is said about a competency in other words."""
    item = rng.choice(named(rows))
    manner, obj = open_wording.meaning(item["description"])  # type: ignore[misc]  # a truth's own
    said = next(text for text in all_sentences(rows) if speaks_of(text, item) and obj in text)
    name = max((alias for alias in called(item) if holds(said, alias)), key=len)
    frames = [frame for same in open_wording.spoken()["shown"][manner].values() for frame in same]
    other = rng.choice([text for frame in frames
                        if (text := frame.format(name=name, object=obj)) != said])
    return (edited(rows, lambda text: other if text == said else text),
            f"With “{said}” reworded as “{other}”, the profile names the same competencies.",
            {"keeps": [], "aliases": aliases(rows)})


def domain(rows: Abstracts, rng: random.Random) -> Change:
    """The abstracts say that they belong to another domain."""
    old = rows[0]["domain"]
    new = rng.choice([name for name in world.seen_domains() if name != old])
    fields = {frame.format(domain=old): frame.format(domain=new)
              for frame in open_wording.spoken()["field"]}
    return (edited(rows, lambda sentence: fields.get(sentence, sentence)),
            f"With {new} in place of {old} wherever the abstracts name their field, the domain of "
            f"the profile is {new}.", {"domain": new})


def distractor(rows: Abstracts, rng: random.Random) -> Change:
    """A competency is mentioned that nobody shows."""
    _, item = fresh(rows, rng)
    name = item["name"]
    sentence = rng.choice(open_wording.spoken()["mentioned"]).format(name=name)
    return (inserted(rows, rng.randrange(len(rows)), sentence, rng),
            f"With “{sentence}” added, the profile names the same competencies, and not {name}.",
            {"lacks": [name.casefold()], "keeps": [name.casefold()],
             "aliases": aliases(rows, item)})


KINDS: dict[str, Callable[[Abstracts, random.Random], Change]] = {
    "add": add, "drop": drop, "rename": rename, "reorder": reorder, "paraphrase": paraphrase,
    "domain": domain, "distractor": distractor, "unseen domain": editing.unseen}


def called(item: Competency) -> list[str]:
    """All names of a true competency."""
    return [item["name"], *item["aliases"]]


def aliases(rows: Abstracts, *more: Competency) -> dict[str, str]:
    """From each name of a true competency, in lower case, to the truth's own."""
    items = [*(item for row in rows for item in row["truth"]["shown"]), *more]
    return {alias.casefold(): item["name"].casefold() for item in items for alias in called(item)}


def holds(text: str, name: str) -> bool:
    """Whether a text has a name in whole words."""
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


def speaks_of(sentence: str, item: Competency) -> bool:
    """Whether a sentence has one of a competency's names."""
    return any(holds(sentence, name) for name in called(item))


def all_sentences(rows: Abstracts) -> Iterable[str]:
    """The sentences of all abstracts, in order."""
    return (sentence for row in rows for sentence in sentences(row))


def named(rows: Abstracts) -> list[Competency]:
    """The competencies that the abstracts call by a name."""
    return [item for row in rows for item in row["truth"]["shown"]
            if any(speaks_of(sentence, item) for sentence in sentences(row))]


def fresh(rows: Abstracts, rng: random.Random) -> tuple[str, Competency]:
    """A competency of the author's domain that the abstracts do not speak of, and how it is shown.
    """
    words = world.lexicon()[0][rows[0]["domain"]]
    taken = {*aliases(rows), *(name.casefold() for row in rows
                               for name in row["truth"]["mentioned"])}
    text = " ".join(all_sentences(rows))
    found = open_wording.distinct(words, 50, rng, taken)
    new = next(words for words in found
               if not any(holds(text, name) for name in open_wording.names(words).values()))
    return open_authors.said_of(new, rng.choice(words["objects"]), rng)
