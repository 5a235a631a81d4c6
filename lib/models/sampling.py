"""Drawing completions from a chat model: each prompt is read once and continued K times, with randomness of its own."""
import hashlib

import torch
from tqdm import tqdm
from transformers import DynamicCache, LogitsProcessor, LogitsProcessorList
from transformers.cache_utils import DynamicLayer

ROOM = 64  # tokens by which a cache grows


class SeededSampler(LogitsProcessor):
    """Turns greedy decoding into sampling with one random stream per prompt.

    argmax(log p + Gumbel noise) is an exact draw from p (Gumbel 1954), so `generate` can stay greedy while the noise
    comes from a generator seeded by the prompt: a result does not depend on batch size, order or neighbours.
    """

    def __init__(self, seeds, k, temperature, top_p):
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.k, self.temperature, self.top_p = k, temperature, top_p

    def __call__(self, input_ids, scores):
        logp = torch.log_softmax(scores.float() / self.temperature, dim=-1)
        if self.top_p < 1:
            ordered, index = logp.sort(dim=-1, descending=True)
            mass = ordered.exp().cumsum(dim=-1)
            cut = mass - ordered.exp() >= self.top_p  # the token that crosses top_p stays
            logp = logp.masked_fill(cut.scatter(-1, index, cut), -torch.inf)
        noise = torch.cat([torch.empty(self.k, logp.shape[-1]).exponential_(generator=g) for g in self.generators])
        return logp - noise.log().to(logp.device)


class RoomyLayer(DynamicLayer):
    """Keys and values of one layer, with room for more behind them. The library's own layer copies all it holds for every token."""

    def update(self, key_states, value_states, *args, **kwargs):
        if self.get_seq_length() == 0:
            self.lazy_initialization(key_states, value_states)
            self.buffers = [key_states, value_states]  # without room: the prompt's may yet be shared out
            self.keys, self.values = key_states, value_states
        else:
            extended = [self._extended(*pair) for pair in zip(self.buffers, (self.keys, self.values), (key_states, value_states))]
            self.buffers, (self.keys, self.values) = zip(*extended)
        return self.keys, self.values

    @staticmethod
    def _extended(buffer, held, new):
        """(buffer, view of it) that has `new` behind what is held."""
        start, end = held.shape[-2], held.shape[-2] + new.shape[-2]
        if held.data_ptr() != buffer.data_ptr() or held.shape[0] != buffer.shape[0] or end > buffer.shape[-2]:
            buffer = held.new_empty(*held.shape[:-2], end + ROOM, held.shape[-1])
            buffer[..., :start, :] = held
        buffer[..., start:end, :] = new
        return buffer, buffer[..., :end, :]


def roomy_cache(model):
    """An empty cache for a model. Layers with a window of their own stay the library's."""
    cache = DynamicCache(config=model.config)
    cache.layers = [RoomyLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def seed_of(seed, key):
    """A 63-bit seed for one prompt, from the run's seed and the prompt's id."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{key}".encode()).digest()[:8], "big") >> 1


@torch.no_grad()
def complete(model, tokenizer, prompts, keys, k=1, temperature=0.0, top_p=1.0, max_new_tokens=256, seed=0):
    """K completions for each prompt of one batch.

    prompts: token id lists. keys: one string per prompt; with `seed` it fixes that prompt's randomness.
    temperature: 0 decodes greedily. Returns a list (prompts) of lists (k) of {"text", "tokens", "finished"};
    `finished` is False where the length limit cut the completion off.
    """
    width = max(map(len, prompts))
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    ids = torch.tensor([[pad] * (width - len(p)) + p for p in prompts], device=model.device)
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=model.device)
    # The prompt is read once; its keys and values are then shared out to the K continuations.
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    cache = roomy_cache(model)
    model(input_ids=ids[:, :-1], attention_mask=mask[:, :-1], position_ids=positions[:, :-1], past_key_values=cache, logits_to_keep=1)
    cache.batch_repeat_interleave(k)
    ids, mask = ids.repeat_interleave(k, 0), mask.repeat_interleave(k, 0)
    processors = LogitsProcessorList()
    if temperature > 0:
        processors.append(SeededSampler([seed_of(seed, key) for key in keys], k, temperature, top_p))
    out = model.generate(input_ids=ids, attention_mask=mask, past_key_values=cache, do_sample=False, num_beams=1,
                         max_new_tokens=max_new_tokens, logits_processor=processors, pad_token_id=pad,
                         temperature=None, top_p=None, top_k=None)
    rows = []
    for row in out[:, width:].tolist():
        stop = next((i for i, token in enumerate(row) if token in end_tokens(model, tokenizer)), None)
        tokens = row if stop is None else row[:stop]
        rows.append({"text": tokenizer.decode(tokens, skip_special_tokens=True).strip(), "tokens": len(tokens),
                     "finished": stop is not None})
    return [rows[i:i + k] for i in range(0, len(rows), k)]


def end_tokens(model, tokenizer):
    ends = model.generation_config.eos_token_id
    return {tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])} - {None}


def complete_all(model, tokenizer, items, batch_size, journal=None, description="sampling", **settings):
    """`complete` for many (key, prompt ids) items, in batches of similar length, with progress and resume.

    journal: a `records.Journal`; batches found in it are not drawn again. Returns {key: completions}.
    """
    done = {key: journal[key] for key, _ in items if journal is not None and key in journal}
    todo = sorted((item for item in items if item[0] not in done), key=lambda item: len(item[1]))
    with tqdm(total=len(items), initial=len(done), desc=description, unit="prompt") as bar:
        for start in range(0, len(todo), batch_size):
            batch = todo[start:start + batch_size]
            keys = [key for key, _ in batch]
            results = complete(model, tokenizer, [ids for _, ids in batch], keys, **settings)
            if journal is not None:
                journal.add(zip(keys, results))
            done.update(zip(keys, results))
            bar.update(len(batch))
    return done
