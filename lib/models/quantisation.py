"""Loading a model in 8 or 4 bits, and the way back to plain weights."""
import logging
from typing import Any

import torch
import transformers
from torch.nn import Module, Parameter
from torch.nn.utils import parametrize

# It warns of each cast, and that it cannot fetch a kernel from a hub.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


def options(quantisation: str, dtype: torch.dtype) -> dict[str, Any]:
    """What `from_pretrained` needs to store linear layers and experts in "4bit" or "8bit".

    dtype: in which matrices are multiplied. 4bit: NF4, its statistics quantised again (Dettmers et
    al. 2023).
    """
    if quantisation == "none":
        return {}
    from lib.models import quantisers  # noqa: F401  registers them; bitsandbytes takes seconds
    return {"quantization_config": transformers.BitsAndBytesConfig(
        load_in_8bit=quantisation == "8bit", load_in_4bit=quantisation == "4bit",
        bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype)}


@torch.no_grad()
def dequantise(model: Module) -> Module:
    """A quantised model, changed to have plain weights in its dtype: those it computed with."""
    for module in list(model.modules()):
        for name in list(getattr(module, "parametrizations", {})):
            weight = getattr(module, name)
            parametrize.remove_parametrizations(module, name, leave_parametrized=False)
            setattr(module, name, Parameter(weight, requires_grad=False))
    return model.dequantize(model.dtype) if getattr(model, "hf_quantizer", None) else model
