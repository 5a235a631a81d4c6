"""The texts of profiles against those of the true ones, by the measures of summarisation and translation and by names alone.

What each measure counts, and where it misleads, is listed in `lib.rouge.EXPLAINED`.
"""
import numpy as np
import torch
from sacrebleu.metrics import BLEU

from lib import metrics, stats
from lib.profiles import render

# {name: (words for readers, kind of lib.metrics.rouge, its variant)}. On ASCII text the variants differ in L, W and SU alone.
ROUGE = {"rouge1": ("ROUGE-1", "1", "paper"), "rouge2": ("ROUGE-2", "2", "paper"), "rougeL": ("ROUGE-L", "L", "paper"),
         "rougeLsum": ("ROUGE-Lsum", "Lsum", "paper"), "rougeW": ("ROUGE-W, weight 1.2", "W-1.2", "paper"),
         "rougeS": ("ROUGE-S, gap up to 4", "S4", "paper"), "rougeSU": ("ROUGE-SU, gap up to 4", "SU4", "paper"),
         "rougeL_155": ("ROUGE-L, as ROUGE-1.5.5", "L", "rouge155"), "rougeW_155": ("ROUGE-W, as ROUGE-1.5.5", "W-1.2", "rouge155"),
         "rougeSU_155": ("ROUGE-SU, as ROUGE-1.5.5", "SU4", "rouge155")}
NAMES = {"f1_exact": "F1 of names, exact", "f1_stem": "F1 of names, stemmed", "f1_soft": "F1 of names, soft"}
MEASURES = {**NAMES, **{name: words for name, (words, _, _) in ROUGE.items()}}


def scores(prompts, written, vectors):
    """Every measure of each profile whose truth is known: [{"id", measure: F1 from 0 to 1}], with the measures of MEASURES.

    prompts: rows with "truth"; written: rows {"id", "text", "profile"} in the same order. vectors: of all names, see `name_vectors`.
    ROUGE reads the text as the model wrote it, against the truth in the grammar; an unreadable profile has no names.
    """
    rows = []
    for prompt, row in zip(prompts, written, strict=True):
        if not (truth := prompt["truth"]):
            continue
        profile, reference = row["profile"], [render(truth)]
        found = {variant: metrics.rouge(row["text"], reference, [kind for _, kind, other in ROUGE.values() if other == variant], variant)
                 for variant in ("paper", "rouge155")}
        rows.append({"id": row["id"], "f1_exact": metrics.precision_recall_f1(profile, truth)["f1"],
                     "f1_stem": metrics.stem_f1(profile, truth)["f1"],
                     "f1_soft": metrics.soft_f1(profile, truth, lambda names: [vectors[name] for name in names])["f1"],
                     **{name: found[variant][kind]["f1"] for name, (_, kind, variant) in ROUGE.items()}})
    return rows


def bleu(prompts, written, seed=0, draws=2000):
    """Corpus BLEU, 0 to 100, with a 95 % percentile-bootstrap interval over prompts, and its signature; None without any truth.

    A draw sums the counts of the texts drawn, as BLEU sums those of its corpus. Koehn 2004, "Statistical Significance Tests for
    Machine Translation Evaluation", section 4.
    """
    texts = [(row["text"], render(prompt["truth"])) for prompt, row in zip(prompts, written, strict=True) if prompt["truth"]]
    if not texts:
        return None
    whole = metrics.bleu([text for text, _ in texts], [truth for _, truth in texts])
    single = [BLEU(effective_order=True).sentence_score(text, [truth]) for text, truth in texts]
    counts = np.array([[*score.counts, *score.totals, score.sys_len, score.ref_len] for score in single])
    picks = np.random.default_rng(seed).integers(len(counts), size=(draws, len(counts)))
    drawn = [BLEU.compute_bleu(total[:4].tolist(), total[4:8].tolist(), int(total[8]), int(total[9]), smooth_method="exp",
                               effective_order=True).score for total in (counts[pick].sum(0) for pick in picks)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"rate": whole["score"], "low": float(low), "high": float(high), "n": len(texts), "signature": whole["signature"]}


def summary(rows, seed=0):
    """The mean of each measure with its bootstrap interval over prompts."""
    return {name: stats.mean([row[name] for row in rows], seed=seed) for name in MEASURES}


def preferred(ours, theirs):
    """In which share of prompts each measure puts our profile above theirs, ties as half. Both: rows of `scores` on the same prompts."""
    pairs = list(zip(ours, theirs, strict=True))
    return {name: stats.win_rate(((one[name] > other[name]) + (one[name] >= other[name])) / 2 for one, other in pairs) for name in MEASURES}


def names_of(profiles):
    """All different names of competencies in some profiles, None among them left out."""
    return sorted({c["name"] for profile in profiles if profile for c in profile["competencies"]})


@torch.no_grad()
def name_vectors(model, tokenizer, names, batch_size=128):
    """{name: (width,) vector} by a language model: the mean of its last hidden states over the name's tokens, less the mean of all names.

    Without the subtraction all vectors of a language model point into one direction, and any two names look alike (Mu and Viswanath
    2018, "All-but-the-Top", section 2).
    """
    if not names:
        return {}
    tokens = tokenizer(names, add_special_tokens=False)["input_ids"]
    order, found = sorted(range(len(names)), key=lambda i: len(tokens[i])), {}
    for start in range(0, len(order), batch_size):
        batch = order[start:start + batch_size]
        width = max(len(tokens[i]) for i in batch) or 1
        ids = torch.tensor([tokens[i] + [0] * (width - len(tokens[i])) for i in batch], device=model.device)
        mask = torch.tensor([[1] * len(tokens[i]) + [0] * (width - len(tokens[i])) for i in batch], device=model.device)
        states = model(input_ids=ids, attention_mask=mask, output_hidden_states=True, logits_to_keep=1).hidden_states[-1].float()
        means = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        found |= {names[i]: vector.cpu().numpy() for i, vector in zip(batch, means)}
    centre = np.mean(list(found.values()), axis=0)
    return {name: found[name] - centre for name in names}
