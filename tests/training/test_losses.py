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
    sigmoid = [math.log1p(math.exp(-m)) for m in margin]
    flipped = [math.log1p(math.exp(m)) for m in margin]
    assert losses("sigmoid") == pytest.approx(sigmoid)
    assert losses("sigmoid", label_smoothing=0.1) == pytest.approx([0.9 * s + 0.1 * f for s, f in zip(sigmoid, flipped)])
    assert losses("robust", label_smoothing=0.1) == pytest.approx([(0.9 * s - 0.1 * f) / 0.8 for s, f in zip(sigmoid, flipped)])
    assert losses("hinge") == [0.0, 1.5] and losses("ipo") == [1.0, 4.0]
    assert pair_losses("sigmoid", two, two, two, two, 0.1).tolist() == pytest.approx([math.log(2)] * 2)
    chosen, rejected = two.clone().requires_grad_(), two.clone().requires_grad_()
    pair_losses("sigmoid", chosen, rejected, two, two, 0.1).sum().backward()
    assert chosen.grad.tolist() == pytest.approx([-0.05] * 2) and rejected.grad.tolist() == pytest.approx([0.05] * 2)
    with pytest.raises(DataError, match="no loss 'nca_pair'"):
        losses("nca_pair")
