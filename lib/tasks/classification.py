"""Classifying by instruction: the prompt, what an answer says, and what needs no model at all.

A row's label is one of the choices that its instruction names.
"""
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from lib.core.records import Journal
from lib.core.rows import Labelled, Message, Rate
from lib.metrics import stats
from lib.models import chats, identity
from lib.models.sampling import complete_all, row_keys
from lib.models.scoring import log_likelihood

TEMPLATES = {
    "plain": "Instruction: {instruction}\nInput: {text}\nAnswer: ",  # FinGPT's
    "alpaca": "### Instruction:\n{instruction}\n\n### Input:\n{text}\n\n### Response:\n",
    "chat": "{instruction}\n\n{text}",  # the user's turn in the model's own chat template
}


def instruction(question: str, labels: Iterable[str]) -> str:
    """A question with its choices in the order given: "... choose an answer from {yes/no}."."""
    return f"{question} Please choose an answer from {{{'/'.join(labels)}}}."


def prompt(row: Labelled, template: str) -> str | list[Message]:
    """The prompt of a row: text, or messages for the template "chat"."""
    text = TEMPLATES[template].format(instruction=row["instruction"], text=row["text"])
    return [{"role": "user", "content": text}] if template == "chat" else text


def strict(answer: str, labels: Iterable[str]) -> str | None:
    """The label that an answer consists of, or None. Case, space and a final period are ignored."""
    said = answer.strip().removesuffix(".").strip().casefold()
    return said if said in labels else None


def loose(answer: str, order: Iterable[str], default: str) -> str:
    """The first label of `order` that occurs anywhere in the answer, in any case, or `default`.

    FinGPT reads answers so, with order (positive, negative) and default neutral: what nobody can
    read counts as neutral. A label that holds another one (unbiased, biased) must stand before it.
    """
    return next((label for label in order if label in answer.casefold()), default)


def ask(model: Any, tokenizer: Any, rows: Sequence[Labelled], template: str, batch_size: int,
        max_new_tokens: int, description: str = "answers") -> list[str]:
    """What a model answers to each row, by greedy decoding, in the order of the rows."""
    ids = encode(tokenizer, rows, template)
    said = complete_all(model, tokenizer, [(str(i), row) for i, row in enumerate(ids)], batch_size,
                        description=description, max_new_tokens=max_new_tokens)
    return [said[str(i)][0]["text"] for i in range(len(rows))]


def encode(tokenizer: Any, rows: Sequence[Labelled], template: str) -> list[list[int]]:
    """The prompt of each row as token ids."""
    prompts: list[Any] = [prompt(row, template) for row in rows]
    if template == "chat":
        return chats.encode_chats(tokenizer, prompts)
    return chats.encode(tokenizer, prompts, opened=True)


def choose(model: Any, tokenizer: Any, items: Sequence[tuple[str, list[int]]],
           labels: Sequence[str], batch_size: int, journal: Journal | None = None,
           ) -> dict[str, list[float]]:
    """{key: probability of each label} of many (key, prompt ids), by the label's tokens after it.

    That is of the label as a whole answer or the beginning of one; what is missing to 1 are other
    answers. No label may begin with another one. journal: what this model has been asked in the
    same way is not asked again.
    """
    answers = chats.encode(tokenizer, list(labels))
    rows, found = dict[str, str](), dict[str, list[float]]()
    if journal is not None:
        rows = row_keys(identity.of_model(model, tokenizer), items, {"labels": answers})
        found = {key: journal[row] for key, row in rows.items() if row in journal}
    todo = {key: ids for key, ids in items if key not in found}
    keys = sorted(todo, key=lambda key: len(todo[key]))
    with tqdm(total=len(keys) + len(found), initial=len(found), desc="labels", unit="text") as bar:
        for start in range(0, len(keys), batch_size):
            batch = keys[start:start + batch_size]
            prompts = [todo[key] for key in batch for _ in answers]
            logps = log_likelihood(model, prompts, answers * len(batch))
            chances = np.exp(logps).reshape(len(batch), len(answers)).tolist()
            if journal is not None:
                journal.add(zip([rows[key] for key in batch], chances))
            found |= dict(zip(batch, chances))
            bar.update(len(batch))
    return found


def baselines(train: Sequence[Mapping[str, Any]],
              test: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Labels for the rows of `test` by rules learnt on `train`: {"majority", "length", "words"}.

    majority: the most frequent label. length: the most frequent label among training texts of
    similar length, in tenths. words: a logistic regression on which words and pairs of words occur,
    which knows nothing else.
    """
    from sklearn.feature_extraction.text import CountVectorizer  # a second, for this alone
    from sklearn.linear_model import LogisticRegression
    texts, asked = [row["text"] for row in train], [row["text"] for row in test]
    labels = [row["label"] for row in train]
    usual = _most_common(labels)
    edges = np.quantile([len(text) for text in texts], np.arange(0.1, 1, 0.1))

    def tenths(some):
        return np.searchsorted(edges, [len(text) for text in some]).tolist()

    parts: dict[int, list[str]] = {}
    for part, label in zip(tenths(texts), labels):
        parts.setdefault(part, []).append(label)
    by_length = {part: _most_common(found) for part, found in parts.items()}
    words = [usual] * len(test)
    if len(set(labels)) > 1:
        seen = CountVectorizer(ngram_range=(1, 2), token_pattern=r"\S+", binary=True)
        learnt = LogisticRegression(max_iter=1000).fit(seen.fit_transform(texts), labels)
        words = learnt.predict(seen.transform(asked)).tolist()
    return {"majority": [usual] * len(test), "words": words,
            "length": [by_length.get(part, usual) for part in tenths(asked)]}


def _most_common(labels):
    """The most frequent label; of several, the first in the alphabet, so that no order decides."""
    counts = Counter(labels)
    return min(counts, key=lambda label: (-counts[label], label))


def by_kind(rows: Sequence[dict[str, Any]], found: Sequence[str | None]) -> dict[str, Rate]:
    """Accuracy for each kind of row. The truth counts, where a row has one; else its label."""
    right: dict[str, list[bool]] = {}
    for row, said in zip(rows, found, strict=True):
        right.setdefault(row["kind"], []).append(said == row.get("truth", row["label"]))
    return {kind: stats.win_rate(right[kind]) for kind in sorted(right)}
