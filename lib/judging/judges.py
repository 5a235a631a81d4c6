"""Judges that score single profiles and let the better score win; `chat` has those that talk."""
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from lib.competencies.profiles import parse
from lib.core.records import Journal
from lib.core.rows import Comparison, Profile, Prompt, Rate, Vote, Written
from lib.metrics import stats
from lib.metrics.competencies import description_f1, precision_recall_f1, similarity
from lib.models import scoring
from lib.models.chats import encode_chats, encode_ended
from lib.models.sampling import complete_all

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

VALUE: dict[str | None, Any] = {"left": 1, "right": -1, "tie": 0, None: None}
WINNER: dict[int | None, Any] = {value: name for name, value in VALUE.items()}
Pair = tuple[str, Profile | None, Profile | None]  # prompt id, and two profiles
Profiles = Mapping[str, Sequence[Profile | None]]  # of the candidates, by prompt id
WORST = -math.inf  # the score of an unreadable profile where scores have no least value


class Scoring:
    """A judge that scores single profiles; scores nearer than `tie_margin` are a tie.

    family: "language model", "sentence encoder", "lexical", "humans" or "truth". A judge of one
    family measures what one of another has labelled.
    """

    name: str
    family: str
    tie_margin = 0.0

    def prepare(self, items: Iterable[tuple[str, Profile | None]]) -> None:
        """Told the (prompt id, profile) of all scores to come, for those who work in batches."""

    def score(self, prompt_id: str, profile: Profile | None) -> float | None:
        """Larger for better; None when the judge cannot tell. profile: None where unreadable."""
        raise NotImplementedError

    def votes(self, comparisons: list[Comparison]) -> list[Vote]:
        pairs = [(c["id"], parse(c["left"]), parse(c["right"])) for c in comparisons]
        self.prepare(both_sides(pairs))
        results = [compare(self, *pair, self.tie_margin) for pair in pairs]
        return [self._vote(result) for result in results]

    def _vote(self, result):
        known = result is not None
        return {"winner": WINNER[result], "status": "ok" if known else "invalid",
                "reason": "" if known else "the judge has no score"}


class Truth(Scoring):
    """Compares with the recorded truth; for prompts without one its scores are None."""

    name, family = "truth", "truth"
    measures = "similarity to the truth"

    def __init__(self, prompts: Iterable[Prompt]):
        self.references = {row["id"]: row["truth"] for row in prompts if row.get("truth")}

    def score(self, prompt_id: str, profile: Profile | None) -> float | None:
        reference = self.references.get(prompt_id)
        return None if reference is None else similarity(profile, reference)


class TrueNames(Truth):
    """The truth about names alone: their F1."""

    name = "names"

    def score(self, prompt_id: str, profile: Profile | None) -> float | None:
        reference = self.references.get(prompt_id)
        return None if reference is None else precision_recall_f1(profile, reference)["f1"]


class TrueDescriptions(Truth):
    """The truth about descriptions alone, of the competencies that are right."""

    name = "descriptions"

    def score(self, prompt_id: str, profile: Profile | None) -> float | None:
        reference = self.references.get(prompt_id)
        return None if reference is None else description_f1(profile, reference)


class ReferenceGuided(Truth):
    """A model that writes its own profile of each prompt, greedily, and compares with that."""

    family = "language model"

    def __init__(self, name: str, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase",
                 prompts: list[Prompt], batch_size: int, max_new_tokens: int,
                 journal: Journal | None = None, tie_margin: float = 0.0):
        self.name, self.tie_margin = name, tie_margin
        chats = encode_chats(tokenizer, [prompt["messages"] for prompt in prompts])
        items = [(prompt["id"], ids) for prompt, ids in zip(prompts, chats)]
        written = complete_all(model, tokenizer, items, batch_size, journal, f"{name} writes",
                               max_new_tokens=max_new_tokens)
        parsed = {key: parse(completions[0]["text"]) for key, completions in written.items()}
        self.unreadable = [key for key, profile in parsed.items() if profile is None]
        self.references = {key: profile for key, profile in parsed.items() if profile}


