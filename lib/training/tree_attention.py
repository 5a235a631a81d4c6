"""How a causal language model reads a tree: split attention, and scores of completions only."""
import functools
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence
from torch.utils.checkpoint import checkpoint
from transformers import AttentionInterface, AttentionMaskInterface, DynamicCache
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from lib.core.records import DataError
from lib.models.shared_prompt import FAMILIES
from lib.training.tree import SCORED_AT_ONCE, Pack, scored_at_once

if TYPE_CHECKING:
    from transformers import PreTrainedModel as Model

PADDED = 24  # tokens that a branch may be padded by in any case; a batch of its own costs more


def tree_attention(module: torch.nn.Module, query: torch.Tensor, key: torch.Tensor,
                   value: torch.Tensor, attention_mask: torch.Tensor | None,
                   tree: Pack | None = None, scaling: float | None = None,
                   sliding_window: int | None = None, **kwargs: Any,
                   ) -> tuple[torch.Tensor, None]:
    """Each trunk causally to itself, each branch to its trunk and itself; never a square mask.

    query: (1, heads, tokens, dim); key, value: (1, key heads, tokens, dim). Returns (1, tokens,
    heads, dim). Without a tree: transformers' own SDPA attention, for all else that the model does.
    """
    if tree is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling,
                                      sliding_window=sliding_window, **kwargs)
    query, key, value = (states[0].transpose(0, 1) for states in (query, key, value))
    trunks = []
    for start, end, *_ in tree.spans:
        if start < end:
            own = query[start:end], key[start:end], value[start:end]
            trunks.append(_trunk(tree, *own, scaling, sliding_window))
    branches = [_branches(tree, query, key, value, span, scaling, sliding_window)
                for span in tree.spans]
    return torch.cat(trunks + branches)[None], None


def _trunk(pack, query, key, value, scaling, window):
    """Causal attention within one prompt, of (tokens, heads, dim); with a window block by block."""
    tokens = len(query)
    if window is None or tokens <= window:
        return _sdpa(query[None], key[None], value[None], None, scaling)[0]
    blocks = []
    for start in range(0, tokens, window):
        end, reach = min(start + window, tokens), max(0, start - window + 1)
        mask = pack.mask(end - start, end - reach, window, query)
        blocks.append(_sdpa(query[None, start:end], key[None, reach:end], value[None, reach:end],
                            mask, scaling)[0])
    return torch.cat(blocks)


def _branches(pack, query, key, value, span, scaling, window):
    """Attention of a tree's branches, (tokens, heads, dim), in batches of like length."""
    start, end, first, lengths = span
    start = start if window is None else max(start, end - window + 1)
    places = slice(first, first + sum(lengths))
    rows = [states[places].split(lengths) for states in (query, key, value)]
    out = [query] * len(lengths)
    for batch in alike(lengths):
        own = [pad_sequence([branches[row] for row in batch], batch_first=True)
               for branches in rows]
        keys, values = (torch.cat([trunk.expand(len(batch), -1, -1, -1), branches], dim=1)
                        for trunk, branches in zip((key[start:end], value[start:end]), own[1:]))
        # Padding comes after the real tokens of a branch, so the causal mask hides it, too, and
        # one mask serves every branch.
        mask = pack.mask(own[0].shape[1], keys.shape[1], window, query)
        for row, found in zip(batch, _sdpa(own[0], keys, values, mask, scaling)):
            out[row] = found[:lengths[row]]
    return torch.cat(out)


def alike(lengths: list[int]) -> list[list[int]]:
    """Places of the lengths in batches that padding to the longest makes little longer.

    The work of a branch grows with its length, and more than linearly: one of 250 tokens would
    make seven of 100 cost three times as much.
    """
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    batches = [order[:1]]
    for place in order[1:]:
        longest = lengths[batches[-1][0]]
        if longest - lengths[place] <= max(PADDED, longest / 4):
            batches[-1].append(place)
        else:
            batches.append([place])
    return batches


def _sdpa(query, key, value, mask, scaling):
    """Attention of (batch, tokens, heads, dim), causal without a mask; heads may share keys."""
    groups = query.shape[2] // key.shape[2]
    if groups > 1 and mask is not None and query.device.type != "cpu":
        # On CUDA grouped heads with a mask fall back to the kernel that builds the whole score
        # matrix (transformers use_gqa_in_sdpa).
        key, value = key.repeat_interleave(groups, 2), value.repeat_interleave(groups, 2)
        groups = 1
    query, key, value = (states.transpose(1, 2) for states in (query, key, value))
    out = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scaling,
                                         is_causal=mask is None, enable_gqa=groups > 1)
    return out.transpose(1, 2)


AttentionInterface.register("tree", tree_attention)
AttentionMaskInterface.register("tree", sdpa_mask)


