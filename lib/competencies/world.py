"""A synthetic world of authors whose competencies are known: every judge and claim can be checked.

An author works in one domain and writes two to four short abstracts. Some competencies are *shown*
(developed, evaluated, applied or explained for some object), others only *mentioned*; the rest is
filler. The profile that a careful reader would write, the truth, is recorded with each abstract.

The wording is "plain", where everything has one name and one form, or "open": a competency has
aliases, a description can be paraphrased, and what says nothing is composed from parts.
"""
import random
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lib.competencies import open_authors, open_wording
from lib.competencies.plain_wording import (
    DESCRIPTIONS,
    FIELD,
    FILLER,
    MENTIONED,
    SHOWN,
    SOFT_SKILLS,
    TITLES,
    VAGUE,
    VAGUE_DOMAIN,
)
from lib.core.rows import Abstract, Competency, Profile


@cache
def lexicon() -> tuple[dict[str, dict[str, list[str]]], tuple[str, ...]]:
    """{domain: {"modifiers", "methods", "objects"}} and the names of the held-out domains."""
    data = yaml.safe_load((Path(__file__).parent / "world.yaml").read_text(encoding="utf-8"))
    return data["domains"], tuple(data["held_out"])


def seen_domains() -> list[str]:
    """The domains in which authors of training sets work."""
    domains, held_out = lexicon()
    return [name for name in domains if name not in held_out]


def held_out_domains() -> list[str]:
    """The domains in which no author of any training set works."""
    return list(lexicon()[1])


def vocabulary(wording: str = "plain") -> dict[str, int]:
    """How large the world is: its domains, possible names of competencies, and phrasings."""
    phrasings = sum(map(len, SHOWN.values())) + len(MENTIONED) + len(FIELD) + len(FILLER)
    sizes = open_wording.sizes() if wording == "open" else {"phrasings": phrasings}
    domains, held_out = lexicon()
    names = {f"{modifier} {method}" for words in domains.values()
             for modifier in words["modifiers"] for method in words["methods"]}
    return {"domains": len(domains), "held_out_domains": len(held_out), "competencies": len(names),
            **sizes}


def invented_domain(rng: random.Random) -> tuple[str, dict[str, list[str]]]:
    """The name and the lexicon of a domain whose words are drawn from all domains at random.

    Training on some of these teaches to copy from the page instead of recalling what goes with a
    domain; authors of the held-out domains stay unseen, though each of their words may turn up here
    in other company.
    """
    def words(count):
        return rng.sample(all_words(), count)

    first, second = words(2)
    name = rng.choice([f"{first} science", f"{first} {second}", first])
    return name, {"modifiers": words(6), "methods": words(6),
                  "objects": [" ".join(words(2)) for _ in range(8)]}


@cache
def all_words() -> list[str]:
    """Every word of the lexicon once, in order."""
    words = set()
    for name, parts in lexicon()[0].items():
        words.update(" ".join([name, *sum(parts.values(), [])]).split())
    return sorted(words)


def author(name: str, seed: int | str, domains: list[str], invented: float = 0.0,
           wording: str = "plain") -> list[Abstract]:
    """One author as a list of abstract rows.

    name: unique key of the author; with `seed` it fixes everything about them. domains: the names
    to draw one from. invented: share of authors who work in a made-up domain instead.
    wording: plain | open. The truth of each row is {"shown": [competency], "mentioned": [name]}.
    """
    rng = random.Random(f"{seed}/{name}")
    if rng.random() < invented:
        domain, words = invented_domain(rng)
    else:
        domain = rng.choice(domains)
        words = lexicon()[0][domain]
    if wording == "open":
        return open_authors.author(name, domain, words, rng)
    shown_count, mentioned_count = rng.randint(3, 6), rng.randint(1, 3)
    abstracts = rng.randint(2, 4)
    names = distinct_names(words, shown_count + mentioned_count, rng)
    shown: list[Any] = [competency(name, rng.choice(words["objects"]), rng.choice(list(SHOWN)))
                        for name in names[:shown_count]]
    mentioned = names[shown_count:]

    placed: list[list[tuple[str, Any, Any]]] = [[] for _ in range(abstracts)]
    for index, item in enumerate(shown):
        placed[index % abstracts].append((phrase(item, rng), item, None))
    for item in mentioned:
        rng.choice(placed).append((rng.choice(MENTIONED).format(name=item), None, item))
    fields = rng.sample(range(abstracts), k=rng.randint(1, 2))
    rows: list[Abstract] = []
    for number, sentences in enumerate(placed):
        if rng.random() < 0.7:
            sentences.append((rng.choice(FILLER), None, None))
        rng.shuffle(sentences)
        if number in fields:
            sentences.insert(0, (rng.choice(FIELD).format(domain=domain), None, None))
        rows.append({
            "id": f"{name}-{number + 1}", "author": name,
            "title": rng.choice(TITLES).format(object=rng.choice(words["objects"])),
            "text": " ".join(text for text, _, _ in sentences), "domain": domain,
            "truth": {"shown": [Competency(name=item["name"], description=item["description"])
                                for _, item, _ in sentences if item],
                      "mentioned": [name for _, _, name in sentences if name]},
        })
    return rows


