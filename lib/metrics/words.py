"""Words, runs of words, and what two texts share of them."""
from collections import Counter


def words(text):
    return [word.strip(".,;:!?()\"'") for word in text.casefold().split()]


def word_f1(one, other):
    """F1 of the word multisets of two texts, 1.0 for equal ones (the measure of SQuAD, Rajpurkar et al. 2016)."""
    one, other = Counter(words(one)), Counter(words(other))
    shared = (one & other).total()
    return 2 * shared / (one.total() + other.total()) if shared else 0.0


def ngrams(tokens, n):
    return [tuple(tokens[i:i + n]) for i in range(len(tokens) - n + 1)]
