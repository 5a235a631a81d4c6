"""The synthetic world: its size, its truth, and profiles with faults."""
import random

from lib.competencies import world
from lib.core.records import digest

FAULTS = ("vague", "missing", "distractor", "invented", "domain", "padded", "repeated")


def test_the_world_is_large_and_its_truth_is_in_the_text():
    domains, held_out = world.lexicon()
    names = {f"{modifier} {method}" for words in domains.values()
             for modifier in words["modifiers"] for method in words["methods"]}
    assert len(domains) - len(held_out) >= 24 and held_out and len(names) >= 2000
    for index in range(200):
        rows = world.author(f"a{index}", 1, world.seen_domains())
        assert rows == world.author(f"a{index}", 1, world.seen_domains())
        truth = world.truth(rows)
        assert 2 <= len(rows) <= 4 and 3 <= len(truth["competencies"]) <= 8
        assert truth["domain"] not in held_out
        for row in rows:
            assert all(c["name"] in row["text"] for c in row["truth"]["shown"])
            assert all(name in row["text"] for name in row["truth"]["mentioned"])
        shown = {c["name"] for c in truth["competencies"]}
        assert not shown & {name for row in rows for name in row["truth"]["mentioned"]}


def test_spoiled_profiles_have_the_faults_asked_for():
    rows = world.author("a", 1, world.seen_domains())

    def spoiled(**faults):
        return world.spoil(rows, random.Random(0), dict.fromkeys(FAULTS, 0.0) | faults)
    assert spoiled() == world.truth(rows)
    assert all(c["description"] in world.VAGUE for c in spoiled(vague=1)["competencies"])
    assert spoiled(missing=1)["competencies"] == []
    assert len(spoiled(padded=1)["competencies"]) > 8


def test_the_size_of_the_world_counts_what_can_be_said():
    size = world.vocabulary()
    assert size["domains"] == len(world.seen_domains()) + len(world.held_out_domains())
    assert size["held_out_domains"] == len(world.held_out_domains()) > 0
    domains, _ = world.lexicon()
    most = sum(len(words["modifiers"]) * len(words["methods"]) for words in domains.values())
    assert most / 2 < size["competencies"] <= most and size["phrasings"] > 20


def test_the_plain_wording_is_what_the_committed_models_learned_from():
    """If it is meant to change, all models are trained again, and these digests are renewed."""
    rates = {"vague": .5, "missing": .1, "distractor": .4, "invented": .3, "domain": .2,
             "padded": .2, "repeated": .3}
    found = []
    for i in range(20):
        for domains, invented in ((world.seen_domains(), 0.5), (world.held_out_domains(), 0.0)):
            rows, rng = world.author(f"kept-{i}", 7, domains, invented), random.Random(i)
            found.append([rows, world.truth(rows), world.spoil(rows, rng, rates),
                          world.rival(rows, rng)])
    assert digest(found) == "59b40233711589fef602"
    assert digest(world.vocabulary()) == "027d1b351932e77101ef"
