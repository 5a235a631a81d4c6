"""Classifying by instruction: the prompt, what an answer says, how well answers fare, and what needs no model at all.

A row is {"id", "instruction", "text", "label"}; its label is one of the choices that the instruction names.
"""
from collections import Counter

import numpy as np
import torch

from lib import adapters, models, sft, stats
from lib.models import encode_chats
from lib.sampling import complete_all

TEMPLATES = {
    "plain": "Instruction: {instruction}\nInput: {text}\nAnswer: ",  # FinGPT's
    "alpaca": "### Instruction:\n{instruction}\n\n### Input:\n{text}\n\n### Response:\n",
    "chat": "{instruction}\n\n{text}",  # the user's turn in the model's own chat template
}


def instruction(question, labels):
    """A question with its choices, in the order given and in braces: "Is it so? Please choose an answer from {yes/no}."."""
    return f"{question} Please choose an answer from {{{'/'.join(labels)}}}."


def prompt(row, template):
    """The prompt of a row: text, or messages for the template "chat"."""
    text = TEMPLATES[template].format(instruction=row["instruction"], text=row["text"])
    return [{"role": "user", "content": text}] if template == "chat" else text


def strict(answer, labels):
    """The label that an answer consists of, apart from case, space and a final period; None where it says anything else."""
    said = answer.strip().removesuffix(".").strip().casefold()
    return said if said in labels else None


def loose(answer, order, default):
    """The first label of `order` that occurs anywhere in the answer, in whatever case; `default` where none does.

    FinGPT reads answers so, with order (positive, negative) and default neutral: what nobody can read counts as neutral. A label
    that holds another one (unbiased, biased) has to stand before it.
    """
    return next((label for label in order if label in answer.casefold()), default)


def resolve(settings, name):
    """A model's name, from the name of a role or from itself."""
    return getattr(settings.models, name, name)


def load(settings, item):
    """A model that only answers: ((model, tokenizer), "") or (None, the reason why it was left out).

    item: `sections.Compared`. Code of a model's own repository is never run, so models that need it are left out.
    """
    try:
        return models.load(resolve(settings, item.model), settings.models.dtype, settings.runtime.device, item.quantisation,
                           item.adapter or None), ""
    except (ValueError, OSError) as error:
        return None, " ".join(str(error).split())[:300]


def tune(settings, rows, quantisation, tuning, work):
    """Tune an adapter for `instruction.model` on some rows, leave it in work/adapter, and return a report.

    settings: of the profile. tuning: `sections.Tuning`. work: a folder, also for checkpoints.
    Returns {"rows", "too_long", "loss": [{"step", "loss"}], "parameters"}.
    """
    wanted = settings.instruction
    torch.manual_seed(tuning.seed)
    name = resolve(settings, wanted.model)
    model, tokenizer = models.load(name, settings.models.dtype, settings.runtime.device, quantisation)
    examples = [sft.row(tokenizer, prompt(row, wanted.template), row["label"]) for row in rows]
    examples, too_long = sft.fitting(examples, tokenizer, tuning.max_length)
    tuned, loss = sft.train(model, tokenizer, examples, tuning, work, cpu=models.pick_device(settings.runtime.device) == "cpu")
    report = {"rows": len(examples), "too_long": len(too_long), "loss": loss, "parameters": adapters.trainable(tuned)}
    adapters.save_adapter(tuned, work / "adapter", name, card(name, report, quantisation, tuning, wanted.template))
    return report


def card(name, report, quantisation, tuning, template):
    """The README of an adapter: what it is and how it was made."""
    return f"""---
base_model: {name}
library_name: peft
pipeline_tag: text-generation
tags: [sft, lora, trl]
---
# An adapter that answers one question about a text with one of the given choices

* Base: `{name}`, quantisation while tuning: {quantisation}
* Training: {report["rows"]} rows, {tuning.epochs} epochs, batch {tuning.batch_size}, learning rate {tuning.learning_rate}
* Prompt: template `{template}` of `lib/instructions.py`; loss on the answer only

How well it does stands in `reports/06_instruction_tuning.html`. The licence of the base and of the training data applies.
"""


