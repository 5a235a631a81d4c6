"""A digest of all that decides what a loaded model answers, wherever it came from."""
import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch.nn import Module
from transformers import PreTrainedTokenizerBase as Tokenizer

from lib.core.records import digest

# Of a configuration, what changes no answer: where it was read, by what, and how it is batched.
ASIDE = ("_name_or_path", "base_model_name_or_path", "transformers_version", "peft_version",
         "dtype", "use_cache", "pad_token_id", "inference_mode", "revision")
THREADS = 8  # which hash tensors side by side, each a copy of one at most


def of_model(model: Module, tokenizer: Tokenizer | None = None) -> str:
    """A digest of a model as it is in memory: weights, adapters, how they are stored, tokenizer.

    Equal ones answer alike, up to rounding on another machine; any other number makes another one.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        rows = list(pool.map(hashed, tensors(model)))
    return digest([rows, settings(model), vocabulary(tokenizer) if tokenizer else None])


def tensors(model: Module) -> Iterator[tuple[str, torch.Tensor]]:
    """(name, tensor) of all that a model is stored in, also what statistics quantised ones have."""
    state = model.state_dict()
    if any(value.is_meta for value in state.values() if isinstance(value, torch.Tensor)):
        # Weights that do not fit on the device wait elsewhere for their turn.
        from accelerate.utils.modeling import get_state_dict_offloaded_model  # seconds
        state = get_state_dict_offloaded_model(model)
    seen = dict[tuple, str]()
    for name, value in sorted(state.items()):
        if isinstance(value, torch.Tensor):
            place = value.data_ptr(), value.shape
            if seen.setdefault(place, name) == name or not value.numel():  # tied ones once
                yield name, value


def hashed(row: tuple[str, torch.Tensor]) -> list[Any]:
    """[name, type, shape, SHA-256] of a tensor."""
    name, value = row
    numbers = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    kind, shape = str(value.dtype).removeprefix("torch."), list(value.shape)
    return [name, kind, shape, hashlib.sha256(numbers).hexdigest()]


def settings(model: Any) -> Any:
    """What a model computes with besides its weights: its configuration, ends, adapters."""
    found = [plain(model.config.to_dict())]
    if generation := getattr(model, "generation_config", None):
        found.append(plain(generation.eos_token_id))
    adapters = getattr(model, "peft_config", {})
    active = plain(getattr(model, "active_adapters", None)) if adapters else None
    return [*found, {name: plain(one.to_dict()) for name, one in adapters.items()}, active]


def plain(value: Any) -> Any:
    """Settings as JSON holds them, without those that decide nothing."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items() if key not in ASIDE}
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    if isinstance(value, (list, tuple)):
        return list(map(plain, value))
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)


def vocabulary(tokenizer: Any) -> Any:
    """How a tokenizer makes token ids of chats and texts, and text of token ids."""
    own = getattr(tokenizer, "backend_tokenizer", None)
    rules = json.loads(own.to_str()) if own else tokenizer.get_vocab()
    for state in ("truncation", "padding"):  # of the last call
        rules.pop(state, None)
    return [rules, tokenizer.chat_template, plain(dict(tokenizer.special_tokens_map))]
