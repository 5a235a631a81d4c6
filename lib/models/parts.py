"""The parts of a model: what they are called, how many numbers they hold, how these are stored, and a digest of them all."""
import hashlib
import math
import re

import torch
from torch.nn.utils import parametrize

from lib.core.records import DataError

KINDS = (("adapter", "lora_"), ("embedding", "embed_tokens"), ("output head", "lm_head"), ("experts", r"\.experts\b"),
         ("attention", r"self_attn\..*proj"), ("feed-forward", r"mlp\..*proj"), ("router", r"mlp\.gate\b|router"), ("norms", "norm"))


def expert_weights(model):
    """(name, weight) of all experts that are no linear layers of their own, which bitsandbytes would find."""
    linear = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    return ((name, weight) for name, weight in model.named_parameters()
            if kind(name) == "experts" and name not in linear and weight.dim() > 1 and not name.endswith("bias"))


def refuse_experts(model, quantisation):
    """Raise DataError where experts would stay unquantised in a model that is said to be quantised."""
    experts = dict(expert_weights(model)) if quantisation != "none" else {}
    left = [weight for weight in experts.values() if quantisation == "8bit" or weight.dim() != 3]
    if left:
        share = sum(weight.numel() for weight in left) / sum(weight.numel() for weight in model.parameters())
        raise DataError(f"models.quantisation {quantisation} cannot store the experts of this {model.config.model_type} model, "
                        f"{share:.0%} of its parameters; set it to {'4bit or ' * all(weight.dim() == 3 for weight in left)}none.")


def kind(name):
    """The part of a model that a parameter belongs to, by its name."""
    return next((part for part, pattern in KINDS if re.search(pattern, name)), "other")


def tensors(model):
    """(name, parameter, numbers that it stands for, bytes with the statistics of its blocks) of each parameter."""
    owners = dict(model.named_modules())
    for name, weight in model.named_parameters():
        owner = owners[name.rpartition(".")[0]]
        state = owner[0].quant_state if isinstance(owner, parametrize.ParametrizationList) else getattr(weight, "quant_state", None)
        if state is not None:
            pieces = [state.absmax, state.code, *((state.offset, state.state2.absmax, state.state2.code) if state.nested else ())]
            yield name, weight, math.prod(state.shape), weight.nbytes + sum(piece.nbytes for piece in pieces)
        else:
            yield name, weight, weight.numel(), weight.nbytes + 4 * len(weight) * (weight.dtype == torch.int8)


def count_parameters(model):
    """Parameters of a model: the numbers that it computes with, however they are packed."""
    return sum(numbers for _, _, numbers, _ in tensors(model))


def storage(model):
    """What is stored how: a row for each part of the model and way of storing it."""
    names = {torch.uint8: "4bit", torch.int8: "8bit"}
    return by_part((name, names.get(weight.dtype, str(weight.dtype).removeprefix("torch.")), numbers, size)
                   for name, weight, numbers, size in tensors(model))


def planned_storage(model, quantisation, dtype):
    """What `report` will say of a model that is loaded so, from names and shapes alone. Raises DataError like `refuse`."""
    refuse_experts(model, quantisation)
    head = model.get_output_embeddings()
    small = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, torch.nn.Linear) and module is not head}
    small |= {name for name, _ in expert_weights(model)}
    found = []
    for name, weight in model.named_parameters():
        numbers, stored = weight.numel(), quantisation if quantisation != "none" and name in small else dtype
        found.append((name, stored, numbers, {
            # A byte of statistics for 64 numbers, four for 64 x 256, two tables, one offset.
            "4bit": math.ceil(numbers / 2) + math.ceil(numbers / 64) + 4 * math.ceil(numbers / 16384) + 4 * (16 + 256 + 1),
            "8bit": numbers + 4 * len(weight)}.get(stored) or numbers * getattr(torch, dtype).itemsize))
    return by_part(found)


def by_part(stored):
    """Rows for a table from (name, way of storing, numbers, bytes) of each parameter."""
    sums = {}
    for name, way, numbers, size in stored:
        tensors, parameters, taken = sums.get((kind(name), way), (0, 0, 0))
        sums[kind(name), way] = tensors + 1, parameters + numbers, taken + size
    order = [part for part, _ in KINDS] + ["other"]
    return [{"part": part, "stored as": way, "tensors": tensors, "parameters": parameters, "bits per parameter": taken * 8 / parameters,
             "MB": taken / 1e6}
            for (part, way), (tensors, parameters, taken) in sorted(sums.items(), key=lambda item: (order.index(item[0][0]), item[0][1]))]


def fingerprint(model):
    """A digest of a model's weights, for caches: of the first numbers of every tensor, so that large models are quick, too."""
    content = hashlib.sha256()
    for name, weights in model.named_parameters():
        content.update(name.encode() + weights.detach().flatten()[:64].float().cpu().numpy().tobytes())
    return content.hexdigest()[:20]
