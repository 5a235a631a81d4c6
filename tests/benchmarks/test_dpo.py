"""What is timed: that all methods do the same work, on whole tournaments."""
import pytest

from lib.benchmarks import cases, dpo
from lib.training.tree import grow


@pytest.mark.parametrize(("k", "pairs"), [(2, 1), (4, 4), (8, 2), (8, 12), (8, 28)])
def test_a_tournament_is_one_tree_with_all_of_its_candidates(k, pairs):
    tree, = grow(dpo.tournament(20, 5, k, pairs))
    assert len(tree.pairs) == len(set(map(frozenset, tree.pairs))) == pairs
    assert len(tree.completions) == min(k, 2 * pairs) and len(tree.prompt) == 20


def summed_up(method, family, folder):
    """Loss and norms of all gradients of one step, with an adapter that has left the reference."""
    rows = dpo.tournament(24, 8, 4, 2)
    trainer = dpo.new_trainer(method, dpo.new_model(family), rows, folder)
    for name, weight in trainer.model.named_parameters():
        if "lora_B" in name:  # starts at zero, and with it all gradients of lora_A
            weight.data.fill_(0.01)
    trainer.tolerance = 1.0
    loss = trainer.training_step(trainer.model, dpo.collated(trainer, method))
    trained = [weight for weight in trainer.model.parameters() if weight.requires_grad]
    return [float(loss), *(float(weight.grad.norm()) for weight in trained)]


@pytest.mark.parametrize("family", ["llama", "mixtral"])
def test_all_methods_train_on_the_same_pairs(family, tmp_path, monkeypatch):
    """Loss and gradients of the step that is timed agree between all trainers."""
    monkeypatch.setitem(dpo.SIZES, "medium", (64, 2))
    found = {method: summed_up(method, family, tmp_path) for method in dpo.METHODS}
    for method, values in found.items():
        assert values == pytest.approx(found["default"], rel=1e-3), method
    assert any(found["default"][1:])


def test_a_step_and_a_draw(monkeypatch):
    monkeypatch.setitem(dpo.SIZES, "medium", (64, 2))
    row = dpo.step("tree", "llama", "medium", 24, 8, 4, 4, 1)
    assert row["seconds_per_pair"] > 0 and row["peak_mb"] > row["training_mb"] >= 0
    drawn = [dpo.draw(24, new, 2, 1) for new in (2, 4)]
    found = cases.sampling(drawn)["24"]["k2"]
    assert found["new_tokens"] == 2 and set(found["by_new_tokens"]) == {"2", "4"}
    ratio = drawn[0]["generate"] / drawn[0]["prefilled"]
    assert found["ratio"]["rate"] == pytest.approx(ratio)