def plant(model: "Model") -> "Model":
    """Teach a language model that `model(tree=pack)` returns what `score` does; all else stays.

    Through `forward`, so that adapters, autocast and wrappers for several processes see the call.
    """
    config = model.config
    if config.model_type not in FAMILIES:
        raise DataError(f"the tree reads models of type {', '.join(FAMILIES)}, "
                        f"not {config.model_type}; set dpo.trainer to trl.")
    for noise in ("attention_dropout", "router_jitter_noise"):
        if getattr(config, noise, 0):
            raise DataError(f"the model's {noise} is above 0; the branches of a tree would share "
                            "its noise. Set it to 0 in the config.")
    model.set_attn_implementation("tree")
    plain = model.forward

    @functools.wraps(type(model).forward)  # `generate` checks its arguments against the signature
    def forward(*args, tree=None, **kwargs):
        if tree is None:
            return plain(*args, **kwargs)
        # A mask of four dimensions is taken as it is; without one transformers would build
        # tokens x tokens from the positions.
        mask = torch.empty(1, 1, 0, 0, device=tree.ids.device)
        read = model.base_model(input_ids=tree.ids, position_ids=tree.positions,
                                attention_mask=mask, use_cache=False, tree=tree)
        hidden = read.last_hidden_state[0, tree.trunk_tokens:]
        return score(model.get_output_embeddings(), hidden, tree.labels.to(hidden.device),
                     model.is_activation_checkpointing and model.training)

    model.forward = forward
    return model


def score(head: torch.nn.Module, hidden: torch.Tensor, labels: torch.Tensor,
          recompute: bool = False) -> tuple[torch.Tensor, ...]:
    """Four (tokens,) tensors from hidden states (tokens, width): the log-probability of each label;
    entropy, mean logit and whether the label is the likeliest, without gradients.

    A frozen output layer is scored piece by piece, and no logits are kept. recompute: of one that
    is trained, the backward pass computes the logits again, piece by piece.
    """
    if frozen(head):
        return FrozenScore.apply(hidden, head.weight, labels)
    if not recompute:
        return _score(head(hidden), labels)
    parts = zip(hidden.split(SCORED_AT_ONCE), labels.split(SCORED_AT_ONCE))
    pieces = [checkpoint(lambda hidden, labels: _score(head(hidden), labels), *part,
                         use_reentrant=False) for part in parts]
    return tuple(map(torch.cat, zip(*pieces)))


def frozen(head: torch.nn.Module) -> bool:
    """Whether an output layer is one plain matrix, whole in this process, that is not trained."""
    if type(head) is not torch.nn.Linear or head.bias is not None or head.weight.requires_grad:
        return False
    whole = head.weight.shape == (head.out_features, head.in_features)  # ZeRO keeps it empty
    return whole and type(head.weight) is torch.nn.Parameter


class FrozenScore(torch.autograd.Function):
    """`score` by an output layer W that is not trained: its gradient comes with it.

    With p the softmax of h W', the log-probability of label y has the gradient W[y] - p W with
    respect to h: a vector as wide as the hidden state is kept for each token, not its logits.
    """

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor,
                ) -> tuple[torch.Tensor, ...]:
        size = scored_at_once(hidden.device.type)
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        pieces = []
        for start in range(0, len(hidden), size):
            piece = slice(start, start + size)
            logits = hidden[piece] @ weight.T
            pieces.append(_score(logits, labels[piece]))
            if gradient is not None:
                accurate = torch.promote_types(logits.dtype, torch.float32)
                shares = logits.softmax(-1, dtype=accurate).to(weight.dtype)
                gradient[piece] = weight[labels[piece]] - shares @ weight
        scored = tuple(map(torch.cat, zip(*pieces)))
        ctx.save_for_backward(gradient)
        ctx.mark_non_differentiable(*scored[1:])
        return scored

    @staticmethod
    def backward(ctx: Any, by_logp: torch.Tensor, *unused: torch.Tensor) -> tuple[Any, ...]:
        gradient, = ctx.saved_tensors
        return (by_logp[:, None] * gradient).to(gradient.dtype), None, None


def _score(logits, labels):
    """What `score` says of logits (tokens, vocabulary)."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    logp = logits.log_softmax(-1)
    with torch.no_grad():
        entropy, mean = -(logp.exp() * logp).sum(-1), logits.mean(-1)
        first = (logits.argmax(-1) == labels).to(logp.dtype)
    return logp.gather(-1, labels[:, None])[:, 0], entropy, mean, first


@torch.no_grad()
def separate_logps(model: "Model", prompt: list[int], completions: list[list[int]]) -> list[float]:
    """Summed log-probability of each completion after a prompt, which is read once.

    By the model's own attention, one by one: no value depends on which other completions there are,
    to the last bit, so that it can be kept.
    """
    # Without the model's config: windowed layers could not be cropped.
    cache, device, sums = DynamicCache(), model.device, []
    if len(prompt) > 1:
        trunk = torch.tensor([prompt[:-1]], device=device)
        model(input_ids=trunk, past_key_values=cache, use_cache=True, logits_to_keep=1)
    for completion in completions:
        ids = torch.tensor([[prompt[-1], *completion[:-1]]], device=device)
        logits = model(input_ids=ids, past_key_values=cache, use_cache=True).logits[0]
        logp = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(-1)
        labels = torch.tensor(completion, device=device)
        sums.append(logp.gather(-1, labels[:, None]).sum().item())
        cache.crop(-len(completion))
    return sums
