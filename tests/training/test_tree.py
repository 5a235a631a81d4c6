"""Trees, their bundles, and how optimiser steps share them out."""
import pytest

from lib.core.records import DataError
from lib.training.tree import Steps, Tree, bundles, grow, turns


def test_trees_hold_each_prompt_and_completion_once():
    sides = (([5], [6, 7]), ([6, 7], [8]), ([5], [6, 7]))
    rows = [{"prompt_ids": [1, 2], "chosen_ids": chosen, "rejected_ids": rejected}
            for chosen, rejected in sides]
    rows.insert(1, {"prompt_ids": [3], "chosen_ids": [5], "rejected_ids": [6, 7]})
    one, other = grow(rows)
    assert one.completions == [[5], [6, 7], [8]] and one.pairs == [(0, 1), (1, 2), (0, 1)]
    assert other.pairs == [(0, 1)]
    assert one.tokens == 1 + 1 + 2 + 1 and one.tokens_as_pairs == (2 * 2 + 3) * 3
    with pytest.raises(DataError, match="empty prompt or answer"):
        grow([{"prompt_ids": [1], "chosen_ids": [], "rejected_ids": [2]}])


def test_bundles_keep_to_the_budget_and_never_split_a_tree():
    trees = [Tree([0] * n, [[1] * n], [(0, 0)], [0.0]) for n in (10, 10, 40, 5)]
    found = [[len(tree.prompt) for tree in bundle] for bundle in bundles(trees, 40)]
    assert found == [[10, 10], [40], [5]]


@pytest.mark.parametrize(("sizes", "pairs_per_step"), [
    ([6] * 8, 12), ([1, 30, 2, 9, 9, 1, 4], 8), ([5], 100), ([3] * 10, 1)])
def test_steps_deal_every_prompt_once(sizes, pairs_per_step):
    steps, every = Steps(sizes, pairs_per_step, seed=3), list(range(len(sizes)))
    epochs = []
    for epoch in (0, 1, 0):
        steps.set_epoch(epoch)
        dealt = list(steps)
        assert sorted(sum(dealt, [])) == every and len(dealt) == len(steps) and all(dealt)
        epochs.append(dealt)
    assert epochs[0] == epochs[2] and (epochs[0] != epochs[1] or len(sizes) == 1)
    if len(sizes) > 1:
        shared = list(Steps(sizes, pairs_per_step, 3, processes=2))
        assert sorted(sum(shared, [])) == every and all(len(step) >= 2 for step in shared)
    with pytest.raises(DataError, match="too few for 99 processes"):
        Steps(sizes, pairs_per_step, 3, 99)


def test_turns_are_equally_many_for_each_process():
    long, short = (Tree([0] * n, [[1]], [(0, 0)], [0.0]) for n in (9, 3))
    parts = [[[long], [short], [long]], [[long]], []]
    assert turns(parts, 0) == [([long], True), ([short], True), ([long], True)]
    # The cheapest there is, to no effect.
    assert turns(parts, 1) == [([long], True), ([short], False), ([short], False)]
    assert turns(parts, 2) == [([short], False)] * 3
