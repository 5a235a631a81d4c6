"""Precision, recall, F1 and accuracy of labels: as numbers, and as rates with intervals."""
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from lib.core.records import DataError
from lib.metrics import stats


def label_scores(truth: Sequence[Any], predicted: Sequence[Any],
                 labels: Iterable[Any]) -> dict[str, dict[str, Any]]:
    """Scores by scikit-learn: {"classes": {label: scores}, "macro", "micro", "weighted"}.

    truth, predicted: (n,) labels. labels: all that the truth can hold. An answer that is none of
    them (None, unreadable) misses its class and counts for no other. Each score has "precision",
    "recall", "f1" and its number of texts, "n"; a class that nobody names has precision 0. macro:
    mean over the classes, absent ones included; weighted: by their share of the truth. Raises
    DataError without labels, for lists of unequal length and for true labels outside `labels`.
    """
    from sklearn.metrics import precision_recall_fscore_support  # a second, for this alone
    labels = list(labels)
    strange = sorted({str(label) for label in truth if label not in labels})
    if strange or not truth or len(truth) != len(predicted):
        raise DataError(
            f"label_scores: {len(truth)} true labels, {len(predicted)} predicted, outside {labels}"
            f": {strange}; give one answer for each true label, and all labels.")
    number = {label: i for i, label in enumerate(labels)}
    numbers = [number[label] for label in truth]
    said = [number.get(label, len(labels)) for label in predicted]

    def scores(average):
        found = precision_recall_fscore_support(
            numbers, said, labels=range(len(labels)), average=average, zero_division=0)
        return [np.asarray(part, dtype=float).tolist() for part in found[:3]]

    def row(values, n):
        return {**dict(zip(("precision", "recall", "f1"), values)), "n": n}

    each = zip(labels, zip(*scores(None)))
    return {"classes": {label: row(values, numbers.count(number[label])) for label, values in each},
            **{name: row(scores(name), len(truth)) for name in ("macro", "micro", "weighted")}}


def label_rates(truth: Sequence[Any], found: Sequence[Any], labels: Iterable[Any],
                seed: int = 0, draws: int = 2000) -> dict[str, Any]:
    """How well labels were found: {"accuracy", "macro_f1", "weighted_f1", "unparseable": rates,
    "f1": {label: rate}}.

    truth: (n,) labels. found: (n,) labels or None, which is wrong and counts for no class. F1 as in
    `label_scores`, with bootstrap intervals over rows. Accuracy and unparseable have Wilson's.
    """
    labels, n = list(labels), len(truth)
    cells = np.zeros((len(labels), len(labels) + 1), dtype=int)
    for true, said in zip(truth, found, strict=True):
        cells[labels.index(true), labels.index(said) if said in labels else -1] += 1
    macro, weighted, *each = stats.count_bootstrap(cells, f1, seed, draws)
    return {"accuracy": stats.rate(int(np.trace(cells)), n),
            "macro_f1": macro, "weighted_f1": weighted,
            "unparseable": stats.rate(int(cells[:, -1].sum()), n), "f1": dict(zip(labels, each))}


def f1(cells: np.ndarray) -> np.ndarray:
    """(draws, 2 + labels) macro F1, weighted F1 and F1 of each label from counts.

    cells: (draws, true labels, found labels and none). F1 is 2 TP / (true + found), 0 where a class
    neither occurs nor is found; macro: mean of the classes; weighted: by their true share.
    """
    size = cells.shape[1]
    hits, true = cells[:, range(size), range(size)], cells.sum(2)
    each = 2 * hits / np.maximum(true + cells[:, :, :size].sum(1), 1)
    return np.column_stack([each.mean(1), (each * true).sum(1) / true.sum(1), each])
