"""Keeping a data set clean: near-duplicates out, train and test apart."""
from collections.abc import Sequence

from lib.metrics.words import ngrams, word_f1, words_of


def near_duplicates(texts: Sequence[str], threshold: float) -> dict[int, int]:
    """Which texts repeat an earlier one: {index: index of the first}.

    Exact repeats always count; others when the Jaccard similarity of their word 3-grams, estimated
    by MinHash of 128 permutations (Broder 1997), reaches the threshold.
    """
    from datasketch import MinHash, MinHashLSH  # half a second, for this alone
    index = MinHashLSH(threshold=min(threshold, 0.99), num_perm=128)
    found: dict[int, int] = {}
    exact: dict[tuple[str, ...], int] = {}
    sketches: dict[int, MinHash] = {}
    for i, text in enumerate(texts):
        key = tuple(words_of(text))
        if key in exact:
            found[i] = exact[key]
            continue
        exact[key] = i
        sketch = MinHash(num_perm=128, seed=1)
        sketch.update_batch([" ".join(gram).encode() for gram in ngrams(key, 3) or [key]])
        near = [j for j in index.query(sketch) if sketch.jaccard(sketches[j]) >= threshold]
        if near:
            found[i] = min(near)
        else:
            index.insert(i, sketch)
            sketches[i] = sketch
    return found


def contaminated(train: Sequence[Sequence[str]], test: Sequence[Sequence[str]],
                 length: int) -> list[int]:
    """Indices of training documents that share `length` words in a row with any test document.

    train, test: documents as lists of abstracts; a run never crosses from one to the next.
    """
    def runs(document):
        return {gram for text in document for gram in ngrams(words_of(text), length)}

    seen = set().union(*map(runs, test))
    return [i for i, document in enumerate(train) if not seen.isdisjoint(runs(document))]


def distinct_completions(texts: Sequence[str], threshold: float) -> list[int]:
    """Indices of the texts that stay when each too close (word F1) to an earlier one goes."""
    kept: list[int] = []
    for i, text in enumerate(texts):
        if all(word_f1(text, texts[j]) < threshold for j in kept):
            kept.append(i)
    return kept
