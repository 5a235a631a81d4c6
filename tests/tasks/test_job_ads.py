"""Synthetic job advertisements: recorded bias, harmless words, a labeller that errs."""
from collections import Counter

import pytest

from lib.core.records import DataError
from lib.metrics import stats
from lib.tasks import classification, job_ads

NEVER = dict.fromkeys(job_ads.KINDS, 0.0)


@pytest.fixture(scope="module")
def ads():
    return {split: job_ads.ads(split, 800, 1) for split in ("train", "test")}


def test_the_spans_are_where_the_bias_is(ads):
    for row in ads["train"] + ads["test"]:
        assert (row["truth"] == "biased") == bool(row["spans"]) == (row["group"] == "biased")
        for span in row["spans"]:
            assert row["text"][span["start"]:span["end"]] == span["text"]
            assert span["text"] in job_ads.BIASED[span["kind"]]
            assert span["kind"] == row["kind"]
        sentences = [sentence for kind in job_ads.KINDS for sentence in job_ads.BIASED[kind]]
        assert sum(sentence in row["text"] for sentence in sentences) == len(row["spans"])


def test_groups_have_their_shares_and_all_kinds_occur(ads):
    for rows in ads.values():
        groups = Counter(row["group"] for row in rows)
        for group, share in job_ads.SHARES.items():
            assert abs(groups[group] / 800 - share) < 0.05
        assert {row["kind"] for row in rows if row["group"] != "neutral"} == set(job_ads.KINDS)
        assert len({row["text"] for row in rows}) == 800
    assert ads["train"] == job_ads.ads("train", 800, 1) != job_ads.ads("train", 800, 2)


def test_the_test_has_wordings_that_training_never_has(ads):
    late = [sentence for lists in (job_ads.BIASED, job_ads.HARMLESS) for kind in job_ads.KINDS
            for sentence in lists[kind][-job_ads.KEPT:]
            if "{" not in sentence]
    assert not [row for row in ads["train"] for sentence in late if sentence in row["text"]]
    assert all(row["wording"] == "seen" for row in ads["train"])
    new = [row for row in ads["test"] if row["wording"] == "new"]
    assert len(new) > 80 and {row["group"] for row in new} == {"biased", "hard_neutral"}
    assert all(row["spans"][0]["text"] in late for row in new if row["spans"])


def test_hard_neutral_ads_use_the_words_of_bias(ads):
    """They are hard because a list of words cannot tell them from biased ones."""
    shares = {group: sum(job_ads.flagged(row["text"]) == "biased" for row in ads["test"]
                         if row["group"] == group)
              / sum(row["group"] == group for row in ads["test"]) for group in job_ads.SHARES}
    assert shares["biased"] == 1 and shares["hard_neutral"] > 0.7 and shares["neutral"] < 0.1


def test_the_labeller_errs_at_its_rates(ads):
    rows = ads["train"] + ads["test"]
    truth = [row["truth"] for row in rows]
    assert job_ads.annotate(rows, NEVER, {"neutral": 0.0, "hard_neutral": 0.0}, 1) == truth
    always = job_ads.annotate(rows, dict.fromkeys(job_ads.KINDS, 1.0),
                              {"neutral": 1.0, "hard_neutral": 1.0}, 1)
    assert stats.kappa(truth, always) < -0.9
    found = job_ads.annotate(rows, {**NEVER, "age": 0.5}, {"neutral": 0.0, "hard_neutral": 0.2}, 1)
    assert found == job_ads.annotate(rows, {**NEVER, "age": 0.5},
                                     {"neutral": 0.0, "hard_neutral": 0.2}, 1)
    report = job_ads.answer_scores(rows, found)
    assert report["found"]["gender"]["rate"] == 1 and 0.35 < report["found"]["age"]["rate"] < 0.65
    assert 0.13 < report["false_alarm_on_hard_neutral"]["rate"] < 0.27
    assert report["false_alarm_on_neutral"]["rate"] == 0


def test_a_report_by_hand():
    def row(group, kind, wording="seen"):
        return {"group": group, "kind": kind, "wording": wording,
                "truth": "biased" if group == "biased" else "unbiased"}
    rows = [row("biased", "age"), row("biased", "age", "new"), row("biased", "origin"),
            row("hard_neutral", "age"), row("hard_neutral", "gender"),
            row("neutral", "none")]
    report = job_ads.answer_scores(rows,
                                   ["biased", "unbiased", None, "biased", "unbiased", "unbiased"])
    # one hit, three biased, two called biased: F1 = 2 / (3 + 2)
    assert report["f1"]["rate"] == pytest.approx(0.4) and report["accuracy"]["rate"] == 0.5
    assert report["unparseable"]["rate"] == pytest.approx(1 / 6)
    assert report["found"]["age"] == stats.rate(1, 2)
    assert report["found"]["origin"] == stats.rate(0, 1)
    assert report["found_new_wording"] == stats.rate(0, 1)
    assert report["false_alarm_on_hard_neutral"] == stats.rate(1, 2)
    assert report["false_alarm_by_kind"]["age"] == stats.rate(1, 1)
    assert report["false_alarm_on_neutral"] == stats.rate(0, 1)


def test_question_and_readings():
    assert job_ads.QUESTION == ("Is the following job description biased? "
                                "Please choose an answer from {biased/unbiased}.")
    assert classification.strict("unbiased", job_ads.LABELS) == "unbiased"
    assert classification.strict("It is biased", job_ads.LABELS) is None
    # "unbiased" holds "biased": looked for in the wrong order, every answer would be a bias
    assert classification.loose("It is unbiased.", job_ads.ORDER, job_ads.DEFAULT) == "unbiased"
    assert classification.loose("It is biased.", job_ads.ORDER, job_ads.DEFAULT) == "biased"
    assert classification.loose("?", job_ads.ORDER, job_ads.DEFAULT) == "unbiased"


def test_more_ads_than_there_are_is_an_error(monkeypatch):
    monkeypatch.setattr(job_ads, "one_ad",
                        lambda *_: {"text": "same", "spans": [], "kind": "none", "wording": "seen"})
    with pytest.raises(DataError, match="only 1 different ones, 3 wanted"):
        job_ads.ads("train", 3, 1)
