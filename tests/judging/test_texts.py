"""Judges that hold a profile against its text: their scores by hand."""
import math

import pytest
from helpers.texts import Fake, profile, prompt

from lib.core.records import DataError
from lib.core.sections.judging import Encoding, Lexical
from lib.judging import judges, texts

BEES = prompt("p", "Bees dance. They see 3 colours, e.g. blue! (Ants do not.)", "On bees")
RULES = Encoding(reads="name", relevance=0.5, redundancy=0.25)
TABLE = {"Bees dance.": [1], "Stars shine.": [0, 1], "Bees dance. Stars shine.": [1, 1],
         "bees": [1], "stars": [0, 1], "both": [1, 1], "bees: Works on it.": [0, 1]}
TEXT = prompt("p", "Bees dance. Stars shine.")
HALF = math.sqrt(0.5)


def test_a_text_is_its_titles_and_sentences():
    assert texts.sentences(BEES) == ["On bees", "Bees dance.", "They see 3 colours, e.g. blue!",
                                     "(Ants do not.)"]
    assert texts.sentences(prompt("p", "")) == [""]
    assert texts.text_of(BEES).startswith("On bees\nBees dance.")


def test_brevity_counts_the_words_of_a_name_beyond_the_third():
    judge = texts.Brevity("short")
    assert judge.score("p", profile("bees", "waggle dance of bees")) == -0.5
    assert judge.score("p", profile("bee dance")) == 0 and judge.score("p", None) == judges.WORST
    assert judge.family == "rule"


@pytest.mark.parametrize(("names", "coverage", "relevance", "redundancy"), [
    (["bees", "stars"], 1, HALF, 0), (["bees"], 0.5, HALF, 0), (["both"], HALF, 1, 0),
    (["bees", "bees"], 0.5, HALF, 1), (["bees", "bees", "stars"], 1, HALF, 1 / 3),
    (["law"], 0, 0, 0)])
def test_an_encoder_sees_coverage_relevance_and_redundancy(names, coverage, relevance, redundancy):
    judge = texts.EncoderJudge("encoder", Fake(TABLE), [TEXT], RULES)
    parts = judge.parts("p", profile(*names))
    assert parts == pytest.approx({"coverage": coverage, "relevance": relevance,
                                   "redundancy": redundancy})
    expected = coverage + 0.5 * relevance - 0.25 * redundancy
    assert judge.score("p", profile(*names)) == pytest.approx(expected)


def test_an_encoder_may_read_descriptions_as_well():
    rules = RULES.model_copy(update={"reads": "competency"})
    judge = texts.EncoderJudge("encoder", Fake(TABLE), [TEXT], rules)
    assert judge.parts("p", profile("bees"))["coverage"] == 0.5
    assert judge.encoder.encode(judge.read(profile("bees")))[0, 1] == 1, "its description is stars"


def test_votes_ask_the_encoder_once_for_all():
    encoder, asked = Fake(TABLE), []
    judge = texts.EncoderJudge("encoder", encoder, [TEXT], RULES)
    encode = encoder.encode
    encoder.encode = lambda found: asked.append(len(found)) or encode(found)
    shown = {"id": "p", "abstracts": "", "repeat": 0, "left": "- bees: a\n- stars: b"}
    votes = judge.votes([{**shown, "right": "- law: c"}, {**shown, "right": "no profile"}])
    assert [vote["winner"] for vote in votes] == ["left", "left"]
    assert asked[0] == 6, "three texts and three names"


def lexical(**rules):
    weights = Lexical(**{"words": 0.0, "foreign": 0.0, "repeated": 0.0} | rules)
    training = [prompt("1", "bees dance"), prompt("2", "bees rest"), prompt("3", "stars shine")]
    return texts.LexicalJudge("lexical", training, [prompt("p", "The bees, the dancing bees.")],
                              weights)


BEE, DANCE, UNSEEN = math.log(4 / 3) + 1, math.log(4 / 2) + 1, math.log(4) + 1
TOTAL = BEE * (1 + math.log(2)) + DANCE


@pytest.mark.parametrize(("names", "covered", "words", "foreign", "repeated"), [
    (["bee dances"], 1, 2 / 3, 0, 0), (["dance"], DANCE / TOTAL, 1 / 3, 0, 0),
    (["dance law"], DANCE / TOTAL, 2 / 3, UNSEEN / (UNSEEN + DANCE), 0),
    (["dance", "dancing"], DANCE / TOTAL, 2 / 3, 0, 0.5), (["the"], 0, 0, 1, 0)])
def test_words_weigh_what_the_training_texts_make_of_them(names, covered, words, foreign, repeated):
    found = {"words": words, "foreign": foreign, "repeated": repeated}
    parts = lexical().parts("p", profile(*names))
    assert parts == pytest.approx({"covered": covered, **found})
    rules = {"words": 0.5, "foreign": 2.0, "repeated": 3.0}
    expected = covered - sum(rules[name] * found[name] for name in rules)
    assert lexical(**rules).score("p", profile(*names)) == pytest.approx(expected)


def test_without_a_training_text_no_word_weighs_anything():
    for nothing in ([], [prompt("1", "the of and")]):
        with pytest.raises(DataError, match="no training text"):
            texts.LexicalJudge("lexical", nothing, [TEXT],
                               Lexical(words=0, foreign=0, repeated=0))


@pytest.mark.parametrize("judge", [
    texts.EncoderJudge("encoder", Fake(TABLE), [TEXT], RULES), lexical()])
def test_the_unreadable_is_worst_and_the_unknown_cannot_be_told(judge):
    bad = profile("bees", "bees", "law", "law")
    assert judges.compare(judge, "p", bad, None) == 1
    assert judges.compare(judge, "p", None, bad) == -1
    assert judges.compare(judge, "p", None, profile()) == 0
    assert judge.score("unknown", bad) is None and judge.score("unknown", None) is None
