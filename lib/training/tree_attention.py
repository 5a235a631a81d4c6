"""How a causal language model reads a tree: split attention, positions that restart at every branch, scores of the completions only."""
import functools

import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence
from torch.utils.checkpoint import checkpoint
from transformers import AttentionInterface, AttentionMaskInterface, DynamicCache
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from lib.core.records import DataError

FAMILIES = ("llama", "mistral", "mixtral", "qwen2")  # others may cap scores or scale logits, which `score` would not know
SCORED_AT_ONCE = 2048  # tokens whose logits are in memory at the same time when checkpointing


def tree_attention(module, query, key, value, attention_mask, tree=None, scaling=None, sliding_window=None, **kwargs):
    """Attention of a pack: each trunk causally to itself, each branch to its trunk and itself. Never a tokens x tokens mask.

    query: (1, heads, tokens, dim); key, value: (1, key heads, tokens, dim); tree: the Pack. Returns (1, tokens, heads, dim).
    Without a tree it is transformers' own SDPA attention, so that the model also serves for everything else.
    """
    if tree is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, sliding_window=sliding_window, **kwargs)
    query, key, value = (states[0].transpose(0, 1) for states in (query, key, value))
    trunks = [_trunk(tree, query[start:end], key[start:end], value[start:end], scaling, sliding_window)
              for start, end, _, _ in tree.spans if start < end]
    branches = [_branches(tree, query, key, value, span, scaling, sliding_window) for span in tree.spans]
    return torch.cat(trunks + branches)[None], None


def _trunk(pack, query, key, value, scaling, window):
    """Causal attention within one prompt. query: (tokens, heads, dim). A sliding window goes block by block, with the keys in reach."""
    tokens = len(query)
    if window is None or tokens <= window:
        return _sdpa(query[None], key[None], value[None], None, scaling)[0]
    blocks = []
    for start in range(0, tokens, window):
        end, reach = min(start + window, tokens), max(0, start - window + 1)
        blocks.append(_sdpa(query[None, start:end], key[None, reach:end], value[None, reach:end],
                            pack.mask(end - start, end - reach, window, query), scaling)[0])
    return torch.cat(blocks)


def _branches(pack, query, key, value, span, scaling, window):
    """Attention of all branches of one tree, as one batch. Shorter ones are padded here, and only here, at their end."""
    start, end, first, lengths = span
    start = start if window is None else max(start, end - window + 1)
    last = first + sum(lengths)
    query, key_own, value_own = (_stack(states[first:last], lengths) for states in (query, key, value))
    key, value = (torch.cat([trunk[start:end].expand(len(lengths), -1, -1, -1), own], dim=1)
                  for trunk, own in ((key, key_own), (value, value_own)))
    # Padding comes after the real tokens of a branch, so the causal mask hides it, too, and one mask serves every branch.
    out = _sdpa(query, key, value, pack.mask(query.shape[1], key.shape[1], window, query), scaling)
    return torch.cat([row[:length] for row, length in zip(out, lengths)])


def _stack(states, lengths):
    """(tokens, heads, dim) as (branches, longest, heads, dim)."""
    if len(set(lengths)) == 1:
        return states.view(len(lengths), lengths[0], *states.shape[1:])
    return pad_sequence(states.split(lengths), batch_first=True)


def _sdpa(query, key, value, mask, scaling):
    """Attention of (batch, tokens, heads, dim) states, causal where no mask is given; key heads are shared by groups of heads."""
    groups = query.shape[2] // key.shape[2]
    if groups > 1 and mask is not None and query.device.type != "cpu":
        # On CUDA grouped heads with a mask fall back to the kernel that builds the whole score matrix (transformers use_gqa_in_sdpa).
        key, value, groups = key.repeat_interleave(groups, 2), value.repeat_interleave(groups, 2), 1
    return F.scaled_dot_product_attention(query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), attn_mask=mask, scale=scaling,
                                          is_causal=mask is None, enable_gqa=groups > 1).transpose(1, 2)


AttentionInterface.register("tree", tree_attention)
AttentionMaskInterface.register("tree", sdpa_mask)


def plant(model):
    """Teach a causal language model to read trees: `model(tree=pack)` returns what `score` returns, all else stays as it was.

    Through `forward`, so that adapters, autocast and wrappers for several processes see the call.
    """
    if model.config.model_type not in FAMILIES:
        raise DataError(f"the tree reads models of type {', '.join(FAMILIES)}, not {model.config.model_type}; set dpo.trainer to trl.")
    noisy = [name for name in ("attention_dropout", "router_jitter_noise") if getattr(model.config, name, 0)]
    if noisy:
        raise DataError(f"the model's {noisy[0]} is above 0; the branches of a tree would share its noise. Set it to 0 in the config.")
    model.set_attn_implementation("tree")
    plain = model.forward

    @functools.wraps(type(model).forward)  # `generate` checks its arguments against the signature
    def forward(*args, tree=None, **kwargs):
        if tree is None:
            return plain(*args, **kwargs)
        # A mask of four dimensions is taken as it is; without one transformers would build tokens x tokens from the positions.
        mask = torch.empty(1, 1, 0, 0, device=tree.ids.device)
        hidden = model.base_model(input_ids=tree.ids, position_ids=tree.positions, attention_mask=mask, use_cache=False,
                                  tree=tree).last_hidden_state[0, tree.trunk_tokens:]
        return score(model.get_output_embeddings(), hidden, tree.labels.to(hidden.device), model.is_activation_checkpointing and model.training)

    model.forward = forward
    return model


def score(head, hidden, labels, recompute=False):
    """Log-probability of each label, and what the logs show of the distributions, from hidden states (tokens, width).

    Returns four (tokens,) tensors: log-probabilities; entropy, mean logit and whether the label is the likeliest, without gradients.
    recompute: compute the logits, piece by piece, again for the backward pass instead of keeping them.
    """
    def piece(hidden, labels):
        logits = head(hidden)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        logp = logits.log_softmax(-1)
        with torch.no_grad():
            entropy, mean, first = -(logp.exp() * logp).sum(-1), logits.mean(-1), (logits.argmax(-1) == labels).to(logp.dtype)
        return logp.gather(-1, labels[:, None])[:, 0], entropy, mean, first

    if not recompute:
        return piece(hidden, labels)
    pieces = [checkpoint(piece, *part, use_reentrant=False) for part in zip(hidden.split(SCORED_AT_ONCE), labels.split(SCORED_AT_ONCE))]
    return tuple(map(torch.cat, zip(*pieces)))


@torch.no_grad()
def separate_logps(model, prompt, completions):
    """Summed log-probability of each completion after a prompt, by the model's own attention, one completion at a time.

    The prompt is read once. No completion's value depends on which others there are, to the last bit, so that it can be kept.
    """
    cache, device, sums = DynamicCache(), model.device, []  # without the model's config: windowed layers could not be cropped
    if len(prompt) > 1:
        model(input_ids=torch.tensor([prompt[:-1]], device=device), past_key_values=cache, use_cache=True, logits_to_keep=1)
    for completion in completions:
        ids = torch.tensor([[prompt[-1], *completion[:-1]]], device=device)
        logits = model(input_ids=ids, past_key_values=cache, use_cache=True).logits[0]
        logp = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(-1)
        sums.append(logp.gather(-1, torch.tensor(completion, device=device)[:, None]).sum().item())
        cache.crop(-len(completion))
    return sums
