"""Writing K completions a prompt whose keys and values are held once, not K times.

A row attends to the one prompt that it shares and to what it wrote itself, in one softmax: the sum
that attention over both makes, in another order. (Hydragen, Juravsky et al. 2024, splits it, too.)
"""
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from transformers.cache_utils import DynamicCache

from lib.models.chats import left_padded
from lib.models.noise import SeededSampler

if TYPE_CHECKING:
    from transformers import PreTrainedModel as Model

# Attention by nothing but scaled products, and logits as the output layer gives them; others may
# cap scores, have sinks, or scale logits, which the tree's `score` would not know either.
FAMILIES = ("llama", "mistral", "mixtral", "qwen2")
# What a model's own settings of `generate` may hold; others change what is written.
HARMLESS = {"transformers_version", "_from_model_config", "use_cache", "output_attentions",
            "output_hidden_states", "bos_token_id", "eos_token_id", "pad_token_id", "max_length",
            "max_new_tokens", "do_sample", "temperature", "top_p", "top_k"}
Written = tuple[list[int], list[float], bool]  # a row's tokens, their log-probabilities, finished


def can_share(model: "Model", tokens: int) -> bool:
    """Whether `write` gives what `generate` would, with so many tokens in prompt and completion."""
    config = model.config
    if config.model_type not in FAMILIES:
        return False
    window = getattr(config, "sliding_window", None)
    settings = set(model.generation_config.to_diff_dict())
    return settings <= HARMLESS and (window is None or tokens <= window)


