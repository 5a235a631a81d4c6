"""What a model makes of texts: log-probabilities of answers, vectors of names."""
import numpy as np
import pytest
import torch

from lib.models import scoring


def test_vectors_of_names_do_not_depend_on_their_batch(tiny):
    model, tokenizer = tiny
    names = ["plasma modelling", "solar imaging", "team work"]
    together = scoring.name_vectors(model, tokenizer, names)
    apart = scoring.name_vectors(model, tokenizer, names, batch_size=1)
    assert np.sum(list(together.values()), axis=0) == pytest.approx(0, abs=1e-5)
    plain = {}
    for name in names:
        ids = tokenizer(name, add_special_tokens=False, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            states = model(input_ids=ids, output_hidden_states=True).hidden_states[-1]
        plain[name] = states[0].mean(0).numpy()
        assert together[name] == pytest.approx(apart[name], abs=1e-5)
    found = together["team work"] - together["solar imaging"]
    assert found == pytest.approx(plain["team work"] - plain["solar imaging"], abs=1e-5)
    assert scoring.name_vectors(model, tokenizer, []) == {}


def test_likelihood_is_the_sum_of_token_log_probabilities(tiny):
    model, _ = tiny
    prompts, answers = [[5, 6, 7, 8], [9, 10]], [[11, 12], [13, 14, 15]]
    found = scoring.log_likelihood(model, prompts, answers)
    for prompt, answer, value in zip(prompts, answers, found, strict=True):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([prompt + answer])).logits[0]
        logps = logits.double().log_softmax(-1)[len(prompt) - 1:]
        expected = sum(float(logps[place, token]) for place, token in enumerate(answer))
        assert value == pytest.approx(expected, rel=1e-5)
