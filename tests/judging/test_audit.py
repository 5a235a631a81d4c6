"""The audit of judges, against biases that are known by construction."""
import random

import pytest
from helpers.votes import PAIRS, SCORES, TEXTS, cast, changed, right, wrong

from lib.competencies import profiles, prompts, world
from lib.judging import audit, judges
from lib.judging.chat import abstracts_of
from lib.judging.panel import Panel


def test_the_audit_of_a_perfect_judge():
    found = audit.audit(cast(right), TEXTS, SCORES)
    for share in ("agreement_with_truth", "order_consistency", "accuracy"):
        assert found[share]["rate"] == 1
    assert found["kappa"] == pytest.approx(1) and found["ac1"] == pytest.approx(1)
    assert found["first_slot_share"]["rate"] == 0.5 and found["votes"] == len(PAIRS)
    assert found["cycle_rate"]["rate"] == 0 and found["invalid_share"]["rate"] == 0


def test_the_audit_finds_a_place_bias():
    found = audit.audit(cast(lambda *_: "left"), TEXTS, SCORES)
    assert found["first_slot_share"]["rate"] == 1 and found["order_consistency"]["rate"] == 0
    assert found["agreement_with_truth"]["rate"] == 0.5
    assert found["kappa"] == pytest.approx(0, abs=1e-9)
    half = cast(lambda key, a, b: "left" if int(key) % 2 else right(key, a, b))
    found = audit.audit(half, TEXTS, SCORES)
    assert found["first_slot_share"]["rate"] == 0.75 and found["order_consistency"]["rate"] == 0.5


def test_the_audit_finds_a_length_bias():
    def longer(key, a, b):
        return "left" if len(TEXTS[key][a]) > len(TEXTS[key][b]) else "right"

    found, fair = (audit.audit(cast(judge), TEXTS, SCORES) for judge in (longer, right))
    assert found["length_preference"]["rate"] == 1
    assert found["length_coefficient"] > 3 > abs(fair["length_coefficient"])


def test_the_audit_counts_circles_and_invalid_votes():
    def circle(key, a, b):
        return "left" if (b - a) % 5 in (1, 2) else "right"

    regular = audit.audit(cast(circle), TEXTS, SCORES)["cycle_rate"]
    assert regular["rate"] == pytest.approx(5 / 10)  # a regular tournament of five
    rng = random.Random(0)
    found = audit.audit(cast(lambda *one: rng.choice([None, right(*one)])), TEXTS, SCORES)
    invalid = found["invalid_share"]["rate"]
    assert invalid == pytest.approx(0.5, abs=0.1) and found["agreement_with_truth"]["rate"] == 1
    assert found["accuracy"]["rate"] == pytest.approx(1 - invalid)  # wrong, not left out


def test_the_audit_without_truth_or_votes():
    unknown = {key: [None] * 5 for key in SCORES}
    found = audit.audit(cast(right), TEXTS, unknown)
    assert found["agreement_with_truth"]["rate"] is None and found["kappa"] is None
    assert found["order_consistency"]["rate"] == 1
    assert audit.audit([], {}, {})["votes"] == 0


def test_the_outcomes_of_a_panel_are_votes():
    rows = audit.panel_votes({"p": [((0, 1), 0.2), ((1, 0), None), ((0, 2), 0)]})
    assert [row["winner"] for row in rows] == ["left", None, "tie"]
    assert (rows[1]["id"], rows[1]["left"], rows[1]["right"]) == ("p", 1, 0)


def test_repeat_flips():
    votes = cast(right)
    repeated = [{**vote, "winner": "tie"} if i < 10 else vote for i, vote in enumerate(votes[:40])]
    assert audit.flips(votes, repeated)["rate"] == 10 / 40


def test_schemes_are_compared_on_recorded_votes():
    votes = cast(right, "cheap") + cast(right, "dear")
    players = {key: list(range(5)) for key in SCORES}
    found = audit.compare_schemes(votes, players, SCORES, ["cheap"], changed(seed=0, pairs=6))
    assert all(row["pair_accuracy"]["rate"] == 1 for row in found.values())
    assert found["all_pairs"]["calls_per_prompt"] == 20
    assert found["all_pairs"]["judge_calls_per_prompt"] == 40
    assert found["knockout"]["calls_per_prompt"] == 4
    two_pass = found["two_pass"]  # the dear one does not screen
    assert two_pass["judge_calls_per_prompt"] < 2 * two_pass["calls_per_prompt"]


def test_rank_correlations():
    players = {key: list(range(5)) for key in SCORES}
    for threshold in (1.0, 0.5, None):
        for judge, value in ((right, 1), (wrong, -1)):
            found = audit.rank_correlations(cast(judge), players, SCORES, threshold)
            assert found["spearman"]["rate"] == pytest.approx(value)
            assert found["kendall"]["rate"] == pytest.approx(value)
    split = cast(right, "a") + cast(wrong, "b")  # one against one: all draws
    assert audit.rank_correlations(split, players, SCORES, 0.75)["kendall"]["rate"] == 0


def test_null_models_are_what_they_claim():
    rows = world.author("canary", 0, world.seen_domains())
    prompt = {"id": "c", "truth": world.truth(rows), "abstracts": prompts.as_shown(rows)}
    texts = {name: make(prompt) for name, make in audit.CANARIES.items()}
    assert texts["empty"] == "" and profiles.parse(texts["constant"])
    assert texts["copied_abstract"] == abstracts_of(prompt)
    assert len(profiles.parse(texts["huge_list"])["competencies"]) > 30
    truth, rival = judges.Truth([prompt]), profiles.render(prompt["truth"])
    rates = audit.canary_win_rates(lambda shown: Panel([truth], [prompt], shown), [prompt],
                                   {"c": [rival]})
    assert all(rate["rate"] == 0 for rate in rates.values())
    assert set(rates) == set(audit.CANARIES)
