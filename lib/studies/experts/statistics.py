"""What experts prefer: shares, agreement, consistency, and whether a judge can replace them."""
from collections import defaultdict
from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np

from lib.core.rows import Rate
from lib.metrics import stats
from lib.studies.experts import strengths

ENOUGH_ITEMS, ENOUGH_REVIEWERS = 30, 3  # for the alternative annotator test, as its authors advise
FEW = 13  # differences of which all signs are tried in Wilcoxon's test, as ties want it
Rows = list[dict[str, Any]]  # of `judgments`
Labels = dict[str, str | None]  # {item: label}


def judgments(key: dict[str, Any], submissions: dict[str, Rows]) -> Rows:
    """One row per answer: {"reviewer", "item", "prompt", "pair", "left", "right", "winner",
    "label", "side", "seconds", "again"}.

    winner: the preferred model, "tie", or None where the reviewer could not judge. label: the same
    as "a", "b" or "tie", for the item's profiles in the arbitrary order of their ids: with models
    as labels, a clear winner would pass for chance agreement. left, right: the models as they
    stood on the page. side: the choice as made there.
    again: True for the second showing of an item.
    """
    rows = []
    for reviewer, answers in submissions.items():
        seen = set()
        for answer in answers:
            name, choice = answer["item"], answer["choice"]
            item = key["items"][name]
            winner = label = "tie" if choice == "tie" else None
            if chosen := answer.get(choice):  # the profile's id on that side
                winner = item["profiles"][chosen]
                label = "ab"[sorted(item["profiles"]).index(chosen)]
            rows.append({"reviewer": reviewer, "item": name, "prompt": item["prompt"],
                         "pair": tuple(item["pair"]), "left": item["profiles"][answer["left"]],
                         "right": item["profiles"][answer["right"]], "winner": winner,
                         "label": label, "side": choice,
                         "seconds": answer["seconds"], "again": name in seen})
            seen.add(name)
    return rows


def review_statistics(rows: Rows, machines: dict[str, Labels] | None = None, epsilon: float = 0.2,
                      seed: int = 0, draws: int = 2000) -> dict[str, Any]:
    """All statistics of a review. machines: labels by the evaluation judge, the truth and the like.

    Intervals come from a bootstrap over reviewers, for alpha over items, for strengths over both
    reviewers and texts; they are None for a single reviewer. A second showing counts for
    self-consistency only. Ties are half a win.
    """
    first = [row for row in rows if not row["again"]]
    judged = [row for row in first if row["winner"]]
    decided = [row for row in judged if row["winner"] != "tie"]
    models = sorted({model for row in first for model in row["pair"]})

    def bootstrap(chosen, statistic):  # of shares
        clusters = grouped(chosen, "reviewer")
        found = stats.cluster_bootstrap(clusters, statistic, seed, draws)
        return stats.widened(found, len(clusters))

    pairs = {}
    for pair in sorted({row["pair"] for row in first}):
        own = [row for row in judged if row["pair"] == pair]
        pairs["_over_".join(pair)] = bootstrap(own, wins(pair[0]))
    units = [[[row["label"] for row in group]] for group in grouped(judged, "item")]
    alpha = stats.cluster_bootstrap(units, stats.krippendorff_alpha, seed, draws)
    compared = {}
    for name, found in (machines or {}).items():
        test = alternative_annotator_test(annotations(judged), found, epsilon)
        compared[name] = {**against(judged, found, bootstrap), "alternative_annotator_test": test}
    return {
        "reviewers": len(grouped(first, "reviewer")), "judgments": len(first),
        "ties": stats.rate(len(judged) - len(decided), len(judged)),
        "cannot_judge": stats.rate(len(first) - len(judged), len(first)),
        "seconds": stats.quantiles([row["seconds"] for row in first]), "pairs": pairs,
        "win_rates": {model: bootstrap([row for row in judged if model in row["pair"]], wins(model))
                      for model in models},
        "shares": {model: bootstrap(decided, wins(model)) for model in models},
        "bradley_terry": strengths.bradley_terry(first, ("reviewer", "prompt"), seed, draws),
        "agreement": {**agreement(judged), "alpha": alpha},
        "self_consistency": self_consistency(rows),
        "left_chosen": bootstrap(decided, share_left), "machines": compared,
    }


