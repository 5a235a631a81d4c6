"""How models read trees: against separate sequences, and as before where there is no tree."""
import random

import pytest
import torch
from helpers.trainers import new_model
from helpers.tunings import tokenizer_of_base

from lib.core.records import DataError
from lib.training.tree import Pack, Tree
from lib.training.tree_attention import plant, separate_logps


@pytest.fixture(scope="module")
def tokenizer():
    return tokenizer_of_base()


@pytest.mark.parametrize("window", [None, 3, 7, 64])
def test_branches_see_their_prompt_and_themselves(tokenizer, window):
    """Log-probabilities against separate sequences, for trees of all shapes in one pack: one-token prompts, answers and branches."""
    model = plant(new_model(tokenizer, "mistral", torch.float64, sliding_window=window))
    draw = random.Random(0)
    trees = [Tree([draw.randrange(5, 99) for _ in range(prompt)], [[draw.randrange(5, 99) for _ in range(n)] for n in lengths], [(0, 0)],
                  [0.0] * len(lengths)) for prompt, lengths in ((1, [4, 2]), (12, [1]), (9, [5, 5, 5]), (40, [1, 30, 8]))]
    pack = Pack(trees)
    with torch.no_grad():
        mine = [part.sum().item() for part in model(tree=pack)[0].split(pack.lengths)]
    alone = [value for tree in trees for value in separate_logps(model, tree.prompt, tree.completions)]
    plain = []
    for tree in trees:
        for completion in tree.completions:
            with torch.no_grad():
                logp = model(torch.tensor([tree.prompt + completion])).logits[0].log_softmax(-1)
            plain.append(sum(logp[len(tree.prompt) + i - 1, token].item() for i, token in enumerate(completion)))
    assert mine == pytest.approx(plain, rel=1e-9) and alone == pytest.approx(plain, rel=1e-9)
    assert pack.ids.shape[1] == sum(tree.tokens for tree in trees)  # no padding


def test_a_prompt_of_seven_thousand_tokens_is_read_whole(tokenizer):
    model = plant(new_model(tokenizer, "mistral", sliding_window=512))
    tree = Tree([5 + i % 90 for i in range(7000)], [[7, 8, 9], [8, 7]], [(0, 1)], [0.0, 0.0])
    pack = Pack([tree])
    with torch.no_grad():
        logps = [part.sum().item() for part in model(tree=pack)[0].split(pack.lengths)]
    assert logps == pytest.approx(separate_logps(model, tree.prompt, tree.completions), rel=1e-4)
    assert max(queries * keys for queries, keys, *_ in pack._masks) <= 512 * 1023


def test_a_planted_model_still_generates_and_reads_padded_rows(tokenizer):
    plain, planted = new_model(tokenizer), plant(new_model(tokenizer))
    ids, mask = torch.arange(5, 25).view(2, 10), torch.tensor([[0] * 4 + [1] * 6, [1] * 10])
    with torch.no_grad():
        one, other = (model(ids, attention_mask=mask).logits for model in (plain, planted))
        assert torch.equal(one, other)
        one, other = (model.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=5, pad_token_id=0) for model in (plain, planted))
    assert torch.equal(one, other)


def test_models_that_would_read_trees_differently_are_refused(tokenizer):
    with pytest.raises(DataError, match="attention_dropout is above 0"):
        plant(new_model(tokenizer, attention_dropout=0.1))
    model = new_model(tokenizer)
    model.config.model_type = "gemma2"
    with pytest.raises(DataError, match="not gemma2; set dpo"):
        plant(model)
