"""LoRA adapters (Hu et al. 2021): what is trained, how it is kept, and how it becomes part of the model again."""
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from peft import LoraConfig, PeftModel

from lib.core.records import DataError, read_json, write_json
from lib.models import parts
from lib.models.loading import load, merge, with_adapter
from lib.models.quantisation import dequantise


def lora_config(lora):
    return LoraConfig(task_type="CAUSAL_LM", r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout,
                      target_modules=sorted(lora.target_modules), bias="none")


def targets(model, names):
    """The linear layers of a model that an adapter may be trained on and that `names` name: {their full name: layer}.

    Names are those of LoRA's target_modules: the end of a layer's full name. Raises DataError for a name of none: PEFT passes over it
    as long as others match. Of a mixture, experts and router are left out: their adapters are not sound (on quantised experts peft
    0.21.2 adds the update again at every forward pass), and PEFT would find them under w1, w2, w3 and all-linear.
    """
    linear = {name: module for name, module in model.named_modules()
              if isinstance(module, torch.nn.Linear) and parts.kind(f"{name}.weight") not in ("experts", "router")}
    found = {wanted: [name for name in linear if f".{name}".endswith(f".{wanted}")] for wanted in names}
    if missing := [wanted for wanted, layers in found.items() if not layers]:
        choices = sorted({name.rpartition(".")[2] for name in linear} - {"lm_head"})
        mixture = any(True for _ in parts.expert_weights(model))
        raise DataError(f"lora.target_modules: {', '.join(missing)} {'match' if missing[1:] else 'matches'} no linear layer of this "
                        f"{model.config.model_type} model{', whose experts and router take no adapters' * mixture}; "
                        f"choose among {', '.join(choices)}.")
    return {name: linear[name] for layers in found.values() for name in layers}


def check_targets(model, lora):
    """Raise DataError unless `lora`, settings or a PEFT configuration, names layers of `model` that an adapter can be trained on."""
    if getattr(lora, "target_parameters", None):
        raise DataError(f"lora.target_parameters ({', '.join(sorted(lora.target_parameters))}): adapters are for linear layers only, not "
                        "for the tensors of experts; name layers in lora.target_modules.")
    if not isinstance(model, PeftModel):  # one that has an adapter keeps it
        targets(model, [lora.target_modules] if isinstance(lora.target_modules, str) else sorted(lora.target_modules))


def planned(model, lora):
    """What `trainable` will say once the adapter is there, from the shapes of its matrices: r x (inputs + outputs) for each layer."""
    trained = sum(lora.r * (layer.in_features + layer.out_features) for layer in targets(model, lora.target_modules).values())
    total = parts.count_parameters(model) + trained
    return {"trained": trained, "total": total, "share": trained / total}


def keep_in_float32(model):
    """Train in full precision what is trained: in bf16 most updates of an adapter round to nothing."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def trainable(model):
    """Parameters of a model with an adapter: {"trained", "total", "share"}."""
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    total = parts.count_parameters(model)
    return {"trained": trained, "total": total, "share": trained / total}


def save_adapter(model, directory, base, card):
    """Write adapter and model card so that equal training gives equal files, wherever the project lies.

    base: the name under which the settings know the base model. card: the text of its README.md.
    """
    directory = Path(directory)
    model.peft_config["default"].base_model_name_or_path = base
    model.save_pretrained(directory, save_embedding_layers=False, selected_adapters=["default"])  # not the reference of a later round
    config = read_json(directory / "adapter_config.json")
    write_json(directory / "adapter_config.json", {
        **config, "base_model_name_or_path": base, "target_modules": sorted(config["target_modules"])})
    (directory / "README.md").write_text(card, encoding="utf-8")


def save_merged(base_name, adapter, directory, quantisation="none", dtype="float32"):
    """Write base and adapter as one plain model, on the CPU, to a directory that loads like any other.

    A quantised base is restored first, to the weights that the adapter was trained on; merged into the quantised ones, the update
    would be rounded to their few values. The result is as large as the unquantised base, and the peak twice that.
    """
    base, tokenizer = load(base_name, dtype, "cpu", quantisation)
    merge(with_adapter(dequantise(base), adapter)).save_pretrained(directory)
    tokenizer.save_pretrained(directory)


def merge_error(base_name, adapter, token_ids, quantisation="none", dtype="float32"):
    """Largest difference in logits between the base with the adapter beside it and the merged model, written to disk and read again.

    token_ids: (batch, tokens). quantisation, dtype: of the base.
    """
    with torch.no_grad(), TemporaryDirectory() as directory:
        beside = load(base_name, dtype, "cpu", quantisation, adapter)[0](input_ids=token_ids).logits
        save_merged(base_name, adapter, directory, quantisation, dtype)
        merged = load(directory, dtype, "cpu")[0](input_ids=token_ids).logits
    return float((beside - merged).abs().max())
