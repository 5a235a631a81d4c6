"""LoRA adapters (Hu et al. 2021): what is trained, how it is kept and merged into the model."""
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.nn import Linear, Module

from lib.core.records import DataError, read_json, write_json
from lib.core.sections.tuning import Lora
from lib.models import parts
from lib.models.loading import exact_products, load, merge, with_adapter
from lib.models.quantisation import dequantise


def lora_config(lora: Lora) -> Any:
    """The settings as a peft.LoraConfig."""
    from peft import LoraConfig  # seconds: it brings bitsandbytes
    return LoraConfig(task_type="CAUSAL_LM", r=lora.r, lora_alpha=lora.alpha, bias="none",
                      lora_dropout=lora.dropout, target_modules=sorted(lora.target_modules))


def targets(model: Module, names: Iterable[str]) -> dict[str, Linear]:
    """The linear layers that `names` name and that an adapter may be trained on, by full names.

    Names are those of LoRA's target_modules: the end of a layer's full name. Raises DataError for
    a name of none: PEFT passes over it as long as others match. Of a mixture, experts and router
    are left out: their adapters are not sound (on quantised experts peft 0.21.2 adds the update
    again at every forward pass), and PEFT would find them under w1, w2, w3 and all-linear.
    """
    linear = {name: layer for name, layer in parts.linear_layers(model).items()
              if parts.kind(f"{name}.weight") not in ("experts", "router")}
    found = {wanted: [name for name in linear if f".{name}".endswith(f".{wanted}")]
             for wanted in names}
    if missing := [wanted for wanted, layers in found.items() if not layers]:
        choices = sorted({name.rpartition(".")[2] for name in linear} - {"lm_head"})
        mixture = any(parts.expert_weights(model))
        raise DataError(
            f"lora.target_modules: {', '.join(missing)} {'match' if missing[1:] else 'matches'} "
            f"no linear layer of this {model.config.model_type} model"
            f"{', whose experts and router take no adapters' if mixture else ''}; "
            f"choose among {', '.join(choices)}.")
    return {name: linear[name] for layers in found.values() for name in layers}


def check_targets(model: Module, lora: Any) -> None:
    """Raise DataError unless `lora`, settings or a peft.LoraConfig, names trainable layers."""
    from peft import PeftModel  # seconds; whoever trains needs it anyway
    if getattr(lora, "target_parameters", None):
        named = ", ".join(sorted(lora.target_parameters))
        raise DataError(f"lora.target_parameters ({named}): adapters are for linear layers only, "
                        "not for the tensors of experts; name layers in lora.target_modules.")
    if not isinstance(model, PeftModel):  # one that has an adapter keeps it
        names = lora.target_modules
        targets(model, [names] if isinstance(names, str) else sorted(names))


def planned(model: Module, lora: Lora) -> dict[str, float]:
    """What `trainable` will say once the adapter is there, from the shapes of its matrices."""
    layers = targets(model, lora.target_modules).values()
    trained = sum(lora.r * (layer.in_features + layer.out_features) for layer in layers)
    return _shares(trained, parts.count_parameters(model) + trained)


def trainable(model: Module) -> dict[str, float]:
    """Parameters of a model with an adapter: {"trained", "total", "share"}."""
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return _shares(trained, parts.count_parameters(model))


def _shares(trained: int, total: int) -> dict[str, float]:
    return {"trained": trained, "total": total, "share": trained / total}


def keep_in_float32(model: Module) -> None:
    """Train in full precision what is trained: in bf16 most updates of an adapter round to 0."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def save_adapter(model: Module, directory: str | Path, base: str, card: str,
                 stored: str = "float32") -> None:
    """Write adapter and card; files of equal training are equal. base: as the settings name it.

    stored: the dtype in the file.
    """
    directory = Path(directory)
    model.peft_config["default"].base_model_name_or_path = base
    # Only this adapter: a later round has its reference beside it.
    model.save_pretrained(directory, save_embedding_layers=False, selected_adapters=["default"])
    weights = directory / "adapter_model.safetensors"
    if stored != "float32":
        numbers = getattr(torch, stored)
        kept = {name: tensor.to(numbers) for name, tensor in load_file(weights).items()}
        save_file(kept, weights, metadata={"format": "pt"})
    config = read_json(directory / "adapter_config.json")
    config |= {"base_model_name_or_path": base, "target_modules": sorted(config["target_modules"])}
    write_json(directory / "adapter_config.json", config)
    (directory / "README.md").write_text(card, encoding="utf-8")


def save_merged(base_name: str, adapter: str | Path, directory: str | Path,
                quantisation: str = "none", dtype: str = "float32") -> None:
    """Write base and adapter as one plain model, on the CPU, to load like any other.

    A quantised base is restored first, to the weights that the adapter was trained on: quantised
    ones would round the update to their few values. Memory holds the unquantised base twice.
    """
    base, tokenizer = load(base_name, dtype, "cpu", quantisation)
    merge(with_adapter(dequantise(base), adapter)).save_pretrained(directory)
    tokenizer.save_pretrained(directory)


def merge_error(base_name: str, adapter: str | Path, token_ids: torch.Tensor,
                quantisation: str = "none", dtype: str = "float32") -> float:
    """Largest difference in logits between base with adapter and merged model, saved and loaded.

    token_ids: (batch, tokens). quantisation, dtype: of the base.
    """
    with torch.no_grad(), exact_products(), TemporaryDirectory() as directory:
        beside = load(base_name, dtype, "cpu", quantisation, adapter)[0]
        logits = beside(input_ids=token_ids).logits
        save_merged(base_name, adapter, directory, quantisation, dtype)
        merged = load(directory, dtype, "cpu")[0]
        return float((logits - merged(input_ids=token_ids).logits).abs().max())
