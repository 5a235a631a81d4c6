"""The judges under study: rows for the tables of page 2."""
from helpers.votes import SCORES, cast, right

from lib.core.settings import load
from lib.judging import study


def test_members_of_the_candidates_family_are_named():
    _, settings = load("paper")
    rows = {row["judge"]: row for row in study.members(settings.judging, settings.models)}
    assert rows["llama"]["family"] == "language model: llama"
    assert rows["llama"]["the base's family"] == "no"
    _, settings = load("default")
    chat = study.members(settings.judging, settings.models)[-1]
    assert chat["model"] == settings.models.label_judge, "a role becomes a model's name"
    assert chat["the base's family"] == "no" and chat["votes while screening"] == "no"


def test_a_member_of_the_bases_series_is_akin_to_it():
    _, settings = load("laptop")
    models = settings.models.model_copy(update={"base": "Qwen/Qwen2.5-0.5B-Instruct"})
    judge, = study.members(settings.judging, models)
    assert judge["the base's family"] == "yes"


def test_ties_and_invalid_votes_are_counted():
    votes = [{"winner": winner} for winner in ("left", "tie", None, "right")]
    assert study.counts(votes) == {"votes": 4, "ties": 1, "invalid": 1}


def test_agreement_by_margin_is_of_fifths_from_the_smallest_on():
    scores = {"p": [1.0, 0.0], "unknown": [None, None]}
    pairs = [("p", 0, 1) if margin > 4 else ("p", 1, 0) for margin in range(10)]
    preferences = [{"margin": float(margin)} for margin in range(10)]
    rows = study.by_margin(preferences[::-1], pairs[::-1], scores)
    assert [(row["from"], row["to"]) for row in rows] == [(0, 1), (2, 3), (4, 5), (6, 7), (8, 9)]
    assert [row["agreement"]["rate"] for row in rows] == [0, 0, 0.5, 1, 1]
    assert study.by_margin(preferences[:1], [("unknown", 0, 1)], scores) == []
    assert study.by_margin([], [], scores) == []


def test_all_pairs_in_both_orders_and_some_of_them_from_all_over():
    everything = study.both_orders({"p": [0, 2], "q": [1], "r": [0, 1, 3]})
    assert everything[:2] == [("p", 0, 2), ("p", 2, 0)] and len(everything) == 8
    assert study.spread_out(everything, 4) == everything[::2]
    assert study.spread_out(everything, 99) == everything
    assert study.spread_out(everything, 0) == study.spread_out([], 3) == []


def test_correlations_are_taken_for_each_group_and_threshold():
    votes = cast(right)
    players = {key: list(range(len(scores))) for key, scores in SCORES.items()}
    name = votes[0]["judge"]
    found = study.correlations(votes, {"all": [name], "nobody": []}, players, SCORES, 1)
    assert list(found["all"]) == ["1.0", "0.9", "0.75", "0.5", "none"]
    assert all(row["spearman"]["rate"] > 0.9 for row in found["all"].values())
    assert all(row["spearman"]["rate"] == 0 for row in found["nobody"].values())
    assert study.of_judges(votes, []) == [] and study.of_judges(votes, [name]) == votes
