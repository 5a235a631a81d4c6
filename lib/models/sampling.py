"""Drawing completions: each prompt is read once and continued K times, by its own randomness."""
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable
from typing import Any

import torch
from torch.nn import Module
from tqdm import tqdm
from transformers.cache_utils import DynamicCache
from transformers.generation.logits_process import LogitsProcessorList
from transformers.tokenization_utils_base import PreTrainedTokenizerBase as Tokenizer

from lib.core.records import Journal, digest
from lib.core.rows import Completion, Prompt
from lib.models import identity
from lib.models.chats import encode_chats, left_padded
from lib.models.noise import SeededSampler
from lib.models.scoring import token_logps
from lib.models.shared_prompt import Written, can_share, write


class Writer(ABC):
    """Who writes to prompts and is no model of this process."""

    @abstractmethod
    def complete(self, prompts: list[Prompt], description: str = "", k: int = 1,
                 temperature: float = 0.0, top_p: float = 1.0, max_new_tokens: int = 256,
                 seed: int = 0, with_logps: bool = False) -> dict[str, list[Completion]]:
        """{prompt id: k completions}; the options are those of `complete` below."""


def seed_of(seed: int, key: str) -> int:
    """A 63-bit seed for one prompt, from the run's seed and the prompt's id."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{key}".encode()).digest()[:8], "big") >> 1


def complete(model: Module, tokenizer: Tokenizer, prompts: list[list[int]], keys: list[str],
             k: int = 1, temperature: float = 0.0, top_p: float = 1.0, max_new_tokens: int = 256,
             seed: int = 0, with_logps: bool = False) -> list[list[Completion]]:
    """K completions for each prompt of one batch.

    prompts: token id lists. keys: one string per prompt; with `seed` it fixes that prompt's
    randomness. temperature: 0 decodes greedily. with_logps: each completion also has the "ids" of
    its tokens and their "logps", the model's log-probabilities without temperature. Returns a list
    (prompts) of lists (k).
    """
    sampler = SeededSampler([seed_of(seed, key) for key in keys], k, temperature, top_p)
    ends = model.generation_config.eos_token_id
    ends = {tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])} - {None}
    tokens = max(map(len, prompts)) + max_new_tokens
    way = write if can_share(model, tokens) else write_by_generate
    rows = way(model, prompts, k, sampler, ends, max_new_tokens, with_logps)
    found = [_completion(tokenizer, row, with_logps) for row in rows]
    return [found[start:start + k] for start in range(0, len(found), k)]


@torch.no_grad()
def write_by_generate(model: Module, prompts: list[list[int]], k: int, sampler: SeededSampler,
                      ends: Collection[int], max_new_tokens: int, with_logps: bool = False,
                      ) -> list[Written]:
    """What `write` does, for models that it does not know: keys and values are copied K times."""
    ids, mask, positions = left_padded(prompts, 0, model.device)
    cache = DynamicCache(config=model.config)
    model(input_ids=ids[:, :-1], attention_mask=mask[:, :-1], position_ids=positions[:, :-1],
          past_key_values=cache, logits_to_keep=1)
    cache.batch_repeat_interleave(k)
    out = model.generate(
        input_ids=ids.repeat_interleave(k, 0), attention_mask=mask.repeat_interleave(k, 0),
        past_key_values=cache, max_new_tokens=max_new_tokens, eos_token_id=list(ends) or None,
        logits_processor=LogitsProcessorList([sampler]), pad_token_id=0,
        do_sample=False, num_beams=1, temperature=None, top_p=None, top_k=None)
    rows: list[Written] = []
    for place, row in enumerate(out[:, ids.shape[1]:].tolist()):
        stop = next((at for at, token in enumerate(row) if token in ends), None)
        logps = token_logps(model, [prompts[place // k]], [row[:stop]])[0] if with_logps else []
        rows.append((row[:stop], logps, stop is not None))
    return rows


def row_keys(made_by: str, items: Iterable[tuple[str, list[int]]],
             decoding: dict[str, Any]) -> dict[str, str]:
    """{key: key of its row in a journal}, of all that decides what is drawn for it."""
    return {key: digest([made_by, decoding, key, ids]) for key, ids in items}


def complete_prompts(model: Module | Writer, tokenizer: Tokenizer | None, prompts: list[Prompt],
                     batch_size: int, journal: Journal | None = None, description: str = "sampling",
                     **decoding: Any) -> dict[str, list[Completion]]:
    """{prompt id: completions} of many prompts, by a model or by who writes without one here.

    tokenizer: a model's. decoding: options of `complete`.
    """
    if isinstance(model, Writer):
        return model.complete(prompts, description, **decoding)
    ids = encode_chats(tokenizer, [prompt["messages"] for prompt in prompts])
    items = list(zip([prompt["id"] for prompt in prompts], ids, strict=True))
    return complete_all(model, tokenizer, items, batch_size, journal, description, **decoding)


def _completion(tokenizer, row, with_logps):
    ids, logps, finished = row
    text = tokenizer.decode(ids, skip_special_tokens=True).strip()
    completion = {"text": text, "tokens": len(ids), "finished": finished}
    return completion | {"ids": ids, "logps": logps} if with_logps else completion


def complete_all(model: Module, tokenizer: Tokenizer, items: list[tuple[str, list[int]]],
                 batch_size: int, journal: Journal | None = None, description: str = "sampling",
                 made_by: str = "", **decoding: Any) -> dict[str, list[Completion]]:
    """{key: completions} of many (key, prompt ids), in batches of similar length.

    journal: what this model has drawn for the same prompt in the same way is not drawn again; other
    rows in it count for nothing. made_by: what tells model and tokenizer from others, where that is
    known; else what the journal says, else their `identity`.
    decoding: options of `complete`.
    """
    rows, done = dict[str, str](), dict[str, Any]()
    if journal is not None:
        made_by = made_by or journal.made_by or identity.of_model(model, tokenizer)
        rows = row_keys(made_by, items, decoding)
        done = {key: journal[row] for key, row in rows.items() if row in journal}
    todo = sorted((item for item in items if item[0] not in done), key=lambda item: len(item[1]))
    with tqdm(total=len(items), initial=len(done), desc=description, unit="prompt") as bar:
        for start in range(0, len(todo), batch_size):
            batch = todo[start:start + batch_size]
            keys = [key for key, _ in batch]
            results = complete(model, tokenizer, [ids for _, ids in batch], keys, **decoding)
            if journal is not None:
                journal.add(zip([rows[key] for key in keys], results))
            done.update(zip(keys, results))
            bar.update(len(batch))
    return done
