"""Words, their stems, runs of words, and what two texts share of them."""
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, lru_cache

WORD = re.compile(r"[^\W_]+[+#]*")  # letters and digits; the signs keep "C++" and "C#" from "C"
# In scikit-learn's list, but words of a subject; Nothman et al. 2018, "Stop Word Lists in Free
# Open-source Software Packages".
NO_STOP_WORDS = {"amount", "bill", "cry", "detail", "fire", "interest", "mill", "system", "thick",
                 "thin"}


def words_of(text: str) -> list[str]:
    """Words in lower case, without the punctuation at their ends."""
    return [word.strip(".,;:!?()\"'") for word in text.casefold().split()]


def word_f1(one: str, other: str) -> float:
    """F1 of two texts' word multisets, 1 for equal ones (as in SQuAD, Rajpurkar et al. 2016)."""
    first, second = _counted(one), _counted(other)
    shared = (first & second).total()
    return 2 * shared / (first.total() + second.total()) if shared else 0.0


@lru_cache(maxsize=1 << 14)
def _counted(text: str) -> Counter[str]:
    return Counter(words_of(text))


def ngrams(tokens: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """All runs of n tokens, in their order."""
    return [tuple(tokens[i:i + n]) for i in range(len(tokens) - n + 1)]


@lru_cache(maxsize=1 << 17)
def stem(word: str) -> str:
    """A word's stem by Porter 1980, in NLTK's version, in lower case.

    It leaves words outside ASCII's alphabet nearly as they are.
    """
    return _stemmer()(word)


def tokens(text: str) -> list[str]:
    """Words in lower case; hyphens and all other punctuation part words."""
    return WORD.findall(text.casefold())


def stems(text: str) -> tuple[str, ...]:
    """The stems of a text's `tokens`."""
    return tuple(map(stem, tokens(text)))


@cache
def stop_words() -> frozenset[str]:
    """Words of grammar: scikit-learn's English stop words, less those that a subject may hold."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS  # a second, for this alone
    return ENGLISH_STOP_WORDS - NO_STOP_WORDS


@cache
def _stemmer() -> Callable[[str], str]:
    from nltk.stem.porter import PorterStemmer  # two seconds, for this alone
    return PorterStemmer().stem
