"""A sentence encoder: texts as vectors whose cosine says how near they are in meaning."""
from pathlib import Path

import numpy as np
import torch
import transformers  # what it offers is imported at its first use

from lib.models.chats import encode
from lib.models.loading import pick_device, pretrained

MAX_TOKENS = 256  # what all-MiniLM-L6-v2 was trained to read; the rest of a text is cut off


class Encoder:
    """Mean of the last hidden states over a text's tokens, of length 1.

    The convention of sentence-transformers/all-MiniLM-L6-v2; Reimers and Gurevych 2019, section 3.
    A text is read once: its vector is kept, so that it never hangs on what it is asked with.
    """

    def __init__(self, name: str | Path, device: str = "auto", batch_size: int = 64):
        """name: a directory or a hub name. Raises DataError where there is no model."""
        self.tokenizer = pretrained(transformers.AutoTokenizer, name)
        model = pretrained(transformers.AutoModel, name, dtype=torch.float32)
        self.model = model.to(pick_device(device)).eval()
        self.batch_size, self.vectors = batch_size, dict[str, np.ndarray]()

    def encode(self, texts: list[str]) -> np.ndarray:
        """(n, width) vectors of n texts, each of length 1."""
        todo = list(dict.fromkeys(text for text in texts if text not in self.vectors))
        rows = self._tokens(todo)
        order = sorted(range(len(todo)), key=lambda i: len(rows[i]))  # alike in length: no padding
        for start in range(0, len(order), self.batch_size):
            batch = order[start:start + self.batch_size]
            found = self._read([rows[i] for i in batch])
            self.vectors.update(zip([todo[i] for i in batch], found))
        width = self.model.config.hidden_size
        return np.array([self.vectors[text] for text in texts]).reshape(len(texts), width)

    def _tokens(self, texts):
        rows = encode(self.tokenizer, texts, opened=True)
        return [row if len(row) <= MAX_TOKENS else [*row[:MAX_TOKENS - 1], row[-1]]
                for row in rows]

    @torch.no_grad()
    def _read(self, rows):
        width = max(map(len, rows))
        ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
        ids, mask = ids.to(self.model.device), mask.to(self.model.device)
        states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        means = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        return torch.nn.functional.normalize(means, dim=-1).cpu().numpy()
