"""From an indexer's terms to the profile that a model learns from."""
import pytest

from lib.competencies.profiles import conforms, parse
from lib.studies import warm_start

TEXT = ("We describe safe ship control. A multi-step matrix game, solved in Matlab, gives the "
        "course of a ship, and decision support systems show it to the crew on the bridge early.")


def group(references, subjects=(), title="Ship Control by games", text=TEXT):
    row = {"id": "a", "author": "", "title": title, "text": text, "references": references,
           "subjects": list(subjects)}
    return {"id": "a", "author": "a", "abstracts": [row]}


TERMS = ["decision support systems", "multistep games", "matrix game", "ship control", "crew"]


def test_names_are_terms_of_the_text_in_its_order_as_it_writes_them():
    profile = warm_start.profile_of(group(TERMS))
    names = [item["name"] for item in profile["competencies"]]
    assert names == ["ship control", "matrix game", "decision support systems", "crew"]


def test_descriptions_are_the_words_around_a_term_and_no_title_where_the_abstract_has_it():
    profile = warm_start.profile_of(group(TERMS))
    described = {item["name"]: item["description"] for item in profile["competencies"]}
    assert described["ship control"] == "We describe safe ship control."
    assert described["matrix game"].startswith("A multi-step matrix game, solved in Matlab")
    assert len(described["matrix game"].split()) == warm_start.WORDS
    assert described["crew"] == "it to the crew on the bridge early."
    assert all(text in TEXT for text in described.values())


def test_hyphens_and_case_do_not_hide_a_term_and_parts_of_words_are_none():
    profile = warm_start.profile_of(group(["multi step", "hip", "GAME", "bridge"]))
    assert [item["name"] for item in profile["competencies"]] == ["multi-step", "game", "bridge"]


def test_the_domain_is_the_subject_that_shares_most_words():
    subjects = ["aerospace control", "decision support systems", "ships"]
    assert warm_start.profile_of(group(TERMS, subjects))["domain"] == "decision support systems"
    assert warm_start.profile_of(group(TERMS))["domain"] == "ship control"


def test_answers_are_in_the_grammar_of_at_most_eight_and_too_few_terms_make_none():
    letters = "abcdefghijkl"
    many = group([f"term {letter}" for letter in letters],
                 text=". ".join(f"Of term {letter} we speak" for letter in letters))
    poor = group(["matrix game", "nowhere", "crew"])
    made, too_few = warm_start.examples([many, poor, group(TERMS)])
    assert [len(parse(answer)["competencies"]) for _, answer in made] == [8, 4]
    assert all(conforms(answer) for _, answer in made)
    assert too_few == ["a"]


@pytest.mark.parametrize(("sentence", "expected"), [
    ("one two three", "one two three"),
    ("a b c d e f g h i j k l m n o p q r s TERM", "m n o p q r s TERM"),
    ("TERM " + " ".join("abcdefghijklmnopqrst"), "TERM a b c d e f g h i j k l m n o")])
def test_a_description_begins_close_before_its_term(sentence, expected):
    start = max(0, sentence.find("TERM"))
    assert warm_start.around(sentence, start, start + 4) == expected


def test_examples_stand_before_the_question():
    asked = [{"id": "b", "abstracts": [{"title": "B", "text": "about b"}], "messages": []}]
    shown = [{"title": "A", "text": "about a"}]
    chat = warm_start.with_examples(asked, [(shown, "Domain: <|im_end|>")], "brief")[0]["messages"]
    assert [turn["role"] for turn in chat] == ["system", "user", "assistant", "user"]
    assert "about a" in chat[1]["content"] and "about b" in chat[3]["content"]
    assert "<|" not in chat[2]["content"]
