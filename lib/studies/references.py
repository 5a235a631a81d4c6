"""How near models come to the terms that people gave their texts: means, and paired differences."""
from collections.abc import Callable
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase as Tokenizer

from lib.competencies import abstracts
from lib.core.rows import Prompt, Rate, Written
from lib.core.sections.preset import Preset
from lib.core.settings import ROOT
from lib.metrics import stats
from lib.metrics.competencies import names_in
from lib.metrics.keyphrases import measure_references, outcome
from lib.studies.synthesis import assigned, build_prompts

SCORES = ("precision", "recall", "f1", "soft_f1", "faithful_words", "faithful_trigrams",
          "repeated_names", "repeated_descriptions")
# F1 at five and at ten terms: Gallina, Boudin and Daille 2020 (JCDL), and the results that come
# with pke (github.com/boudinfl/pke), both on the test file of 500 texts.
PUBLISHED = [
    {"method": "TF-IDF", "source": "pke", "F1@5": 28.4, "F1@10": 35.0},
    {"method": "TextRank", "source": "pke", "F1@5": 26.9, "F1@10": 34.0},
    {"method": "PositionRank", "source": "pke", "F1@5": 27.9, "F1@10": 32.9},
    {"method": "MultipartiteRank", "source": "pke", "F1@5": 25.0, "F1@10": 29.3},
    {"method": "EmbedRank", "source": "Gallina et al. 2020", "F1@5": None, "F1@10": 35.6},
    {"method": "Kea (supervised)", "source": "Gallina et al. 2020", "F1@5": None, "F1@10": 34.5},
    {"method": "CopyRNN (neural)", "source": "Gallina et al. 2020",
     "F1@5": None, "F1@10": 28.2}]
Encode = Callable[[list[str]], np.ndarray]
Measured = list[dict[str, Any]]


def measure(prompts: list[Prompt], written: list[Written], encode: Encode) -> Measured:
    """The `measure_references` of what one model wrote. encode: texts as vectors of length 1."""
    terms = {term for prompt in prompts for term in prompt.get("references", [])}
    terms |= {name for row in written for name in names_in(row["profile"])}
    ordered = sorted(terms)
    vectors = dict(zip(ordered, encode(ordered)))
    return [measure_references(prompt, row, vectors)
            for prompt, row in zip(prompts, written, strict=True)]


def means(rows: Measured) -> dict[str, Any]:
    """Means over texts with bootstrap intervals, the share that keeps the format, and lengths."""
    found: dict[str, Any] = {score: stats.mean(known(rows, score)) for score in SCORES}
    found["compliant"] = stats.rate(sum(row["compliant"] for row in rows), len(rows))
    for length in ("competencies", "name_words", "tokens"):
        found[length] = stats.quantiles(known(rows, length))
    return found


def difference(ours: Measured, theirs: Measured, score: str) -> Rate:
    """The mean difference of two models on the same texts, with a bootstrap interval over texts."""
    pairs = [(one[score], other[score]) for one, other in zip(ours, theirs, strict=True)]
    differences = [one - other for one, other in pairs if None not in (one, other)]
    return stats.mean(differences, kind="difference")


def preference(prompts: list[Prompt], ours: list[Written], theirs: list[Written]) -> Rate:
    """In which share of texts our names have the higher stem-exact F1; ties are half a win."""
    return stats.win_rate(outcome(one["profile"], other["profile"], prompt["references"])
                          for prompt, one, other in zip(prompts, ours, theirs, strict=True))


def known(rows: Measured, score: str) -> list[float]:
    """The values of one score, where it is known."""
    return [row[score] for row in rows if row[score] is not None]


def shown_prompts(settings: Preset, tokenizer: Tokenizer) -> list[Prompt]:
    """Prompts of the texts that pages may show, evaluation.shown; none where the file is not."""
    shown = settings.evaluation.shown
    if not shown.path or not (ROOT / shown.path).exists():
        return []
    columns = settings.data.columns.model_dump() | {"text": shown.text}
    rows, _ = abstracts.read(ROOT / shown.path, columns)
    groups = abstracts.group(rows[:shown.texts], 1)
    return build_prompts([assigned(group, "shown") for group in groups], tokenizer,
                         settings.models)[0]
