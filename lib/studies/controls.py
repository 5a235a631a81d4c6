"""What preference tuning has to be told apart from: sampling more, imitation, and mere training."""
import random
from collections.abc import Collection, Iterable, Mapping

from lib.competencies.open_wording import is_empty
from lib.competencies.plain_wording import VAGUE
from lib.core.rows import Candidates, Preference, Profile, Rate, Written
from lib.judging.judges import WORST, Scoring, contest, win_rate
from lib.metrics import stats


class Blacklist(Scoring):
    """A rule of one line in place of a judge: the fewer empty phrases of a list, the better."""

    name, family = "blacklist", "rule"

    def __init__(self, phrases: Collection[str] = VAGUE):
        self.phrases = frozenset(phrases)

    def score(self, prompt_id: str, profile: Profile | None) -> float:
        if profile is None:
            return WORST
        return -sum(item["description"] in self.phrases for item in profile["competencies"])


def empty_phrases(rows: Iterable[Candidates], split: str = "train") -> list[str]:
    """The phrases that say nothing in the candidates of a split, for a blacklist to hold them.

    Whoever makes the list is told which those are: no list of whole phrases can be a better one.
    """
    found = {item["description"] for row in rows if row["split"] == split
             for profile in row["profiles"] if profile for item in profile["competencies"]}
    return sorted(filter(is_empty, found))


def coverage(phrases: Collection[str], profiles: Iterable[Profile | None]) -> Rate:
    """The share of the descriptions that say nothing, in some profiles, that a list holds."""
    empty = [item["description"] for profile in profiles if profile
             for item in profile["competencies"] if is_empty(item["description"])]
    return stats.rate(sum(description in phrases for description in empty), len(empty))


def shuffled(preferences: list[Preference], seed: int) -> list[Preference]:
    """The same pairs, of which a coin decides who was preferred.

    A model that is better after DPO on these was not made better by the preferences.
    """
    return noisy(preferences, 0.5, seed)


def noisy(preferences: list[Preference], share: float, seed: int) -> list[Preference]:
    """The same pairs, of which a coin turns this share the other way round."""
    rng = random.Random(seed)
    return [turned(row) if rng.random() < share else row for row in preferences]


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


def beside(judges: Mapping[str, Scoring], ours: list[Written], control: list[Written],
           base: list[Written]) -> dict[str, dict[str, Rate]]:
    """What a control achieves over the base, and how far ahead of it `ours` is there.

    ours, control, base: what each wrote to the same prompts. Returns {judge: {"over_base": share of
    prompts for which the control is preferred, "ahead": ours' outcome less the control's, a mean
    with an interval over prompts}}.
    """
    found: dict[str, dict[str, Rate]] = {}
    for name, judge in judges.items():
        theirs, mine = (contest(judge, side, base) for side in (control, ours))
        ahead = [one["outcome"] - other["outcome"] for one, other in zip(mine, theirs, strict=True)
                 if None not in (one["outcome"], other["outcome"])]
        found[name] = {"over_base": win_rate(theirs), "ahead": stats.mean(ahead, kind="difference")}
    return found
