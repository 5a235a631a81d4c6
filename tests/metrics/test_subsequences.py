"""Common subsequences: fast ways of counting against slow ones, rouge-score, and by hand."""
import random
from collections import Counter

import pytest
from helpers.token_lists import random_pair

from lib.metrics import rouge_scores, subsequences


def test_a_run_that_loses_its_last_word_goes_on():
    """The prediction's one b counts in the first sentence: the run a b of the second has no end."""
    found = subsequences.union_hits([["b"], ["a", "b", "x", "c"]], [["a", "b", "c"]], 2)
    assert found == (3, 1 + 2**2)
    assert subsequences.union_hits([["b"], ["a", "b"]], [["a", "b", "c"]], 2) == (2, 1)


def test_the_fast_tables_are_the_slow_ones(monkeypatch):
    rng = random.Random(2)
    for _ in range(60):
        x, y = random_pair(rng)
        for weight in (1, 1.2, 2):
            monkeypatch.setattr(subsequences, "SMALL", 20_000)
            slow = subsequences.weighted_lcs(x, y, weight)
            path = list(subsequences.alignment(x, y, weight))
            assert subsequences.weighted_lcs(y, x, weight) == pytest.approx(slow)
            monkeypatch.setattr(subsequences, "SMALL", -1)
            assert subsequences.weighted_lcs(x, y, weight) == slow
            for block in (2, 3, 7, 2048):
                monkeypatch.setattr(subsequences, "BLOCK", block)
                assert list(subsequences.alignment(x, y, weight)) == path
            if weight == 1:
                assert subsequences.lcs_length(x, y) == len(path) == slow


def test_unions_against_rouge_score_and_against_all_pairs():
    rng = random.Random(3)
    for _ in range(100):
        reference, prediction = ([random_pair(rng)[0][:9] for _ in range(rng.randint(1, 5))]
                                 for _ in range(2))
        hits, _ = subsequences.union_hits(reference, prediction, 1)
        total = sum(map(len, reference))
        assert hits == round(rouge_scores._recall("rougeLsum", reference, prediction) * total)
        left, weighted = Counter(token for line in prediction for token in line), 0.0
        for line in reference:
            marked = {i for other in prediction
                      for i in subsequences.alignment(line, other, 1.2)}
            run = 0
            for i in sorted(marked):
                if left[line[i]]:
                    left[line[i]] -= 1
                    run += 1
                    if i + 1 not in marked:
                        weighted, run = weighted + run**1.2, 0
        assert subsequences.union_hits(reference, prediction, 1.2)[1] == pytest.approx(weighted)
