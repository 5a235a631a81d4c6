"""A small Llama whose first two layers start as the circuit that copying needs."""
import torch
from transformers import LlamaConfig, LlamaForCausalLM


def new_model(tokenizer, size, positions=4096):
    """A Llama-architecture model with random weights, tied embeddings and a wired induction circuit, in float32.

    size: settings with hidden, layers, heads, matched (see `wire_induction`) and seed.
    """
    torch.manual_seed(size.seed)
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=size.hidden, intermediate_size=size.hidden * 8 // 3 // 16 * 16,
        num_hidden_layers=size.layers, num_attention_heads=size.heads, num_key_value_heads=size.heads,
        max_position_embeddings=positions, tie_word_embeddings=True, initializer_range=0.05,
        pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id, bos_token_id=tokenizer.bos_token_id))
    wire_induction(model, size.matched)
    return model


@torch.no_grad()
def wire_induction(model, matched=1, spread=0.3, position=0.5, quiet=0.1):
    """Start the first two layers as the induction circuit that small models take very long to find by themselves.

    Layer 0: each head looks some tokens back and copies a slice of what stands there. Layer 1: each head compares the
    current token with those copies, so it attends to what followed an earlier occurrence, and copies that token out.
    The circuit is the one of Olsson et al. 2022; to set it at the start is in the spirit of mimetic initialisation
    (Trockman & Kolter 2023). Training changes every weight afterwards.

    matched: 1, or 3 for a model that has to look up what is said under a name of two words: then half of the heads of layer 1
    attend to what followed the last three tokens, not only the last one; this takes four heads. spread: standard deviation of
    the embeddings. position: strength of attention by position. quiet: factor on the initial output of all other parts.
    """
    config = model.config
    width, heads = config.hidden_size, config.num_attention_heads
    dim = width // heads
    half = dim // 2
    frequency = config.rope_parameters["rope_theta"] ** (-torch.arange(half) / half)
    fast, slow = torch.arange(half // 2), torch.arange(half // 2, half)
    compared = torch.cat([slow, slow + half])  # slow rotations keep content comparable over a distance

    # A direction that all embeddings share gives the heads of layer 0 a constant: they can attend by position alone.
    embedding = model.model.embed_tokens.weight
    torch.nn.init.normal_(embedding, std=spread)
    shared = torch.nn.functional.normalize(torch.randn(width), dim=0)
    embedding += (spread * width**0.5 - embedding @ shared)[:, None] * shared
    content = torch.linalg.qr(torch.randn(width, width))[0]
    content -= shared[:, None] * (shared @ content)
    copied = torch.linalg.qr(torch.randn(width, width))[0]

    # What each head of layer 0 copies: from how far back, which slice of a token, and where it leaves it for layer 1.
    offsets, slices, size = ([1] * heads, range(heads), half) if matched == 1 else ([1, 2, 3, 1], [0, 0, 0, 1], dim)
    token = [content[:, number * size:(number + 1) * size] for number in slices]
    trace = [copied[:, head * size:(head + 1) * size] for head in range(heads)]
    # What each head of layer 1 compares: something about the current token with something about an earlier one.
    pairs = [[(token[head], trace[head])] for head in range(heads)]
    if matched == 3:
        third = -(-len(compared) // 3)
        for head in (1, 2):
            part = slice((head - 1) * third, head * third)
            pairs[head] = [(now[:, part], then[:, part]) for now, then in
                           [(trace[1], trace[2]), (trace[0], trace[1]), (token[0], trace[0])]]

    for layer in model.model.layers:
        layer.self_attn.o_proj.weight.mul_(quiet)
        layer.mlp.down_proj.weight.mul_(quiet)
    back, match = model.model.layers[0].self_attn, model.model.layers[1].self_attn
    for attention in (back, match):
        for projection in (attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj):
            projection.weight.zero_()
    for head in range(heads):
        rows = slice(head * dim, (head + 1) * dim)
        turn = offsets[head] * frequency[fast]
        back.k_proj.weight[rows][fast] = position * shared
        back.q_proj.weight[rows][fast] = position * torch.cos(turn)[:, None] * shared
        back.q_proj.weight[rows][fast + half] = -position * torch.sin(turn)[:, None] * shared
        back.v_proj.weight[rows][:size] = 1.5 * token[head].T
        back.o_proj.weight[:, rows][:, :size] = trace[head]
        asked, kept = (torch.cat(side, dim=1).T[:len(compared)] for side in zip(*pairs[head]))
        match.q_proj.weight[rows][compared] = (2.0 if matched == 3 else 1.0) * asked  # fewer dimensions each must speak louder
        match.k_proj.weight[rows][compared] = kept
        match.v_proj.weight[rows] = content[:, rows].T
        match.o_proj.weight[:, rows] = content[:, rows]
