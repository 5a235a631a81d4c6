"""Loading chat models, from a directory or a hub, with quantisation and adapters."""
import os
from pathlib import Path
from typing import Any

import torch
import transformers  # what it offers is imported at its first use
from torch.nn import Module
from transformers import PreTrainedTokenizerBase as Tokenizer

from lib.core.records import DataError, file_digest, read_json
from lib.core.sections.preset import Preset
from lib.core.settings import ROOT
from lib.models import quantisation as quantising

MADE = ("data/models/smollm2", "data/models/minilm")  # by lib/models/packaged.py


def locate(name: str | Path) -> str:
    """A model's place: a directory of the project or of the working folder, or else a hub name."""
    return next((str(place) for place in (ROOT / name, Path(name)) if place.is_dir()), str(name))


def base_of(name: str | Path) -> str | None:
    """The model that an adapter's directory was trained on; None for a model of its own."""
    config = Path(locate(name)) / "adapter_config.json"
    return read_json(config)["base_model_name_or_path"] if config.is_file() else None


def fingerprint(name: str | Path) -> str:
    """What tells a model's weights from others: its name, and where it is an adapter their hash."""
    weights = Path(locate(name)) / "adapter_model.safetensors"
    return file_digest(weights) if weights.is_file() else str(name)


def load_tokenizer(name: str | Path) -> Tokenizer:
    """A chat model's tokenizer, padding on the left. Raises DataError without a chat template."""
    name = base_of(name) or name
    tokenizer = pretrained(transformers.AutoTokenizer, name, padding_side="left")
    if tokenizer.chat_template is None:
        raise DataError(f"{name}: no chat template; choose an instruction-tuned model.")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load(name: str | Path, dtype: str = "float32", device: str = "auto", quantisation: str = "none",
         adapter: str | Path | None = None, trainable: bool = False) -> tuple[Module, Tokenizer]:
    """A causal language model in evaluation mode, and its tokenizer.

    name, adapter: a directory or a hub name. Where `name` is an adapter's directory, the model is
    its base with the adapter merged. quantisation: "none", "8bit" or "4bit"; of a mixture of
    experts, 4bit stores the experts, too, and 8bit raises DataError. dtype: of what is not
    quantised, and in which everything is computed.
    """
    if base := base_of(name):
        model = merge(load(base, dtype, device, quantisation, name)[0])
        model = with_adapter(model, adapter, trainable) if adapter else model
        return model.eval(), load_tokenizer(name)
    where, numbers = pick_device(device), getattr(torch, dtype)
    options = quantising.options(quantisation, numbers) | _placing(where, quantisation)
    model = pretrained(transformers.AutoModelForCausalLM, name, dtype=numbers,
                       attn_implementation="sdpa", **options)
    if where == "cpu" and quantisation == "none":
        model = model.to("cpu")
    model = with_adapter(model, adapter, trainable) if adapter else model
    return model.eval(), load_tokenizer(name)


def load_role(settings: Preset, role: str, adapter: str | Path | None = None,
              trainable: bool = False) -> tuple[Module, Tokenizer]:
    """What plays a role in a preset: "base", "larger", "label_judge" or "evaluation_judge"."""
    models = settings.models
    return load(getattr(models, role), models.dtype, settings.runtime.device, models.quantisation,
                adapter, trainable)


def with_adapter(model: Module, adapter: str | Path, trainable: bool = False) -> Module:
    """A model with a PEFT adapter, frozen or to be trained on. Raises DataError without one."""
    from peft import PeftModel  # seconds: it brings bitsandbytes
    place = locate(adapter)
    if Path(place).is_dir() and not (Path(place) / "adapter_config.json").exists():
        raise DataError(f"{adapter}: no adapter_config.json; give the folder that 03_dpo wrote "
                        "(data/adapter).")
    return PeftModel.from_pretrained(model, place, is_trainable=trainable).eval()


def merge(model: Module) -> Module:
    """A plain model: the adapter's update added to the weights, which must not be quantised."""
    if getattr(model.get_base_model(), "is_quantized", False):
        raise DataError("merging into quantised weights would round the adapter away; restore them "
                        "first, as lora.save_merged does.")
    return model.merge_and_unload(safe_merge=True)


def sharded() -> bool:
    """Whether accelerate splits weights over processes (FSDP, DeepSpeed); it then places them."""
    splitters = ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED")
    return any(os.environ.get(name, "").lower() == "true" for name in splitters)


def pick_device(device: str) -> str:
    """"cuda" or "cpu". Raises DataError where cuda is asked for and there is none."""
    if device == "cuda" and not torch.cuda.is_available():
        raise DataError("runtime.device is cuda, but none is visible; set it to auto or cpu.")
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def _placing(where: str, quantisation: str) -> dict[str, Any]:
    if where == "cuda" and not sharded():
        # Alone, a process may spread a model over all GPUs; of several, each keeps to its own.
        rank = os.environ.get("LOCAL_RANK")
        return {"device_map": "auto" if rank is None else {"": int(rank)}}
    if where == "cpu" and quantisation != "none":
        return {"device_map": {"": "cpu"}}  # or else bitsandbytes takes a GPU where there is one
    return {}


def pretrained(kind: Any, name: str | Path, **options: Any) -> Any:
    """`from_pretrained`, never with code from a model's repository; DataError if it fails."""
    try:
        return kind.from_pretrained(locate(name), trust_remote_code=False, **options)
    except OSError as error:
        reason = str(error).strip().splitlines()[0]
        hint = "give an existing directory, or a hub name with runtime.offline: false"
        if str(name) in MADE:
            hint = "run `make models`, which makes it"
        raise DataError(f"cannot load the model {name!r} ({reason}); {hint}.") from None
