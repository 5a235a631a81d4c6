"""Profiles of a document's chunks as one: what is named in more chunks goes first.

Two competencies are one where their names have the same stems, or are near in meaning by a sentence
encoder. How often a document comes back to a name says more of its weight than where it stands;
among names of equal weight the order of the text decides, since authors say first what matters.
"""
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lib.competencies.profiles import MAXIMUM
from lib.core.rows import Competency, Part, Profile, Written
from lib.metrics.words import stems

Encode = Callable[[list[str]], np.ndarray]


def merge(found: Sequence[tuple[str, Profile | None]], same: float,
          encode: Encode | None = None) -> Profile | None:
    """One profile, of at most eight competencies without duplicates, from those of all chunks.

    found: (place, profile) of each chunk in the order of the text. same: the cosine from which two
    names are one. encode: names as vectors of length 1; without it stems alone decide. Each
    competency has the wording of the first that named it, and all places. The domain is the most
    frequent one, of equals the first. None where no chunk has a profile.
    """
    profiles = [(number, place, profile) for number, (place, profile) in enumerate(found)
                if profile]
    if not profiles:
        return None
    named = [(number, place, item) for number, place, profile in profiles
             for item in profile["competencies"]]
    groups = grouped([item["name"] for _, _, item in named], same, encode)
    ranked = sorted(groups, key=lambda group: -len({named[at][0] for at in group}))
    competencies = []
    for group in ranked[:MAXIMUM]:  # sorting is stable: the order of the text within equals
        first = named[group[0]][2]
        places = list(dict.fromkeys(named[at][1] for at in group))
        competencies.append(Competency(name=first["name"], description=first["description"],
                                       places=places))
    return Profile(domain=_domain([profile["domain"] for _, _, profile in profiles]),
                   competencies=competencies)


def grouped(names: list[str], same: float, encode: Encode | None = None) -> list[list[int]]:
    """Indices of names that mean one thing, each with the first of its group that it is near to."""
    vectors = encode(names) if encode and names else None
    groups: list[list[int]] = []
    for at, name in enumerate(names):
        key = stems(name)
        near = (group for group in groups if stems(names[group[0]]) == key
                or (vectors is not None and float(vectors[at] @ vectors[group[0]]) >= same))
        if group := next(near, None):
            group.append(at)
        else:
            groups.append([at])
    return groups


def whole(written: Written) -> Profile | None:
    """The profile of one answer; of an answer that was cut off without its last competency."""
    profile = written["profile"]
    if profile is None or written["finished"]:
        return profile
    kept = profile["competencies"][:-1]
    return Profile(domain=profile["domain"], competencies=kept) if kept else None


def holds(text: str, name: str) -> bool:
    """Whether a text has the stems of a name one after the other."""
    held, wanted = stems(text), stems(name)
    return any(held[at:at + len(wanted)] == wanted
               for at in range(len(held) - len(wanted) + 1)) if wanted else False


def located(profile: Profile | None, parts: Sequence[Part]) -> Profile | None:
    """A profile whose competencies have for places those parts that hold their names."""
    if profile is None:
        return None
    items: list[Any] = [{**item, "places": [part["place"] for part in parts
                                            if holds(part["text"], item["name"])]}
                        for item in profile["competencies"]]
    return Profile(domain=profile["domain"], competencies=items)


def pointed(profile: Profile | None, parts: Sequence[Part]) -> list[tuple[float, float]]:
    """For each competency with a place: does that hold its name, and how many other parts do?

    The second is a share, the control: what a pointer to any other part would get right. A
    competency of all parts has no other one, and is left out.
    """
    rows = []
    for item in profile["competencies"] if profile else []:
        own = [holds(part["text"], item["name"]) for part in parts
               if part["place"] in item.get("places", ())]
        other = [holds(part["text"], item["name"]) for part in parts
                 if part["place"] not in item.get("places", ())]
        if own and other:
            rows.append((float(any(own)), sum(other) / len(other)))
    return rows


def _domain(domains):
    """The most frequent domain by its stems, as it was written first."""
    counts = Counter(stems(domain) for domain in domains if domain)
    return max(filter(None, domains), key=lambda domain: counts[stems(domain)], default="")
