"""What experts prefer: preference shares, agreement, their own consistency, and whether a judge can stand in for them.

python -m lib experts data/reviews --key data/review/key.json          submissions of the review pages
python -m lib experts FOLDER --format thesis [-o thesis_study.json]    submissions of the original study

Prints tables and writes the numbers as JSON. Files that cannot be used are named, with the reason, and left out.
"""
from collections import defaultdict
from itertools import permutations

import numpy as np
from scipy.stats import false_discovery_control, ttest_1samp, wilcoxon

from lib.metrics import stats

ENOUGH_ITEMS, ENOUGH_REVIEWERS = 30, 3  # for the alternative annotator test, as its authors advise


def judgments(key, submissions):
    """One row per answer: {"reviewer", "item", "pair", "winner", "label", "side", "seconds", "again"}.

    winner: the preferred model, "tie", or None where the reviewer could not judge. label: the same as "a", "b" or "tie", for
    the item's profiles in the arbitrary order of their ids: with models as labels, a clear winner would pass for chance
    agreement. side: the choice as made on the page. again: True for the second showing of an item.
    """
    rows = []
    for reviewer, answers in submissions.items():
        seen = set()
        for answer in answers:
            item, choice = key["items"][answer["item"]], answer["choice"]
            chosen = answer.get(choice)  # the profile's id on that side; None for a tie and for "cannot judge"
            other = {"tie": "tie"}.get(choice)
            rows.append({"reviewer": reviewer, "item": answer["item"], "pair": tuple(item["pair"]), "side": choice,
                         "winner": item["profiles"][chosen] if chosen else other,
                         "label": "ab"[sorted(item["profiles"]).index(chosen)] if chosen else other,
                         "seconds": answer["seconds"], "again": answer["item"] in seen})
            seen.add(answer["item"])
    return rows


def labels(items, compare):
    """A judge's label for each item, to set beside those of `judgments`; None where it cannot tell.

    compare(prompt id, one profile, other profile) -> 1, -1, 0 or None, as lib.judges.compare.
    """
    found = {}
    for item in items:
        one, other = (item["profiles"][name]["profile"] for name in sorted(item["profiles"]))
        found[item["item"]] = {1: "a", -1: "b", 0: "tie"}.get(compare(item["prompt"], one, other))
    return found


def review_statistics(rows, machines=None, epsilon=0.2, seed=0, draws=2000):
    """All statistics of a review. machines: {name: {item: label}}, such as the evaluation judge and the truth.

    Intervals come from a bootstrap over reviewers, for alpha over items; they are None for a single reviewer. A second
    showing counts for self-consistency only. Ties are half a win.
    """
    first = [row for row in rows if not row["again"]]
    judged = [row for row in first if row["winner"]]

    def bootstrap(chosen, statistic):
        return stats.cluster_bootstrap(grouped(chosen, "reviewer"), statistic, seed, draws)

    models = sorted({model for row in first for model in row["pair"]})
    decided = [row for row in judged if row["winner"] != "tie"]
    return {
        "reviewers": len(grouped(first, "reviewer")), "judgments": len(first), "ties": stats.rate(len(judged) - len(decided), len(judged)),
        "cannot_judge": stats.rate(len(first) - len(judged), len(first)), "seconds": stats.quantiles([row["seconds"] for row in first]),
        "pairs": {f"{one}_over_{other}": bootstrap([row for row in judged if row["pair"] == (one, other)], wins(one))
                  for one, other in sorted({row["pair"] for row in first})},
        "win_rates": {model: bootstrap([row for row in judged if model in row["pair"]], wins(model)) for model in models},
        "shares": {model: bootstrap(decided, wins(model)) for model in models},
        "agreement": {**agreement(judged), "alpha": stats.cluster_bootstrap(
            [[[row["label"] for row in group]] for group in grouped(judged, "item")], stats.krippendorff_alpha, seed, draws)},
        "self_consistency": self_consistency(rows),
        "left_chosen": bootstrap(decided, lambda sample: np.mean([row["side"] == "left" for row in sample])),
        "machines": {name: {**against(judged, found, bootstrap), "alternative_annotator_test": alternative_annotator_test(
            annotations(judged), found, epsilon)} for name, found in (machines or {}).items()},
    }


def grouped(rows, field):
    groups = defaultdict(list)
    for row in rows:
        groups[row[field]].append(row)
    return list(groups.values())


def wins(model):
    """The statistic: share of rows that a model won, ties as half."""
    return lambda rows: sum((row["winner"] == model) + 0.5 * (row["winner"] == "tie") for row in rows) / len(rows) if rows else None


