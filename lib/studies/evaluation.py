"""What one model writes, and how good it is: precision, recall, F1, format and length."""
from collections.abc import Mapping
from typing import Any

from torch.nn import Module
from transformers import PreTrainedTokenizerBase as Tokenizer

from lib.competencies.confidence import with_confidence
from lib.competencies.profiles import conforms, parse
from lib.core.records import Journal
from lib.core.rows import Profile, Prompt, Written
from lib.core.sections.models import Models
from lib.core.sections.studies import Decoding
from lib.metrics import stats
from lib.metrics.competencies import compliant, names_in, precision_recall_f1, similarity
from lib.models.sampling import Writer, complete_prompts


def write_profiles(name: str, model: Module | Writer, tokenizer: Tokenizer | None,
                   prompts: list[Prompt], models: Models, decoding: Decoding, seed: int,
                   journal: Journal | None = None, sure: bool = False) -> list[Written]:
    """One profile per prompt by one model, in the prompts' order. name: what the bar calls it.

    sure: competencies have a confidence, see `with_confidence`; of a model loaded here only.
    """
    # One answer a prompt, where sampling writes K: so more prompts fit into a batch.
    drawn = complete_prompts(model, tokenizer, prompts, 4 * models.batch_size, journal,
                             f"{name} writes", temperature=decoding.temperature,
                             top_p=decoding.top_p, max_new_tokens=models.max_new_tokens, seed=seed,
                             with_logps=sure)
    rows: list[Any] = []
    for key in (prompt["id"] for prompt in prompts):
        completion = drawn[key][0]
        profile = parse(completion["text"])
        if sure and profile and tokenizer:
            profile = with_confidence(
                profile, completion, lambda ids: tokenizer.decode(ids, skip_special_tokens=True))
        kept = {field: completion[field] for field in ("text", "tokens", "finished")}
        rows.append({"id": key, **kept, "profile": profile})
    return rows


def measure(prompts: list[Prompt], written: list[Written]) -> list[dict[str, Any]]:
    """Each profile's quality as numbers; those that need the truth are None where it is unknown.

    Returns rows {"id", "precision", "recall", "f1", "similarity", "compliant", "strict",
    "competencies", "tokens"}. strict: compliant and exactly in the grammar.
    """
    rows = []
    for prompt, row in zip(prompts, written, strict=True):
        profile, truth = row["profile"], prompt["truth"]
        scores = dict.fromkeys(("precision", "recall", "f1", "similarity"))
        if truth:
            scores |= precision_recall_f1(profile, truth)
            scores["similarity"] = similarity(profile, truth)
        rows.append({"id": row["id"], **scores, "competencies": len(names_in(profile)),
                     "tokens": row["tokens"], "compliant": compliant(row),
                     "strict": row["finished"] and conforms(row["text"])})
    return rows


def means(rows: list[dict[str, Any]], seed: int = 0) -> dict[str, Any]:
    """Means with bootstrap intervals over authors, format compliance with Wilson's, and lengths."""
    known = [row for row in rows if row["f1"] is not None]
    found: dict[str, Any] = {key: stats.mean([row[key] for row in known], seed=seed)
                             for key in ("precision", "recall", "f1", "similarity")}
    for key in ("compliant", "strict"):
        found[key] = stats.rate(sum(row[key] for row in rows), len(rows))
    for key in ("competencies", "tokens"):
        found[key] = stats.quantiles([row[key] for row in rows])
    return found


def quality(prompts: list[Prompt], written: list[Written]) -> dict[str, Any]:
    """The `means` of what was written to some prompts. written: also to others, in their order."""
    return means(measure(prompts, only(prompts, written)))


def only(prompts: list[Prompt], written: list[Written]) -> list[Written]:
    """What was written to some prompts."""
    ids = {prompt["id"] for prompt in prompts}
    return [row for row in written if row["id"] in ids]


def among(prompts: list[Prompt], written: list[Written]) -> list[Prompt]:
    """The prompts that something was written to, in their order."""
    ids = {row["id"] for row in written}
    return [prompt for prompt in prompts if prompt["id"] in ids]


def columns(summary: Mapping[str, Any], *measures: str) -> dict[str, Any]:
    """Some of the `means` for a table, and the mean numbers of competencies and tokens."""
    lengths = {key: summary[key]["mean"] for key in ("competencies", "tokens")}
    return {**{measure: summary[measure] for measure in measures}, **lengths}


def decided(contest: list[dict[str, Any]], ours: list[Written],
            theirs: list[Written]) -> list[tuple[str, Profile | None, Profile | None]]:
    """What one judge decided, ties left out: [(prompt id, the better profile, the worse one)]."""
    profiles = [{row["id"]: row["profile"] for row in side} for side in (ours, theirs)]
    pairs = []
    for row in contest:
        if row["outcome"] in (0, 1):
            one, other = (side[row["id"]] for side in profiles)
            better, worse = (one, other) if row["outcome"] == 1 else (other, one)
            pairs.append((row["id"], better, worse))
    return pairs
