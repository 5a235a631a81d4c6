"""How models read trees: against separate sequences, and as before where there is no tree."""
import random

import pytest
import torch
from helpers.trainers import new_model
from helpers.tunings import tokenizer_of_base

from lib.core.records import DataError
from lib.training.tree import Pack, Tree
from lib.training.tree_attention import PADDED, alike, frozen, plant, score, separate_logps

SHAPES = ((1, [4, 2]), (12, [1]), (9, [5, 5, 5]), (40, [1, 30, 8]))  # of a prompt and its answers


@pytest.fixture(scope="module")
def tokenizer():
    return tokenizer_of_base()


def read(model, pack):
    """The log-probability of each completion of a pack."""
    with torch.no_grad():
        return [part.sum().item() for part in model(tree=pack)[0].split(pack.lengths)]


def read_plainly(model, prompt, completion):
    with torch.no_grad():
        logp = model(torch.tensor([prompt + completion])).logits[0].log_softmax(-1)
    return sum(logp[len(prompt) + i - 1, token].item() for i, token in enumerate(completion))


@pytest.mark.parametrize("window", [None, 3, 7, 64])
def test_branches_see_their_prompt_and_themselves(tokenizer, window):
    """Log-probabilities against separate sequences, for trees of all shapes in one pack: one-token
    prompts, answers and branches.
    """
    model = plant(new_model(tokenizer, "mistral", torch.float64, sliding_window=window))
    draw, trees = random.Random(0), []
    for prompt, lengths in SHAPES:
        ids = [[draw.randrange(5, 99) for _ in range(length)] for length in (prompt, *lengths)]
        trees.append(Tree(ids[0], ids[1:], [(0, 0)], [0.0] * len(lengths)))
    pack, alone, plain = Pack(trees), [], []
    for tree in trees:
        alone += separate_logps(model, tree.prompt, tree.completions)
        plain += [read_plainly(model, tree.prompt, ids) for ids in tree.completions]
    assert read(model, pack) == pytest.approx(plain, rel=1e-9)
    assert alone == pytest.approx(plain, rel=1e-9)
    assert pack.ids.shape[1] == sum(tree.tokens for tree in trees)  # no padding


@pytest.mark.parametrize("lengths", [[7], [22, 38, 122, 253, 138, 114, 71, 100], [9] * 8,
                                     list(range(1, 400, 13))])
def test_branches_of_like_length_share_a_batch(lengths):
    batches = alike(lengths)
    assert sorted(place for batch in batches for place in batch) == list(range(len(lengths)))
    for batch in batches:
        of_it = [lengths[place] for place in batch]
        assert max(of_it) - min(of_it) <= max(PADDED, max(of_it) / 4)
    assert alike([100, 99, 98]) == [[0, 1, 2]] and alike([10, 100]) == [[1], [0]]


def test_a_prompt_of_seven_thousand_tokens_is_read_whole(tokenizer):
    model = plant(new_model(tokenizer, "mistral", sliding_window=512))
    tree = Tree([5 + i % 90 for i in range(7000)], [[7, 8, 9], [8, 7]], [(0, 1)], [0.0, 0.0])
    pack = Pack([tree])
    alone = separate_logps(model, tree.prompt, tree.completions)
    assert read(model, pack) == pytest.approx(alone, rel=1e-4)
    assert max(queries * keys for queries, keys, *_ in pack._masks) <= 512 * 1023


def test_a_planted_model_still_generates_and_reads_padded_rows(tokenizer):
    plain, planted = new_model(tokenizer), plant(new_model(tokenizer))
    ids, mask = torch.arange(5, 25).view(2, 10), torch.tensor([[0] * 4 + [1] * 6, [1] * 10])
    said = {"attention_mask": mask, "do_sample": False, "max_new_tokens": 5, "pad_token_id": 0}
    with torch.no_grad():
        one, other = (model(ids, attention_mask=mask).logits for model in (plain, planted))
        assert torch.equal(one, other)
        assert torch.equal(plain.generate(ids, **said), planted.generate(ids, **said))


def test_models_that_would_read_trees_differently_are_refused(tokenizer):
    with pytest.raises(DataError, match="attention_dropout is above 0"):
        plant(new_model(tokenizer, attention_dropout=0.1))
    model = new_model(tokenizer)
    model.config.model_type = "gemma2"
    with pytest.raises(DataError, match="not gemma2; set dpo"):
        plant(model)


@pytest.mark.parametrize("tokens", [1, 700])
def test_a_frozen_output_layer_is_scored_as_a_trained_one_is(tokens):
    """Values and gradient against autograd through all logits, in float64, over several pieces."""
    torch.manual_seed(0)
    head = torch.nn.Linear(6, 50, bias=False, dtype=torch.float64)
    hidden = torch.randn(tokens, 6, dtype=torch.float64)
    labels, weights = torch.randint(0, 50, (tokens,)), torch.randn(tokens, dtype=torch.float64)
    found = []
    for trained in (True, False):
        head.requires_grad_(trained)
        assert frozen(head) != trained
        read = hidden.clone().requires_grad_()
        scores = score(head, read, labels)
        (scores[0] * weights).sum().backward()
        assert [part.requires_grad for part in scores] == [True, False, False, False]
        found.append([*(part.detach() for part in scores), read.grad])
    for one, other in zip(*found):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
    with torch.no_grad():
        torch.testing.assert_close(score(head, hidden, labels)[0], found[0][0])


def test_an_output_layer_that_is_not_one_whole_matrix_is_not_taken_for_frozen():
    for head in (torch.nn.Linear(6, 50), torch.nn.Identity()):
        assert not frozen(head.requires_grad_(False))
    emptied = torch.nn.Linear(6, 50, bias=False).requires_grad_(False)
    emptied.weight.data = torch.empty(0)  # as ZeRO leaves it between uses
    assert not frozen(emptied)
