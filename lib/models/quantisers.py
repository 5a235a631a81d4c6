"""What bitsandbytes and transformers need to quantise a model with fused experts while it is loaded; importing this registers it.

transformers 5 keeps the experts of a layer in two tensors of three dimensions, which `load_in_4bit` leaves as they are without a
word: of Mixtral it would quantise the attention only, 3 % of the model. Here the experts become 4-bit, too, each tensor as soon as
it is read. So while loading, memory holds what is quantised so far and one tensor of experts at work, never the whole unquantised
model. For Mixtral-8x7B that is 24 GB and, on a GPU, about 4 GB (merging a layer's experts takes their tensor twice), not 93 GB.
On a CPU bitsandbytes works with eight times the tensor: 15 GB there.
"""
import bitsandbytes
import torch
from bitsandbytes.nn.parametrize import replace_parameter_4bit_prequantized
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
    """transformers' own, extended to experts: their tensors are quantised as they are read, and restored while a layer uses them."""

    def _process_model_before_weight_loading(self, model, device_map=None, **kwargs):
        refuse_experts(model, "4bit")
        self.experts = {} if self.pre_quantized else dict.fromkeys(name for name, _ in expert_weights(model))
        super()._process_model_before_weight_loading(model, device_map=device_map, **kwargs)
        rows = {module.in_features for module in model.modules() if isinstance(module, bitsandbytes.nn.Linear4bit)}
        odd = sorted(length for length in rows | {weight.shape[-1] for _, weight in expert_weights(model)} if length % 64)
        if odd and "cpu" in map(str, (device_map or {}).values()):
            # Found with 0.50.2 on AVX-512: a block of 64 that runs on into the next row is restored with another block's scale.
            raise DataError("models.quantisation 4bit: on a CPU bitsandbytes restores rows wrongly whose length is no multiple of 64, "
                            f"and this model has rows of {odd[0]}; set it to none, or runtime.device to cuda.")

    def param_needs_quantization(self, model, param_name, **kwargs):
        return param_name in self.experts or super().param_needs_quantization(model, param_name, **kwargs)

    def get_quantize_ops(self):
        return QuantiseExperts(self)

    def _process_model_after_weight_loading(self, model, **kwargs):
        for name, state in self.experts.items():
            place, _, tensor = name.rpartition(".")
            replace_parameter_4bit_prequantized(model.get_submodule(place), tensor, state.as_dict(packed=True), state.absmax.device)
        for module in model.modules():
            if isinstance(module, bitsandbytes.nn.Linear4bit):
                # On CPUs with AVX512-BF16 the first evaluation would repack the weights, for good, and compute in bf16 from then on.
                module.support_avx512bf16_for_cpu = False
        return super()._process_model_after_weight_loading(model, **kwargs)


class QuantiseExperts(Bnb4bitQuantize):
    """One step of loading: a tensor of experts in, 4-bit numbers out; their statistics stay with the quantiser until the model stands."""

    def convert(self, input_dict, **kwargs):
        experts = self.hf_quantizer.experts
        if not experts.keys() & input_dict.keys():
            return super().convert(input_dict, **kwargs)
        result = {}
        for name, value in input_dict.items():
            value = value[0] if isinstance(value, list) else value
            data, experts[name] = bitsandbytes.functional.quantize_4bit(value, compress_statistics=True, quant_type="nf4")
            result[name] = torch.nn.Parameter(data, requires_grad=False)
        return result


AUTO_QUANTIZER_MAPPING.update(bitsandbytes_4bit=Quantiser4bit, bitsandbytes_8bit=Quantiser8bit)
