"""What one model writes, and how good it is: precision, recall, F1, format and length."""
from lib.competencies.profiles import MAXIMUM, MINIMUM, conforms, parse
from lib.metrics import stats
from lib.metrics.competencies import precision_recall_f1, similarity
from lib.models.chats import encode_chats
from lib.models.sampling import complete_all


def write_profiles(name, model, tokenizer, prompts, models, decoding, seed, journal=None):
    """One profile per prompt by one model: [{"id", "text", "tokens", "finished", "profile"}], in the prompts' order."""
    ids = encode_chats(tokenizer, [prompt["messages"] for prompt in prompts])
    drawn = complete_all(model, tokenizer, list(zip([prompt["id"] for prompt in prompts], ids)), models.batch_size, journal,
                         f"{name} writes", temperature=decoding.temperature, top_p=decoding.top_p,
                         max_new_tokens=models.max_new_tokens, seed=seed)
    return [{"id": prompt["id"], **drawn[prompt["id"]][0], "profile": parse(drawn[prompt["id"]][0]["text"])}
            for prompt in prompts]


def measure(prompts, written):
    """Each profile's quality as numbers; those that need the truth are None where it is unknown.

    Returns rows {"id", "precision", "recall", "f1", "similarity", "compliant", "strict", "competencies", "tokens"}:
    compliant means readable, finished and of 3 to 8 competencies; strict means exactly in the grammar.
    """
    rows = []
    for prompt, row in zip(prompts, written, strict=True):
        profile, truth = row["profile"], prompt["truth"]
        scores = precision_recall_f1(profile, truth) if truth else dict.fromkeys(("precision", "recall", "f1"))
        count = len(profile["competencies"]) if profile else 0
        rows.append({"id": row["id"], **scores, "similarity": similarity(profile, truth) if truth else None,
                     "compliant": row["finished"] and MINIMUM <= count <= MAXIMUM,
                     "strict": row["finished"] and conforms(row["text"]), "competencies": count, "tokens": row["tokens"]})
    return rows


def means(rows, seed=0):
    """Means with bootstrap intervals over authors, format compliance with Wilson intervals, lengths."""
    known = [row for row in rows if row["f1"] is not None]
    return {**{key: stats.mean([row[key] for row in known], seed=seed)
               for key in ("precision", "recall", "f1", "similarity")},
            **{key: stats.rate(sum(row[key] for row in rows), len(rows)) for key in ("compliant", "strict")},
            "competencies": stats.quantiles([row["competencies"] for row in rows]),
            "tokens": stats.quantiles([row["tokens"] for row in rows])}
