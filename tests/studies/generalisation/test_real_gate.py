"""The gate on real texts: what each kind changes, which texts suit, who passes and who fails.

The texts are made up. The models are functions of a text; the reader knows the terms of a text and
what a mention is, so it has to pass everything.
"""
import random
import re
from types import SimpleNamespace

import pytest
from helpers import texts

from lib.competencies.prompts import messages
from lib.core.records import DataError
from lib.metrics.words import stems
from lib.studies.generalisation import real_changes, real_gate
from lib.studies.generalisation.real_changes import KINDS, holds
from lib.studies.warm_start import SENTENCE

GATE = SimpleNamespace(seed=7, tests=20, tolerance=1)
PLACES = ("Alpine", "Baltic", "Cretan", "Danish", "Estonian", "Finnish")


def text(place):
    """A text whose title holds one of its six terms; every sentence is about one of the others."""
    row = texts.prompt(
        f"text-{place}", f"{place} beekeeping is old. We count {place} Queens every spring. "
        f"A model of {place} swarms fits the counts. {place} hives are weighed, and {place} hives "
        f"are light. The {place} honey-flow lasts for a week.", f"On {place} beekeeping",
        [f"{place} beekeeping", f"{place} queens", f"{place} swarms", f"{place} hives",
         f"{place} honey flow", f"{place} pollination networks"])
    return {**row, "split": "test"}


PROMPTS = [text(place) for place in PLACES]
CASES = real_gate.cases(PROMPTS, GATE)


def of_kind(kind, cases=CASES):
    return [case for case in cases if case["kind"] == kind]


def reader(shown):
    """Lists `<place> <word>` wherever it stands outside of quotations, each once by its stems."""
    said = re.sub("“.*?”", "", f"{shown['title']}. {shown['text']}")
    places = "|".join(PLACES)
    first = re.findall(rf"(?:{places}) [\w-]+(?: flow)?", said)
    made = re.findall(r"(?:count|model of|The) (\w+ [\w-]+)|(\w+ \w+) (?:is|are)\b", said)
    return texts.profile(*{stems(name): name for name in [*first, *map("".join, made)]}.values())


def written(prompts, model):
    """What a model, a function of a text, writes to some prompts."""
    return [{"id": row["id"], "text": "", "tokens": 0, "finished": True,
             "profile": model(row["abstracts"][0])} for row in prompts]


def taken(model, cases=CASES, prompts=PROMPTS, gate=GATE):
    """The verdicts on a model, and the texts passed over."""
    originals = written(prompts, model)
    tests, passed_over = real_gate.taken(cases, originals, gate)
    changed = written(real_gate.questions(tests, originals, "brief"), model)
    return real_gate.verdicts(tests, originals, changed, gate.tolerance), passed_over


def failed(model, **options):
    rows, _ = taken(model, **options)
    return {kind: sum(not row["passed"] for row in rows if row["kind"] == kind) for kind in KINDS}


def test_cases_are_the_same_for_a_seed_whatever_the_order_of_the_texts():
    assert real_gate.cases(PROMPTS[::-1], GATE) == CASES
    assert real_gate.cases(PROMPTS, SimpleNamespace(seed=8)) != CASES
    assert len({case["id"] for case in CASES}) == len(CASES)


def test_where_a_term_is_removed_three_others_remain_and_no_title_holds_it():
    for case in of_kind("removed"):
        assert not holds(case["after"], case["term"]) and case["lacks"] == [case["term"]]
        assert "beekeeping" not in case["term"] and "pollination" not in case["term"]
        parts = SENTENCE.split(case["before"]["text"])
        assert SENTENCE.split(case["after"]["text"]) == [
            part for part in parts if not real_changes.runs(case["term"], part)]
    poor = {**PROMPTS[0], "references": PROMPTS[0]["references"][:3]}
    assert not list(real_changes.removed(poor, [], random.Random(0)))


def test_what_is_mentioned_is_another_texts_sentence_and_none_of_ones_own_terms():
    for case in of_kind("mentioned"):
        quoted = re.search("“(.*)”", case["after"]["text"])[1]
        assert all(real_changes.runs(term, quoted) for term in case["lacks"])
        assert case["lacks"] and not any(holds(case["before"], term) for term in case["lacks"])
        kept = case["after"]["text"].partition(". ")[0]
        assert case["before"]["text"].startswith(kept), "a mention is not what a text begins with"
    same = [{**PROMPTS[0], "id": "twin"}]
    assert not list(real_changes.mentioned(PROMPTS[0], same, random.Random(0)))