def grouped(rows: Rows, field: str) -> list[Rows]:
    groups = defaultdict(list)
    for row in rows:
        groups[row[field]].append(row)
    return list(groups.values())


def wins(model: str) -> Callable[[Rows], float | None]:
    """The statistic: share of rows that a model won, ties as half."""
    def share(rows):
        points = [{model: 1, "tie": 0.5}.get(row["winner"], 0) for row in rows]
        return sum(points) / len(points) if points else None
    return share


def share_left(rows: Rows) -> float:
    return np.mean([row["side"] == "left" for row in rows])


def agreement(rows: Rows) -> dict[str, Any]:
    """Raw agreement, kappa and AC1 over all pairs of reviewers of an item.

    Each pair counts in both orders, because reviewers have no roles: kappa's chance then comes from
    the pooled shares.
    """
    pairs = [(one["label"], other["label"])
             for group in grouped(rows, "item") for one, other in permutations(group, 2)]
    one, other = zip(*pairs) if pairs else ((), ())
    raw = sum(a == b for a, b in pairs) / len(pairs) if pairs else None
    return {"raw": raw, "kappa": stats.kappa(one, other),
            "ac1": stats.ac1(one, other, categories=3), "pairs": len(pairs) // 2}


def self_consistency(rows: Rows) -> Rate:
    """How often a reviewer chose the same profile again when the sides were swapped, Wilson's."""
    shown = [group for own in grouped(rows, "reviewer") for group in grouped(own, "item")]
    twice = [group for group in shown if len(group) == 2 and all(row["label"] for row in group)]
    return stats.rate(sum(one["label"] == other["label"] for one, other in twice), len(twice))


def against(rows: Rows, found: Labels, bootstrap: Callable[[Rows, Callable], Rate],
            ) -> dict[str, Any]:
    """A machine's labels against each judgment of an expert: agreement, kappa and AC1."""
    both = [{**row, "machine": found[row["item"]]} for row in rows if found.get(row["item"])]
    plain = [row for row in both if "tie" not in (row["label"], row["machine"])]

    def agree(sample):
        return np.mean([row["label"] == row["machine"] for row in sample]) if sample else None

    experts, machine = [row["label"] for row in both], [row["machine"] for row in both]
    return {"agreement": bootstrap(both, agree), "agreement_without_ties": bootstrap(plain, agree),
            "kappa": stats.kappa(experts, machine),
            "ac1": stats.ac1(experts, machine, categories=3)}


def annotations(rows: Rows) -> dict[str, Labels]:
    """The rows' labels by reviewer."""
    return {own[0]["reviewer"]: {row["item"]: row["label"] for row in own}
            for own in grouped(rows, "reviewer")}


def alternative_annotator_test(annotations: dict[str, Labels], candidate: Labels,
                               epsilon: float = 0.2, q: float = 0.05) -> dict[str, Any] | None:
    """Can a judge replace an annotator? Calderon, Reichart and Dror (arXiv 2501.10970).

    annotations: labels by annotator. Each annotator j is left out in turn. On each item that others
    labelled too, judge and annotator score the share of those others whom they agree with; W_f says
    that the judge scores at least as high as j, W_h that j scores at least as high as the judge.
    rho_j, the advantage probability, is the mean of W_f. One-sided test of H0: mean(W_h - W_f) >=
    epsilon, by the t-test, and by Wilcoxon's signed-rank test under 30 items; Benjamini-Yekutieli
    over the annotators at level q. omega, the winning rate, is the share of rejected H0; the judge
    passes with omega >= 0.5. epsilon: what it may lose because it is cheaper (0.2 for experts).
    Returns {"omega", "rho", "passed", "enough", "epsilon", "annotators": {name: {"n", "rho",
    "rho_human", "p", "p_adjusted"}}}; `enough` is False below three annotators or 30 items each,
    where the test has little power. None where nothing can be tested.
    """
    found = {}
    for name, own in annotations.items():
        machine, human = [], []
        for item, label in own.items():
            others = [theirs[item] for other, theirs in annotations.items()
                      if other != name and item in theirs]
            if others and candidate.get(item) is not None:
                f, h = others.count(candidate[item]), others.count(label)
                machine.append(float(f >= h))
                human.append(float(h >= f))
        if machine:
            p = p_below(np.subtract(human, machine), epsilon)
            found[name] = {"n": len(machine), "rho": float(np.mean(machine)),
                           "rho_human": float(np.mean(human)), "p": p}
    if not found:
        return None
    from scipy.stats import false_discovery_control  # seconds, for the tests alone
    values = list(found.values())
    adjusted = false_discovery_control([value["p"] for value in values], method="by")
    for value, p in zip(values, adjusted):
        value["p_adjusted"] = float(p)
    omega = float(np.mean(adjusted <= q))
    fewest = min(value["n"] for value in values)
    return {"omega": omega, "rho": float(np.mean([value["rho"] for value in values])),
            "passed": omega >= 0.5, "epsilon": epsilon, "annotators": found,
            "enough": len(found) >= ENOUGH_REVIEWERS and fewest >= ENOUGH_ITEMS}


def p_below(differences: np.ndarray, epsilon: float) -> float:
    """One-sided p-value of H0: the differences lie at epsilon or above."""
    from scipy.stats import rankdata, ttest_1samp, wilcoxon  # half a second, for this alone
    values = np.asarray(differences, dtype=float) - epsilon
    if len(values) < ENOUGH_ITEMS:
        values = values[values != 0]
        if len(values) <= FEW:  # what scipy does there, too, but it takes a second for each
            ranks, numbers = rankdata(np.abs(values)), np.arange(2 ** len(values))
            sums = (numbers[:, None] >> np.arange(len(values)) & 1) @ ranks
            return float(np.mean(sums <= ranks[values > 0].sum()))
        return float(wilcoxon(values, alternative="less").pvalue)
    if np.ptp(values) == 0:  # the t statistic of a constant is infinite
        return 0.0 if values[0] < 0 else 1.0
    return float(ttest_1samp(values, 0, alternative="less").pvalue)


def per_reviewer(rows: Rows) -> Rows:
    """One row per reviewer for a table; sides are of decided choices."""
    table = []
    for own in grouped(rows, "reviewer"):
        first = [row for row in own if not row["again"]]
        judged = sum(row["winner"] is not None for row in first)
        sides = [row["side"] for row in own if row["side"] in ("left", "right")]
        same: Any = self_consistency(own)
        alike = f"{round(same['rate'] * same['n'])} of {same['n']}" if same["n"] else "–"
        table.append({
            "reviewer": own[0]["reviewer"], "judged": judged, "cannot judge": len(first) - judged,
            "left chosen": sides.count("left") / len(sides) if sides else None,
            "repeats alike": alike,
            "median seconds": stats.quantiles([row["seconds"] for row in own])["median"]})
    return table


def same_labels(items: Rows, one: Labels, other: Labels) -> tuple[list[bool], list[str]]:
    """Whether two judges agree on each item that both can label, and the prompts of these items."""
    both = [item for item in items if one[item["item"]] and other[item["item"]]]
    same = [one[item["item"]] == other[item["item"]] for item in both]
    return same, [item["prompt"] for item in both]


def annotator_tests(machines: dict[str, dict[str, Any]]) -> Rows:
    """One row per judge for a table. machines: of `review_statistics`."""
    table = []
    for name, found in machines.items():
        if test := found["alternative_annotator_test"]:
            table.append({"judge": name, "winning rate": test["omega"],
                          "advantage probability": test["rho"], "epsilon": test["epsilon"],
                          "passes": "yes" if test["passed"] else "no",
                          "enough data": "yes" if test["enough"] else "no"})
    return table
