"""Skip-bigrams: every way of counting them against listing them."""
import random
from collections import Counter

from helpers.token_lists import random_pair

from lib.metrics import skip_bigrams, subsequences


def listed(tokens, gap):
    places = ((i, j) for j in range(len(tokens)) for i in range(j))
    return Counter((tokens[i], tokens[j]) for i, j in places if gap is None or j - i - 1 <= gap)


def test_skip_bigrams_against_listing_them(monkeypatch):
    rng = random.Random(1)
    for _ in range(150):
        x, y = random_pair(rng)
        for gap in (None, 0, 1, 4, 25):
            one, other = listed(x, gap), listed(y, gap)
            assert skip_bigrams.skip_total(len(x), gap) == one.total()
            # all at once; by token, or in portions where the gap is small
            for pairs in (2**22, 40):
                monkeypatch.setattr(skip_bigrams, "PAIRS", pairs)
                assert skip_bigrams.skip_hits(x, y, gap) == (one & other).total()
            if x and y and gap is not None:
                found = skip_bigrams._listed_hits(*subsequences.numbered(x, y), gap)
                assert found == (one & other).total()
