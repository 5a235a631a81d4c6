"""Judges that score single profiles and let the better score win.

`Truth` knows what the synthetic authors showed. `ReferenceGuided` is a language model that first writes its own profile of the
abstracts and then compares candidates with it. `Likelihood` asks how probable a profile is. Judges that put two profiles
before a language model, and panels of all kinds, are in `panels`.
"""
from tqdm import tqdm

from lib.competencies.profiles import parse
from lib.metrics import stats
from lib.metrics.competencies import similarity
from lib.models import scoring
from lib.models.chats import encode_chats
from lib.models.sampling import complete_all

VALUE = {"left": 1, "right": -1, "tie": 0, None: None}
WINNER = {value: name for name, value in VALUE.items()}


class Scoring:
    """A judge that scores single profiles; the better score wins, and scores nearer than `tie_margin` are a tie."""

    tie_margin = 0.0

    def score(self, prompt_id, profile):
        """A number, larger for better, or None when this judge cannot tell. profile: a dict, or None where unreadable."""
        raise NotImplementedError

    def votes(self, comparisons):
        """One vote {"winner", "status", "reason"} per comparison {"id", "abstracts", "left", "right", "repeat"}."""
        return [self._vote(compare(self, c["id"], parse(c["left"]), parse(c["right"]), self.tie_margin)) for c in comparisons]

    def _vote(self, result):
        known = result is not None
        return {"winner": WINNER[result], "status": "ok" if known else "invalid", "reason": "" if known else "the judge has no score"}


class Truth(Scoring):
    """Compares with the recorded truth; for prompts without one its scores are None."""

    name = "truth"

    def __init__(self, prompts):
        self.references = {prompt["id"]: prompt["truth"] for prompt in prompts if prompt.get("truth")}

    def score(self, prompt_id, profile):
        reference = self.references.get(prompt_id)
        return None if reference is None else similarity(profile, reference)


class ReferenceGuided(Truth):
    """A model that writes its own profile of each prompt, greedily, and compares candidates with that."""

    def __init__(self, name, model, tokenizer, prompts, batch_size, max_new_tokens, journal=None, tie_margin=0.0):
        self.name, self.tie_margin = name, tie_margin
        items = list(zip((p["id"] for p in prompts), encode_chats(tokenizer, [p["messages"] for p in prompts])))
        written = complete_all(model, tokenizer, items, batch_size, journal, f"{name} writes", max_new_tokens=max_new_tokens)
        parsed = {key: parse(completions[0]["text"]) for key, completions in written.items()}
        self.unreadable = [key for key, profile in parsed.items() if profile is None]
        self.references = {key: profile for key, profile in parsed.items() if profile}


class Likelihood(Scoring):
    """Scores a text by its mean log-probability per token under a model that reads the same prompt.

    A weak judge, kept to show how weak: it prefers what is common to what is supported.
    """

    def __init__(self, name, model, tokenizer, prompts, batch_size, tie_margin=0.0):
        self.name, self.tie_margin, self.batch_size = name, tie_margin, batch_size
        self.model, self.tokenizer = model, tokenizer
        self.prompts = {prompt["id"]: prompt["messages"] for prompt in prompts}
        self.scores = {}

    def votes(self, comparisons):
        todo = sorted({(c["id"], text) for c in comparisons for text in (c["left"], c["right"])} - set(self.scores))
        for start in tqdm(range(0, len(todo), self.batch_size), desc=f"{self.name} reads", unit="batch", disable=not todo):
            part = todo[start:start + self.batch_size]
            answers = self.tokenizer([text + self.tokenizer.eos_token for _, text in part], add_special_tokens=False)["input_ids"]
            prompts = encode_chats(self.tokenizer, [self.prompts[key] for key, _ in part])
            sums = scoring.log_likelihood(self.model, prompts, answers)
            self.scores.update(zip(part, (total / len(answer) for total, answer in zip(sums, answers))))
        results = [self.scores[c["id"], c["left"]] - self.scores[c["id"], c["right"]] for c in comparisons]
        return [self._vote(0 if abs(result) <= self.tie_margin else 1 if result > 0 else -1) for result in results]


def compare(judge, prompt_id, left, right, tie_margin=0.0):
    """1 when the left profile is better, -1 when the right one is, 0 for a tie, None when the judge cannot tell."""
    one, other = judge.score(prompt_id, left), judge.score(prompt_id, right)
    if one is None or other is None:
        return None
    return 0 if abs(one - other) <= tie_margin else (1 if one > other else -1)


def agreement(truth, pairs):
    """How often the truth agrees with preference pairs: a rate with an interval that respects shared prompts.

    pairs: [(prompt id, preferred profile, other profile)]. Pairs that the truth holds for equal, or cannot judge, do not
    count; their number is the difference between len(pairs) and "n".
    """
    results = [(key, compare(truth, key, better, worse)) for key, better, worse in pairs]
    decided = [(key, result == 1) for key, result in results if result]
    return stats.mean([agrees for _, agrees in decided], [key for key, _ in decided])


def contest(judge, ours, theirs, tie_margin=0.0):
    """Compare two models' profiles prompt by prompt, in both orders.

    Returns rows {"id", "outcome", "consistent"}: the outcome for `ours` is 1, 0.5 or 0 (the mean of both orders), or
    None when the judge cannot tell; consistent says whether both orders agreed. An unreadable profile scores 0.
    """
    rows = []
    for one, other in zip(ours, theirs, strict=True):
        first = compare(judge, one["id"], one["profile"], other["profile"], tie_margin)
        second = compare(judge, one["id"], other["profile"], one["profile"], tie_margin)
        known = first is not None and second is not None
        rows.append({"id": one["id"], "outcome": ((first - second) / 2 + 1) / 2 if known else None,
                     "consistent": first == -second if known else None})
    return rows


def win_rate(rows):
    """The share of prompts that `ours` won, ties as half, with a Wilson interval; prompts are independent authors."""
    return stats.win_rate(row["outcome"] for row in rows if row["outcome"] is not None)
