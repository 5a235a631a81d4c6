"""Words, runs of words, and what two texts share of them."""
from collections import Counter
from collections.abc import Sequence


def words_of(text: str) -> list[str]:
    """Words in lower case, without the punctuation at their ends."""
    return [word.strip(".,;:!?()\"'") for word in text.casefold().split()]


def word_f1(one: str, other: str) -> float:
    """F1 of two texts' word multisets, 1 for equal ones (as in SQuAD, Rajpurkar et al. 2016)."""
    first, second = Counter(words_of(one)), Counter(words_of(other))
    shared = (first & second).total()
    return 2 * shared / (first.total() + second.total()) if shared else 0.0


def ngrams(tokens: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """All runs of n tokens, in their order."""
    return [tuple(tokens[i:i + n]) for i in range(len(tokens) - n + 1)]
