"""Reconstruction: what a profile tells a language model of the text."""
import pytest
import torch
from helpers.texts import profile, prompt

from lib.competencies.profiles import render
from lib.core.records import Journal
from lib.judging import judges, reconstruction
from lib.models import scoring
from lib.models.chats import encode_chats

PROMPTS = [prompt("p", "Bees dance and see the sun.", "Bees"), prompt("q", "Stars.")]
PROFILES = [profile("bees"), profile("bee dances", "vision"), profile("law")]


def plain(model, tokenizer, request, text):
    """The log-probability of an answer, token by token, and how many tokens it has."""
    context, = encode_chats(tokenizer, [request])
    answer = tokenizer(text + tokenizer.eos_token, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([context + answer])).logits[0].double()
    logps = logits.log_softmax(-1)[len(context) - 1:]
    return sum(float(logps[i, token]) for i, token in enumerate(answer)), len(answer)


def test_a_score_is_the_difference_of_two_log_likelihoods_per_token(tiny):
    model, tokenizer = tiny
    judge = reconstruction.ReconstructionJudge("guess", model, tokenizer, PROMPTS)
    judge.prepare([("p", one) for one in PROFILES])
    for one in PROFILES:
        told, tokens = plain(model, tokenizer, judge.chat(render(one)), "Bees\n" + "Bees dance and "
                             "see the sun.")
        untold, _ = plain(model, tokenizer, judge.chat(reconstruction.NO_PROFILE),
                          "Bees\nBees dance and see the sun.")
        assert judge.score("p", one) == pytest.approx((told - untold) / tokens, abs=1e-5)
    assert judge.score("unknown", PROFILES[0]) is None
    assert judges.compare(judge, "p", PROFILES[2], None) == 1
    assert judges.compare(judge, "p", None, None) == 0


def test_what_was_read_before_is_not_read_again(tiny, tmp_path, monkeypatch):
    model, tokenizer = tiny
    items = [(key, one) for key in ("p", "q") for one in PROFILES]

    def judged(prompts=PROMPTS):
        journal = Journal(tmp_path / "guess.jsonl")
        judge = reconstruction.ReconstructionJudge("guess", model, tokenizer, prompts, journal)
        return [judge.score(*item) for item in items]

    first = judged()
    read = []
    real = scoring.log_likelihood
    monkeypatch.setattr(scoring, "log_likelihood", lambda model, contexts, texts:
                        read.append(len(texts)) or real(model, contexts, texts))
    assert judged() == first and not read
    judged([PROMPTS[0], prompt("q", "Another text.")])
    assert sum(read) == 1 + len(PROFILES)


def test_few_rows_at_once_for_many_words(tiny, monkeypatch):
    model, tokenizer = tiny
    judge = reconstruction.ReconstructionJudge("guess", model, tokenizer, PROMPTS)
    monkeypatch.setattr(reconstruction, "LOGITS", model.config.vocab_size * 20)
    rows = [(number, [], [0] * length) for number, length in enumerate([30, 9, 9, 9, 4, 5])]
    found = [[row[0] for row in batch] for batch in judge.batches(rows)]
    assert found == [[0], [1, 2], [3, 4], [5]]
