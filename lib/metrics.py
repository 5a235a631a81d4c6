"""Measures of profiles and texts: precision, recall and F1 of competencies, similarity of profiles, diversity."""
import math
from collections import Counter

import numpy as np
from sacrebleu.metrics import BLEU

from lib.records import DataError
from lib.rouge import rouge_scores


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


def rouge(prediction, references, kinds=("1", "2", "L", "W-1.2", "S4", "SU4"), variant="paper", multi="average"):
    """ROUGE of a text against one or several references: {kind: {"precision", "recall", "f1"}}, each from 0 to 1.

    prediction: a text, sentences separated by a line break. references: a list of such texts.
    kinds: "1" to "9" for N, "L", "Lsum", "W-1.2" (with its weight), "S4" and "SU4" (with the largest gap), "S*", "SU*".
    variant: "paper" is Lin (2004), over Unicode words, where identical texts score 1; "rouge155" is what his program
    ROUGE-1.5.5 prints without stemming, ASCII only, rounded to five decimals. multi: "average" sums the hits and counts of all
    references (`-f A`), "best" takes the best reference (`-f B`). Nothing to count (an empty text, S of one word) scores 0.
    Raises DataError for an unknown kind, variant or multi, and without references. `lib.rouge` holds the method.
    """
    return rouge_scores(prediction, references, kinds, variant, multi)


def bleu(predictions, references, tokenize="13a"):
    """Corpus BLEU by sacrebleu, 0 to 100: {"score", "signature", "precisions", "brevity_penalty", "length_ratio", "n"}.

    predictions: (n,) texts. references: (n,) texts, or lists of texts, not all of one length. tokenize: sacrebleu's name;
    take "zh", "ja-mecab" or "char" where words are not spaced. Texts of fewer than four words count the orders that they have
    (effective order). Publish the score with its signature (Post 2018). Raises DataError where the two do not fit.
    """
    if not predictions or len(predictions) != len(references):
        raise DataError(f"bleu: {len(predictions)} predictions, {len(references)} references; give one entry for each prediction.")
    references = [[item] if isinstance(item, str) else list(item) for item in references]
    if not all(references):
        raise DataError(f"bleu: prediction {references.index([])} has no reference; give at least one text.")
    width = max(map(len, references))
    streams = [[item[i] if i < len(item) else None for item in references] for i in range(width)]
    measure = BLEU(effective_order=True, tokenize=tokenize)
    result = measure.corpus_score(predictions, streams)
    return {"score": result.score, "signature": str(measure.get_signature()), "precisions": result.precisions,
            "brevity_penalty": result.bp, "length_ratio": result.ratio, "n": len(predictions)}


def label_scores(truth, predicted, labels):
    """Precision, recall and F1 of labels: {"classes": {label: scores}, "macro", "micro", "weighted"}, by scikit-learn.

    truth, predicted: lists of n labels. labels: all labels that the truth can hold. An answer that is none of them (None, unreadable)
    misses its class and counts for no other. Each score has "precision", "recall", "f1" and its number of texts, "n"; a class
    that nobody names has precision 0. macro: mean over the classes, absent ones included; weighted: by their share of the truth.
    Raises DataError without labels, for lists of unequal length and for true labels outside `labels`.
    """
    from sklearn.metrics import precision_recall_fscore_support  # a second, for this alone
    labels = list(labels)
    strange = sorted({str(label) for label in truth if label not in labels})
    if strange or not truth or len(truth) != len(predicted):
        raise DataError(f"label_scores: {len(truth)} true labels, {len(predicted)} predicted, outside {labels}: {strange}; "
                        "give one answer for each true label, and all labels.")
    number = {label: i for i, label in enumerate(labels)}
    truth, predicted = ([number.get(label, len(labels)) for label in column] for column in (truth, predicted))

    def scores(average):
        found = precision_recall_fscore_support(truth, predicted, labels=range(len(labels)), average=average, zero_division=0)
        return [np.asarray(part, dtype=float).tolist() for part in found[:3]]

    keys = ("precision", "recall", "f1")
    classes = {label: {**dict(zip(keys, row)), "n": truth.count(i)} for i, (label, row) in enumerate(zip(labels, zip(*scores(None))))}
    return {"classes": classes, **{name: {**dict(zip(keys, scores(name))), "n": len(truth)} for name in ("macro", "micro", "weighted")}}


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
