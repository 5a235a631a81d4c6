"""What people think: their references as a judge, and how far other judges agree with it."""
from collections.abc import Iterable
from functools import partial
from itertools import combinations
from typing import Any

from lib.competencies.profiles import render
from lib.competencies.prompts import document
from lib.core.rows import Comparison, Profile, Prompt, Rate
from lib.judging.judges import VALUE, WORST, Profiles, Scoring, Truth, agreement
from lib.metrics import stats
from lib.metrics.competencies import names_in
from lib.metrics.keyphrases import soft_f1, stem_f1
from lib.models.encoder import Encoder


class HumanReferences(Scoring):
    """F1 of a profile's names against the terms that people gave the text.

    Stem-exact, as the keyphrase literature counts it; with an encoder the soft F1 of its vectors.
    Prompts without references cannot be told; an unreadable profile scores 0.
    """

    family = "humans"

    def __init__(self, prompts: Iterable[Prompt], encoder: Encoder | None = None):
        self.name = "soft F1" if encoder else "stem-exact F1"
        self.measures = f"{self.name} against people's terms"
        self.encoder = encoder
        self.references = {prompt["id"]: prompt["references"] for prompt in prompts
                           if prompt.get("references")}

    def prepare(self, items: Iterable[tuple[str, Profile | None]]) -> None:
        if self.encoder:
            items = [(key, profile) for key, profile in items if key in self.references]
            terms = [term for key, _ in items for term in self.references[key]]
            names = [name for _, profile in items for name in names_in(profile)]
            self.encoder.encode(list(dict.fromkeys([*terms, *names])))

    def score(self, prompt_id: str, profile: Profile | None) -> float | None:
        references, names = self.references.get(prompt_id), names_in(profile)
        if not references or not names:
            return 0.0 if references else None
        if self.encoder is None:
            return stem_f1(names, references)
        texts = [*names, *references]
        return soft_f1(names, references, dict(zip(texts, self.encoder.encode(texts))))

    def ordered(self, candidates: Profiles, margin: float) -> list[tuple[str, Profile, Profile]]:
        """All pairs of readable candidates of a prompt that differ by at least the margin.

        Returns (prompt id, better, worse) profiles.
        """
        shown = {key: [one for one in found if one] for key, found in candidates.items()}
        self.prepare([(key, profile) for key, found in shown.items() for profile in found])
        pairs: list[tuple[str, Profile, Profile]] = []
        for key, found in shown.items():
            scored = [(self.score(key, profile), profile) for profile in found]
            known = [(score, profile) for score, profile in scored if score is not None]
            for (one, left), (other, right) in combinations(known, 2):
                if abs(one - other) >= margin:
                    pairs.append((key, left, right) if one > other else (key, right, left))
        return pairs


def standard(prompts: list[Prompt]) -> Truth | HumanReferences:
    """What tells how good a profile is: people's terms where there are some, else the truth."""
    given = any(prompt.get("references") for prompt in prompts)
    return HumanReferences(prompts) if given else Truth(prompts)


def agreement_with_humans(judges: Iterable[Scoring], human: HumanReferences, candidates: Profiles,
                          margin: float = 0.02) -> dict[str, Rate]:
    """How often each judge orders two candidates of a prompt as the references do.

    candidates: sound ones, by prompt id. Pairs whose scores by the references differ by less than
    the margin do not count; a judge's ties count half. Intervals are bootstrapped over prompts.
    """
    pairs = human.ordered(candidates, margin)
    return {judge.name: agreement(judge, pairs, ties=0.5) for judge in judges}


def choices(judges: Iterable[Scoring], human: HumanReferences,
            candidates: Profiles) -> dict[str, Rate]:
    """What each judge likes best of a prompt's candidates: how good is it by the references?

    That is what a judge is worth to who optimises by it a little (best of n). candidates: sound
    ones, by prompt id. The first of equals counts; intervals are bootstrapped over prompts.
    """
    shown = {key: [one for one in some if one] for key, some in candidates.items()}
    found = {key: rows for key, rows in shown.items() if rows and key in human.references}
    everything = [(key, profile) for key, rows in found.items() for profile in rows]
    human.prepare(everything)
    known: dict[str, Rate] = {}
    for judge in judges:
        judge.prepare(everything)
        best = [max(rows, key=partial(graded, judge, key)) for key, rows in found.items()]
        known[judge.name] = stats.mean([human.score(key, profile) or 0.0
                                        for key, profile in zip(found, best, strict=True)])
    return known


def graded(judge: Scoring, key: str, profile: Profile) -> float:
    score = judge.score(key, profile)
    return WORST if score is None else score


def votes_with_humans(judge: Any, human: HumanReferences, candidates: Profiles,
                      prompts: Iterable[Prompt], most: int, margin: float = 0.02) -> Rate:
    """What `agreement_with_humans` says, of a judge that is asked in words: see `Chat.votes`.

    At most `most` pairs from all over are put to it, each in both orders; a tie and an answer that
    says nothing count half.
    """
    pairs = human.ordered(candidates, margin)
    pairs = pairs[::max(1, len(pairs) // max(1, most))][:most]
    shown = {prompt["id"]: document(prompt["abstracts"]) for prompt in prompts}
    asked = [Comparison(id=key, abstracts=shown[key], left=render(left), right=render(right),
                        repeat=0)
             for key, better, worse in pairs
             for left, right in ((better, worse), (worse, better))]
    points = [VALUE[vote["winner"]] or 0 for vote in judge.votes(asked)]
    outcomes = [(2 + first - second) / 4 for first, second in zip(points[::2], points[1::2])]
    return stats.mean(outcomes, [key for key, *_ in pairs])
