"""Examples before the question, by vectors that are known and texts made by hand."""
import json

import numpy as np
import pytest
from helpers.checkpoints import write_encoder
from helpers.texts import Fake, profile, prompt, unit
from helpers.tunings import tokenizer_of_base

from lib.competencies import prompts, world
from lib.core.records import DataError
from lib.core.sections.data import Examples
from lib.core.settings import load
from lib.models.chats import encode_chats
from lib.studies import prompting, warm_start

SETTINGS = load("smoke")[1]
DATA = SETTINGS.data
TEXTS = {"bees": [1, 0, 0], "wasps": [0.95, 0.3, 0], "hornets": [0.94, 0.32, 0.1],
         "law": [0.3, 0, 0.95], "stars": [0, 1, 0]}


def wanted(**changes):
    usual = {"k": 2, "choose": "nearest", "source": "train", "relevance": 0.5, "seed": 1,
             "max_prompt_tokens": 2048}
    return Examples(**usual | changes)


def example(text, author=""):
    return {"id": text, "author": author or text, "profile": profile(f"{text} study", "counting"),
            "abstracts": [{"title": "", "text": text}]}


ASKED = prompt("asked", "bees")
POOL = [example(text) for text in ("stars", "hornets", "law", "wasps")]
ENCODE = Fake(TEXTS).encode


def ids(chosen):
    return [one["id"] for one in chosen["asked"]]


def chosen(known=POOL, encode=ENCODE, asked=ASKED, **changes):
    return prompting.choose([asked], known, wanted(**changes), DATA, encode)


def test_the_nearest_come_first_and_fewer_are_the_first_of_more():
    assert ids(chosen(k=4)[0]) == ["wasps", "hornets", "law", "stars"]
    assert ids(chosen(k=5)[0]) == ["wasps", "hornets", "law", "stars"], "no more are there"
    for choose in ("random", "nearest", "diverse"):
        assert ids(chosen(k=2, choose=choose)[0]) == ids(chosen(k=3, choose=choose)[0])[:2]


def test_diverse_weighs_nearness_to_the_text_against_nearness_to_each_other():
    assert ids(chosen(k=2, choose="diverse")[0]) == ["wasps", "law"]
    assert ids(chosen(k=4, choose="diverse", relevance=1.0)[0]) == ids(chosen(k=4)[0])
    vectors = {name: unit(vector, 3) for name, vector in TEXTS.items()}
    left, expected = ["stars", "hornets", "law", "wasps"], []
    while left:  # Carbonell and Goldstein 1998, by its formula
        value = {one: 0.4 * vectors[one] @ vectors["bees"]
                 - 0.6 * max((vectors[one] @ vectors[other] for other in expected), default=0)
                 for one in left}
        expected.append(max(left, key=value.get))
        left.remove(expected[-1])
    assert ids(chosen(k=4, choose="diverse", relevance=0.4)[0]) == expected


def test_a_draw_hangs_on_the_seed_and_the_text_alone():
    many = [example(f"text {number}") for number in range(40)]
    rows = [prompt(str(number), f"question {number}") for number in range(6)]
    first, _ = prompting.choose(rows, many, wanted(choose="random"), DATA)
    again, _ = prompting.choose(rows[::-1], many, wanted(choose="random"), DATA)
    other, _ = prompting.choose(rows, many, wanted(choose="random", seed=2), DATA)
    assert first == again != other
    assert len({one["id"] for row in first.values() for one in row}) > 6, "not the same for all"


def test_nobody_is_shown_their_own_text_or_one_that_repeats_it():
    words = [f"word{number}" for number in range(40)]
    asked = {**prompt("asked", " ".join(words)), "author": "a"}
    copy = example(" ".join([*words[:39], "last"]))
    quoting = example(" ".join(["we", "quote", *words[5:5 + DATA.contamination_words], "there"]))
    shorter = example(" ".join(["we", "quote", *words[5:4 + DATA.contamination_words], "there"]))
    own = {**example("something else"), "author": "a"}
    same = {**example("quite another"), "id": "asked"}
    known = [copy, quoting, shorter, own, same]
    found, passed_over = chosen(known, None, asked, k=5, choose="random")
    assert ids(found) == [shorter["id"]]
    assert passed_over == {"author": 2, "repeats": 2}


