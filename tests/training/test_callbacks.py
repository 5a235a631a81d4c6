"""From which checkpoint a training goes on: the last one of the very same training."""
from types import SimpleNamespace

import pytest
import torch
from datasets import Dataset

from lib.training import callbacks


def trainer(model, rows=((1, 2), (3,)), rate=1e-3, place="here"):
    """As much of a trainer as decides its result."""
    given = {"learning_rate": rate, "output_dir": place, "run_name": place}
    train = Dataset.from_list([{"input_ids": list(row), "text": "not read"} for row in rows])
    return SimpleNamespace(model=model, train_dataset=train, eval_dataset=None,
                           args=SimpleNamespace(to_dict=lambda: given))


def test_a_training_is_its_first_weights_its_rows_and_its_arguments(tiny):
    model, _ = tiny
    usual = callbacks.ingredients(trainer(model))
    assert usual == callbacks.ingredients(trainer(model, place="elsewhere"))
    others = {callbacks.ingredients(trainer(model, rows=((1, 2), (4,)))),
              callbacks.ingredients(trainer(model, rate=2e-3))}
    with torch.no_grad():
        model.lm_head.weight[-1, -1] += 1
    assert len({usual, *others, callbacks.ingredients(trainer(model))}) == 4


@pytest.mark.parametrize(("made_of", "found"), [("ours", 4), ("theirs", 8), ("", 8), ("new", None)])
def test_a_checkpoint_of_another_training_is_not_gone_on_from(made_of, found, tmp_path):
    for step, mark in ((2, "ours"), (4, "ours"), (8, "theirs"), (16, None)):
        place = tmp_path / f"checkpoint-{step}"
        place.mkdir()
        if mark:
            (place / callbacks.WHOLE).write_text(mark)
    last = callbacks.last_checkpoint(tmp_path, made_of)
    assert last == (found and str(tmp_path / f"checkpoint-{found}"))
