"""Authors of the synthetic world in open wording, and profiles of them with faults.

A text calls a competency by any of its names, some twice, and shows some without a name. The truth
has the name that the text uses first, beside all others, and every wording of the description.
"""
import random
from collections.abc import Mapping
from typing import Any

from lib.competencies import open_wording
from lib.competencies.open_wording import Words, distinct, empty, meaning, names, spoken, wordings
from lib.competencies.plain_wording import SOFT_SKILLS, TITLES, VAGUE_DOMAIN
from lib.core.rows import Abstract, Competency, Profile

UNNAMED = 0.1  # share of competencies that are shown and never named
AGAIN = 0.35  # share of the named that a second sentence names otherwise
NESTED = 0.12  # share whose name holds that of another competency
OTHER_NAME = 0.1  # share that a mediocre writer calls by another name that the text has
# How often a sentence uses a kind of name, where the competency has one of the kind.
FIRST = {"plain": 5, "reordered": 1, "synonym": 1.5, "inflected": 1, "introduced": 2}
MENTION = {"plain": 5, "reordered": 1, "synonym": 1, "inflected": 1}
SAID = tuple[str, list[Competency], list[str]]  # text, competencies shown in it, names mentioned


def author(name: str, domain: str, words: dict[str, list[str]],
           rng: random.Random) -> list[Abstract]:
    """One author of a domain as a list of abstract rows, drawn by rng; see `world.author`."""
    shown_count, mentioned_count = rng.randint(3, 6), rng.randint(1, 3)
    placed: list[list[SAID]] = [[] for _ in range(rng.randint(2, 4))]
    taken: set[str] = set()
    found = distinct(words, shown_count + mentioned_count, rng, taken)
    shown, mentioned = found[:shown_count], found[shown_count:]
    for place, competency in enumerate(shown):
        outer = rng.choice(words["modifiers"])
        longer = (outer, *competency)
        own = {alias.casefold() for alias in names(longer).values()}
        if rng.random() < NESTED and outer not in competency and not own & taken:
            shown[place] = longer
            taken |= own
            mentioned += [competency] if rng.random() < 0.5 else []
    objects = rng.sample(words["objects"], len(shown))
    for index, (competency, obj) in enumerate(zip(shown, objects)):
        text, item = said_of(competency, obj, rng)
        placed[index % len(placed)].append((text, [item], []))
    for competency in mentioned:
        called = pick(names(competency), MENTION, rng)
        text = rng.choice(spoken()["mentioned"]).format(name=called)
        rng.choice(placed).append((text, [], [called]))
    fields = rng.sample(range(len(placed)), k=rng.randint(1, 2))
    return [_row(name, number, sentences, domain if number in fields else "", domain, words, rng)
            for number, sentences in enumerate(placed)]


def _row(name, number, sentences, field, domain, words, rng):
    if rng.random() < 0.7:
        sentences.append((rng.choice(spoken()["filler"]), [], []))
    rng.shuffle(sentences)
    if field:
        sentences.insert(0, (rng.choice(spoken()["field"]).format(domain=field), [], []))
    return Abstract(
        id=f"{name}-{number + 1}", author=name,
        title=rng.choice(TITLES).format(object=rng.choice(words["objects"])),
        text=" ".join(text for text, _, _ in sentences), domain=domain,
        truth={"shown": [item for _, items, _ in sentences for item in items],
               "mentioned": [called for *_, others in sentences for called in others]})


def said_of(words: Words, obj: str, rng: random.Random) -> tuple[str, Competency]:
    """The text that shows a competency, one or two sentences, and what it truly is."""
    manner, known = rng.choice(list(spoken()["shown"])), names(words)
    if rng.random() < UNNAMED:
        *modifiers, method = words
        frame = rng.choice(spoken()["unnamed"][manner])
        text = frame.format(modifier=" ".join(modifiers), method=method, object=obj)
        name, description = known["plain"], rng.choice(list(spoken()["shown"][manner]))
    else:
        frame, description = open_wording.sentence(manner, rng)
        kind = pick(dict(zip(known, known)), FIRST, rng)
        text, name = frame.format(name=known[kind], object=obj), known[kind]
        if kind == "introduced":
            name = known["plain"]
        if rng.random() < AGAIN:
            short = kind == "introduced"
            others = {key: 1 for key in known if short == (key == "abbreviated") and key != kind}
            others.pop("introduced", None)
            again = rng.choice(spoken()["again"])
            text = f"{text} {again.format(name=pick(known, others, rng))}"
    item = Competency(name=name, description=description.format(object=obj),
                      aliases=[alias for alias in known.values() if alias != name],
                      wordings=wordings(manner, obj))
    return text, item


def pick(known: dict[str, str], weights: Mapping[str, float], rng: random.Random) -> str:
    """One of some names, by how often each kind is used."""
    kinds = [kind for kind in weights if kind in known]
    return known[rng.choices(kinds, [weights[kind] for kind in kinds])[0]]


