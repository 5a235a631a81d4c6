"""Precision, recall, F1 and accuracy of labels, with intervals."""
import numpy as np

from lib.core.records import DataError
from lib.metrics import stats


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


def scores(truth, found, labels, seed=0, draws=2000):
    """How well labels were found: {"accuracy", "macro_f1", "weighted_f1", "unparseable", "f1": {label: ...}}, each with an interval.

    truth: (n,) labels. found: (n,) labels or None, which is wrong and counts for no class. F1 as in `metrics.label_scores`, with
    percentile-bootstrap intervals over rows; rows are interchangeable, so resampling them is a multinomial draw of the counts of
    (truth, found). Accuracy and unparseable have Wilson intervals.
    """
    labels, n = list(labels), len(truth)
    cells = np.zeros((len(labels), len(labels) + 1), dtype=int)
    for true, said in zip(truth, found, strict=True):
        cells[labels.index(true), labels.index(said) if said in labels else -1] += 1
    drawn = np.random.default_rng(seed).multinomial(n, cells.ravel() / n, size=draws).reshape(draws, *cells.shape)
    values, resampled = f1(cells[None]), f1(drawn)

    def rate(key, *index):
        low, high = np.quantile(resampled[key][:, *index], [0.025, 0.975])
        return {"rate": float(values[key][0, *index]), "low": float(low), "high": float(high), "n": n}

    return {"accuracy": stats.rate(int(np.trace(cells)), n), "macro_f1": rate("macro"), "weighted_f1": rate("weighted"),
            "unparseable": stats.rate(int(cells[:, -1].sum()), n), "f1": {label: rate("class", i) for i, label in enumerate(labels)}}


def f1(cells):
    """F1 from counts (draws, true labels, found labels and none): {"class": (draws, labels), "macro": (draws,), "weighted": (draws,)}.

    2 TP / (true + found), 0 where a class neither occurs nor is found; macro: mean of the classes; weighted: by their true share.
    """
    size = cells.shape[1]
    hits, true, found = cells[:, range(size), range(size)], cells.sum(2), cells[:, :, :size].sum(1)
    each = 2 * hits / np.maximum(true + found, 1)
    return {"class": each, "macro": each.mean(1), "weighted": (each * true).sum(1) / true.sum(1)}
