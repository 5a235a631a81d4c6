"""Random models as a hub has them, and settings to tune them with."""
import json
from pathlib import Path

import torch
from helpers.tunings import small_settings, tokenizer_of_base
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    BertModel,
    BertTokenizerFast,
    LlamaConfig,
    MixtralConfig,
)

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
KINDS = {"llama": LlamaConfig, "mixtral": MixtralConfig}


def write_checkpoint(place, kind, hidden=64, inner=128, layers=2, experts=4):
    """Sharded safetensors with an index, the experts one by one, tokenizer and chat template."""
    tokenizer = tokenizer_of_base()
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(KINDS[kind](
        vocab_size=len(tokenizer), hidden_size=hidden, intermediate_size=inner,
        num_hidden_layers=layers, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=2048, initializer_range=0.1, eos_token_id=tokenizer.eos_token_id,
        **({"num_local_experts": experts} if kind == "mixtral" else {})))
    model.save_pretrained(place, max_shard_size="300KB")
    tokenizer.save_pretrained(place)
    return str(place)


def write_encoder(place, words):
    """A sentence encoder of 16 dimensions that knows some words."""
    known = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(set(words))]
    (place / "vocab.txt").write_text("\n".join(known))
    BertTokenizerFast(str(place / "vocab.txt")).save_pretrained(place)
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(known), hidden_size=16, num_hidden_layers=2,
                         num_attention_heads=2, intermediate_size=32)).save_pretrained(place)
    return str(place)


def weight_map(place):
    """The names of a sharded checkpoint's tensors, and the file of each."""
    return json.loads((Path(place) / "model.safetensors.index.json").read_text())["weight_map"]


def settings_for(dtype="float32", quantisation="4bit", targets=ATTENTION, **changes):
    """Settings of four steps of dpo, with adapters on attention."""
    lora = small_settings().dpo.lora.model_copy(update={"r": 4, "target_modules": targets})
    settings = small_settings(**{"epochs": 1, "learning_rate": 1e-3, "lora": lora} | changes)
    stored = {"dtype": dtype, "quantisation": quantisation}
    return settings.model_copy(update={"models": settings.models.model_copy(update=stored)})
