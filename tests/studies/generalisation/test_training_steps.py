"""The steps of training: what each learns from."""
from types import SimpleNamespace

from lib.competencies.profiles import parse, render
from lib.studies.generalisation import training_steps

ASSISTANT = {"role": "assistant"}


def preference(author, margin, text, split="train"):
    return {"id": author, "author": author, "split": split, "margin": margin,
            "prompt": [{"role": "user", "content": author}],
            "chosen": [{**ASSISTANT, "content": text}],
            "rejected": [{**ASSISTANT, "content": "- kelp mapping: x"}]}


def test_the_best_answer_is_the_one_with_the_largest_margin():
    rows = [preference("a", 1.0, "low"), preference("a", 3.0, "high"),
            preference("b", 0.5, "only"), preference("c", 9.0, "no", "validation")]
    assert [text for _, text in training_steps.best(rows)] == ["high", "only"]


def test_an_explanation_quotes_the_sentence_that_decides():
    profile = {"domain": "x", "competencies": [{"name": "Kelp mapping", "description": ""},
                                               {"name": "made up", "description": ""}]}
    text = ("Abstract 1: On kelp\nWe design kelp mapping from scratch. It remains open whether "
            "coral census would help.")
    found = training_steps.explain(text, profile, ["coral census", "Kelp mapping", "nowhere"])
    assert found.splitlines() == [
        "Kelp mapping is shown: We design kelp mapping from scratch.",
        "coral census is not shown: It remains open whether coral census would help."]


TRUTH = {"domain": "d", "competencies": [{"name": "coral census", "description": "Develops it."}]}
TEXTS = {"a": "We like coral census. Not kelp mapping.", "t": "test", "b": "We do kelp mapping.",
         "c": "nobody judged this"}
ROWS = [{"id": name, "split": "test" if name == "t" else "train",
         "truth": TRUTH if name in "at" else None,
         "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": text}]}
        for name, text in TEXTS.items()]
MESSAGES = {row["id"]: row["messages"] for row in ROWS}
PREFERENCES = [{**preference(name, 1.0, "- kelp mapping: y"), "prompt": MESSAGES[name]}
               for name in "ab"]


def test_what_the_steps_learn_from():
    wanted = SimpleNamespace(authors=6, invented=0.5, seed=1)
    found = training_steps.lessons(wanted, ROWS, PREFERENCES, "brief")
    explained, plain = found["explained"], found["unexplained"]
    assert len(found["sft"]) == 2
    assert len(explained) == len(plain) == 8, "a, b, and six fresh authors"
    answers = {messages[-1]["content"]: answer for messages, answer in plain}
    assert answers[TEXTS["a"]] == render(TRUTH) and parse(answers[TEXTS["a"]]) == TRUTH
    assert "test" not in answers
    assert parse(answers[TEXTS["b"]])["competencies"][0]["name"] == "kelp mapping"
    for number, (with_reasons, without) in enumerate(zip(explained, plain, strict=True)):
        (chat, answer), (bare, other) = with_reasons, without
        assert answer == other and chat[1:] == bare[1:]
        reasons = training_steps.explain(bare[-1]["content"], parse(other), [])
        assert (chat != bare) == (number % 2 == 0) or not reasons


def test_reasons_are_given_in_the_system_message():
    wanted = SimpleNamespace(authors=0, invented=0, seed=1)
    (messages, _), = training_steps.lessons(wanted, ROWS[:1], PREFERENCES, "brief")["explained"]
    assert messages[0]["content"] == (
        "S\ncoral census is shown: We like coral census.\n"
        "kelp mapping is not shown: Not kelp mapping.")


def test_the_plan_starts_each_step_where_the_one_before_ended():
    gate = SimpleNamespace(sft="sft", explained="explained")
    system, told = ({"role": "system", "content": text} for text in ("S", "S because"))
    given = {"sft": [([system], "x")], "explained": [([told], "y"), ([system], "z")],
             "unexplained": [([system], "y")]}
    plan = training_steps.plan(gate, tmp := "data/adapter", given)
    assert plan["base"] == (None, [], None) and plan["dpo"] == (tmp, [], None)
    assert plan["sft"] == (None, given["sft"], "sft")
    assert plan["explained"] == (tmp, given["explained"], "explained")
    assert plan["unexplained"] == (tmp, given["unexplained"], "explained")
    rows = {row["step"]: row for row in training_steps.sizes(given)}
    assert [rows[step]["with an explanation"] for step in given] == [0, 1, 0]
    assert rows["explained"]["samples"] == 2
    nothing = training_steps.sizes({**given, "sft": []})
    assert [row["with an explanation"] for row in nothing] == [0, 0, 0]
