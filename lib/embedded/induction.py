"""A small Llama whose first two layers start as the circuit that copying needs."""
import torch
from torch.nn import Module
from transformers import PreTrainedTokenizerBase as Tokenizer

from lib.core.sections.models import Role


def new_model(tokenizer: Tokenizer, size: Role, positions: int = 4096) -> Module:
    """A Llama with random weights, tied embeddings and a wired induction circuit, in float32."""
    from transformers import LlamaConfig, LlamaForCausalLM  # seconds, for this alone
    torch.manual_seed(size.seed)
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=size.hidden, num_hidden_layers=size.layers,
        intermediate_size=size.hidden * 8 // 3 // 16 * 16, num_attention_heads=size.heads,
        num_key_value_heads=size.heads, max_position_embeddings=positions,
        tie_word_embeddings=True, initializer_range=0.05, pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id, bos_token_id=tokenizer.bos_token_id))
    wire_induction(model, size.matched)
    return model


@torch.no_grad()
def wire_induction(model: Module, matched: int = 1, spread: float = 0.3, position: float = 0.5,
                   quiet: float = 0.1) -> None:
    """Start the first two layers as the induction circuit that small models find very late.

    Layer 0: each head looks some tokens back and copies a slice of what stands there. Layer 1: each
    head compares the current token with those copies, so it attends to what followed an earlier
    occurrence, and copies that token out (Olsson et al. 2022). To set it at the start is mimetic
    initialisation (Trockman & Kolter 2023). Training changes every weight afterwards.

    matched: 1, or 3 for a model that has to look up what is said under a name of two words: then
    half of the heads of layer 1 attend to what followed the last three tokens, not only the last
    one; this takes four heads. spread: standard deviation of the embeddings. position: strength of
    attention by position. quiet: factor on the initial output of all other parts.
    """
    config = model.config
    width, heads = config.hidden_size, config.num_attention_heads
    dim = width // heads
    half = dim // 2
    frequency = config.rope_parameters["rope_theta"] ** (-torch.arange(half) / half)
    fast, slow = torch.arange(half // 2), torch.arange(half // 2, half)
    compared = torch.cat([slow, slow + half])  # slow rotations keep content comparable far off

    # All embeddings share a direction: a constant, by which layer 0 can attend by position alone.
    embedding = model.model.embed_tokens.weight
    torch.nn.init.normal_(embedding, std=spread)
    shared = torch.nn.functional.normalize(torch.randn(width), dim=0)
    embedding += (spread * width**0.5 - embedding @ shared)[:, None] * shared
    content = torch.linalg.qr(torch.randn(width, width))[0]
    content -= shared[:, None] * (shared @ content)
    copied = torch.linalg.qr(torch.randn(width, width))[0]

    # What each head of layer 0 copies: from how far back, which slice of a token, and where it
    # leaves it for layer 1.
    offsets, slices, size = [1] * heads, list(range(heads)), half
    if matched == 3:
        offsets, slices, size = [1, 2, 3, 1], [0, 0, 0, 1], dim
    token = [content[:, number * size:(number + 1) * size] for number in slices]
    trace = [copied[:, head * size:(head + 1) * size] for head in range(heads)]
    # What each head of layer 1 compares: something of this token with something of an earlier one.
    pairs = [[(token[head], trace[head])] for head in range(heads)]
    if matched == 3:
        third = -(-len(compared) // 3)
        last_three = [(trace[1], trace[2]), (trace[0], trace[1]), (token[0], trace[0])]
        for head in (1, 2):
            part = slice((head - 1) * third, head * third)
            pairs[head] = [(now[:, part], then[:, part]) for now, then in last_three]

    for layer in model.model.layers:
        layer.self_attn.o_proj.weight.mul_(quiet)
        layer.mlp.down_proj.weight.mul_(quiet)
    back, match = model.model.layers[0].self_attn, model.model.layers[1].self_attn
    for attention in (back, match):
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            attention.get_submodule(name).weight.zero_()
    louder = 2.0 if matched == 3 else 1.0  # fewer dimensions each must speak louder
    for head in range(heads):
        rows = slice(head * dim, (head + 1) * dim)
        turn = offsets[head] * frequency[fast]
        back.k_proj.weight[rows][fast] = position * shared
        back.q_proj.weight[rows][fast] = position * torch.cos(turn)[:, None] * shared
        back.q_proj.weight[rows][fast + half] = -position * torch.sin(turn)[:, None] * shared
        back.v_proj.weight[rows][:size] = 1.5 * token[head].T
        back.o_proj.weight[:, rows][:, :size] = trace[head]
        asked, kept = (torch.cat(side, dim=1).T[:len(compared)] for side in zip(*pairs[head]))
        match.q_proj.weight[rows][compared] = louder * asked
        match.k_proj.weight[rows][compared] = kept
        match.v_proj.weight[rows] = content[:, rows].T
        match.o_proj.weight[:, rows] = content[:, rows]