def test_what_is_reordered_are_three_sentences_or_more():
    for case in of_kind("reordered"):
        before, after = (SENTENCE.split(case[side]["text"]) for side in ("before", "after"))
        assert before != after and sorted(before) == sorted(after)
    short = texts.prompt("short", "One. Two.", references=["one"])
    assert not list(real_changes.reordered(short, [], random.Random(0)))


def test_a_title_is_dropped_where_its_terms_stand_in_the_text_as_well():
    assert all(case["after"] == {**case["before"], "title": ""} for case in of_kind("untitled"))
    for title, terms, count in (("Bees", ["wasps"], 1), ("Bees", ["bee"], 0), ("", ["wasps"], 0)):
        row = texts.prompt("x", "Wasps.", title, terms)
        assert len(list(real_changes.untitled(row, [], random.Random(0)))) == count, title


def test_a_term_is_renamed_throughout_in_its_capitals_and_with_its_hyphens():
    row = texts.prompt("x", "Honey-flow and HONEY FLOW of C++ end. Honey stays.", "Honey flow",
                       ["honey flow", "C++", "absent"])
    (case,) = real_changes.renamed(row, [], random.Random(0))
    one, two = case["names"][0].split()
    assert (len(one), one[-2:], len(two), two[-2:]) == (5, "ey", 4, "ow") and one != "honey"
    new, loud = f"{one.capitalize()}-{two}", f"{one} {two}".upper()
    assert case["after"] == {"title": new.replace("-", " "),
                             "text": f"{new} and {loud} of C++ end. Honey stays."}
    assert (case["term"], case["lacks"]) == ("honey flow", ["honey flow"])


def test_a_term_that_stands_in_two_forms_is_not_renamed():
    row = texts.prompt("x", "One hive, two hives.", references=["hive"])
    assert not list(real_changes.renamed(row, [], random.Random(0)))


@pytest.mark.parametrize("word", ["of", "c++", "x", "über", "3d"])
def test_words_of_grammar_and_what_is_not_all_letters_keep_their_form(word):
    assert real_changes.made_up(word, random.Random(0)) == word


def test_who_reads_passes_everything():
    rows, passed_over = taken(reader)
    assert [row for row in rows if not row["passed"]] == []
    assert [row["kind"] for row in rows] == [kind for kind in KINDS for _ in range(4)]
    assert set(passed_over.values()) == {0}
    found = real_gate.outcome(rows)
    assert found["passed"] is True and found["all"]["rate"] == 1 and found["renamed"]["n"] == 4
    assert found["all"]["low"] == pytest.approx(0.832, abs=5e-4), "exact, of 20 of 20"


def test_who_never_changes_an_answer_fails_where_it_has_to_change():
    answers = {row["abstracts"][0]["text"]: reader(row["abstracts"][0]) for row in PROMPTS}
    texts_of = {case["after"]["text"]: case["before"]["text"] for case in CASES}

    def stubborn(shown):
        return answers[texts_of.get(shown["text"], shown["text"])]
    assert failed(stubborn) == {"removed": 4, "mentioned": 0, "reordered": 0, "untitled": 0,
                                "renamed": 4}


def test_who_does_not_tell_a_mention_fails_the_mentions_alone():
    def careless(shown):
        return reader({**shown, "text": re.sub("[“”]", "", shown["text"])})
    assert failed(careless) == {**dict.fromkeys(KINDS, 0), "mentioned": 4}


def test_who_reads_the_beginning_alone_fails_where_it_is_another_one():
    def hasty(shown):
        return reader({**shown, "text": " ".join(SENTENCE.split(shown["text"])[:2])})
    strict = SimpleNamespace(**{**vars(GATE), "tolerance": 0})
    found = failed(hasty, gate=strict)
    assert found["reordered"] > 0 and found["mentioned"] == found["untitled"] == 0


def test_who_reads_titles_alone_fails_without_one():
    def headline(shown):
        return reader({**shown, "text": ""}) if shown["title"] else None
    rows, _ = taken(headline)
    wrong = {row["why"] for row in rows if row["kind"] == "untitled"}
    assert wrong == {"no readable profile"}


def test_a_model_is_asked_about_terms_that_it_named_and_texts_without_one_are_passed_over():
    first = of_kind("removed")[0]["text"]

    def partial(shown):
        names = [item["name"] for item in reader(shown)["competencies"] if "hives" in item["name"]]
        if first.removeprefix("text-") in shown["text"]:
            names = []
        return texts.profile(*(names or ["nothing"]))
    rows, passed_over = taken(partial)
    asked = [row for row in rows if row["kind"] == "removed"]
    assert [row["term"].split()[1] for row in asked] == ["hives"] * 4
    assert all(row["passed"] for row in asked) and first not in {row["text"] for row in asked}
    assert passed_over["removed"] == 1 and passed_over["reordered"] == 0