def test_an_author_of_several_texts_is_near_by_their_mean():
    two = {**example("stars"), "abstracts": [{"title": "", "text": "bees"},
                                             {"title": "", "text": "stars"}]}
    vectors = prompting.vectors_of([two, ASKED], ENCODE)
    assert vectors[0] @ vectors[1] == pytest.approx(np.sqrt(0.5))


@pytest.fixture(scope="module")
def tokenizer():
    return tokenizer_of_base()


def tokens(tokenizer, row):
    return len(encode_chats(tokenizer, [row["messages"]])[0])


def test_the_nearest_stands_last_and_the_farthest_goes_first(tokenizer):
    found, _ = chosen(k=3)
    asked = [{**ASKED, "messages": prompts.messages(ASKED["abstracts"], "full")}]
    (row,), lost = prompting.with_examples(asked, found, "full", tokenizer, 2048)
    assert row["examples"] == ["law", "hornets", "wasps"] and not lost
    roles = [turn["role"] for turn in row["messages"]]
    assert roles == ["system", *["user", "assistant"] * 3, "user"]
    assert "wasps" in row["messages"][5]["content"]
    assert "wasps study" in row["messages"][6]["content"]
    assert row["messages"][0::7] == asked[0]["messages"], "the same rules, the same question"
    whole = tokens(tokenizer, row)
    (short,), lost = prompting.with_examples(asked, found, "full", tokenizer, whole - 1)
    assert short["examples"] == ["hornets", "wasps"] and lost == ["asked"]
    (bare,), lost = prompting.with_examples(asked, found, "full", tokenizer, 64)
    assert bare == asked[0] and lost == ["asked"] and "examples" not in bare


def test_examples_are_in_the_format_that_is_asked_for(tokenizer):
    (row,), _ = prompting.with_examples([ASKED], chosen(k=1)[0], "json", tokenizer, 2048)
    assert json.loads(row["messages"][2]["content"]) == POOL[3]["profile"]


def test_the_pool_has_the_truth_or_what_peoples_terms_make():
    rows = world.author("a", 1, world.seen_domains())
    known = {"id": "a", "author": "a", "split": "train", "truth": world.truth(rows),
             "abstracts": rows}
    text = {"id": "t", "author": "t", "title": "Ships", "references": ["ship", "crew", "bridge"],
            "text": "A ship has a crew. They stand on a bridge."}
    real = {"id": "t", "author": "t", "split": "train", "truth": None, "abstracts": [text]}
    poor = {**real, "abstracts": [{**text, "references": ["ship"]}]}
    found = prompting.pool([known, real, poor, {**known, "split": "test"}], "train")
    assert [one["profile"] for one in found] == [known["truth"], warm_start.profile_of(real)]
    assert found[1]["abstracts"] == [{"title": "Ships", "text": text["text"]}]
    with pytest.raises(DataError, match=r"examples\.source is validation: no text of that split"):
        prompting.pool([known, real], "validation")


def test_a_preset_without_examples_changes_no_prompt(tokenizer):
    asked = [ASKED]
    assert prompting.of_preset(asked, [], SETTINGS, tokenizer) == (asked, {})


@pytest.mark.parametrize("choose", ["random", "nearest", "diverse"])
def test_a_preset_with_examples_shows_them_in_every_prompt(choose, tokenizer, tmp_path):
    place = write_encoder(tmp_path, list(TEXTS))
    settings = SETTINGS.model_copy(update={
        "examples": wanted(choose=choose),
        "models": SETTINGS.models.model_copy(update={"encoder": place})})
    groups = [{**example(text), "split": "train", "truth": profile(f"{text} study")}
              for text in TEXTS]
    asked = [{**prompt(one["id"], one["id"]), "author": one["author"]} for one in groups]
    rows, counts = prompting.of_preset(asked, groups, settings, tokenizer)
    assert counts == {"with examples": 5, "lost some": 0, "passed over": 0}
    assert all(len(row["examples"]) == 2 and row["id"] not in row["examples"] for row in rows)
