"""One tree per prompt: the prompt once, each distinct completion once, all pairs read from those.

The pairs of one tournament share their prompt, and share completions:

    prompt ──┬── completion 0
             ├── completion 1      12 pairs of 8 completions, prompts of p tokens, completions of c:
             ├── ...               as pairs 24 (p + c) tokens, as a tree p + 8c
             └── completion 7

The log-probabilities are those of separate sequences: a branch sees the prompt and itself, at the
same positions, and nothing else.
"""
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch.utils.data import Sampler

from lib.core.records import DataError

SCORED_AT_ONCE = 2048  # tokens whose logits are in memory at the same time


@dataclass(frozen=True)
class Tree:
    """A prompt, its distinct completions (token ids), and the pairs among them.

    pairs: (chosen, rejected), indices into completions. reference: log-probability of each
    completion under the reference.
    """
    prompt: list[int]
    completions: list[list[int]]
    pairs: list[tuple[int, int]]
    reference: list[float]

    @property
    def tokens(self) -> int:
        """Tokens of a forward pass: a prompt's last opens each branch, an answer's is not read."""
        return len(self.prompt) - 1 + sum(map(len, self.completions))

    @property
    def tokens_as_pairs(self) -> int:
        """Tokens of the same pairs as separate sequences, without padding."""
        lengths = [len(completion) for completion in self.completions]
        return sum(2 * len(self.prompt) + lengths[one] + lengths[other]
                   for one, other in self.pairs)


def grow(rows: Iterable[dict[str, Any]]) -> list[Tree]:
    """One tree per distinct prompt, in order of first appearance, with the pairs in their order.

    rows: {"prompt_ids", "chosen_ids", "rejected_ids"} as TRL's trainer tokenises them and, where
    known, "ref_chosen_logps" and "ref_rejected_logps". Two pairs that are equal stay two pairs.
    """
    trees: dict[tuple[int, ...], Tree] = {}
    places: dict[tuple, int] = {}
    for row in rows:
        if not (row["prompt_ids"] and row["chosen_ids"] and row["rejected_ids"]):
            raise DataError("a preference pair has an empty prompt or answer; "
                            "remove it from the preferences.")
        prompt = tuple(row["prompt_ids"])
        tree = trees.setdefault(prompt, Tree(row["prompt_ids"], [], [], []))
        pair = []
        for side in ("chosen", "rejected"):
            key = prompt, tuple(row[f"{side}_ids"])
            if key not in places:
                places[key] = len(tree.completions)
                tree.completions.append(row[f"{side}_ids"])
                tree.reference.append(row.get(f"ref_{side}_logps", 0.0))
            pair.append(places[key])
        tree.pairs.append((pair[0], pair[1]))
    return list(trees.values())


def shorten(row: dict[str, Any], max_length: int) -> dict[str, Any]:
    """A row whose sequences end at max_length, as TRL's `keep_start` cuts them."""
    room = max_length - len(row["prompt_ids"])
    return {**row, "chosen_ids": row["chosen_ids"][:room],
            "rejected_ids": row["rejected_ids"][:room]}


def longest(row: dict[str, Any]) -> int:
    """Tokens of the longer of a row's two sequences."""
    return len(row["prompt_ids"]) + max(len(row["chosen_ids"]), len(row["rejected_ids"]))


def bundles(trees: Iterable[Tree], budget: int) -> Iterator[list[Tree]]:
    """Trees in order, in lists of at most `budget` tokens. A tree is never split: it is shorter
    than two pairs of sequences.
    """
    bundle: list[Tree] = []
    used = 0
    for tree in trees:
        if bundle and used + tree.tokens > budget:
            yield bundle
            bundle, used = [], 0
        bundle.append(tree)
        used += tree.tokens
    if bundle:
        yield bundle


def scored_at_once(device: str) -> int:
    """Tokens whose logits a device holds; fewer stay in a processor's caches, which is faster."""
    return SCORED_AT_ONCE if device == "cuda" else SCORED_AT_ONCE // 8


