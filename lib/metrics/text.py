"""Texts against texts: BLEU, diversity, and all measures of profiles against the true ones."""
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lib.competencies.profiles import render
from lib.core.records import DataError
from lib.core.rows import Profile, Prompt, Rate, Written
from lib.metrics import competencies, stats
from lib.metrics.measures import MEASURES, ROUGE
from lib.metrics.rouge_scores import rouge
from lib.metrics.words import ngrams, words_of


def distinct(texts: Sequence[str], n: int) -> float | None:
    """Share of distinct word n-grams among all of the texts (Li et al. 2016); None without any."""
    grams = [gram for text in texts for gram in ngrams(words_of(text), n)]
    return len(set(grams)) / len(grams) if grams else None


def self_bleu(texts: Sequence[str]) -> float | None:
    """Mean BLEU of each text against the others, 0 to 100: high means alike (Zhu et al. 2018).

    None for fewer than two texts.
    """
    if len(texts) < 2:
        return None
    measure = _bleu()
    scores = [measure.sentence_score(text, [*texts[:i], *texts[i + 1:]]).score
              for i, text in enumerate(texts)]
    return sum(scores) / len(scores)


def diversity(groups: Sequence[Sequence[str]]) -> dict[str, float | None]:
    """Of completions, grouped by prompt. Self-BLEU is the mean within prompts."""
    everything = [text for group in groups for text in group]
    within = [value for value in map(self_bleu, groups) if value is not None]
    return {"distinct_1": distinct(everything, 1), "distinct_2": distinct(everything, 2),
            "self_bleu": sum(within) / len(within) if within else None}


def bleu(predictions: Sequence[str], references: Sequence[str | Sequence[str]],
         tokenize: str = "13a") -> dict[str, Any]:
    """Corpus BLEU by sacrebleu, 0 to 100, as "score", with its "signature", "precisions",
    "brevity_penalty", "length_ratio" and "n".

    predictions: (n,) texts. references: (n,) texts, or lists of texts, not all of one length.
    tokenize: sacrebleu's name; take "zh", "ja-mecab" or "char" where words are not spaced. Texts of
    fewer than four words count the orders that they have (effective order). Publish the score with
    its signature (Post 2018). Raises DataError where the two do not fit.
    """
    if not predictions or len(predictions) != len(references):
        raise DataError(f"bleu: {len(predictions)} predictions, {len(references)} references; "
                        "give one entry for each prediction.")
    lists = [[item] if isinstance(item, str) else list(item) for item in references]
    if not all(lists):
        raise DataError(f"bleu: prediction {lists.index([])} has no reference; "
                        "give at least one text.")
    width = max(map(len, lists))
    streams = [[item[i] if i < len(item) else None for item in lists] for i in range(width)]
    measure = _bleu(tokenize=tokenize)
    result = measure.corpus_score(predictions, streams)
    return {"score": result.score, "signature": str(measure.get_signature()),
            "precisions": result.precisions, "brevity_penalty": result.bp,
            "length_ratio": result.ratio, "n": len(predictions)}


def profile_scores(prompts: Sequence[Prompt], written: Sequence[Written],
                   vectors: Mapping[str, Sequence[float]]) -> list[dict[str, Any]]:
    """Every measure of each profile whose truth is known: [{"id", measure: F1 from 0 to 1}].

    written: in the order of the prompts. vectors: of all names, as of `scoring.name_vectors`. ROUGE
    reads the text as the model wrote it, against the truth in the grammar; an unreadable profile
    has no names.
    """
    def embed(names):
        return [vectors[name] for name in names]

    kinds = {variant: [kind for _, kind, other in ROUGE.values() if other == variant]
             for variant in ("paper", "rouge155")}
    rows = []
    for prompt, row in zip(prompts, written, strict=True):
        if not (truth := prompt["truth"]):
            continue
        profile, reference = row["profile"], [render(truth)]
        found = {variant: rouge(row["text"], reference, wanted, variant)
                 for variant, wanted in kinds.items()}
        rows.append({"id": row["id"],
                     "f1_exact": competencies.precision_recall_f1(profile, truth)["f1"],
                     "f1_stem": competencies.stem_f1(profile, truth)["f1"],
                     "f1_soft": competencies.soft_f1(profile, truth, embed)["f1"],
                     **{name: found[variant][kind]["f1"]
                        for name, (_, kind, variant) in ROUGE.items()}})
    return rows


def profile_bleu(prompts: Sequence[Prompt], written: Sequence[Written], seed: int = 0,
                 draws: int = 2000) -> dict[str, Any] | None:
    """Corpus BLEU, 0 to 100, as a rate with its interval over prompts and its "signature".

    None without any truth. A draw sums the counts of the texts drawn, as BLEU sums those of its
    corpus. Koehn 2004, "Statistical Significance Tests for Machine Translation Evaluation",
    section 4.
    """
    both = zip(prompts, written, strict=True)
    texts = [(row["text"], render(prompt["truth"])) for prompt, row in both if prompt["truth"]]
    if not texts:
        return None
    whole = bleu([text for text, _ in texts], [truth for _, truth in texts])
    measure = _bleu()
    single = [measure.sentence_score(text, [truth]) for text, truth in texts]
    counts = [[*score.counts, *score.totals, score.sys_len, score.ref_len] for score in single]

    def of_sums(sums):
        hits, totals, (ours, theirs) = sums[:4].tolist(), sums[4:8].tolist(), sums[8:].tolist()
        return measure.compute_bleu(hits, totals, ours, theirs, smooth_method="exp",
                                    effective_order=True).score

    low, high = stats.sum_interval(np.array(counts), of_sums, seed, draws)
    return {"rate": whole["score"], "low": low, "high": high, "n": len(texts),
            "signature": whole["signature"]}


def mean_scores(rows: Sequence[Mapping[str, float]], seed: int = 0) -> dict[str, Rate]:
    """The mean of each measure with its bootstrap interval over prompts."""
    return {name: stats.mean([row[name] for row in rows], seed=seed) for name in MEASURES}


def preferred(ours: Sequence[Mapping[str, float]],
              theirs: Sequence[Mapping[str, float]]) -> dict[str, Rate]:
    """In which share of prompts each measure puts our profile above theirs, ties as half.

    Both: rows of `profile_scores` on the same prompts.
    """
    pairs = list(zip(ours, theirs, strict=True))
    return {name: stats.win_rate(((one[name] > other[name]) + (one[name] >= other[name])) / 2
                                 for one, other in pairs) for name in MEASURES}


def names_of(profiles: Sequence[Profile | None]) -> list[str]:
    """All different names of competencies in some profiles, None among them left out."""
    return sorted({name for profile in profiles for name in competencies.names_in(profile)})


def _bleu(**options):
    from sacrebleu.metrics import BLEU  # half a second, and `lib.metrics.rouge` needs none of it
    return BLEU(effective_order=True, **options)