class SharedPrompts:
    """Keys and values of prompts, and of what is written after each, layer by layer.

    What is written lies in a grid of prompts x slots; `cells` says where each row is in it. Rows
    leave at once, and the grid shrinks when that saves a quarter of it.
    """

    def __init__(self, cache: DynamicCache, mask: torch.Tensor, k: int, room: int):
        """cache: of the prompts, left padded. mask: (prompts, longest). room: tokens to write."""
        # Keys as (prompts, key heads, dim, longest), as products take them faster; values with the
        # last two the other way round.
        self.prompts = [(layer.keys.mT.contiguous(), layer.values) for layer in cache.layers]
        self.own: list[tuple[torch.Tensor, torch.Tensor]] = []
        for _, values in self.prompts:
            size = (len(mask), values.shape[1], k, room, values.shape[-1])
            self.own.append((values.new_empty(size), values.new_empty(size)))
        self.padding = (mask == 0).sum(-1).tolist()
        self.shape, self.cells = (len(mask), k), torch.arange(len(mask) * k, device=mask.device)
        self.written = 0

    def attend(self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
               scaling: float) -> torch.Tensor:
        """Attention of the rows' next token, whose key and value are kept.

        query: (rows, heads, 1, dim); key, value: (rows, key heads, 1, dim). Returns (rows, 1,
        heads, dim).
        """
        (prompts, slots), heads, end = self.shape, key.shape[1], self.written + 1
        (past_keys, past_values), (own_keys, own_values) = self.prompts[layer], self.own[layer]
        own_keys[..., self.written, :] = self._grid(key).transpose(1, 2)
        own_values[..., self.written, :] = self._grid(value).transpose(1, 2)
        # Heads that share keys are rows of one product, as are the slots that share a prompt.
        query = self._grid(query * scaling).unflatten(2, (heads, -1)).transpose(1, 2)
        groups, dim = query.shape[-2:]
        query = query.reshape(prompts * heads, slots * groups, dim)
        apart = (prompts * heads * slots, groups)
        own_keys, own_values = own_keys.flatten(0, 2)[:, :end], own_values.flatten(0, 2)[:, :end]
        past_keys, past_values = past_keys.flatten(0, 1), past_values.flatten(0, 1)

        past_scores = torch.bmm(query, past_keys)
        for prompt, padded in enumerate(self.padding):
            past_scores[prompt * heads:(prompt + 1) * heads, :, :padded] = -torch.inf
        own_scores = torch.bmm(query.reshape(*apart, dim), own_keys.mT).view(*query.shape[:2], end)
        scores = torch.cat([past_scores, own_scores], dim=-1)
        accurate = torch.promote_types(scores.dtype, torch.float32)
        weights = scores.softmax(-1, dtype=accurate).to(value.dtype)
        past_weights, own_weights = weights.split([past_values.shape[1], end], dim=-1)
        out = torch.bmm(past_weights, past_values)
        out.view(*apart, dim).baddbmm_(own_weights.view(*apart, end), own_values)
        out = out.view(prompts, heads, slots, groups, dim).transpose(1, 2)
        return self._rows(out.reshape(prompts * slots, 1, heads * groups, dim))

    def _grid(self, states):
        """(rows, heads, 1, dim) as (prompts, slots, heads, dim), zero where a row has left."""
        states = states.squeeze(2)
        if len(states) < self.shape[0] * self.shape[1]:
            cells = states.new_zeros(self.shape[0] * self.shape[1], *states.shape[1:])
            states = cells.index_copy_(0, self.cells.to(states.device), states)
        return states.unflatten(0, self.shape)

    def _rows(self, cells):
        if len(cells) == len(self.cells):
            return cells
        return cells[self.cells.to(cells.device)]

    def keep(self, staying: torch.Tensor) -> None:
        """Let rows leave. staying: (rows,), False for those."""
        self.cells = self.cells[staying]
        prompts, slots = self.shape
        still, counts = (self.cells // slots).unique(return_counts=True)
        shape = (len(still), int(counts.max()))
        if shape[0] * shape[1] > 0.75 * prompts * slots:
            return
        slot = torch.cat([torch.arange(count) for count in counts.tolist()]).to(self.cells.device)
        prompt = torch.arange(len(still), device=slot.device).repeat_interleave(counts)
        cells = prompt * shape[1] + slot
        source = self.cells.new_zeros(shape[0] * shape[1])  # what is in no row's cell is not read
        source[cells] = self.cells
        for layer, (past, own) in enumerate(zip(self.prompts, self.own)):
            here = still.to(past[0].device)  # layers may be spread over devices
            self.prompts[layer] = past[0][here], past[1][here]
            self.own[layer] = self._moved(own[0], source, shape), self._moved(own[1], source, shape)
        self.padding = [self.padding[prompt] for prompt in still.tolist()]
        self.shape, self.cells = shape, cells

    def _moved(self, own, source, shape):
        """(prompts, key heads, slots, room, dim) of another shape, filled from cells of this."""
        source, slots = source.to(own.device), self.shape[1]
        moved = own.new_empty(shape[0], own.shape[1], shape[1], *own.shape[3:])
        held = own[source // slots, :, source % slots, :self.written].unflatten(0, shape)
        moved[..., :self.written, :] = held.transpose(1, 2)
        return moved


def shared_prompt_attention(module: torch.nn.Module, query: torch.Tensor, key: torch.Tensor,
                            value: torch.Tensor, attention_mask: torch.Tensor | None,
                            shared: SharedPrompts, scaling: float, **kwargs: Any,
                            ) -> tuple[torch.Tensor, None]:
    """What transformers calls in each layer while `write` writes; it makes no mask for it."""
    return shared.attend(module.layer_idx, query, key, value, scaling), None


@contextmanager
def attending(model: "Model", implementation: str) -> Iterator[None]:
    """A model with another implementation of attention for a while."""
    from transformers import AttentionInterface  # seconds, which whoever has a model has spent
    AttentionInterface.register("shared_prompt", shared_prompt_attention)
    usual = model.config._attn_implementation
    model.set_attn_implementation(implementation)
    try:
        yield
    finally:
        model.set_attn_implementation(usual)


@torch.no_grad()
def write(model: "Model", prompts: list[list[int]], k: int, sampler: SeededSampler,
          ends: Collection[int], max_new_tokens: int, with_logps: bool = False) -> list[Written]:
    """k completions of each prompt, k rows after k rows, each until one of `ends`, not counted.

    The log-probabilities are those without temperature; the list is empty if not asked for.
    """
    shared, logits = _read(model, prompts, k, max_new_tokens)
    rows, last = torch.arange(len(logits)), torch.tensor(sorted(ends), dtype=torch.long)
    start = torch.tensor([[len(prompt)] for prompt in prompts for _ in range(k)]).to(model.device)
    tokens = torch.zeros(len(logits), max_new_tokens, dtype=torch.long)
    logps = torch.zeros(tokens.shape, dtype=torch.float64)
    lengths, finished = torch.full((len(logits),), max_new_tokens), torch.zeros(len(logits)).bool()
    with attending(model, "shared_prompt"):
        for place in range(max_new_tokens):
            drawn = sampler.perturbed(logits, rows).argmax(-1)
            chosen = drawn.cpu()
            if with_logps:
                logps[rows, place] = _logps(logits, drawn)
            logits = torch.empty(0)  # or the next ones would take fresh memory, and time
            tokens[rows, place] = chosen
            staying = ~torch.isin(chosen, last)
            if not staying.all():
                gone = rows[~staying]
                lengths[gone], finished[gone], rows = place, True, rows[staying]
                if not len(rows):
                    break
                stay = staying.to(model.device)
                shared.keep(stay)
                drawn, start = drawn[stay], start[stay]
            if place + 1 < max_new_tokens:
                logits = model(input_ids=drawn[:, None], position_ids=start + place,
                               use_cache=False, shared=shared).logits[:, -1]
                shared.written += 1
    found = zip(tokens.tolist(), logps.tolist(), lengths.tolist(), finished.tolist())
    return [(row[:length], scored[:length] if with_logps else [], done)
            for row, scored, length, done in found]


def _read(model, prompts, k, room):
    """Prompts in one pass: what is shared, and (rows, vocabulary) logits of the first token."""
    ids, mask, positions = left_padded(prompts, 0, model.device)
    cache = DynamicCache()  # without the model's config: nothing leaves it, can_share sees to that
    logits = model(input_ids=ids, attention_mask=mask, position_ids=positions, logits_to_keep=1,
                   past_key_values=cache, use_cache=True).logits[:, -1]
    return SharedPrompts(cache, mask, k, room), logits.repeat_interleave(k, 0)


def _logps(logits, drawn):
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return logits.log_softmax(-1).gather(-1, drawn[:, None])[:, 0].double().cpu()
