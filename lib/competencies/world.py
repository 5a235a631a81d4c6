"""A synthetic world of authors whose competencies are known: every judge and claim can be checked.

An author works in one domain and writes two to four short abstracts. Some competencies are *shown*
(developed, evaluated, applied or explained for some object), others only *mentioned*; the rest is
filler. The profile that a careful reader would write, the truth, is recorded with each abstract.
"""
import random
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lib.core.rows import Abstract, Competency, Profile

# Each way of showing a competency has one sentence in the profile and many phrasings in abstracts.
DESCRIPTIONS = {
    "develops": "Develops new methods for {object}.",
    "evaluates": "Evaluates existing methods on {object}.",
    "applies": "Applies it in practice to {object}.",
    "explains": "Explains its theory for {object}.",
}
SHOWN = {
    "develops": [
        "We develop new forms of {name} for {object}.",
        "A novel kind of {name} is introduced for {object}.",
        "This paper proposes {name} tailored to {object}.",
        "We design {name} from scratch to serve {object}.",
        "An original approach to {name} is built for {object}.",
        "To handle {object}, we invent a variant of {name}.",
        "Our contribution extends {name} so that it suits {object}.",
        "We create and refine {name} with {object} in mind.",
    ],
    "evaluates": [
        "We compare ten variants of {name} on {object}.",
        "A benchmark of {name} with {object} is reported.",
        "The accuracy of {name} is measured on {object}.",
        "We test how well {name} works for {object}.",
        "Published forms of {name} are ranked on {object}.",
        "Using {object}, we assess the limits of {name}.",
        "An independent evaluation of {name} covers {object}.",
        "We reproduce results of {name} with {object}.",
    ],
    "applies": [
        "We use {name} every day to treat {object}.",
        "In a field project, {name} was deployed on {object}.",
        "We bring {name} into service for {object}.",
        "For two years we ran {name} on {object}.",
        "Practical work with {name} improved {object}.",
        "We put {name} to work on {object}.",
        "Our team operates {name} for {object}.",
        "A case report describes how we employ {name} for {object}.",
    ],
    "explains": [
        "We prove why {name} succeeds for {object}.",
        "A theory of {name} for {object} is derived.",
        "We explain the principles of {name} through {object}.",
        "The mathematics of {name} for {object} is set out.",
        "A formal account links {name} and {object}.",
        "We reason about {name} in the setting of {object}.",
        "Analytical results on {name} clarify {object}.",
        "From first principles, we understand {name} for {object}.",
    ],
}
MENTIONED = [
    "Unlike earlier studies, we make no use of {name}.",
    "Others rely on {name}, which is outside our scope.",
    "We leave {name} to future work.",
    "Surveys often list {name} beside these topics.",
    "Readers interested in {name} are referred to the literature.",
    "It remains open whether {name} would help.",
    "Nothing is assumed about {name}.",
    "Critics of {name} will find no support here.",
    "A different group has worked on {name}.",
    "In contrast to {name}, our choice is simple.",
]
FIELD = [
    "Open questions in {domain} motivate this study.",
    "This work belongs to {domain}.",
    "Recent progress in {domain} calls for care.",
    "The study contributes to {domain}.",
    "Practitioners of {domain} will recognise the problem.",
    "We write for an audience in {domain}.",
]
FILLER = [
    "The results hold across all settings.",
    "Data and code are available on request.",
    "We discuss limits and open points.",
    "The findings were stable over several seasons.",
    "Costs were modest and delays short.",
    "A short appendix lists the details.",
    "Two reviewers repeated the main steps.",
    "The effect was larger than expected.",
    "We thank the partners for their patience.",
    "Several side remarks close the paper.",
]
TITLES = [f"{start} {{object}}" for start in
          ("Notes on", "A study of", "Revisiting", "Lessons from", "On")]

# What the base model's training targets do wrong (see `spoil`).
VAGUE = ["Has broad knowledge of this area.", "Works with it in many ways.",
         "Strong skills and long experience."]
VAGUE_DOMAIN = "general research"
SOFT_SKILLS = ["communication", "teamwork", "project management", "critical thinking",
               "presentation", "leadership"]


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


def vocabulary() -> dict[str, int]:
    """How large the world is: its domains, possible names of competencies, and phrasings."""
    domains, held_out = lexicon()
    names = {f"{modifier} {method}" for words in domains.values()
             for modifier in words["modifiers"] for method in words["methods"]}
    shown = sum(map(len, SHOWN.values()))
    return {"domains": len(domains), "held_out_domains": len(held_out), "competencies": len(names),
            "phrasings": shown + len(MENTIONED) + len(FIELD) + len(FILLER)}


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


def author(name: str, seed: int | str, domains: list[str], invented: float = 0.0) -> list[Abstract]:
    """One author as a list of abstract rows.

    name: unique key of the author; with `seed` it fixes everything about them. domains: the names
    to draw one from. invented: share of authors who work in a made-up domain instead.
    The truth of each row is {"shown": [competency], "mentioned": [name]}.
    """
    rng = random.Random(f"{seed}/{name}")
    if rng.random() < invented:
        domain, words = invented_domain(rng)
    else:
        domain = rng.choice(domains)
        words = lexicon()[0][domain]
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


def spoil(rows: list[Abstract], rng: random.Random, rates: dict[str, float]) -> Profile:
    """A profile with the faults of a mediocre writer; the base model is trained on these.

    rates: the probabilities of `Faults` by name: "vague" and "missing" per competency, "distractor"
    per mentioned name, the others per profile.
    """
    profile = truth(rows)
    words = lexicon()[0].get(profile["domain"])
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


def rival(rows: list[Abstract], rng: random.Random) -> Profile:
    """A profile of any quality between faultless and useless, for judges to learn from."""
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
