"""The parts of a model, and how they are stored; on checkpoints as a hub has them."""
import pytest
import torch
from helpers.checkpoints import weight_map
from transformers import MixtralConfig

from lib.core.records import DataError
from lib.models.loading import load
from lib.models.parts import count_parameters, fingerprint, refuse_experts, storage


def test_experts_are_really_stored_in_4_bits(places):
    index = weight_map(places["mixtral"])
    assert "model.layers.0.block_sparse_moe.experts.3.w2.weight" in index
    assert len(set(index.values())) > 2
    plain, small = (load(places["mixtral"], device="cpu", quantisation=kind)[0]
                    for kind in ("none", "4bit"))
    rows = {row["part"]: row for row in storage(small)}
    packed = {part for part, row in rows.items() if row["stored as"] == "4bit"}
    assert packed == {"experts", "attention"}
    assert {rows[part]["stored as"] for part in rows.keys() - packed} == {"float32"}
    assert rows["experts"]["parameters"] == 2 * 4 * 3 * 64 * 128
    assert rows["experts"]["bits per parameter"] < 4.5
    assert rows["attention"]["tensors"] == 8 and rows["experts"]["tensors"] == 4
    parameters = {row["part"]: row["parameters"] for row in storage(plain)}
    assert parameters == {part: row["parameters"] for part, row in rows.items()}
    everything = sum(parameter.numel() for parameter in plain.parameters())
    assert count_parameters(small) == everything == count_parameters(plain)


@pytest.mark.parametrize("quantisation", ["4bit", "8bit"])
def test_dense_models_are_stored_in_4_or_8_bits(places, quantisation):
    plain, small = (load(places["llama"], device="cpu", quantisation=way)[0]
                    for way in ("none", quantisation))
    stored = {row["part"]: row["stored as"] for row in storage(small)}
    assert stored["attention"] == stored["feed-forward"] == quantisation
    assert stored["output head"] == "float32"
    assert count_parameters(small) == count_parameters(plain)
    ids = torch.arange(20, 60)[None]
    with torch.no_grad():
        expected = plain(ids).logits
        error = (small(ids).logits - expected).norm() / expected.norm()
    assert 0 < error < (0.05 if quantisation == "8bit" else 0.4)


def test_experts_that_would_stay_as_they_are_are_refused(places):
    said = (r"quantisation 8bit cannot store the experts of this mixtral model, \d\d% "
            r".*set it to 4bit or none")
    with pytest.raises(DataError, match=said):
        load(places["mixtral"], device="cpu", quantisation="8bit")
    odd = torch.nn.Module()
    odd.mlp, odd.config = torch.nn.Module(), MixtralConfig()
    odd.mlp.experts = torch.nn.Module()
    odd.mlp.experts.w1 = torch.nn.Parameter(torch.zeros(4 * 8, 8))  # all experts in one matrix
    with pytest.raises(DataError, match=r"quantisation 4bit cannot store.*100%.*set it to none"):
        refuse_experts(odd, "4bit")
    refuse_experts(odd, "none")


def test_a_fingerprint_tells_other_weights(tiny):
    model, _ = tiny
    before = fingerprint(model)
    assert fingerprint(model) == before
    with torch.no_grad():
        model.model.layers[1].mlp.down_proj.weight[0, 0] += 1
    assert fingerprint(model) != before