class Likelihood(Scoring):
    """Scores a text by its mean log-probability per token under a model that reads the same prompt.

    A weak judge, kept to show how weak: it prefers what is common to what is supported.
    """

    family = "language model"

    def __init__(self, name: str, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase",
                 prompts: list[Prompt], batch_size: int, tie_margin: float = 0.0):
        self.name, self.tie_margin, self.batch_size = name, tie_margin, batch_size
        self.model, self.tokenizer = model, tokenizer
        self.prompts = {prompt["id"]: prompt["messages"] for prompt in prompts}
        self.scores: dict[tuple[str, str], float] = {}

    def votes(self, comparisons: list[Comparison]) -> list[Vote]:
        texts = {(c["id"], text) for c in comparisons for text in (c["left"], c["right"])}
        todo = sorted(texts - set(self.scores))
        starts = range(0, len(todo), self.batch_size)
        for start in tqdm(starts, desc=f"{self.name} reads", unit="batch", disable=not todo):
            self.read(todo[start:start + self.batch_size])
        margins = [self.scores[c["id"], c["left"]] - self.scores[c["id"], c["right"]]
                   for c in comparisons]
        return [self._vote(0 if abs(margin) <= self.tie_margin else 1 if margin > 0 else -1)
                for margin in margins]

    def read(self, batch: list[tuple[str, str]]) -> None:
        """Score texts, (prompt id, text) each."""
        answers = encode_ended(self.tokenizer, [text for _, text in batch])
        prompts = encode_chats(self.tokenizer, [self.prompts[key] for key, _ in batch])
        sums = scoring.log_likelihood(self.model, prompts, answers)
        means = (total / len(answer) for total, answer in zip(sums, answers))
        self.scores.update(zip(batch, means))


def compare(judge: Scoring, prompt_id: str, left: Profile | None, right: Profile | None,
            tie_margin: float = 0.0) -> int | None:
    """1 when the left profile is better, -1 when the right one is, 0 for a tie; None: unknown."""
    one, other = judge.score(prompt_id, left), judge.score(prompt_id, right)
    if one is None or other is None:
        return None
    if one == other or abs(one - other) <= tie_margin:  # the difference of two infinities is none
        return 0
    return 1 if one > other else -1


def both_sides(pairs: Iterable[Pair]) -> list[tuple[str, Profile | None]]:
    """The (prompt id, profile) of both profiles of each pair."""
    return [(key, profile) for key, left, right in pairs for profile in (left, right)]


def agreement(judge: Scoring, pairs: Sequence[Pair], ties: float | None = None) -> Rate:
    """How often a judge agrees with pairs (prompt id, preferred profile, other profile).

    ties: what a pair counts that it holds for equal; None leaves such pairs out, as those that it
    cannot judge: "n" is below len(pairs) by them. The interval respects who shares a prompt.
    """
    judge.prepare(both_sides(pairs))
    value: dict[int | None, float | None] = {1: 1.0, -1: 0.0, 0: ties, None: None}
    results = [(key, value[compare(judge, key, better, worse)]) for key, better, worse in pairs]
    decided = [(key, result) for key, result in results if result is not None]
    return stats.mean([result for _, result in decided], [key for key, _ in decided])


def contest(judge: Any, ours: list[Written], theirs: list[Written],
            tie_margin: float = 0.0) -> list[dict[str, Any]]:
    """Compare two models' profiles prompt by prompt, in both orders.

    judge: one that scores, or another that has a `contest`, as `evaluators.Evaluator`. Returns
    rows {"id", "outcome": for `ours` 1, 0.5 or 0, the mean of both orders, or None when the judge
    cannot tell, "consistent": whether the orders agreed}. An unreadable profile is the worst.
    """
    if not isinstance(judge, Scoring):
        return judge.contest(ours, theirs, tie_margin)
    rows = []
    judge.prepare([(row["id"], row["profile"]) for row in (*ours, *theirs)])
    for one, other in zip(ours, theirs, strict=True):
        first: Any = compare(judge, one["id"], one["profile"], other["profile"], tie_margin)
        second: Any = compare(judge, one["id"], other["profile"], one["profile"], tie_margin)
        known = first is not None and second is not None
        rows.append({"id": one["id"], "outcome": ((first - second) / 2 + 1) / 2 if known else None,
                     "consistent": first == -second if known else None})
    return rows


def win_rate(rows: list[dict[str, Any]]) -> Rate:
    """The share that `ours` won in a contest, ties as half, with a Wilson interval.

    One outcome counts per author, where rows name one: the mean over the author's prompts.
    """
    by_author: dict[str, list[float]] = {}
    for row in rows:
        if row["outcome"] is not None:
            by_author.setdefault(row.get("author", row["id"]), []).append(row["outcome"])
    return stats.win_rate(sum(found) / len(found) for found in by_author.values())


def contests(judges: dict[str, Any], ours: list[Written],
             theirs: list[Written]) -> dict[str, Rate]:
    """The win rate of one model's profiles over another's by each judge."""
    return {name: win_rate(contest(judge, ours, theirs)) for name, judge in judges.items()}
