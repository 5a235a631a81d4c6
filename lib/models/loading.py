"""Loading chat models, from a directory or a hub, with quantisation and adapters."""
import os
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from lib.core.records import DataError
from lib.core.settings import ROOT
from lib.models.quantisation import options as quantised


def locate(name):
    """A model's place: a directory of the project or of the working folder, or else a hub name as it is."""
    return next((str(path) for path in (ROOT / name, Path(name)) if path.is_dir()), name)


def load_tokenizer(name):
    tokenizer = pretrained(AutoTokenizer, name, padding_side="left")
    if tokenizer.chat_template is None:
        raise DataError(f"{name}: its tokenizer has no chat template; choose an instruction-tuned model.")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load(name, dtype="float32", device="auto", quantisation="none", adapter=None, trainable=False):
    """A causal language model in evaluation mode, and its tokenizer.

    name, adapter: a directory or a hub name. quantisation: "none", "8bit" or "4bit" (NF4, see lib.models.quantisation); of a mixture of experts,
    4bit stores the experts, too, and 8bit raises DataError. dtype: of what is not quantised, and in which everything is computed.
    """
    where, numbers = pick_device(device), getattr(torch, dtype)
    options = {"dtype": numbers, "attn_implementation": "sdpa", **quantised(quantisation, numbers)}
    if where == "cuda" and not sharded():
        # Alone, a process may spread a model over all GPUs; of several, each keeps to its own.
        options["device_map"] = {"": int(os.environ["LOCAL_RANK"])} if "LOCAL_RANK" in os.environ else "auto"
    elif where == "cpu" and quantisation != "none":
        options["device_map"] = {"": "cpu"}  # or else bitsandbytes takes a GPU where there is one
    model = pretrained(AutoModelForCausalLM, name, **options)
    if where == "cpu" and quantisation == "none":
        model = model.to("cpu")
    model = with_adapter(model, adapter, trainable) if adapter else model
    return model.eval(), load_tokenizer(name)


def load_role(settings, role, adapter=None, trainable=False):
    """The model and tokenizer that play a role ("base", "larger", "label_judge", "evaluation_judge") in a preset."""
    models = settings.models
    return load(getattr(models, role), models.dtype, settings.runtime.device, models.quantisation, adapter, trainable)


def with_adapter(model, adapter, trainable=False):
    """A model with a PEFT adapter on it, frozen or to be trained on. Raises DataError where there is none."""
    from peft import PeftModel
    place = locate(str(adapter))
    if Path(place).is_dir() and not (Path(place) / "adapter_config.json").exists():
        raise DataError(f"{adapter}: no adapter_config.json; give the folder that 03_dpo wrote (data/adapter).")
    return PeftModel.from_pretrained(model, place, is_trainable=trainable).eval()


def merge(model):
    """A plain model with the adapter's update added to the weights it was trained on. These must not be quantised."""
    if getattr(model.get_base_model(), "is_quantized", False):
        raise DataError("merging into quantised weights would round the adapter away; restore them first, as adapters.save_merged does.")
    return model.merge_and_unload(safe_merge=True)


def sharded():
    """Whether accelerate started this process to hold a part of a model's weights only (FSDP, DeepSpeed); it places them itself."""
    return any(os.environ.get(f"ACCELERATE_USE_{name}", "").lower() == "true" for name in ("FSDP", "DEEPSPEED"))


def pick_device(device):
    if device == "cuda" and not torch.cuda.is_available():
        raise DataError("runtime.device is cuda, but no CUDA device is visible; set it to auto or cpu.")
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def pretrained(kind, name, **options):
    """`from_pretrained` with one clear sentence when there is nothing to load. Never runs code from a model's repository."""
    place = locate(name)
    try:
        return kind.from_pretrained(place, trust_remote_code=False, **options)
    except OSError as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"cannot load the model {name!r} ({reason}); give an existing directory, or a hub name with "
                        "runtime.offline: false.") from None
