"""Measures of profiles and texts: precision, recall and F1 of competencies, similarity of profiles, diversity."""
from collections import Counter

from sacrebleu.metrics import BLEU


def words(text):
    return [word.strip(".,;:!?()\"'") for word in text.casefold().split()]


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


def word_f1(one, other):
    """F1 of the word multisets of two texts, 1.0 for equal ones (the measure of SQuAD, Rajpurkar et al. 2016)."""
    one, other = Counter(words(one)), Counter(words(other))
    shared = (one & other).total()
    return 2 * shared / (one.total() + other.total()) if shared else 0.0


def similarity(profile, reference):
    """How close a profile comes to a reference profile, from 0 to 1; a missing profile scores 0.

    Competencies are paired greedily by the word F1 of their names; a pair earns the mean of its name's and its
    description's word F1, a name below 0.5 earns nothing. These earnings give a soft F1 over competencies, which
    makes up 90 % of the score; the word F1 of the domain is the rest.
    """
    if not profile:
        return 0.0
    found, expected = profile["competencies"], reference["competencies"]
    scores = sorted(((word_f1(a["name"], b["name"]), i, j) for i, a in enumerate(found) for j, b in enumerate(expected)),
                    key=lambda item: (-item[0], item[1], item[2]))
    earned, used_found, used_expected = 0.0, set(), set()
    for score, i, j in scores:
        if score >= 0.5 and i not in used_found and j not in used_expected:
            used_found.add(i)
            used_expected.add(j)
            earned += (score + word_f1(found[i]["description"], expected[j]["description"])) / 2
    total = len(found) + len(expected)
    return 0.9 * (2 * earned / total if total else 0.0) + 0.1 * word_f1(profile["domain"], reference["domain"])


def distinct(texts, n):
    """Share of distinct word n-grams among all n-grams of the texts (Li et al. 2016); None without any."""
    grams = [gram for text in texts for gram in ngrams(words(text), n)]
    return len(set(grams)) / len(grams) if grams else None


def self_bleu(texts):
    """Mean BLEU of each text against the others, 0 to 100: high means alike (Zhu et al. 2018); None for fewer than two."""
    if len(texts) < 2:
        return None
    bleu = BLEU(effective_order=True)
    scores = [bleu.sentence_score(text, texts[:i] + texts[i + 1:]).score for i, text in enumerate(texts)]
    return sum(scores) / len(scores)


def ngrams(tokens, n):
    return [tuple(tokens[i:i + n]) for i in range(len(tokens) - n + 1)]
