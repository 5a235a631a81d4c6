"""What preference tuning has to be told apart from: sampling more, imitation, and mere training."""
import random

from lib.core.rows import Candidates, Preference, Written
from lib.judging.judges import Scoring


def shuffled(preferences: list[Preference], seed: int) -> list[Preference]:
    """The same pairs, of which a coin decides who was preferred.

    A model that is better after DPO on these was not made better by the preferences.
    """
    rng = random.Random(seed)
    return [turned(row) if rng.random() < 0.5 else row for row in preferences]


def turned(row: Preference) -> Preference:
    """A pair the other way round."""
    return {**row, "chosen": row["rejected"], "rejected": row["chosen"], "margin": -row["margin"]}


def best_of(candidates: list[Candidates], judge: Scoring) -> list[Written]:
    """Of each prompt's candidates the one that a judge likes best, the first of equals.

    What it costs to choose among K answers each time instead of tuning once. Where none is
    readable, the first candidate.
    """
    judge.prepare([(row["id"], profile) for row in candidates for profile in row["profiles"]])
    found: list[Written] = []
    for row in candidates:
        scores = [judge.score(row["id"], profile) for profile in row["profiles"]]
        known = [-float("inf") if score is None else score for score in scores]
        best = known.index(max(known))
        found.append({"id": row["id"], "text": row["completions"][best],
                      "tokens": row["tokens"][best], "profile": row["profiles"][best],
                      "finished": row["status"][best] != "unfinished"})
    return found
