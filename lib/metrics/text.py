"""Texts against texts: BLEU, diversity, and all measures of profiles against the true ones."""
import numpy as np
from sacrebleu.metrics import BLEU

from lib.competencies.profiles import render
from lib.core.records import DataError
from lib.metrics import competencies, stats
from lib.metrics.rouge_scores import rouge
from lib.metrics.words import ngrams, words


def distinct(texts, n):
    """Share of distinct word n-grams among all n-grams of the texts (Li et al. 2016); None without any."""
    grams = [gram for text in texts for gram in ngrams(words(text), n)]
    return len(set(grams)) / len(grams) if grams else None


def self_bleu(texts):
    """Mean BLEU of each text against the others, 0 to 100: high means alike (Zhu et al. 2018); None for fewer than two."""
    if len(texts) < 2:
        return None
    bleu = BLEU(effective_order=True)
    scores = [bleu.sentence_score(text, texts[:i] + texts[i + 1:]).score for i, text in enumerate(texts)]
    return sum(scores) / len(scores)


def bleu(predictions, references, tokenize="13a"):
    """Corpus BLEU by sacrebleu, 0 to 100: {"score", "signature", "precisions", "brevity_penalty", "length_ratio", "n"}.

    predictions: (n,) texts. references: (n,) texts, or lists of texts, not all of one length. tokenize: sacrebleu's name;
    take "zh", "ja-mecab" or "char" where words are not spaced. Texts of fewer than four words count the orders that they have
    (effective order). Publish the score with its signature (Post 2018). Raises DataError where the two do not fit.
    """
    if not predictions or len(predictions) != len(references):
        raise DataError(f"bleu: {len(predictions)} predictions, {len(references)} references; give one entry for each prediction.")
    references = [[item] if isinstance(item, str) else list(item) for item in references]
    if not all(references):
        raise DataError(f"bleu: prediction {references.index([])} has no reference; give at least one text.")
    width = max(map(len, references))
    streams = [[item[i] if i < len(item) else None for item in references] for i in range(width)]
    measure = BLEU(effective_order=True, tokenize=tokenize)
    result = measure.corpus_score(predictions, streams)
    return {"score": result.score, "signature": str(measure.get_signature()), "precisions": result.precisions,
            "brevity_penalty": result.bp, "length_ratio": result.ratio, "n": len(predictions)}


# {name: (words for readers, kind of lib.metrics.rouge, its variant)}. On ASCII text the variants differ in L, W and SU alone.
ROUGE = {"rouge1": ("ROUGE-1", "1", "paper"), "rouge2": ("ROUGE-2", "2", "paper"), "rougeL": ("ROUGE-L", "L", "paper"),
         "rougeLsum": ("ROUGE-Lsum", "Lsum", "paper"), "rougeW": ("ROUGE-W, weight 1.2", "W-1.2", "paper"),
         "rougeS": ("ROUGE-S, gap up to 4", "S4", "paper"), "rougeSU": ("ROUGE-SU, gap up to 4", "SU4", "paper"),
         "rougeL_155": ("ROUGE-L, as ROUGE-1.5.5", "L", "rouge155"), "rougeW_155": ("ROUGE-W, as ROUGE-1.5.5", "W-1.2", "rouge155"),
         "rougeSU_155": ("ROUGE-SU, as ROUGE-1.5.5", "SU4", "rouge155")}
NAMES = {"f1_exact": "F1 of names, exact", "f1_stem": "F1 of names, stemmed", "f1_soft": "F1 of names, soft"}
MEASURES = {**NAMES, **{name: words for name, (words, _, _) in ROUGE.items()}}


def profile_scores(prompts, written, vectors):
    """Every measure of each profile whose truth is known: [{"id", measure: F1 from 0 to 1}], with the measures of MEASURES.

    prompts: rows with "truth"; written: rows {"id", "text", "profile"} in the same order. vectors: of all names, see `name_vectors`.
    ROUGE reads the text as the model wrote it, against the truth in the grammar; an unreadable profile has no names.
    """
    rows = []
    for prompt, row in zip(prompts, written, strict=True):
        if not (truth := prompt["truth"]):
            continue
        profile, reference = row["profile"], [render(truth)]
        found = {variant: rouge(row["text"], reference, [kind for _, kind, other in ROUGE.values() if other == variant], variant)
                 for variant in ("paper", "rouge155")}
        rows.append({"id": row["id"], "f1_exact": competencies.precision_recall_f1(profile, truth)["f1"],
                     "f1_stem": competencies.stem_f1(profile, truth)["f1"],
                     "f1_soft": competencies.soft_f1(profile, truth, lambda names: [vectors[name] for name in names])["f1"],
                     **{name: found[variant][kind]["f1"] for name, (_, kind, variant) in ROUGE.items()}})
    return rows


def profile_bleu(prompts, written, seed=0, draws=2000):
    """Corpus BLEU, 0 to 100, with a 95 % percentile-bootstrap interval over prompts, and its signature; None without any truth.

    A draw sums the counts of the texts drawn, as BLEU sums those of its corpus. Koehn 2004, "Statistical Significance Tests for
    Machine Translation Evaluation", section 4.
    """
    texts = [(row["text"], render(prompt["truth"])) for prompt, row in zip(prompts, written, strict=True) if prompt["truth"]]
    if not texts:
        return None
    whole = bleu([text for text, _ in texts], [truth for _, truth in texts])
    single = [BLEU(effective_order=True).sentence_score(text, [truth]) for text, truth in texts]
    counts = np.array([[*score.counts, *score.totals, score.sys_len, score.ref_len] for score in single])
    picks = np.random.default_rng(seed).integers(len(counts), size=(draws, len(counts)))
    drawn = [BLEU.compute_bleu(total[:4].tolist(), total[4:8].tolist(), int(total[8]), int(total[9]), smooth_method="exp",
                               effective_order=True).score for total in (counts[pick].sum(0) for pick in picks)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"rate": whole["score"], "low": float(low), "high": float(high), "n": len(texts), "signature": whole["signature"]}


def mean_scores(rows, seed=0):
    """The mean of each measure with its bootstrap interval over prompts."""
    return {name: stats.mean([row[name] for row in rows], seed=seed) for name in MEASURES}


def preferred(ours, theirs):
    """In which share of prompts each measure puts our profile above theirs, ties as half. Both: rows of `scores` on the same prompts."""
    pairs = list(zip(ours, theirs, strict=True))
    return {name: stats.win_rate(((one[name] > other[name]) + (one[name] >= other[name])) / 2 for one, other in pairs) for name in MEASURES}


def names_of(profiles):
    """All different names of competencies in some profiles, None among them left out."""
    return sorted({c["name"] for profile in profiles if profile for c in profile["competencies"]})


def diversity(groups):
    """Diversity of completions. groups: the completions of each prompt. Self-BLEU is the mean within prompts."""
    everything = [text for group in groups for text in group]
    within = [value for group in groups if (value := self_bleu(group)) is not None]
    return {"distinct_1": distinct(everything, 1), "distinct_2": distinct(everything, 2),
            "self_bleu": sum(within) / len(within) if within else None}
