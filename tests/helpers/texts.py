"""A text with references, profiles of it, and an encoder whose vectors are known."""
import numpy as np


class Fake:
    """An encoder by a table; what it does not hold has a vector of its own, at right angles."""

    def __init__(self, table, width=8):
        self.table = {text: unit(vector, width) for text, vector in table.items()}
        self.width, self.unknown = width, {}

    def encode(self, texts):
        return np.array([self.vector(text) for text in texts]).reshape(len(texts), self.width)

    def vector(self, text):
        if text in self.table:
            return self.table[text]
        place = self.unknown.setdefault(text, len(self.unknown))
        return np.eye(self.width)[-1 - place % 4]


def unit(vector, width):
    full = np.zeros(width)
    full[:len(vector)] = vector
    return full / np.linalg.norm(full)


def prompt(key, text, title="", references=()):
    row = {"id": key, "author": "", "split": "train", "domain": None, "truth": None,
           "abstracts": [{"title": title, "text": text}], "messages": []}
    return {**row, "references": list(references)} if references else row


def profile(*names, described="Works on it."):
    competencies = [{"name": name, "description": described} for name in names]
    return {"domain": "bees", "competencies": competencies}
