"""Loading chat models, from a directory or a hub, with quantisation and adapters."""
import hashlib
import os
from pathlib import Path

import torch
from jinja2 import TemplateError
from transformers import AutoModelForCausalLM, AutoTokenizer

from lib import quantise
from lib.records import DataError
from lib.settings import ROOT


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

    name, adapter: a directory or a hub name. quantisation: "none", "8bit" or "4bit" (NF4, see lib.quantise); of a mixture of experts,
    4bit stores the experts, too, and 8bit raises DataError. dtype: of what is not quantised, and in which everything is computed.
    """
    where, numbers = pick_device(device), getattr(torch, dtype)
    options = {"dtype": numbers, "attn_implementation": "sdpa", **quantise.options(quantisation, numbers)}
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
    """The model and tokenizer that play a role ("base", "larger", "label_judge", "evaluation_judge") in a profile."""
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


def count_parameters(model):
    return quantise.count(model)


def chat_for(tokenizer, messages):
    """Messages as the model's template takes them: where it knows no system role, that text opens the user's turn."""
    try:
        tokenizer.apply_chat_template(messages[:2], tokenize=False)
        return messages
    except TemplateError:
        first, second, *rest = messages
        return [{"role": "user", "content": f"{first['content']}\n\n{second['content']}"}, *rest]


def encode_chats(tokenizer, chats):
    """Token ids of each chat, ready for the assistant's turn."""
    texts = [tokenizer.apply_chat_template(chat_for(tokenizer, chat), tokenize=False, add_generation_prompt=True)
             for chat in chats]
    return tokenizer(texts, add_special_tokens=False)["input_ids"]


@torch.no_grad()
def log_likelihood(model, prompts, answers):
    """Log-probability of each answer after its prompt, summed over the answer's tokens: a list of (batch) floats.

    prompts, answers: token id lists. Rows are padded on the left, so that logits are computed at the end only.
    """
    rows = [prompt + answer for prompt, answer in zip(prompts, answers, strict=True)]
    width, longest = max(map(len, rows)), max(map(len, answers))
    ids = torch.tensor([[0] * (width - len(row)) + row for row in rows], device=model.device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=model.device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    logits = model(input_ids=ids, attention_mask=mask, position_ids=positions, logits_to_keep=longest + 1).logits[:, :-1]
    logps = logits.float().log_softmax(-1).gather(-1, ids[:, -longest:, None]).squeeze(-1)
    return [float(logps[i, longest - len(answer):].double().sum()) for i, answer in enumerate(answers)]


def fingerprint(model):
    """A digest of a model's weights, for caches: of the first numbers of every tensor, so that large models are quick, too."""
    content = hashlib.sha256()
    for name, weights in model.named_parameters():
        content.update(name.encode() + weights.detach().flatten()[:64].float().cpu().numpy().tobytes())
    return content.hexdigest()[:20]


def pretrained(kind, name, **options):
    """`from_pretrained` with one clear sentence when there is nothing to load. Never runs code from a model's repository."""
    place = locate(name)
    try:
        return kind.from_pretrained(place, trust_remote_code=False, **options)
    except OSError as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"cannot load the model {name!r} ({reason}); give an existing directory, or a hub name with "
                        "runtime.offline: false.") from None
