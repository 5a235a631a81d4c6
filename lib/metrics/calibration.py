"""Whether a model's confidence means what it says: reliability, its error, and what it tells apart.

A row is (confidence from 0 to 1, whether it was right).
"""
from collections.abc import Sequence
from typing import Any

import numpy as np

from lib.core.records import DataError
from lib.core.rows import Profile
from lib.metrics import stats
from lib.metrics.words import stems

Row = tuple[float, bool]


def confidence_rows(profile: Profile | None, references: Sequence[str]) -> list[Row]:
    """The rows of one profile: a name is right where it shares all stems with a reference.

    As in `keyphrases.stem_scores` a name counts once: the first time, since a model is sure of what
    it repeats. Competencies whose confidence is unknown are left out.
    """
    expected = set(map(stems, references)) - {()}
    rows: dict[tuple[str, ...], Row] = {}
    for item in profile["competencies"] if profile else []:
        name, confidence = stems(item["name"]), item.get("confidence")
        if confidence is not None:
            rows.setdefault(name, (confidence, name in expected))
    return list(rows.values())


def reliability(rows: Sequence[Row], bins: int = 10) -> list[dict[str, Any]]:
    """The reliability table: {"above", "to", "n", "confidence", "accuracy"} for each bin.

    A bin holds confidences above one bound and up to the next; the first also holds 0. confidence:
    their mean, None in an empty bin. accuracy: the share that was right, with Wilson's interval.
    Guo et al. 2017, "On Calibration of Modern Neural Networks", section 2. Raises DataError for a
    confidence outside 0 to 1.
    """
    confidences = np.array([confidence for confidence, _ in rows], dtype=float)
    if not ((confidences >= 0) & (confidences <= 1)).all():
        raise DataError("reliability: a confidence lies outside 0 to 1; give probabilities.")
    right = np.array([hit for _, hit in rows], dtype=bool)
    bounds = np.arange(bins + 1) / bins
    places = np.digitize(confidences, bounds[1:-1], right=True)
    table = []
    for number in range(bins):
        here = places == number
        mean = float(confidences[here].mean()) if here.any() else None
        table.append({"above": float(bounds[number]), "to": float(bounds[number + 1]),
                      "n": int(here.sum()), "confidence": mean,
                      "accuracy": stats.rate(int(right[here].sum()), int(here.sum()))})
    return table


def expected_calibration_error(rows: Sequence[Row], bins: int = 10) -> float | None:
    """The mean distance of accuracy and confidence over the bins, weighted by their rows.

    Guo et al. 2017, eq. 3. None without rows. A statistic for `stats.cluster_bootstrap`.
    """
    filled = [one for one in reliability(rows, bins) if one["n"]]
    apart = [one["n"] * abs(one["accuracy"]["rate"] - one["confidence"]) for one in filled]
    return sum(apart) / len(rows) if rows else None


def auroc(rows: Sequence[Row]) -> float | None:
    """The probability that a right row has a higher confidence than a wrong one, ties half.

    None without a right or without a wrong row. A statistic for `stats.cluster_bootstrap`.
    """
    from sklearn.metrics import roc_auc_score  # a second, for this alone
    right = [hit for _, hit in rows]
    if len(set(right)) < 2:
        return None
    return float(roc_auc_score(right, [confidence for confidence, _ in rows]))
