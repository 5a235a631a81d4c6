"""Our own financial sentences: reproducible, apart, and true by rules that the test reads back."""
import re
from collections import Counter

import pytest

from lib.core.records import DataError
from lib.tasks import sentiment_synthetic


@pytest.mark.parametrize("name", sentiment_synthetic.SETS)
def test_our_sets_are_reproducible_and_share_no_company(name):
    train, test = (sentiment_synthetic.rows(name, part, 200, 1, 0.1) for part in ("train", "test"))
    assert train == sentiment_synthetic.rows(name, "train", 200, 1, 0.1)
    assert train != sentiment_synthetic.rows(name, "train", 200, 2, 0.1)
    assert len({row["text"] for row in train}) == 200
    assert not {row["text"] for row in train} & {row["text"] for row in test}
    companies = sentiment_synthetic.companies("test")
    assert not set(sentiment_synthetic.companies("train")) & set(companies)
    for text in (row["text"] for row in test):
        assert "$" in text or any(company in text.lower() for company in companies)
    wrong = sum(row["label"] != row["truth"] for row in train) / 200
    assert 0.04 < wrong < 0.17
    assert all(row["label"] == row["truth"]
               for row in sentiment_synthetic.rows(name, "train", 50, 1))
    shares = Counter(row["truth"] for row in sentiment_synthetic.rows(name, "train", 1000, 3))
    for label, share in sentiment_synthetic.SHARES[name].items():
        assert abs(shares[label] / 1000 - share) < 0.05


PARTS = r", although|^although [^,]*,|, but| despite|^despite [^,]*,"


def test_the_truth_of_our_sentences_follows_from_their_words():
    """Read back from the text by rules of the test's own, not from the generator's choices."""
    verbs = {verb: 1 for both in sentiment_synthetic.UP.items() for verb in both}
    verbs |= {verb: -1 for both in sentiment_synthetic.DOWN.items() for verb in both}
    good, bad = sentiment_synthetic.GOOD, sentiment_synthetic.BAD
    rows = [row for name in ("news", "headlines")
            for row in sentiment_synthetic.rows(name, "train", 900, 4)]
    seen = Counter()
    for row in rows:
        text, kind = row["text"].lower(), row["kind"]
        if kind not in ("plain", "negation", "numbers", "contrast"):
            continue
        parts = re.split(PARTS, text) if kind == "contrast" else [text]
        second = text.startswith(("although", "despite")) or ", but" in text
        clause = parts[1] if second else parts[0]
        words = re.findall(r"[a-z]+", clause)
        measure = next(word for word in words if word in good + bad)
        if kind == "numbers":
            now, before, *_ = map(int, re.findall(r"\d+", clause))
            rises = now > before
        else:
            moved = [verbs[word] for word in words if word in verbs]
            rises = moved[0] > 0 if moved else "up" in words
        better = rises == (measure in good)
        assert row["truth"] == ("positive" if better != (kind == "negation") else "negative"), row
        seen[row["set"], kind] += 1
    assert min(seen.values()) > 20 and len(seen) == 8


def test_more_sentences_than_there_are_is_an_error(monkeypatch):
    monkeypatch.setitem(sentiment_synthetic.WRITERS, "news", lambda *_: "always the same")
    with pytest.raises(DataError, match="only 1 different sentences, 5 wanted"):
        sentiment_synthetic.rows("news", "train", 5, 1)