def distinct_names(words: dict[str, list[str]], count: int, rng: random.Random) -> list[str]:
    """`count` competencies of a domain, no two sharing a word pair."""
    methods = words["methods"]
    pairs = [f"{modifier} {method}" for modifier in words["modifiers"] for method in methods]
    return rng.sample(pairs, count)


def competency(name: str, obj: str, manner: str) -> dict[str, str]:
    """A competency with its description, and what that says: object, and key of DESCRIPTIONS."""
    description = DESCRIPTIONS[manner].format(object=obj)
    return {"name": name, "description": description, "object": obj, "manner": manner}


def phrase(item: dict[str, str], rng: random.Random) -> str:
    """A sentence of an abstract that shows a competency."""
    return rng.choice(SHOWN[item["manner"]]).format(name=item["name"], object=item["object"])


def truth(rows: list[Abstract]) -> Profile:
    """The profile that an author's abstracts support: competencies in order of appearance."""
    competencies = [item for row in rows for item in row["truth"]["shown"]]
    return Profile(domain=rows[0]["domain"], competencies=competencies)


def spoil(rows: list[Abstract], rng: random.Random, rates: dict[str, float],
          wording: str = "plain") -> Profile:
    """A profile with the faults of a mediocre writer; the base model is trained on these.

    rates: the probabilities of `Faults` by name: "vague" and "missing" per competency, "distractor"
    per mentioned name, the others per profile.
    """
    profile = truth(rows)
    words = lexicon()[0].get(profile["domain"])
    if wording == "open":
        return open_authors.spoil(rows, rng, rates, words)
    competencies = []
    for row in rows:
        listed = []
        for item in row["truth"]["shown"]:
            if rng.random() >= rates["missing"]:
                is_vague = rng.random() < rates["vague"]
                listed.append(vaguely(item["name"], rng) if is_vague else item)
        for name in row["truth"]["mentioned"]:
            if rng.random() < rates["distractor"]:
                listed.append(vaguely(name, rng))
        competencies += sorted(listed, key=lambda item: row["text"].find(item["name"]))
    if words and rng.random() < rates["invented"]:
        competencies.append(vaguely(distinct_names(words, 1, rng)[0], rng))
    if rng.random() < rates["padded"]:
        competencies += [vaguely(skill, rng) for skill in SOFT_SKILLS]
    if competencies and rng.random() < rates["repeated"]:
        competencies.append(rng.choice(competencies))
    if rng.random() < rates["domain"]:
        profile["domain"] = VAGUE_DOMAIN
    return {**profile, "competencies": competencies}


def vaguely(name: str, rng: random.Random) -> Competency:
    """A competency whose description says nothing."""
    return Competency(name=name, description=rng.choice(VAGUE))


def rival(rows: list[Abstract], rng: random.Random, wording: str = "plain") -> Profile:
    """A profile of any quality between faultless and useless, for judges to learn from."""
    if wording == "open":
        return open_authors.rival(rows, rng, lexicon()[0].get(rows[0]["domain"]), all_words())
    share = rng.random
    profile = spoil(rows, rng, {"vague": share(), "missing": share() / 2, "distractor": share(),
                                "invented": 0.3, "domain": 0.15, "padded": 0.1, "repeated": 0.1})
    items = [mixed_up(item, profile["competencies"], rng) for item in profile["competencies"]]
    if share() < 0.6:  # a weak writer says the same thing again, in other words, soon or later
        count = rng.randint(0, min(3, len(items)))
        for place in sorted(rng.sample(range(len(items)), count), reverse=True):
            said = rng.choice([items[place]["description"], *VAGUE])
            later = rng.randint(place + 1, len(items))
            items.insert(rng.choice([place + 1, later]), {**items[place], "description": said})
    if share() < 0.1:
        rng.shuffle(items)
    return {**profile, "competencies": items}


def mixed_up(item: Competency, others: list[Competency], rng: random.Random) -> Competency:
    """A competency as it is or, in one of four cases, with another name, description or manner."""
    other, kind = rng.choice(others), rng.random()
    first = item["name"].split()[0]
    if kind < 0.05:
        return {**item, "name": f"{first} {other['name'].split()[-1]}"}
    if kind < 0.1:
        return {**item, "name": f"{first} {rng.choice(all_words())}"}
    if kind < 0.14:
        return {**item, "name": " ".join(rng.sample(all_words(), 2))}
    if kind < 0.2:
        return {**item, "description": other["description"]}
    topic = re.search(r" (?:for|on|to) (.+)\.$", item["description"])
    if kind < 0.26 and topic:
        manner = rng.choice(list(DESCRIPTIONS.values()))
        return {**item, "description": manner.format(object=topic.group(1))}
    return item
