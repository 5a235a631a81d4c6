"""The parts of a model: their names, how many numbers they hold, how these are stored, a digest."""
import hashlib
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch.nn import Linear, Module, Parameter
from torch.nn.utils import parametrize

from lib.core.records import DataError

KINDS = (("adapter", "lora_"), ("embedding", "embed_tokens"), ("output head", "lm_head"),
         ("experts", r"\.experts\b"), ("attention", r"self_attn\..*proj"),
         ("feed-forward", r"mlp\..*proj"), ("router", r"mlp\.gate\b|router"), ("norms", "norm"))


def kind(name: str) -> str:
    """The part of a model that a parameter belongs to, by its name."""
    return next((part for part, pattern in KINDS if re.search(pattern, name)), "other")


def linear_layers(model: Module) -> dict[str, Linear]:
    """All linear layers of a model by their full names."""
    return {name: module for name, module in model.named_modules() if isinstance(module, Linear)}


def expert_weights(model: Module) -> Iterator[tuple[str, Parameter]]:
    """(name, weight) of all experts that are no linear layers, which bitsandbytes would find."""
    linear = {f"{name}.weight" for name in linear_layers(model)}
    for name, weight in model.named_parameters():
        matrix = weight.dim() > 1 and not name.endswith("bias")
        if matrix and kind(name) == "experts" and name not in linear:
            yield name, weight


def refuse_experts(model: Module, quantisation: str) -> None:
    """Raise DataError where experts would stay unquantised in a model said to be quantised."""
    experts = [weight for _, weight in expert_weights(model)] if quantisation != "none" else []
    left = [weight for weight in experts if quantisation == "8bit" or weight.dim() != 3]
    if left:
        share = sum(map(torch.numel, left)) / sum(map(torch.numel, model.parameters()))
        choice = "4bit or none" if all(weight.dim() == 3 for weight in left) else "none"
        raise DataError(f"models.quantisation {quantisation} cannot store the experts of this "
                        f"{model.config.model_type} model, {share:.0%} of its parameters; set it "
                        f"to {choice}.")


def tensors(model: Module) -> Iterator[tuple[str, Parameter, int, int]]:
    """(name, parameter, numbers that it stands for, bytes with the statistics of its blocks)."""
    owners = dict(model.named_modules())
    for name, weight in model.named_parameters():
        owner = owners[name.rpartition(".")[0]]
        of_experts = isinstance(owner, parametrize.ParametrizationList)
        state = owner[0].quant_state if of_experts else getattr(weight, "quant_state", None)
        if state is None:
            scales = 4 * len(weight) if weight.dtype == torch.int8 else 0
            yield name, weight, weight.numel(), weight.nbytes + scales
            continue
        statistics = [state.absmax, state.code]
        if state.nested:
            statistics += [state.offset, state.state2.absmax, state.state2.code]
        taken = weight.nbytes + sum(values.nbytes for values in statistics)
        yield name, weight, math.prod(state.shape), taken


def count_parameters(model: Module) -> int:
    """Parameters of a model: the numbers that it computes with, however they are packed."""
    return sum(numbers for _, _, numbers, _ in tensors(model))


def storage(model: Module) -> list[dict[str, Any]]:
    """What is stored how: a row for each part of the model and way of storing it."""
    ways = {torch.uint8: "4bit", torch.int8: "8bit"}
    return _by_part(
        (name, ways.get(weight.dtype, str(weight.dtype).removeprefix("torch.")), numbers, taken)
        for name, weight, numbers, taken in tensors(model))


def planned_storage(model: Module, quantisation: str, dtype: str) -> list[dict[str, Any]]:
    """What `storage` will say of a model that is loaded so; DataError like `refuse_experts`."""
    refuse_experts(model, quantisation)
    head, small = model.get_output_embeddings(), {name for name, _ in expert_weights(model)}
    small |= {f"{name}.weight" for name, layer in linear_layers(model).items() if layer is not head}
    stored = []
    for name, weight in model.named_parameters():
        way = quantisation if quantisation != "none" and name in small else dtype
        stored.append((name, way, weight.numel(), _planned_bytes(weight, way)))
    return _by_part(stored)


def _planned_bytes(weight: Parameter, way: str) -> int:
    numbers = weight.numel()
    if way == "8bit":
        return numbers + 4 * len(weight)
    if way != "4bit":
        return numbers * getattr(torch, way).itemsize
    # A byte of statistics for 64 numbers, four for 64 x 256, two tables, one offset.
    statistics = math.ceil(numbers / 64) + 4 * math.ceil(numbers / 16384) + 4 * (16 + 256 + 1)
    return math.ceil(numbers / 2) + statistics


def _by_part(stored: Iterable[tuple[str, str, int, int]]) -> list[dict[str, Any]]:
    """Rows for a table from (name, way of storing, numbers, bytes) of each parameter."""
    groups = defaultdict(list)
    for name, way, numbers, taken in stored:
        groups[kind(name), way].append((numbers, taken))
    order, rows = [*(part for part, _ in KINDS), "other"], []
    for part, way in sorted(groups, key=lambda group: (order.index(group[0]), group[1])):
        parameters, taken = map(sum, zip(*groups[part, way]))
        rows.append({"part": part, "stored as": way, "tensors": len(groups[part, way]),
                     "parameters": parameters, "bits per parameter": taken * 8 / parameters,
                     "MB": taken / 1e6})
    return rows


def fingerprint(model: Module) -> str:
    """A digest of the first numbers of every tensor: a seed, not enough to tell models apart by."""
    content = hashlib.sha256()
    for name, weights in model.named_parameters():
        first = weights.detach().flatten()[:64].float().cpu().numpy()
        content.update(name.encode() + first.tobytes())
    return content.hexdigest()[:20]
