"""4-bit experts, quantised while a model is loaded; importing this registers the quantisers.

transformers 5 keeps the experts of a layer in two tensors of three dimensions, which `load_in_4bit`
leaves as they are without a word: of Mixtral it would quantise the attention only, 3 % of the
model. Here the experts become 4-bit, too, each tensor as soon as it is read: memory holds what is
quantised so far and one tensor at work. For Mixtral-8x7B that is 24 GB and, on a GPU, about 4 GB
(merging a layer's experts takes their tensor twice), not 93 GB. On a CPU bitsandbytes works with
eight times the tensor: 15 GB there.
"""
from typing import Any

import bitsandbytes
from bitsandbytes.nn import Linear4bit
from bitsandbytes.nn.parametrize import replace_parameter_4bit_prequantized
from torch.nn import Module, Parameter
from transformers.integrations.bitsandbytes import Bnb4bitQuantize
from transformers.quantizers.auto import AUTO_QUANTIZER_MAPPING
from transformers.quantizers.quantizer_bnb_4bit import Bnb4BitHfQuantizer
from transformers.quantizers.quantizer_bnb_8bit import Bnb8BitHfQuantizer

from lib.core.records import DataError
from lib.models.parts import expert_weights, refuse_experts


class Quantiser8bit(Bnb8BitHfQuantizer):
    """transformers' own, which refuses experts instead of passing them over."""

    def _process_model_before_weight_loading(self, model, **kwargs):
        refuse_experts(model, "8bit")
        super()._process_model_before_weight_loading(model, **kwargs)


class Quantiser4bit(Bnb4BitHfQuantizer):
    """transformers' own, extended to experts: quantised when read, restored while in use."""

    def _process_model_before_weight_loading(self, model, device_map=None, **kwargs):
        refuse_experts(model, "4bit")
        names = [] if self.pre_quantized else [name for name, _ in expert_weights(model)]
        self.experts = dict.fromkeys(names)
        super()._process_model_before_weight_loading(model, device_map=device_map, **kwargs)
        if "cpu" in map(str, (device_map or {}).values()):
            refuse_odd_rows(model)

    def param_needs_quantization(self, model: Module, param_name: str, **kwargs: Any) -> bool:
        ours = param_name in self.experts
        return ours or super().param_needs_quantization(model, param_name, **kwargs)

    def get_quantize_ops(self) -> "QuantiseExperts":
        return QuantiseExperts(self)

    def _process_model_after_weight_loading(self, model, **kwargs):
        for name, state in self.experts.items():
            place, _, tensor = name.rpartition(".")
            replace_parameter_4bit_prequantized(model.get_submodule(place), tensor,
                                                state.as_dict(packed=True), state.absmax.device)
        for module in model.modules():
            if isinstance(module, Linear4bit):
                # On CPUs with AVX512-BF16 evaluating would repack the weights, for good, to bf16.
                module.support_avx512bf16_for_cpu = False
        return super()._process_model_after_weight_loading(model, **kwargs)


class QuantiseExperts(Bnb4bitQuantize):
    """One step of loading: experts in, 4-bit numbers out; the quantiser keeps their statistics."""

    def convert(self, input_dict: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        experts = self.hf_quantizer.experts
        if not experts.keys() & input_dict.keys():
            return super().convert(input_dict, **kwargs)
        result = {}
        for name, value in input_dict.items():
            value = value[0] if isinstance(value, list) else value
            data, experts[name] = bitsandbytes.functional.quantize_4bit(
                value, compress_statistics=True, quant_type="nf4")
            result[name] = Parameter(data, requires_grad=False)
        return result


def refuse_odd_rows(model: Module) -> None:
    """Raise DataError where a CPU would restore 4-bit rows wrongly.

    Found with bitsandbytes 0.50.2 on AVX-512: a block of 64 that runs on into the next row is
    restored with another block's scale.
    """
    lengths = {module.in_features for module in model.modules() if isinstance(module, Linear4bit)}
    lengths |= {weight.shape[-1] for _, weight in expert_weights(model)}
    odd = [length for length in lengths if length % 64]
    if odd:
        raise DataError("models.quantisation 4bit: on a CPU bitsandbytes restores rows wrongly "
                        "whose length is no multiple of 64, and this model has rows of "
                        f"{min(odd)}; set it to none, or runtime.device to cuda.")


AUTO_QUANTIZER_MAPPING.update(bitsandbytes_4bit=Quantiser4bit, bitsandbytes_8bit=Quantiser8bit)
