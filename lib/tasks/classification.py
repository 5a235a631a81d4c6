"""Classifying by instruction: the prompt, what an answer says, how well answers fare, and what needs no model at all.

A row is {"id", "instruction", "text", "label"}; its label is one of the choices that the instruction names.
"""
from collections import Counter

import numpy as np

from lib.metrics import stats
from lib.models.chats import encode_chats
from lib.models.sampling import complete_all

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


def ask(model, tokenizer, rows, template, batch_size, max_new_tokens, description="answers"):
    """What a model answers to each row, by greedy decoding: a list of texts, in the order of the rows."""
    prompts = [prompt(row, template) for row in rows]
    ids = encode_chats(tokenizer, prompts) if template == "chat" else tokenizer(prompts)["input_ids"]
    said = complete_all(model, tokenizer, [(str(i), row) for i, row in enumerate(ids)], batch_size, description=description,
                        max_new_tokens=max_new_tokens)
    return [said[str(i)][0]["text"] for i in range(len(rows))]


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
