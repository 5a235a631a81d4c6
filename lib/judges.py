"""Judges of profiles. A judge scores a profile for a prompt; the better score wins a comparison.

`Truth` knows what the synthetic authors showed. `ReferenceGuided` is a language model that first writes its own profile
from the abstracts and then compares candidates with it: mean likelihood alone rewards length and is not used.
"""
from lib import stats
from lib.metrics import similarity
from lib.models import encode_chats
from lib.profiles import parse
from lib.ranking import knockout
from lib.sampling import complete_all


class Truth:
    """Compares with the recorded truth; for prompts without one its scores are None."""

    name = "truth"

    def __init__(self, prompts):
        self.references = {prompt["id"]: prompt["truth"] for prompt in prompts if prompt.get("truth")}

    def score(self, prompt_id, profile):
        reference = self.references.get(prompt_id)
        return None if reference is None else similarity(profile, reference)


class ReferenceGuided(Truth):
    """A model that writes its own profile of each prompt, greedily, and compares candidates with that."""

    def __init__(self, name, model, tokenizer, prompts, batch_size, max_new_tokens, journal=None):
        self.name = name
        items = list(zip((p["id"] for p in prompts), encode_chats(tokenizer, [p["messages"] for p in prompts])))
        written = complete_all(model, tokenizer, items, batch_size, journal, f"{name} writes",
                               max_new_tokens=max_new_tokens)
        parsed = {key: parse(completions[0]["text"]) for key, completions in written.items()}
        self.unreadable = [key for key, profile in parsed.items() if profile is None]
        self.references = {key: profile for key, profile in parsed.items() if profile}


def compare(judge, prompt_id, left, right, tie_margin=0.0):
    """1 when the left profile is better, -1 when the right one is, 0 for a tie, None when the judge cannot tell."""
    one, other = judge.score(prompt_id, left), judge.score(prompt_id, right)
    if one is None or other is None:
        return None
    return 0 if abs(one - other) <= tie_margin else (1 if one > other else -1)


def verdict(judge, prompt_id, left, right, order, result):
    """One comparison as a row of the verdicts contract. left, right: names of the two candidates."""
    winner = {1: "left", -1: "right", 0: "tie", None: None}[result]
    return {"id": prompt_id, "left": left, "right": right, "order": order, "winner": winner, "judge": judge.name,
            "status": "ok" if winner else "invalid", "reason": "" if winner else "the judge wrote no readable profile"}


def preference_pairs(judge, prompt, candidates, seed, tie_margin):
    """Play the knockout for one prompt. Returns (verdicts, preferences), both as rows of their contracts.

    candidates: the prompt's row of the candidates contract; only those with status "ok" enter. In the verdicts, left
    and right are indices into its completions.
    """
    verdicts, profiles = [], candidates["profiles"]
    entrants = [index for index, status in enumerate(candidates["status"]) if status == "ok"]

    def play(left, right):
        result = compare(judge, prompt["id"], profiles[left], profiles[right], tie_margin)
        verdicts.append(verdict(judge, prompt["id"], left, right, 1, result))
        return result or 0

    _, pairs = knockout(entrants, play, f"{seed}/{prompt['id']}")
    scores = {index: judge.score(prompt["id"], profiles[index]) for index in entrants}
    return verdicts, [{
        "id": prompt["id"], "author": prompt["author"], "split": prompt["split"], "prompt": prompt["messages"],
        "chosen": [{"role": "assistant", "content": candidates["completions"][winner]}],
        "rejected": [{"role": "assistant", "content": candidates["completions"][loser]}],
        "margin": scores[winner] - scores[loser],
    } for winner, loser in pairs]


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