def ask(model, tokenizer, rows, template, batch_size, max_new_tokens, description="answers"):
    """What a model answers to each row, by greedy decoding: a list of texts, in the order of the rows."""
    prompts = [prompt(row, template) for row in rows]
    ids = encode_chats(tokenizer, prompts) if template == "chat" else tokenizer(prompts)["input_ids"]
    said = complete_all(model, tokenizer, [(str(i), row) for i, row in enumerate(ids)], batch_size, description=description,
                        max_new_tokens=max_new_tokens)
    return [said[str(i)][0]["text"] for i in range(len(rows))]


def scores(truth, found, labels, seed=0, draws=2000):
    """How well labels were found: {"accuracy", "macro_f1", "weighted_f1", "unparseable", "f1": {label: ...}}, each with an interval.

    truth: (n,) labels. found: (n,) labels or None, which is wrong and counts for no class. F1 as in `metrics.label_scores`, with
    percentile-bootstrap intervals over rows; rows are interchangeable, so resampling them is a multinomial draw of the counts of
    (truth, found). Accuracy and unparseable have Wilson intervals.
    """
    labels, n = list(labels), len(truth)
    cells = np.zeros((len(labels), len(labels) + 1), dtype=int)
    for true, said in zip(truth, found, strict=True):
        cells[labels.index(true), labels.index(said) if said in labels else -1] += 1
    drawn = np.random.default_rng(seed).multinomial(n, cells.ravel() / n, size=draws).reshape(draws, *cells.shape)
    values, resampled = f1(cells[None]), f1(drawn)

    def rate(key, *index):
        low, high = np.quantile(resampled[key][:, *index], [0.025, 0.975])
        return {"rate": float(values[key][0, *index]), "low": float(low), "high": float(high), "n": n}

    return {"accuracy": stats.rate(int(np.trace(cells)), n), "macro_f1": rate("macro"), "weighted_f1": rate("weighted"),
            "unparseable": stats.rate(int(cells[:, -1].sum()), n), "f1": {label: rate("class", i) for i, label in enumerate(labels)}}


def f1(cells):
    """F1 from counts (draws, true labels, found labels and none): {"class": (draws, labels), "macro": (draws,), "weighted": (draws,)}.

    2 TP / (true + found), 0 where a class neither occurs nor is found; macro: mean of the classes; weighted: by their true share.
    """
    size = cells.shape[1]
    hits, true, found = cells[:, range(size), range(size)], cells.sum(2), cells[:, :, :size].sum(1)
    each = 2 * hits / np.maximum(true + found, 1)
    return {"class": each, "macro": each.mean(1), "weighted": (each * true).sum(1) / true.sum(1)}


def baselines(train, test):
    """Labels for the rows of `test` from simple rules learnt on `train`: {"majority": (n,), "length": (n,), "words": (n,)}.

    majority: the most frequent label. length: the most frequent label among training texts of similar length, in tenths. words: a
    logistic regression on which words and pairs of words occur, which knows nothing else.
    """
    from sklearn.feature_extraction.text import CountVectorizer  # a second, for this alone
    from sklearn.linear_model import LogisticRegression
    texts, labels = [row["text"] for row in train], [row["label"] for row in train]
    edges = np.quantile([len(text) for text in texts], np.arange(0.1, 1, 0.1))
    bins = Counter(zip(np.searchsorted(edges, [len(text) for text in texts]).tolist(), labels))
    usual = most_common(Counter(labels))
    by_length = {part: most_common(Counter({label: n for (where, label), n in bins.items() if where == part})) for part, _ in bins}
    seen = CountVectorizer(ngram_range=(1, 2), token_pattern=r"\S+", binary=True)
    if len(set(labels)) > 1:
        words = LogisticRegression(max_iter=1000).fit(seen.fit_transform(texts), labels).predict(
            seen.transform([row["text"] for row in test])).tolist()
    else:
        words = [usual] * len(test)
    return {"majority": [usual] * len(test), "words": words,
            "length": [by_length.get(int(np.searchsorted(edges, len(row["text"]))), usual) for row in test]}


def most_common(counts):
    """The label with the highest count; of several, the first in the alphabet, so that no order of rows decides."""
    return min(counts, key=lambda label: (-counts[label], label))


def by_kind(rows, found, key="kind"):
    """Accuracy for each kind of row: {kind: rate}. found: (n,) labels or None; the truth counts, where a row has one."""
    kinds = sorted({row[key] for row in rows})
    right = [(row[key], said == row.get("truth", row["label"])) for row, said in zip(rows, found, strict=True)]
    return {kind: stats.win_rate(hit for where, hit in right if where == kind) for kind in kinds}
