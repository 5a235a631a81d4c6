"""The losses of a preference, against sums done by hand."""
import math

import pytest
import torch

from lib.core.records import DataError
from lib.training.losses import pair_losses


def test_losses_by_hand():
    two, ratio = torch.tensor([-3.0, -3.0]), torch.tensor([2.0, -1.0])
    margin = [0.5 * 2.0, 0.5 * -1.0]

    def losses(kind, **options):
        return pair_losses(kind, two + ratio, two, two, two, 0.5, **options).tolist()
    right = [math.log1p(math.exp(-m)) for m in margin]
    wrong = [math.log1p(math.exp(m)) for m in margin]
    smooth = [0.9 * s + 0.1 * f for s, f in zip(right, wrong)]
    robust = [(0.9 * s - 0.1 * f) / 0.8 for s, f in zip(right, wrong)]
    assert losses("sigmoid") == pytest.approx(right)
    assert losses("sigmoid", label_smoothing=0.1) == pytest.approx(smooth)
    assert losses("robust", label_smoothing=0.1) == pytest.approx(robust)
    assert losses("hinge") == [0.0, 1.5] and losses("ipo") == [1.0, 4.0]
    with pytest.raises(DataError, match="no loss 'nca_pair'"):
        losses("nca_pair")


def test_equal_policies_lose_ln_2_and_the_gradient_parts_the_answers():
    same = torch.tensor([-3.0, -3.0])
    chosen, rejected = same.clone().requires_grad_(), same.clone().requires_grad_()
    losses = pair_losses("sigmoid", chosen, rejected, same, same, 0.1)
    assert losses.tolist() == pytest.approx([math.log(2)] * 2)
    losses.sum().backward()
    assert chosen.grad.tolist() == pytest.approx([-0.05] * 2)
    assert rejected.grad.tolist() == pytest.approx([0.05] * 2)
