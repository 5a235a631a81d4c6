"""Measures of profiles and texts: precision, recall and F1 of competencies, similarity of profiles, diversity."""
import math

import numpy as np

from lib.metrics.words import word_f1, words


def matches(found, expected):
    """How many names two lists share (exact, case ignored, each counted once)."""
    return len({name.casefold() for name in found} & {name.casefold() for name in expected})


def precision_recall_f1(profile, truth):
    """Of the competency names in one profile against the true ones. A missing profile (None) finds nothing.

    A name that is listed twice counts twice against precision.
    """
    found = [c["name"] for c in profile["competencies"]] if profile else []
    expected = [c["name"] for c in truth["competencies"]]
    hits = matches(found, expected)
    precision = hits / len(found) if found else 0.0
    recall = hits / len(expected) if expected else 0.0
    return {"precision": precision, "recall": recall,
            "f1": 2 * precision * recall / (precision + recall) if hits else 0.0}


def pairs(profile, reference):
    """Which competency of a profile stands for which one of a reference profile, and what it earns: [(index, index, earned)].

    Competencies are paired greedily by the word F1 of their names; a pair earns the mean of its name's and its
    description's word F1, from 0 to 1. Names below 0.5 are no pair.
    """
    found, expected = profile["competencies"], reference["competencies"]
    scores = sorted(((word_f1(a["name"], b["name"]), i, j) for i, a in enumerate(found) for j, b in enumerate(expected)),
                    key=lambda item: (-item[0], item[1], item[2]))
    paired, used, result = set(), set(), []
    for score, i, j in scores:
        if score >= 0.5 and i not in paired and j not in used:
            paired.add(i)
            used.add(j)
            result.append((i, j, (score + word_f1(found[i]["description"], expected[j]["description"])) / 2))
    return result


def similarity(profile, reference):
    """How close a profile comes to a reference profile, from 0 to 1; a missing profile scores 0.

    A soft F1 over competencies, made of what its `pairs` earn, is 90 % of the score; the word F1 of the domain is the rest.
    """
    if not profile:
        return 0.0
    total = len(profile["competencies"]) + len(reference["competencies"])
    soft_f1 = 2 * math.fsum(earned for _, _, earned in pairs(profile, reference)) / total if total else 0.0  # exact: no tie hangs on the order
    return 0.9 * soft_f1 + 0.1 * word_f1(profile["domain"], reference["domain"])


def stem_f1(profile, truth):
    """`precision_recall_f1` of competency names whose words are stemmed, so that `designs models` meets `designing models`.

    Porter 1980, in NLTK's version, which leaves words outside ASCII's alphabet nearly as they are.
    """
    from nltk.stem.porter import PorterStemmer  # two seconds, for this alone
    stem = PorterStemmer().stem

    def stemmed(names):
        return {"competencies": [{"name": " ".join(map(stem, words(c["name"])))} for c in names["competencies"]]}

    return precision_recall_f1(profile and stemmed(profile), stemmed(truth))


def soft_f1(profile, truth, embed):
    """Precision, recall and F1 of competency names by the cosine of their embeddings, each name to its nearest in the other list.

    embed: from a list of names to (names, dimensions) vectors. Precision is the mean over the profile's names, recall over the
    true ones; a cosine below 0 earns nothing. Zhang et al. 2020 (BERTScore), section 3, with names for tokens. A missing
    profile (None), or one without names, scores 0.
    """
    found = [c["name"] for c in profile["competencies"]] if profile else []
    expected = [c["name"] for c in truth["competencies"]]
    if not found or not expected:
        return {"precision": 0.0, "recall": 0.0, "f1": 0.0}
    vectors = np.asarray(embed(found + expected), dtype=float)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    cosines = np.clip(vectors[:len(found)] @ vectors[len(found):].T, 0, 1)
    precision, recall = float(cosines.max(1).mean()), float(cosines.max(0).mean())
    return {"precision": precision, "recall": recall, "f1": 2 * precision * recall / (precision + recall) if precision + recall else 0.0}
