"""Loading a model in 8 or 4 bits, and the way back to plain weights."""
import logging

import torch
from torch.nn.utils import parametrize
from transformers import BitsAndBytesConfig

logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it warns of each cast, and that it cannot fetch a kernel from a hub


def options(quantisation, dtype):
    """What `from_pretrained` needs to store linear layers and experts in "4bit" (NF4, its statistics quantised again) or "8bit".

    dtype: in which matrices are multiplied, a torch dtype. NF4: Dettmers et al. 2023.
    """
    if quantisation == "none":
        return {}
    from lib.models import quantisers  # noqa: F401  registers them; bitsandbytes takes seconds
    return {"quantization_config": BitsAndBytesConfig(
        load_in_8bit=quantisation == "8bit", load_in_4bit=quantisation == "4bit", bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype)}


@torch.no_grad()
def dequantise(model):
    """A quantised model with plain weights in its dtype: those it computed with. Changes and returns it; plain ones stay as they are."""
    for module in list(model.modules()):
        for name in list(getattr(module, "parametrizations", {})):
            weight = getattr(module, name)
            parametrize.remove_parametrizations(module, name, leave_parametrized=False)
            setattr(module, name, torch.nn.Parameter(weight, requires_grad=False))
    return model.dequantize(model.dtype) if getattr(model, "hf_quantizer", None) else model
