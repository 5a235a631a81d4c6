"""Measures of profiles: precision, recall and F1 of competencies, similarity of two profiles.

A truth may hold aliases of a name and wordings of a description. Each of them is as right as what
the truth itself says, for it means the same; a competency that is listed under two aliases is
listed twice. A reference without them, such as a model's own profile, is taken by its letters.
"""
import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from lib.competencies.profiles import MAXIMUM, MINIMUM
from lib.core.rows import Competency, Profile, Written
from lib.metrics.words import stem, word_f1, words_of

Scores = dict[str, float]  # "precision", "recall", "f1"


def matches(found: Iterable[str], expected: Iterable[str]) -> int:
    """How many names two lists share (exact, case ignored, each counted once)."""
    return len({name.casefold() for name in found} & {name.casefold() for name in expected})


def precision_recall_f1(profile: Profile | None, truth: Profile) -> Scores:
    """Of the competency names in one profile against the true ones. None finds nothing.

    A name that is listed twice counts twice against precision.
    """
    found, expected = names_by(truth, profile), names_in(truth)
    hits = matches(found, expected)
    return _scores(hits / len(found) if found else 0.0, hits / len(expected) if expected else 0.0)


def pairs(profile: Profile, reference: Profile) -> list[tuple[int, int, float]]:
    """Which competency stands for which one of a reference, and what earns: (index, index, F1).

    Competencies are paired greedily by the word F1 of their names, none below 0.5; a pair earns the
    mean of its names' and its descriptions' word F1, from 0 to 1: each to the nearest of what the
    reference accepts.
    """
    found, expected = profile["competencies"], reference["competencies"]
    scores = [(named_f1(one["name"], other), i, j)
              for i, one in enumerate(found) for j, other in enumerate(expected)]
    paired, used, result = set(), set(), []
    for score, i, j in sorted(scores, key=lambda item: (-item[0], item[1], item[2])):
        if score >= 0.5 and i not in paired and j not in used:
            paired.add(i)
            used.add(j)
            described = described_f1(found[i]["description"], expected[j])
            result.append((i, j, (score + described) / 2))
    return result


def similarity(profile: Profile | None, reference: Profile) -> float:
    """How close a profile comes to a reference profile, from 0 to 1; a missing one scores 0.

    A soft F1 over competencies, made of what its `pairs` earn, is 90 % of the score; the word F1 of
    the domain is the rest.
    """
    if not profile:
        return 0.0
    total = len(profile["competencies"]) + len(reference["competencies"])
    # An exact sum, so that no tie hangs on the order.
    earned = math.fsum(earned for _, _, earned in pairs(profile, reference))
    soft_f1 = 2 * earned / total if total else 0.0
    return 0.9 * soft_f1 + 0.1 * word_f1(profile["domain"], reference["domain"])


def description_f1(profile: Profile | None, reference: Profile) -> float:
    """The mean word F1 of descriptions, over competencies that stand for each other by `pairs`.

    It says nothing of how many there are: names have measures of their own. Without any it is 0.
    """
    if not profile:
        return 0.0
    found, expected = profile["competencies"], reference["competencies"]
    scores = [described_f1(found[i]["description"], expected[j])
              for i, j, _ in pairs(profile, reference)]
    return math.fsum(scores) / len(scores) if scores else 0.0


def named_f1(name: str, item: Competency) -> float:
    """The word F1 of a name and the nearest of a competency's names."""
    return max(word_f1(name, own) for own in (item["name"], *item.get("aliases", ())))


def described_f1(description: str, item: Competency) -> float:
    """The word F1 of a description and the nearest of a competency's wordings.

    So a faithful paraphrase earns all, one that errs in the manner or the object some of it.
    """
    return max(word_f1(description, own)
               for own in (item["description"], *item.get("wordings", ())))


def stem_f1(profile: Profile | None, truth: Profile) -> Scores:
    """`precision_recall_f1` of names whose words are stemmed: `designs models`, `designing models`.

    A hyphen joins words here; against terms that people gave, see `lib.metrics.keyphrases`.
    """
    def stemmed(names):
        stems = [" ".join(map(stem, words_of(name))) for name in names]
        return {"competencies": [{"name": name} for name in stems]}

    return precision_recall_f1(stemmed(names_by(truth, profile)), stemmed(names_in(truth)))


def soft_f1(profile: Profile | None, truth: Profile,
            embed: Callable[[list[str]], Sequence[Sequence[float]]]) -> Scores:
    """`soft_scores` of competency names. A profile without names, or None, scores 0."""
    return soft_scores(names_by(truth, profile), names_in(truth), embed)


def soft_scores(found: list[str], expected: list[str],
                embed: Callable[[list[str]], Sequence[Sequence[float]]]) -> Scores:
    """Of names by the cosine of their embeddings, each to its nearest in the other list.

    embed: from a list of names to (names, dimensions) vectors. Precision is the mean over the names
    found, recall over those expected; a cosine below 0 earns nothing, nor does an empty list. Zhang
    et al. 2020 (BERTScore), section 3, with names for tokens.
    """
    if not found or not expected:
        return _scores(0.0, 0.0)
    vectors = np.asarray(embed(found + expected), dtype=float)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    cosines = np.clip(vectors[:len(found)] @ vectors[len(found):].T, 0, 1)
    return _scores(float(cosines.max(1).mean()), float(cosines.max(0).mean()))


def compliant(written: Written) -> bool:
    """Whether a profile is finished, readable, and of 3 to 8 competencies."""
    return written["finished"] and MINIMUM <= len(names_in(written["profile"])) <= MAXIMUM


def names_in(profile: Profile | None) -> list[str]:
    """The names of a profile's competencies, none for None."""
    return [item["name"] for item in profile["competencies"]] if profile else []


def names_by(truth: Profile, profile: Profile | None) -> list[str]:
    """The names of a profile; where one is an alias in the truth, what the truth calls it."""
    own = {alias.casefold(): item["name"] for item in truth["competencies"]
           for alias in item.get("aliases", ())}
    return [own.get(name.casefold(), name) for name in names_in(profile)]


def _scores(precision, recall):
    both = precision + recall
    return {"precision": precision, "recall": recall,
            "f1": 2 * precision * recall / both if both else 0.0}