def spoil(rows: list[Abstract], rng: random.Random, rates: dict[str, float],
          words: dict[str, list[str]] | None, other_name: float = OTHER_NAME) -> Profile:
    """A profile with faults, see `world.spoil`. words: of the domain, None where it is invented.

    other_name: share of competencies with another of the names that the text has; that is no fault.
    """
    domain = rows[0]["domain"]
    competencies: list[Competency] = []
    aliases: dict[str, list[str]] = {}
    for row in rows:
        listed: list[tuple[int, Competency]] = []
        for item in row["truth"]["shown"]:
            _, obj = meaning(item["description"]) or ("", "")
            said = [alias for alias in item["aliases"] if alias in row["text"]]
            name = rng.choice(said) if said and rng.random() < other_name else item["name"]
            aliases[name] = [alias for alias in (item["name"], *item["aliases"]) if alias != name]
            kept, vague = rng.random() >= rates["missing"], rng.random() < rates["vague"]
            told = empty(domain, rng, obj) if vague else item["description"]
            if kept:
                listed.append((row["text"].find(obj), Competency(name=name, description=told)))
        for name in row["truth"]["mentioned"]:
            if rng.random() < rates["distractor"]:
                listed.append((row["text"].find(name), _vaguely(name, domain, rng)))
        competencies += [item for _, item in sorted(listed, key=lambda pair: pair[0])]
    if words and rng.random() < rates["invented"]:
        wrong, = distinct(words, 1, rng, {name.casefold() for name in aliases})
        competencies.append(_vaguely(names(wrong)["plain"], domain, rng))
    if rng.random() < rates["padded"]:
        competencies += [_vaguely(skill, domain, rng) for skill in SOFT_SKILLS]
    if competencies and rng.random() < rates["repeated"]:
        again = rng.choice(competencies)
        others = aliases.get(again["name"]) or [again["name"]]
        competencies.append({**again, "name": rng.choice(others)})
    vague_domain = rng.random() < rates["domain"]
    return Profile(domain=VAGUE_DOMAIN if vague_domain else domain, competencies=competencies)


def _vaguely(name, domain, rng):
    return Competency(name=name, description=empty(domain, rng))


def rival(rows: list[Abstract], rng: random.Random, words: dict[str, list[str]] | None,
          vocabulary: list[str]) -> Profile:
    """A profile of any quality, see `world.rival`. vocabulary: words to make wrong names of."""
    share = rng.random
    rates = {"vague": share(), "missing": share() / 2, "distractor": share(), "invented": 0.3,
             "domain": 0.15, "padded": 0.1, "repeated": 0.1}
    profile = spoil(rows, rng, rates, words, other_name=0.3)
    truth = {name: item for row in rows for item in row["truth"]["shown"]
             for name in (item["name"], *item["aliases"])}
    items = [changed(item, profile["competencies"], truth.get(item["name"]), vocabulary, rng)
             for item in profile["competencies"]]
    if share() < 0.6:  # a weak writer says the same thing again, in other words, soon or later
        for place in sorted(rng.sample(range(len(items)), rng.randint(0, min(3, len(items)))),
                            reverse=True):
            item = items[place]
            known = truth.get(item["name"])
            other = rng.choice(known["aliases"]) if known and share() < 0.3 else item["name"]
            told = item["description"] if share() < 0.4 else empty(profile["domain"], rng)
            later = rng.choice([place + 1, rng.randint(place + 1, len(items))])
            items.insert(later, Competency(name=other, description=told))
    if share() < 0.1:
        rng.shuffle(items)
    return {**profile, "competencies": items}


def changed(item: Competency, others: list[Competency], true: dict[str, Any] | None,
            vocabulary: list[str], rng: random.Random) -> Competency:
    """A competency as it is or, in one of four cases, made wrong, or said in other words.

    true: what the truth has under this name, None for what it has not.
    """
    other, kind = rng.choice(others), rng.random()
    first, said = item["name"].split()[0], meaning(item["description"])
    if kind < 0.05:
        return {**item, "name": f"{first} {other['name'].split()[-1]}"}
    if kind < 0.1:
        return {**item, "name": f"{first} {rng.choice(vocabulary)}"}
    if kind < 0.14:
        return {**item, "name": " ".join(rng.sample(vocabulary, 2))}
    if kind < 0.2:
        return {**item, "description": other["description"]}
    if kind < 0.26 and said:
        manner = rng.choice(list(spoken()["shown"]))
        return {**item, "description": rng.choice(wordings(manner, said[1]))}
    if kind < 0.36 and said:
        return {**item, "description": rng.choice(wordings(*said))}
    if kind < 0.42 and true:
        return {**item, "name": rng.choice([true["name"], *true["aliases"]])}
    return item
