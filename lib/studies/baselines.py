"""Terms of a text without any language model: by TF-IDF, by TextRank, by a sentence encoder.

All three rank the same phrases of a text. No tagger picks out its noun phrases, as the literature's
versions have it: runs of words between stop words and punctuation stand for them (Rose et al. 2010,
RAKE).
"""
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import chain

import numpy as np

from lib.competencies.profiles import MAXIMUM
from lib.core.records import DataError
from lib.core.rows import Competency, Profile, Prompt, Written
from lib.judging.texts import text_of
from lib.metrics.keyphrases import stem_f1
from lib.metrics.words import stems, stop_words

Encode = Callable[[list[str]], np.ndarray]  # from n texts to (n, width) vectors of length 1
Ranker = Callable[[Sequence[str], int], list[list[str]]]  # (texts, n): at most n terms a text

LONGEST = 4  # words in a term
RELEVANCE = (0.5, 0.65, 0.8, 1.0)  # of the encoder's ranker, to choose from on validation texts
TOKEN = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*[+#]*|[^\w\s]|\n")


def runs_of(text: str) -> list[list[str]]:
    """Runs of a text's words, in lower case, that no stop word and no punctuation breaks.

    A hyphen inside a word breaks nothing, a new line does.
    """
    runs: list[list[str]] = [[]]
    for token in TOKEN.findall(text.lower()):
        if not token[0].isalnum() or token in stop_words():
            runs.append([])
        else:
            runs[-1].append(token)
    return [run for run in runs if run]


def candidates(text: str) -> list[str]:
    """The phrases of a text that may be its terms: whole runs of at most four words with a letter.

    Each once by its stems, as it is written first, in the order of the text.
    """
    phrases = [" ".join(run) for run in runs_of(text) if len(run) <= LONGEST]
    by_stem: dict[tuple[str, ...], str] = {}
    for phrase in phrases:
        if len(phrase) > 1 and any(map(str.isalpha, phrase)):
            by_stem.setdefault(stems(phrase), phrase)
    return list(by_stem.values())


def tfidf(training: Sequence[str]) -> Ranker:
    """Ranks phrases by the sum of their words' TF-IDF; a word's idf is that of the training texts.

    Hasan and Ng 2010, "Conundrums in Unsupervised Keyphrase Extraction". A word that no training
    text holds weighs as scikit-learn smooths it: ln(1 + texts) + 1. Raises DataError for training
    texts without words.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer  # seconds, for this alone
    if not any(map(stems, training)):
        raise DataError("tfidf: no word in the training texts; give texts to weigh words by.")
    fitted = TfidfVectorizer(analyzer=stems).fit(training)
    idf = dict(zip(fitted.get_feature_names_out().tolist(), fitted.idf_.tolist()))
    unseen = math.log(1 + len(training)) + 1

    def weights(text):
        counts = Counter(stems(text))
        return {word: count * idf.get(word, unseen) for word, count in counts.items()}

    return lambda texts, n: [_heaviest(text, weights(text), n) for text in texts]


def text_rank(texts: Sequence[str], n: int) -> list[list[str]]:
    """Ranks phrases by the sum of their words' PageRank in a graph that links neighbours in a run.

    Mihalcea and Tarau 2004, "TextRank", section 3: undirected, unweighted, a window of two words, a
    damping factor of 0.85. There a third of the words is kept; here the caller says how many terms.
    """
    import networkx  # a second, for this alone

    def weights(text):
        graph = networkx.Graph()
        for run in runs_of(text):
            networkx.add_path(graph, [word for token in run for word in stems(token)])
        return networkx.pagerank(graph, alpha=0.85)

    return [_heaviest(text, weights(text), n) for text in texts]


def encoder_rank(encode: Encode, relevance: float) -> Ranker:
    """Ranks phrases by their cosine to the text, less that to a phrase chosen before.

    relevance: the share of the first, see `marginal`. Bennani-Smires et al. 2018, "Simple
    Unsupervised Keyphrase Extraction using Sentence Embeddings": 1 is their EmbedRank, 0.5 their
    EmbedRank++ (here of plain cosines, as in KeyBERT).
    """
    def rank(texts, n):
        phrases = [candidates(text) for text in texts]
        all_texts = list(dict.fromkeys([*texts, *chain.from_iterable(phrases)]))
        index = {text: i for i, text in enumerate(all_texts)}
        vectors, found = encode(all_texts), []
        for text, given in zip(texts, phrases):
            among = vectors[[index[phrase] for phrase in given]]
            chosen = marginal(among @ vectors[index[text]], among @ among.T, relevance, n)
            found.append([given[i] for i in chosen])
        return found

    return rank


def marginal(near: np.ndarray, alike: np.ndarray, relevance: float, n: int) -> list[int]:
    """At most n items by maximal marginal relevance: their indices, best first.

    near: (items,) similarity to what is asked for. alike: (items, items) to each other. Each next
    item has the highest relevance * near - (1 - relevance) * (its highest likeness to one chosen).
    Carbonell and Goldstein 1998, section 2.
    """
    chosen: list[int] = []
    left = list(range(len(near)))
    while left and len(chosen) < n:
        shared = alike[left][:, chosen].max(1) if chosen else np.zeros(len(left))
        best = left[int(np.argmax(relevance * near[left] - (1 - relevance) * shared))]
        chosen.append(best)
        left.remove(best)
    return chosen


def choose_count(ranked: Sequence[Sequence[str]], references: Sequence[Sequence[str]],
                 counts: Iterable[int]) -> int:
    """How many terms a text gives the highest mean stem-exact F1; of equal ones the fewest.

    ranked: each text's terms, best first, as many as the highest count. references: each text's.
    Choose on validation texts.
    """
    return max(sorted(counts), key=lambda count: quality(ranked, references, count))


def quality(ranked: Sequence[Sequence[str]], references: Sequence[Sequence[str]],
            count: int) -> float:
    """The sum of the texts' stem-exact F1 with so many terms a text."""
    pairs = zip(ranked, references, strict=True)
    return math.fsum(stem_f1(terms[:count], wanted) for terms, wanted in pairs)


def _heaviest(text, weights, n):
    """A text's n phrases whose stems weigh most in sum; of equal ones those that come first."""
    return sorted(candidates(text),
                  key=lambda phrase: -sum(weights[stem] for stem in stems(phrase)))[:n]


def ranked(train: Sequence[Prompt], validation: Sequence[Prompt], test: Sequence[Prompt],
           encode: Encode, most: int = 20) -> dict[str, list[list[str]]]:
    """{ranker: terms of each test text}, best first.

    Each ranker is there with as many terms a text as do best on the validation texts, and as
    "..._8" with as many as a profile may have. train: whose words weigh. validation: with
    references; the encoder's relevance is chosen on them, too.
    """
    known, wanted = list(map(text_of, validation)), [row["references"] for row in validation]
    rankers: dict[str, list[Ranker]] = {
        "tfidf": [tfidf(list(map(text_of, train)))], "text_rank": [text_rank],
        "encoder_rank": [encoder_rank(encode, share) for share in RELEVANCE]}
    found = {}
    for name, ranks in rankers.items():
        tried = [(rank, rank(known, most)) for rank in ranks]
        counts = [choose_count(terms, wanted, range(1, most + 1)) for _, terms in tried]
        scores = [quality(terms, wanted, count) for (_, terms), count in zip(tried, counts)]
        best = int(np.argmax(scores))
        terms = tried[best][0](list(map(text_of, test)), max(MAXIMUM, counts[best]))
        found[name] = [ranking[:counts[best]] for ranking in terms]
        found[f"{name}_{MAXIMUM}"] = [ranking[:MAXIMUM] for ranking in terms]
    return found


def as_written(prompts: Sequence[Prompt], terms: Sequence[Sequence[str]]) -> list[Written]:
    """Terms as profiles of names alone, to be measured like what models wrote."""
    rows: list[Written] = []
    for prompt, names in zip(prompts, terms, strict=True):
        items = [Competency(name=name, description="") for name in names]
        profile = Profile(domain="", competencies=items) if items else None
        rows.append(Written(id=prompt["id"], text="\n".join(names), tokens=0, finished=True,
                            profile=profile))
    return rows
