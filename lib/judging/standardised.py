"""Several judges as one, whose scores are made comparable within each prompt."""
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from lib.core.rows import Profile
from lib.judging.judges import WORST, Profiles, Scoring
from lib.metrics.competencies import names_in

NOISE = 1e-9  # scores that spread less than this are one and the same


class Standardised(Scoring):
    """The weighted mean of several judges' scores in standard deviations.

    Each judge's score loses its mean over the prompt's readable candidates and is divided by its
    standard deviation there. A judge who cannot tell of a prompt is left out there.
    """

    def __init__(self, name: str, judges: Sequence[Scoring], weights: Mapping[str, float],
                 candidates: Profiles, tie_margin: float = 0.0):
        """weights: by the judges' names. candidates: of all prompts that will be asked for."""
        self.name, self.judges, self.tie_margin = name, judges, tie_margin
        self.weights = weights
        self.family = ", ".join(dict.fromkeys(judge.family for judge in judges))
        self.candidates = {key: [one for one in found if names_in(one)]
                           for key, found in candidates.items()}
        self.scales: dict[str, list[tuple[Scoring, float, float]]] = {}

    def prepare(self, items: Iterable[tuple[str, Profile | None]]) -> None:
        asked = list(items)
        keys = dict.fromkeys(key for key, _ in asked if key not in self.scales)
        asked += [(key, profile) for key in keys for profile in self.candidates.get(key, [])]
        for judge in self.judges:
            judge.prepare(asked)

    def scale(self, prompt_id: str) -> list[tuple[Scoring, float, float]]:
        """(judge, mean, standard deviation) for those who can tell of a prompt's candidates."""
        rows = []
        for judge in self.judges:
            scores = [judge.score(prompt_id, profile) for profile in self.candidates[prompt_id]]
            known = [score for score in scores if score is not None]
            if known:
                spread = float(np.std(known)) if max(known) - min(known) > NOISE else 1.0
                rows.append((judge, float(np.mean(known)), spread))
        return rows

    def score(self, prompt_id: str, profile: Profile | None) -> float | None:
        if prompt_id not in self.candidates:
            return None
        if prompt_id not in self.scales:
            self.scales[prompt_id] = self.scale(prompt_id)
        if not self.scales[prompt_id]:
            return None
        if not names_in(profile):
            return WORST
        total = sum(self.weights[judge.name] for judge, *_ in self.scales[prompt_id])
        points = 0.0
        for judge, mean, spread in self.scales[prompt_id]:
            score: Any = judge.score(prompt_id, profile)  # it can tell: it has a scale here
            points += self.weights[judge.name] * (score - mean) / spread
        return points / total