def agreement(rows):
    """Raw agreement, kappa and AC1 over all pairs of reviewers of an item.

    Each pair counts in both orders, because reviewers have no roles: kappa's chance then comes from the pooled shares.
    """
    pairs = [(one["label"], other["label"]) for group in grouped(rows, "item") for one, other in permutations(group, 2)]
    one, other = zip(*pairs) if pairs else ((), ())
    return {"raw": sum(a == b for a, b in pairs) / len(pairs) if pairs else None, "kappa": stats.kappa(one, other),
            "ac1": stats.ac1(one, other, categories=3), "pairs": len(pairs) // 2}


def self_consistency(rows):
    """How often a reviewer chose the same profile again when the sides were swapped: a rate with its Wilson interval."""
    shown = [group for own in grouped(rows, "reviewer") for group in grouped(own, "item")
             if len(group) == 2 and all(row["label"] for row in group)]
    return stats.rate(sum(one["label"] == other["label"] for one, other in shown), len(shown))


def against(rows, found, bootstrap):
    """A machine's labels against each judgment of an expert: agreement with and without ties, kappa, AC1."""
    both = [{**row, "machine": found[row["item"]]} for row in rows if found.get(row["item"])]
    plain = [row for row in both if "tie" not in (row["label"], row["machine"])]

    def agree(sample):
        return np.mean([row["label"] == row["machine"] for row in sample]) if sample else None

    experts, machine = [row["label"] for row in both], [row["machine"] for row in both]
    return {"agreement": bootstrap(both, agree), "agreement_without_ties": bootstrap(plain, agree),
            "kappa": stats.kappa(experts, machine), "ac1": stats.ac1(experts, machine, categories=3)}


def annotations(rows):
    """{reviewer: {item: label}} of the rows."""
    return {own[0]["reviewer"]: {row["item"]: row["label"] for row in own} for own in grouped(rows, "reviewer")}


def alternative_annotator_test(annotations, candidate, epsilon=0.2, q=0.05):
    """Can a judge replace an annotator? The alternative annotator test of Calderon, Reichart and Dror (arXiv 2501.10970).

    annotations: {annotator: {item: label}}. candidate: {item: label}. Each annotator j is left out in turn. On each item that
    others labelled too, judge and annotator score the share of those others whom they agree with; W_f says that the judge
    scores at least as high as j, W_h that j scores at least as high as the judge. rho_j, the advantage probability, is the
    mean of W_f. One-sided test of H0: mean(W_h - W_f) >= epsilon, by the t-test, and by Wilcoxon's signed-rank test under 30
    items; Benjamini-Yekutieli over the annotators at level q. omega, the winning rate, is the share of rejected H0; the
    judge passes with omega >= 0.5. epsilon: what the judge may lose because it is cheaper (0.2 for experts).
    Returns {"omega", "rho", "passed", "enough", "epsilon", "annotators": {name: {"n", "rho", "rho_human", "p", "p_adjusted"}}};
    `enough` is False below three annotators or 30 items each, where the test has little power. None where nothing can be tested.
    """
    found = {}
    for name, own in annotations.items():
        scores = []
        for item, label in own.items():
            others = [theirs[item] for other, theirs in annotations.items() if other != name and item in theirs]
            if others and candidate.get(item) is not None:
                scores.append((others.count(candidate[item]), others.count(label)))
        if scores:
            machine, human = ([float(score) for score in column] for column in zip(*((f >= h, h >= f) for f, h in scores)))
            found[name] = {"n": len(scores), "rho": float(np.mean(machine)), "rho_human": float(np.mean(human)),
                           "p": p_below(np.subtract(human, machine), epsilon)}
    if not found:
        return None
    adjusted = false_discovery_control([value["p"] for value in found.values()], method="by")
    for value, p in zip(found.values(), adjusted):
        value["p_adjusted"] = float(p)
    omega = float(np.mean(adjusted <= q))
    return {"omega": omega, "rho": float(np.mean([value["rho"] for value in found.values()])), "passed": omega >= 0.5, "epsilon": epsilon,
            "enough": len(found) >= ENOUGH_REVIEWERS and min(value["n"] for value in found.values()) >= ENOUGH_ITEMS, "annotators": found}


def p_below(differences, epsilon):
    """One-sided p-value of H0: the differences lie at epsilon or above."""
    values = np.asarray(differences, dtype=float) - epsilon
    if len(values) < ENOUGH_ITEMS:
        return float(wilcoxon(values, alternative="less").pvalue) if values.any() else 1.0
    if np.ptp(values) == 0:  # the t statistic of a constant is infinite
        return 0.0 if values[0] < 0 else 1.0
    return float(ttest_1samp(values, 0, alternative="less").pvalue)


def per_reviewer(rows):
    """One row per reviewer for a table: counts, share of left among decided choices, repeats chosen alike, median seconds."""
    table = []
    for own in grouped(rows, "reviewer"):
        sides = [row["side"] for row in own if row["side"] in ("left", "right")]
        same = self_consistency(own)
        table.append({"reviewer": own[0]["reviewer"], "judged": sum(row["winner"] is not None and not row["again"] for row in own),
                      "cannot judge": sum(row["winner"] is None and not row["again"] for row in own),
                      "left chosen": sides.count("left") / len(sides) if sides else None,
                      "repeats alike": "–" if not same["n"] else f"{round(same['rate'] * same['n'])} of {same['n']}",
                      "median seconds": stats.quantiles([row["seconds"] for row in own])["median"]})
    return table
