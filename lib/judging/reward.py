"""A reward model: which of two profiles people would rather have, learned from references."""
from collections.abc import Iterable, Sequence

import numpy as np

from lib.competencies.profiles import MAXIMUM, MINIMUM
from lib.core.records import DataError
from lib.core.rows import Profile, Prompt
from lib.judging.humans import HumanReferences
from lib.judging.judges import WORST, Profiles, Scoring, both_sides
from lib.judging.texts import EncoderJudge, LexicalJudge, text_of
from lib.metrics.competencies import names_in
from lib.metrics.words import stems, words_of


class RewardModel(Scoring):
    """A linear score of simple features, by which the better one of two candidates wins.

    p(one is better than the other) = sigmoid(weights . (features - other features)), Bradley and
    Terry 1952, fitted as a logistic regression without an intercept. It has seen references, those
    of the texts that it was fitted to: beside the other judges it shows what they buy.
    """

    family = "humans"

    def __init__(self, name: str, readers: Sequence[EncoderJudge | LexicalJudge],
                 prompts: Iterable[Prompt], tie_margin: float = 0.0):
        """readers: judges whose `parts` are features. prompts: all, those to be fitted to, too."""
        self.name, self.readers, self.tie_margin = name, readers, tie_margin
        self.texts = {prompt["id"]: in_stems(text_of(prompt)) for prompt in prompts}
        self.weights: dict[str, float] = {}  # by feature, in its own unit

    def prepare(self, items: Iterable[tuple[str, Profile | None]]) -> None:
        items = list(items)
        for reader in self.readers:
            reader.prepare(items)

    def features(self, prompt_id: str, profile: Profile) -> dict[str, float]:
        """{name: value} of a profile with competencies, of a prompt that it knows."""
        names = [name.casefold() for name in names_in(profile)]
        descriptions = [item["description"] for item in profile["competencies"]]
        count = len(names)
        found: dict[str, float] = {}
        for reader in self.readers:
            parts = reader.parts(prompt_id, profile)
            found |= {f"{reader.name} {part}": value for part, value in parts.items()}
        return found | {
            "competencies": count, "outside 3 to 8": not MINIMUM <= count <= MAXIMUM,
            "words a name": sum(len(words_of(name)) for name in names) / count,
            "words a description": sum(len(words_of(one)) for one in descriptions) / count,
            "repeated names": 1 - len(set(names)) / count,
            "repeated descriptions": 1 - len(set(descriptions)) / count,
            "names in the text":
                sum(in_stems(name) in self.texts[prompt_id] for name in names) / count}

    def fit(self, humans: HumanReferences, candidates: Profiles, margin: float = 0.02,
            penalty: float = 1.0) -> "RewardModel":
        """Learn from pairs whose scores by the references differ by at least the margin.

        candidates: profiles by prompt id, of TRAINING texts. penalty: inverse of scikit-learn's C,
        on weights in standard deviations. Returns itself; raises DataError without such a pair.
        """
        pairs = humans.ordered(candidates, margin)
        if not pairs:
            raise DataError(f"the judge {self.name!r} learns from training texts with references "
                            "and at least two candidates, and there are none; give `assemble` "
                            "such prompts and candidates.")
        self.prepare(both_sides(pairs))
        rows: list[list[float]] = []
        for key, better, worse in pairs:
            one: dict[str, float] = self.features(key, better)
            other: dict[str, float] = self.features(key, worse)
            rows.append([one[name] - other[name] for name in one])
        differences = np.array(rows, dtype=float)
        scale = np.sqrt((differences ** 2).mean(0))
        scale[scale == 0] = 1
        differences /= scale
        from sklearn.linear_model import LogisticRegression  # seconds, for this alone
        model = LogisticRegression(C=1 / penalty, fit_intercept=False, max_iter=1000)
        # Each pair from both sides: of one class there would be nothing to tell apart.
        model.fit(np.concatenate([differences, -differences]),
                  [1] * len(pairs) + [0] * len(pairs))
        weights = model.coef_[0] / scale  # a feature that never differs has the weight 0
        self.weights = dict(zip(one, weights.tolist()))
        return self

    def score(self, prompt_id: str, profile: Profile | None) -> float | None:
        if prompt_id not in self.texts:
            return None
        if profile is None or not names_in(profile):
            return WORST
        found = self.features(prompt_id, profile)
        return sum(weight * found[name] for name, weight in self.weights.items())


def in_stems(text: str) -> str:
    """A text by which `in` finds whole words: their stems between spaces."""
    return f" {' '.join(stems(text))} "
