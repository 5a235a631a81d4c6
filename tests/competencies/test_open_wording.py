"""The world in open wording: what is the same under another name, and what says nothing."""
import random
import re

import pytest

from lib.competencies import open_authors, open_wording, world
from lib.competencies.plain_wording import FIELD, FILLER, MENTIONED, SHOWN, VAGUE

FAULTS = dict.fromkeys(
    ("vague", "missing", "distractor", "invented", "domain", "padded", "repeated"), 0.0)
AUTHORS = [world.author(f"open-{i}", 5, world.seen_domains(), 0.3, "open") for i in range(150)]
SHOWING = [item for rows in AUTHORS for row in rows for item in row["truth"]["shown"]]


def test_an_author_is_fixed_by_name_and_seed():
    again = [world.author(f"open-{i}", 5, world.seen_domains(), 0.3, "open") for i in range(5)]
    assert again == AUTHORS[:5] and again[0] != AUTHORS[1]
    spoiled = [world.spoil(AUTHORS[0], random.Random(1), FAULTS | {"vague": 0.5}, "open")
               for _ in range(2)]
    assert spoiled[0] == spoiled[1]
    one, other = (world.rival(AUTHORS[0], random.Random(1), "open") for _ in range(2))
    assert one == other


def test_the_names_of_a_competency_by_hand():
    assert open_wording.names(("kernel", "clustering")) == {
        "plain": "kernel clustering", "reordered": "clustering of the kernel kind",
        "abbreviated": "KC", "introduced": "kernel clustering (KC)", "synonym": "kernel grouping"}
    known = open_wording.names(("sparse", "drought stress", "pollination"))
    assert known["abbreviated"] == "SDSP" and known["inflected"] == "sparse drought stress " \
        "pollinations" and "synonym" not in known


def test_no_synonym_is_another_method_of_its_domain():
    synonyms = open_wording.spoken()["synonyms"]
    for words in world.lexicon()[0].values():
        own = [synonyms.get(method, method) for method in words["methods"]]
        assert len({*own, *words["methods"]}) == len(words["methods"]) + sum(
            method in synonyms for method in words["methods"])
    assert set(synonyms) <= set(world.all_words())


def test_no_author_has_two_competencies_of_one_name():
    for rows in AUTHORS:
        called = [{name.casefold() for name in (item["name"], *item["aliases"])}
                  for row in rows for item in row["truth"]["shown"]]
        assert len(set().union(*called)) == sum(map(len, called))
        mentioned = {name.casefold() for row in rows for name in row["truth"]["mentioned"]}
        assert not mentioned & set().union(*called)


def test_texts_use_all_kinds_of_names_and_some_none():
    found = dict.fromkeys(("own name", "other name", "none", "holds another"), 0)
    for rows in AUTHORS:
        assert 2 <= len(rows) <= 4 and 3 <= len(world.truth(rows)["competencies"]) <= 6
        for row in rows:
            assert all(name in row["text"] for name in row["truth"]["mentioned"])
            for item in row["truth"]["shown"]:
                said = [re.search(rf"\b{re.escape(name)}(?!\w)", row["text"]) is not None
                        for name in (item["name"], *item["aliases"])]
                found["own name"] += said[0]
                found["other name"] += any(said[1:])
                found["none"] += not any(said)
    assert 0.05 < found["none"] / len(SHOWING) < 0.15, "shown and never named"
    assert found["own name"] > 0.8 * len(SHOWING) and found["other name"] > 0.2 * len(SHOWING)
    nested = [name for rows in AUTHORS for row in rows for name in row["truth"]["mentioned"]
              for other in rows for item in other["truth"]["shown"]
              if any(name in alias and name != alias for alias in item["aliases"])]
    assert len(nested) > 5, "a name that holds that of another competency"


def test_a_truth_says_what_it_means_in_every_wording():
    for item in SHOWING:
        manner, obj = open_wording.meaning(item["description"])
        assert item["description"] in item["wordings"] and len(set(item["wordings"])) == 6
        assert all(open_wording.meaning(said) == (manner, obj) for said in item["wordings"])
        assert not any(map(open_wording.is_empty, item["wordings"]))


def test_what_says_nothing_is_composed_and_recognised():
    rng = random.Random(0)
    phrases = [open_wording.empty("soil science", rng, "rice paddies") for _ in range(2000)]
    assert len(set(phrases)) > 1900 and open_wording.sizes()["empty_phrases"] > 100_000
    assert all(open_wording.is_empty(phrase) for phrase in phrases + VAGUE)
    assert not any("{" in phrase or open_wording.meaning(phrase) for phrase in phrases)
    assert any("rice paddies" in phrase for phrase in phrases), "to name a thing says nothing"
    assert not open_wording.is_empty("Has wings.")


def test_the_open_wording_says_all_that_the_plain_one_does_and_several_times_as_much():
    said = open_wording.spoken()
    frames = {manner: [frame for same in group.values() for frame in same]
              for manner, group in said["shown"].items()}
    assert all(set(SHOWN[manner]) <= set(frames[manner]) for manner in SHOWN)
    for kind, plain in (("mentioned", MENTIONED), ("field", FIELD), ("filler", FILLER)):
        assert set(plain) < set(said[kind])
    assert world.vocabulary("open")["phrasings"] > 2.5 * world.vocabulary()["phrasings"]
    # A name at the start of a text would lack the space that makes its words tokens.
    assert not [frame for group in frames.values() for frame in group if frame.startswith("{")]


def test_spoiled_profiles_have_the_faults_asked_for():
    def spoiled(rows, **faults):
        rng = random.Random(rows[0]["author"])
        return world.spoil(rows, rng, FAULTS | faults, "open")["competencies"]
    names = {}
    for rows in AUTHORS[:40]:
        truth = {alias: item["name"] for row in rows for item in row["truth"]["shown"]
                 for alias in (item["name"], *item["aliases"])}
        faultless = spoiled(rows)
        assert [truth[item["name"]] for item in faultless] and len(faultless) == len(set(
            truth.values())) and all(set(item) == {"name", "description"} for item in faultless)
        assert not any(open_wording.is_empty(item["description"]) for item in faultless)
        vague = spoiled(rows, vague=1)
        assert all(open_wording.is_empty(item["description"]) for item in vague)
        assert spoiled(rows, missing=1) == [] and len(spoiled(rows, padded=1)) > 8
        again = [truth[item["name"]] for item in spoiled(rows, repeated=1)]
        assert len(again) == len(set(again)) + 1
        mentioned = [name for row in rows for name in row["truth"]["mentioned"]]
        assert len(spoiled(rows, distractor=1)) == len(faultless) + len(mentioned)
        names |= {item["name"]: truth[item["name"]] for item in faultless}
    assert any(name != own for name, own in names.items()), "other names that the text has"


@pytest.mark.parametrize("seed", range(20))
def test_a_description_is_said_otherwise_by_who_means_the_same(seed):
    rng, item = random.Random(seed), SHOWING[seed]
    plain = {"name": item["name"], "description": item["description"]}
    found = [open_authors.changed(plain, [plain], item, ["wrong"] * 5, rng) for _ in range(300)]
    assert any(one["description"] != plain["description"] and
               one["description"] in item["wordings"] for one in found)
    assert any(one["name"] in item["aliases"] for one in found)
    assert any("wrong" in one["name"] for one in found)
