"""Extraction without a language model: on texts where the right term is plain."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.core.records import DataError
from lib.metrics.words import stems
from lib.studies import baselines

TEXT = """Plasma waves in stars
We measure plasma waves with a telescope. The plasma waves were seen by a real-time camera, and the
Plasma Wave is new: 12 of them, in C++."""
TRAINING = ["the telescope and the camera are new", "a telescope in stars", "we measure stars"]
WORDS = st.text(alphabet="ab cd-.,\n1", max_size=60)


def encode(texts):
    """Letters of a text as a vector of length 1: texts of the same letters are near."""
    counts = np.array([[1 + text.lower().count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"]
                       for text in texts], dtype=float).reshape(len(texts), 26)
    return counts / np.linalg.norm(counts, axis=1, keepdims=True)


RANKERS = {"tfidf": baselines.tfidf(TRAINING), "text_rank": baselines.text_rank,
           "encoder_rank": baselines.encoder_rank(encode, 0.5)}


def test_candidates_stand_between_stop_words_and_punctuation():
    assert baselines.candidates(TEXT) == [
        "plasma waves", "stars", "measure plasma waves", "telescope", "seen", "real-time camera",
        "new", "c++"]
    assert baselines.candidates("a one two three four five, six") == []
    assert baselines.candidates("") == baselines.candidates("of the, 12.") == []


def test_a_line_ends_a_phrase():
    assert baselines.runs_of("Plasma\nwaves") == [["plasma"], ["waves"]]


def test_the_rare_and_frequent_term_comes_first_by_tfidf():
    assert RANKERS["tfidf"](["A study of plasma: the plasma, telescope."], 2) == [
        ["plasma", "study"]]
    # Weights by hand: three training texts; "telescope" in two of them, "wave" in none.
    unseen, seen = np.log(4) + 1, np.log(4 / 3) + 1
    assert 3 * unseen > seen
    assert RANKERS["tfidf"](["the telescope, the wave"], 1) == [["wave"]]
    with pytest.raises(DataError, match="no word in the training texts"):
        baselines.tfidf(["", "..."])


def test_the_word_with_most_neighbours_comes_first_by_textrank():
    text = "plasma waves, plasma physics, plasma cameras, blue stars"
    found, = baselines.text_rank([text], 4)
    assert found[:3] == ["plasma waves", "plasma physics", "plasma cameras"]


def test_the_phrase_nearest_to_the_text_comes_first_by_an_encoder():
    nearest, = baselines.encoder_rank(encode, 1.0)(["zzz of aaab of aaaaa"], 3)
    assert nearest == ["aaaaa", "aaab", "zzz"]
    varied, = baselines.encoder_rank(encode, 0.3)(["zzz of aaab of aaaaa"], 3)
    assert varied == ["aaaaa", "zzz", "aaab"]


def test_marginal_relevance_by_hand():
    near = np.array([0.9, 0.8, 0.5])
    alike = np.array([[1.0, 0.95, 0.1], [0.95, 1.0, 0.1], [0.1, 0.1, 1.0]])
    assert baselines.marginal(near, alike, 1.0, 3) == [0, 1, 2]
    # The second is nearly the first: 0.4 - 0.475 against 0.25 - 0.05.
    assert baselines.marginal(near, alike, 0.5, 2) == [0, 2]
    assert baselines.marginal(near[:0], alike[:0, :0], 0.5, 2) == []


@pytest.mark.parametrize("rank", RANKERS.values(), ids=RANKERS)
def test_every_ranker_gives_at_most_n_terms_and_none_for_an_empty_text(rank):
    found = rank([TEXT, "", "of the."], 3)
    assert [len(terms) for terms in found] == [3, 0, 0] and rank([], 3) == []
    assert rank([TEXT], 1)[0] == found[0][:1]


@pytest.mark.parametrize("rank", RANKERS.values(), ids=RANKERS)
@given(WORDS)
def test_no_term_comes_twice_by_its_stems(rank, text):
    terms, = rank([text], 5)
    assert len({stems(term) for term in terms}) == len(terms) <= 5


def test_the_count_of_terms_is_the_one_with_the_highest_mean_f1():
    ranked = [["a", "b", "x", "y"], ["c", "z", "d", "w"]]
    # Two terms: F1 1 and 1/2; three: 4/5 and 4/5; one: 2/3 and 2/3; four: 2/3 and 2/3.
    assert baselines.choose_count(ranked, [["a", "b"], ["c", "d"]], [1, 2, 3, 4]) == 3
    assert baselines.choose_count(ranked, [["q"], ["q"]], [4, 2]) == 2
    with pytest.raises(ValueError):
        baselines.choose_count(ranked, [["a"]], [1])
