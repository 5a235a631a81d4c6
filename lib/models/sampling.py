"""Drawing completions: each prompt is read once and continued K times, by its own randomness."""
import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import Module
from tqdm import tqdm
from transformers.cache_utils import DynamicCache, DynamicLayer
from transformers.generation.logits_process import LogitsProcessor, LogitsProcessorList
from transformers.tokenization_utils_base import PreTrainedTokenizerBase as Tokenizer

from lib.core.records import Journal
from lib.core.rows import Completion
from lib.models.chats import left_padded

ROOM = 64  # tokens by which a cache grows


class SeededSampler(LogitsProcessor):
    """Turns greedy decoding into sampling with one random stream per prompt.

    argmax(log p + Gumbel noise) is an exact draw from p (Gumbel 1954), so `generate` stays greedy
    while a generator seeded by the prompt gives the noise, whatever the batch's size and order.
    """

    def __init__(self, seeds: Sequence[int], k: int, temperature: float, top_p: float):
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.k, self.temperature, self.top_p = k, temperature, top_p

    def __call__(self, input_ids: torch.Tensor | None, scores: torch.Tensor) -> torch.Tensor:
        """scores: (prompts x k, vocabulary) logits; returns them as perturbed log-probabilities."""
        logp = torch.log_softmax(scores.float() / self.temperature, dim=-1)
        if self.top_p < 1:
            ordered, index = logp.sort(dim=-1, descending=True)
            mass = ordered.exp().cumsum(dim=-1)
            cut = mass - ordered.exp() >= self.top_p  # the token that crosses top_p stays
            logp = logp.masked_fill(cut.scatter(-1, index, cut), -torch.inf)
        noise = [torch.empty(self.k, logp.shape[-1]).exponential_(generator=generator)
                 for generator in self.generators]
        return logp - torch.cat(noise).log().to(logp.device)


class RoomyLayer(DynamicLayer):
    """Keys and values of one layer, with room behind; the library's copies them all each token."""

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor,
               *args: Any, **kwargs: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Add new tokens; returns all keys and values, each (rows, heads, tokens, width)."""
        if self.get_seq_length() == 0:
            self.lazy_initialization(key_states, value_states)
            self.keys, self.values = key_states, value_states
            self.buffers = key_states, value_states  # no room: the prompt's may yet be shared out
        else:
            extended = map(self._extended, self.buffers, (self.keys, self.values),
                           (key_states, value_states))
            self.buffers, (self.keys, self.values) = zip(*extended)
        return self.keys, self.values

    @staticmethod
    def _extended(buffer, held, new):
        """(buffer, view of it) that has `new` behind what is held."""
        start, end = held.shape[-2], held.shape[-2] + new.shape[-2]
        moved = held.data_ptr() != buffer.data_ptr() or held.shape[0] != buffer.shape[0]
        if moved or end > buffer.shape[-2]:
            buffer = held.new_empty(*held.shape[:-2], end + ROOM, held.shape[-1])
            buffer[..., :start, :] = held
        buffer[..., start:end, :] = new
        return buffer, buffer[..., :end, :]


def roomy_cache(model: Module) -> DynamicCache:
    """An empty cache for a model. Layers with a window of their own stay the library's."""
    cache = DynamicCache(config=model.config)
    cache.layers = [RoomyLayer() if type(own) is DynamicLayer else own for own in cache.layers]
    return cache


def seed_of(seed: int, key: str) -> int:
    """A 63-bit seed for one prompt, from the run's seed and the prompt's id."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{key}".encode()).digest()[:8], "big") >> 1


@torch.no_grad()
def complete(model: Module, tokenizer: Tokenizer, prompts: list[list[int]], keys: list[str],
             k: int = 1, temperature: float = 0.0, top_p: float = 1.0, max_new_tokens: int = 256,
             seed: int = 0) -> list[list[Completion]]:
    """K completions for each prompt of one batch.

    prompts: token id lists. keys: one string per prompt; with `seed` it fixes that prompt's
    randomness. temperature: 0 decodes greedily. Returns a list (prompts) of lists (k).
    """
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    ids, mask, positions = left_padded(prompts, pad, model.device)
    # The prompt is read once; its keys and values are then shared out to the K continuations.
    cache = roomy_cache(model)
    model(input_ids=ids[:, :-1], attention_mask=mask[:, :-1], position_ids=positions[:, :-1],
          past_key_values=cache, logits_to_keep=1)
    cache.batch_repeat_interleave(k)
    processors = LogitsProcessorList()
    if temperature > 0:
        seeds = [seed_of(seed, key) for key in keys]
        processors.append(SeededSampler(seeds, k, temperature, top_p))
    out = model.generate(
        input_ids=ids.repeat_interleave(k, 0), attention_mask=mask.repeat_interleave(k, 0),
        past_key_values=cache, max_new_tokens=max_new_tokens, logits_processor=processors,
        pad_token_id=pad, do_sample=False, num_beams=1, temperature=None, top_p=None, top_k=None)
    ends = model.generation_config.eos_token_id
    ends = {tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])}
    rows = [_completion(tokenizer, row, ends) for row in out[:, ids.shape[1]:].tolist()]
    return [rows[start:start + k] for start in range(0, len(rows), k)]


def _completion(tokenizer, row, ends):
    stop = next((place for place, token in enumerate(row) if token in ends), None)
    tokens = row[:stop]
    return {"text": tokenizer.decode(tokens, skip_special_tokens=True).strip(),
            "tokens": len(tokens), "finished": stop is not None}


def complete_all(model: Module, tokenizer: Tokenizer, items: list[tuple[str, list[int]]],
                 batch_size: int, journal: Journal | None = None, description: str = "sampling",
                 **decoding: Any) -> dict[str, list[Completion]]:
    """{key: completions} of many (key, prompt ids), in batches of similar length.

    journal: batches found in it are not drawn again. decoding: options of `complete`.
    """
    done = {key: journal[key] for key, _ in items if journal is not None and key in journal}
    todo = sorted((item for item in items if item[0] not in done), key=lambda item: len(item[1]))
    with tqdm(total=len(items), initial=len(done), desc=description, unit="prompt") as bar:
        for start in range(0, len(todo), batch_size):
            batch = todo[start:start + batch_size]
            keys = [key for key, _ in batch]
            results = complete(model, tokenizer, [ids for _, ids in batch], keys, **decoding)
            if journal is not None:
                journal.add(zip(keys, results))
            done.update(zip(keys, results))
            bar.update(len(batch))
    return done