def test_who_named_too_few_terms_fails_what_is_missing_and_is_not_asked():
    def vague(shown):
        return texts.profile("insects", "science", "methods")
    originals = written(PROMPTS, vague)
    tests, passed_over = real_gate.taken(CASES, originals, GATE)
    asked = real_gate.questions(tests, originals, "brief")
    assert len(tests) == 20 and {row["id"].split()[0] for row in asked} == {
        "mentioned", "reordered", "untitled"}
    assert passed_over == {**dict.fromkeys(KINDS, 0), "removed": 6, "renamed": 6}
    assert failed(vague) == {**dict.fromkeys(KINDS, 0), "removed": 4, "renamed": 4}


def test_a_question_shows_the_changed_text_and_nothing_else():
    originals = written(PROMPTS, reader)
    case = of_kind("untitled")[0]
    (asked,) = real_gate.questions([case], originals, "full")
    assert asked["id"] == case["id"] and asked["abstracts"] == [case["after"]]
    assert case["after"]["text"] in asked["messages"][-1]["content"]
    assert case["before"]["title"] not in asked["messages"][-1]["content"]
    shown = messages([case["before"]], "full", [([{"title": "", "text": "On bees."}], "Bees.")])
    (again,) = real_gate.questions([case], originals, "full", [
        {"id": case["text"], "messages": shown}])
    assert again["messages"] == [*shown[:-1], asked["messages"][-1]], "the same examples"
    (again,) = real_gate.questions([case], originals, "full", [
        {"id": case["text"], "messages": messages([case["before"]], "full")}])
    assert again == asked


def test_a_model_that_writes_nothing_readable_passes_nothing():
    rows, _ = taken(lambda shown: None)
    found = real_gate.outcome(rows)
    assert found["all"]["rate"] == 0 and found["passed"] is False


@pytest.mark.parametrize(("expected", "before", "after", "wrong"), [
    ({"names": ["bee hives"]}, "x", "Bee hive", []),
    ({"names": ["bee hives"]}, "x", "old bee hive", ["does not name bee hives"]),
    ({"lacks": ["bees"]}, "x", "old bee hives", ["names bees"]),
    ({"lacks": ["be"]}, "x", "bees", []),
    ({"lacks": ["bees"]}, "x", None, ["no readable profile"]),
    ({"lacks": ["bees"]}, None, "x", []),
    ({"term": "bees", "lacks": ["bees"]}, "bee hives", "x",
     ["named no term of the original that could be asked about"]),
    ({"keeps": True}, "a b c", "a b d", []),
    ({"keeps": True}, "a b c", "a d e", ["lost b", "lost c", "gained d", "gained e"]),
    ({"keeps": True}, "a b", "a c d", ["lost b", "gained c", "gained d"]),
    ({"keeps": True}, "a", "b", ["lost a", "gained b"]),
    ({"keeps": True}, None, "a", ["no readable profile"]),
])
def test_what_breaks_an_expectation(expected, before, after, wrong):
    case = {"term": None, "names": [], "lacks": [], "keeps": False, **expected}

    def profile(names):
        given = names.split() if case["keeps"] else [names]
        return texts.profile(*given)
    sides = [names and profile(names) for names in (before, after)]
    assert real_gate.broken(case, *sides, tolerance=1) == wrong


def test_the_gate_opens_at_ninety_of_a_hundred():
    rows = [{"kind": list(KINDS)[number % 5], "passed": number >= 10} for number in range(100)]
    found = real_gate.outcome(rows)
    assert found["passed"] and found["all"]["rate"] == 0.9 and found["removed"]["rate"] == 0.9
    assert (found["all"]["low"], found["all"]["high"]) == pytest.approx((0.826, 0.945), abs=5e-4)
    rows[10]["passed"] = False
    assert not real_gate.outcome(rows)["passed"]
    assert real_gate.outcome([])["passed"] is False


def test_without_references_there_is_no_gate():
    bare = {key: value for key, value in PROMPTS[0].items() if key != "references"}
    pair = {**PROMPTS[0], "abstracts": PROMPTS[0]["abstracts"] * 2}
    with pytest.raises(DataError, match=r"data\.columns"):
        real_gate.cases([bare, pair], GATE)
