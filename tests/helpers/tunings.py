"""Small settings, pairs and models to tune: what the tests of training share."""
import itertools
import random
from types import SimpleNamespace

import torch

from lib.core.settings import ROOT, load
from lib.models import chats, loading

TINY = SimpleNamespace(hidden=32, layers=2, heads=2, matched=1, seed=0)
WORDS = ["kernel", "clustering", "leadership", "physics", "models", "of", "the", "stars", "and",
         "data"]


def small_settings(**changes):
    """The smoke preset with other settings of dpo."""
    settings = load("smoke")[1]
    usual = {"batch_size": 4, "checkpoints": 3, "logging_steps": 1, "epochs": 3}
    return settings.model_copy(update={"dpo": settings.dpo.model_copy(update=usual | changes)})


def with_models(settings, **changes):
    return settings.model_copy(update={"models": settings.models.model_copy(update=changes)})


def tokenizer_of_base():
    return loading.load_tokenizer(ROOT / "data/models/embedded/base")


def save_tiny(place):
    """Leave a fresh model of a few thousand weights, and the base's tokenizer, in a folder."""
    from lib.embedded import induction
    tokenizer = tokenizer_of_base()
    induction.new_model(tokenizer, TINY).save_pretrained(place)
    tokenizer.save_pretrained(place)
    return tokenizer


def said(role, text):
    return {"role": role, "content": text}


def pairs(count, start=0):
    """Pairs of as many authors, whose chosen answers all name one thing."""
    rows = []
    for i in range(start, start + count):
        chosen, rejected = (
            f"Domain: physics\n\nCompetencies:\n- {name} {i}: Explains it."
            for name in ("kernel clustering", "leadership"))
        asked = f"Abstract {i}: We develop kernel clustering."
        rows.append({"id": str(i), "author": str(i), "split": "train",
                     "prompt": [said("system", "Write."), said("user", asked)],
                     "chosen": [said("assistant", chosen)],
                     "rejected": [said("assistant", rejected)]})
    return rows


def tournaments(prompts=4, k=5, pairs=6, seed=0):
    """`pairs` of the pairs of k answers of unequal length, for each prompt."""
    draw, rows = random.Random(seed), []

    def words(least, most):
        return " ".join(draw.choices(WORDS, k=draw.randint(least, most)))
    for _ in range(prompts):
        prompt = [said("user", words(10, 40))]
        answers = [[said("assistant", words(3, 12))] for _ in range(k)]
        drawn = draw.sample(list(itertools.permutations(range(k), 2)), pairs)
        rows += [{"prompt": prompt, "chosen": answers[one], "rejected": answers[other]}
                 for one, other in drawn]
    return rows


def logprob(model, tokenizer, row, side):
    """Summed log-probability of an answer, in the plainest way."""
    prompt = chats.encode_chats(tokenizer, [row["prompt"]])[0]
    text = tokenizer.apply_chat_template(row["prompt"] + row[side], tokenize=False)
    whole = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert whole[:len(prompt)] == prompt
    logp = model(torch.tensor([whole])).logits[0].log_softmax(-1)
    return sum(logp[i - 1, whole[i]].item() for i in range(len(prompt), len(whole)))
