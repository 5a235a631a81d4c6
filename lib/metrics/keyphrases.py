"""Profiles against the terms that people gave their texts, and against the texts themselves.

Terms are compared as the literature on keyphrases does: by the Porter stems of their words, of
which punctuation and hyphens are no part; a term counts once on either side, so that a name given
twice is neither a second hit nor an error (`repeated_names` shows it). Meng et al. 2017, "Deep
Keyphrase Generation", for the stems; Chan et al. 2019, "Neural Keyphrase Generation via
Reinforcement Learning with Adaptive Rewards", for leaving out repeated predictions. All references
count, those that the text does not hold as well, as in Gallina et al. 2020, "Large-Scale Evaluation
of Keyphrase Extraction Models".
"""
from collections.abc import Mapping, Sequence
from typing import Any

from lib.core.rows import Profile, Prompt, Written
from lib.metrics.competencies import Scores, compliant, names_in, soft_scores
from lib.metrics.words import ngrams, stem, stems, stop_words, tokens

Vectors = Mapping[str, Sequence[float]]


def stem_scores(names: Sequence[str], references: Sequence[str]) -> Scores:
    """"precision", "recall" and "f1" of names that share all stems with a reference, in order.

    0 without names or without references. A name without a letter or a digit is an error.
    """
    found, expected = set(map(stems, names)), set(map(stems, references)) - {()}
    hits, total = len(found & expected), len(found) + len(expected)
    # F1 from the counts: by way of precision and recall, equal ones differ in the last bit.
    return {"precision": hits / len(found) if found else 0.0,
            "recall": hits / len(expected) if expected else 0.0,
            "f1": 2 * hits / total if total else 0.0}


def stem_f1(names: Sequence[str], references: Sequence[str]) -> float:
    """The F1 of `stem_scores`, from 0 to 1."""
    return stem_scores(names, references)["f1"]


def soft_f1(names: Sequence[str], references: Sequence[str], vectors: Vectors) -> float:
    """The F1 of `competencies.soft_scores`, from 0 to 1. vectors: of all names and references."""
    return _soft(names, references, vectors)["f1"]


def outcome(ours: Profile | None, theirs: Profile | None, references: Sequence[str]) -> float:
    """1 where our profile's names have the higher stem-exact F1, 0 where theirs have, else 0.5."""
    one, other = (stem_f1(names_in(profile), references) for profile in (ours, theirs))
    return ((one > other) + (one >= other)) / 2


def faithfulness(profile: Profile | None, text: str) -> dict[str, float | None]:
    """What share of a profile's descriptions its text holds, of their words and of their trigrams.

    Both are compared by their stems. `stop_words` do not count as words but stand in trigrams; no
    trigram spans two descriptions. None where there are no such words or trigrams.
    """
    described, held = _descriptions(profile), stems(text)
    words = [stem(word) for description in described for word in tokens(description)
             if word not in stop_words()]
    runs = [run for description in described for run in ngrams(stems(description), 3)]
    return {"faithful_words": _share_in(words, held),
            "faithful_trigrams": _share_in(runs, ngrams(held, 3))}


def repetitions(profile: Profile | None) -> dict[str, float | None]:
    """What share of a profile's names, and of its descriptions, came before, by their stems.

    Competencies without a description are left out of the second. None where there are none.
    """
    return {"repeated_names": _repeated(map(stems, names_in(profile))),
            "repeated_descriptions": _repeated(map(stems, _descriptions(profile)))}


def measure_references(prompt: Prompt, written: Written, vectors: Vectors) -> dict[str, Any]:
    """All measures of one profile, for a table of models whose cells are means over prompts.

    vectors: of all names and references. Returns {"id", "precision",
    "recall", "f1", "soft_precision", "soft_recall", "soft_f1", "faithful_words",
    "faithful_trigrams", "repeated_names", "repeated_descriptions", "competencies", "name_words"
    (words of a name), "tokens", "compliant"}. The first six are 0 for an unreadable profile (None),
    and None for a text without references; leave None out of a mean.
    """
    profile, references = written["profile"], prompt.get("references")
    scores: dict[str, float | None] = dict.fromkeys(
        f"{kind}{name}" for kind in ("", "soft_") for name in ("precision", "recall", "f1"))
    names = names_in(profile)
    if references:
        scores |= stem_scores(names, references)
        soft = _soft(names, references, vectors)
        scores |= {f"soft_{name}": value for name, value in soft.items()}
    text = "\n".join(f"{row['title']}\n{row['text']}" for row in prompt["abstracts"])
    return {"id": written["id"], **scores, **faithfulness(profile, text), **repetitions(profile),
            "competencies": len(names), "tokens": written["tokens"],
            "name_words": sum(len(name.split()) for name in names) / len(names) if names else None,
            "compliant": compliant(written)}


def _soft(names, references, vectors):
    return soft_scores(list(names), list(references), lambda terms: [vectors[it] for it in terms])


def _descriptions(profile):
    given = [item["description"] for item in profile["competencies"]] if profile else []
    return [description for description in given if description.strip()]


def _share_in(items, held):
    held = set(held)
    return sum(item in held for item in items) / len(items) if items else None


def _repeated(items):
    found = list(items)
    return 1 - len(set(found)) / len(found) if found else None
