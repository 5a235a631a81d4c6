"""Loading chat models, from a directory or a hub, with quantisation and adapters."""
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers  # what it offers is imported at its first use
from safetensors import SafetensorError
from torch.nn import Module
from transformers import PreTrainedTokenizerBase as Tokenizer

from lib.core.records import DataError, file_digest
from lib.core.sections.preset import Preset
from lib.models import quantisation as quantising
from lib.models.places import advice, find, lineage, locate, source

BROKEN = (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError)


def fingerprint(name: str | Path) -> str:
    """A name for folders: an adapter's by the hash of its weights, any other model's own.

    What is kept in them says itself who wrote it: see `identity.of_model` and `places.identity`.
    """
    weights = Path(locate(name)) / "adapter_model.safetensors"
    return file_digest(weights) if weights.is_file() else str(name)


def load_tokenizer(name: str | Path) -> Tokenizer:
    """A chat model's tokenizer, padding on the left. Raises DataError without a chat template."""
    *_, name = lineage(name)
    tokenizer = pretrained(transformers.AutoTokenizer, name, padding_side="left")
    if tokenizer.chat_template is None:
        raise DataError(f"{str(name)!r}: no chat template; choose an instruction-tuned model.")
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
    *adapters, base = lineage(name)
    where, numbers = pick_device(device), getattr(torch, dtype)
    if adapter:
        locate(adapter, "adapter")  # before minutes of loading
    options = quantising.options(quantisation, numbers) | _placing(where, quantisation)
    model = pretrained(transformers.AutoModelForCausalLM, base, dtype=numbers,
                       attn_implementation="sdpa", **options)
    if where == "cpu" and quantisation == "none":
        model = model.to("cpu")
    for inner in reversed(adapters):
        model = merge(with_adapter(model, inner))
    model = with_adapter(model, adapter, trainable) if adapter else model
    return model.eval(), load_tokenizer(base)


def load_role(settings: Preset, role: str, adapter: str | Path | None = None,
              trainable: bool = False) -> tuple[Module, Tokenizer]:
    """What plays a role in a preset: "base", "larger", "label_judge" or "evaluation_judge"."""
    models = settings.models
    return load(getattr(models, role), models.dtype, settings.runtime.device, models.quantisation,
                adapter, trainable)


def with_adapter(model: Module, adapter: str | Path, trainable: bool = False) -> Module:
    """A model with a PEFT adapter, frozen or to be trained on. Raises DataError without one."""
    from peft import PeftModel  # seconds: it brings bitsandbytes
    place = adapter_files(adapter)
    try:
        return PeftModel.from_pretrained(model, place, is_trainable=trainable,
                                         local_files_only=True).eval()
    except BROKEN as error:
        raise DataError(f"cannot load the adapter {str(adapter)!r} ({first_line(error)}); give one "
                        "that was trained on this model.") from None


def adapter_files(name: str | Path) -> str:
    """The directory of an adapter, which for one of the hub is a copy. Raises DataError."""
    place, options = source(name, "adapter")
    if not find(name):
        from huggingface_hub import snapshot_download  # a second, for adapters of the hub alone
        try:
            place = snapshot_download(place, allow_patterns="adapter_*", **options)
        except (OSError, ValueError) as error:
            raise DataError(f"cannot load the adapter {str(name)!r} ({first_line(error)}); "
                            f"{advice(name, 'adapter')}.") from None
    files = [file for file in ("adapter_config.json", "adapter_model.*")
             if not any(Path(place).glob(file))]
    if files:  # PEFT would look for them on the hub
        raise DataError(f"{name}: no {files[0]}; give the folder that 03_dpo wrote (data/adapter).")
    return place


def merge(model: Module) -> Module:
    """A plain model: the adapter's update added to the weights, which must not be quantised."""
    if getattr(model.get_base_model(), "is_quantized", False):
        raise DataError("merging into quantised weights would round the adapter away; restore them "
                        "first, as lora.save_merged does.")
    with exact_products():
        return model.merge_and_unload(safe_merge=True)


@contextmanager
def exact_products() -> Iterator[None]:
    """Products of float32 numbers in float32, whatever runtime.matmul_precision allows."""
    usual = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(usual)


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
    """`from_pretrained`, never with code from a model's repository; DataError if it fails.

    A directory is read without asking anybody; the hub is asked where settings let it be.
    """
    place, where = source(name)
    try:
        return kind.from_pretrained(place, trust_remote_code=False, **where, **options)
    except (OSError, SafetensorError) as error:
        raise DataError(f"cannot load the model {str(name)!r} ({first_line(error)}); "
                        f"{advice(name)}.") from None


def first_line(error: Exception) -> str:
    """What went wrong, in the first line that an exception has to say."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