def turns(parts: list[list[list[Tree]]], rank: int) -> list[tuple[list[Tree], bool]]:
    """The bundles of process `rank` as (bundle, whether it counts), equally many for each process.

    parts: each process's bundles. A process that has fewer reads one to no effect: those that share
    the weights (FSDP, DeepSpeed) wait for each other in every pass.
    """
    idle = min(chain(*parts), key=lambda bundle: sum(tree.tokens for tree in bundle))
    missing = max(map(len, parts)) - len(parts[rank])
    return [(bundle, True) for bundle in parts[rank]] + [(idle, False)] * missing


class Steps(Sampler):
    """Lists of indices: the trees of each optimiser step, in a seeded order, every tree once an
    epoch, and about equally many pairs per step.

    sizes: pairs of each tree. pairs_per_step: of all processes together. Each list has a tree for
    every process, and every epoch has equally many lists. So the steps of two processes are those
    of one with pairs_per_step doubled, as long as there are enough prompts.
    """

    def __init__(self, sizes: list[int], pairs_per_step: int, seed: int, processes: int = 1):
        if len(sizes) < processes:
            raise DataError(f"{len(sizes)} prompts are too few for {processes} processes; "
                            "start fewer.")
        self.steps = max(1, min(len(sizes) // processes, round(sum(sizes) / pairs_per_step)))
        self.sizes, self.seed, self.processes, self.epoch = sizes, seed, processes, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self):
        return self.steps

    def __iter__(self):
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        return iter(self.deal(torch.randperm(len(self.sizes), generator=generator).tolist()))

    def deal(self, order: list[int]) -> list[list[int]]:
        """The indices in this order, cut into steps."""
        steps: list[list[int]] = []
        step: list[int] = []
        done, total = 0, sum(self.sizes)
        for position, index in enumerate(order, 1):
            step.append(index)
            done += self.sizes[index]
            to_fill = self.steps - len(steps) - 1
            due = done * self.steps >= total * (len(steps) + 1)
            last_chance = len(order) - position == to_fill * self.processes
            if to_fill and ((due and len(step) >= self.processes) or last_chance):
                steps.append(step)
                step = []
        return [*steps, step]


class Pack:
    """Trees as one row of tokens without padding: first the trunks (prompts but for their last
    token), then all branches.

    ids, positions: (1, tokens). labels: (branch tokens,), what each token of a branch predicts.
    lengths: of each completion. chosen, rejected: (pairs,), indices into the pack's completions.
    reference: (completions,) float64. spans: per tree (start and end of the trunk, start of the
    branches, their lengths), as places in the row.
    """

    def __init__(self, trees: list[Tree], device: torch.device | str = "cpu"):
        trunks = [tree.prompt[:-1] for tree in trees]
        branches: list[list[int]] = []
        positions: list[int] = []
        labels, reference, pairs = [], [], []
        for trunk in trunks:
            positions += range(len(trunk))
        self.trunk_tokens = len(positions)
        self.spans, start = [], 0
        for tree, trunk in zip(trees, trunks):
            self.spans.append((start, start + len(trunk), len(positions),
                               [len(completion) for completion in tree.completions]))
            start += len(trunk)
            before = len(branches)
            pairs += [(before + one, before + other) for one, other in tree.pairs]
            reference += tree.reference
            for completion in tree.completions:
                branches.append([tree.prompt[-1], *completion[:-1]])
                labels += completion
                positions += range(len(trunk), len(trunk) + len(completion))
        self.ids = torch.tensor([list(chain(*trunks, *branches))], device=device)
        self.positions = torch.tensor([positions], device=device)
        self.labels = torch.tensor(labels, device=device)
        self.lengths = [len(branch) for branch in branches]
        self.chosen, self.rejected = torch.tensor(pairs, device=device).unbind(1)
        self.reference = torch.tensor(reference, device=device, dtype=torch.float64)
        self._masks: dict[tuple, torch.Tensor] = {}

    def mask(self, queries: int, keys: int, window: int | None, like: torch.Tensor) -> torch.Tensor:
        """Additive mask (queries, keys): the last query is at the last key, each sees at most
        `window` keys back to itself.
        """
        key = queries, keys, window, like.dtype, like.device
        if key not in self._masks:
            places = torch.arange(keys, device=like.device)
            distance = places[keys - queries:, None] - places
            hidden = distance < 0
            if window is not None:
                hidden |= distance >= window
            mask = torch.zeros(queries, keys, dtype=like.dtype, device=like.device)
            self._masks[key] = mask.masked_fill_(hidden, -torch.inf)
        return self._masks[key]
