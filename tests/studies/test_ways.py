"""Ways to ask: which there are, and what their answers are measured by."""
import pytest
from helpers.texts import Fake, profile, prompt
from helpers.tunings import tokenizer_of_base

from lib.competencies import prompts
from lib.core.sections.studies import Prompts
from lib.core.settings import load
from lib.studies import prompting, references, ways

SETTINGS = load("smoke")[1]
TEXTS = {"bees": [1, 0, 0], "wasps": [0.95, 0.3, 0], "law": [0.3, 0, 0.95], "stars": [0, 1, 0]}
ENCODE = Fake(TEXTS).encode
POOL = [{"id": text, "author": text, "profile": profile(f"{text} study", "counting"),
         "abstracts": [{"title": "", "text": text}]} for text in ("stars", "law", "wasps")]
ASKED = prompt("asked", "bees", references=("bees", "hives"))
WAYS = ways.to_compare(Prompts(texts=1, k=[3, 1], choose=["random", "nearest"]))
BARE, ONE, JSON, ONE_JSON = (ways.Way(*way) for way in (
    ("text", "none", 0), ("text", "nearest", 1), ("json", "none", 0), ("json", "nearest", 1)))


def test_each_choice_with_each_k_and_both_formats_without_and_with_one_example():
    assert WAYS == [BARE, ("text", "random", 1), ("text", "random", 3), ONE,
                    ("text", "nearest", 3), JSON, ONE_JSON]
    few = ways.to_compare(Prompts(texts=1, k=[2], choose=["random"]))
    assert few == [BARE, ("text", "random", 2), JSON, ONE, ONE_JSON]


@pytest.fixture(scope="module")
def asked():
    tokenizer = tokenizer_of_base()
    before = {**ASKED, "messages": [], "examples": ["some that another page showed"]}
    found = ways.ask(WAYS, [before], POOL, SETTINGS, tokenizer, ENCODE)
    return found, tokenizer


def test_every_way_asks_about_the_same_texts(asked):
    found, tokenizer = asked
    assert list(found.prompts) == WAYS and set(found.lost.values()) == {0}
    bare, = found.prompts[BARE]
    assert bare == {**ASKED, "messages": prompts.messages(ASKED["abstracts"], "full")}
    assert found.prompts[JSON][0]["messages"][0]["content"] == prompts.JSON
    assert [len(found.prompts[way][0].get("examples", [])) for way in WAYS] == [
        way.k for way in WAYS]
    assert found.prompts[ONE][0]["examples"] == found.prompts[ONE_JSON][0]["examples"] == ["wasps"]
    assert set(found.chosen) == {"random", "nearest"}
    said = [ways.described(found, way, tokenizer) for way in (BARE, ONE)]
    assert [one["examples"] for one in said] == [0, 1]
    assert said[0]["prompt_tokens"] < said[1]["prompt_tokens"]


def test_what_is_too_long_is_counted():
    short = SETTINGS.model_copy(update={
        "examples": SETTINGS.examples.model_copy(update={"max_prompt_tokens": 64})})
    found = ways.ask([BARE, ONE], [ASKED], POOL, short, tokenizer_of_base(), ENCODE)
    assert found.lost == {BARE: 0, ONE: 1} and found.prompts[ONE] == found.prompts[BARE]


def test_outcomes_are_paired_with_their_control():
    better, worse = ([written("", names)] * 12 for names in (("bees", "hives", "x"), ("x",)))
    rows = [references.measure([ASKED] * 12, side, ENCODE) for side in (better, worse)]
    found = ways.outcome(*rows)
    assert found["f1"]["rate"] == pytest.approx(0.8) and found["n"] == 12
    assert found["difference"]["f1"]["rate"] == pytest.approx(0.8)
    assert found["difference"]["format"]["rate"] == found["format"]["rate"] == 1
    assert ways.outcome(rows[1], rows[1])["difference"]["f1"]["rate"] == 0


def written(text, names=("bees",), finished=True):
    return {"id": "asked", "text": text, "tokens": 10, "finished": finished,
            "profile": profile(*names) if names else None}


def test_what_is_copied_stands_in_an_example_and_not_in_the_text():
    asked = {**ASKED, "examples": ["stars"]}
    rows = [written("", ("Star studies", "bees", "counting", "new")), written("", ("bees",)),
            written("", ())]
    assert ways.copied([asked] * 3, rows, POOL) == [0.5, 0.0]
    assert ways.copied([ASKED], rows[:1], POOL) == []
    own = {**prompt("asked", "the counting of bees"), "examples": ["stars"]}
    assert ways.copied([own], rows[:1], POOL) == [0.25]


def test_the_rule_repeats_the_profile_of_the_first_example():
    row, = ways.repeated([ASKED], {"asked": POOL[::-1]})
    assert row["profile"] == POOL[2]["profile"] and row["id"] == "asked"
    assert ways.repeated([ASKED], {"asked": []})[0]["profile"] is None


def test_formats_count_what_is_readable_complete_and_exactly_as_asked():
    sound = profile("one", "two", "three")
    text, as_json = (prompting.answer(sound, style) for style in ("full", "json"))
    rows = [written(answer, ("one", "two", "three"))
            for answer in (text, as_json, f"Here: {as_json}")]
    rows += [written("no profile", ()), written(as_json, ("one", "two", "three"), finished=False)]
    for style in ways.STYLES:
        found = ways.kept(rows, style)
        shares = [found[key]["rate"] for key in ("parsed", "complete", "exact", "finished")]
        assert shares == [0.8, 0.6, 0.2, 0.8], style


def test_longer_prompts_come_in_smaller_batches():
    models = SETTINGS.models.model_copy(update={"batch_size": 16, "max_prompt_tokens": 900})
    assert ways.roomy(models, 2048).batch_size == 7
    assert ways.roomy(models, 500).batch_size == 16
    assert ways.roomy(models, 10**6).batch_size == 1
