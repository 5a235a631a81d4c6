"""Financial sentiment: the sets of a study, from files and from the hub, and how answers fare."""
from collections import Counter

import pytest
from helpers.sentiment_sets import pairs, write

from lib.core import settings
from lib.core.records import DataError
from lib.core.settings import ROOT
from lib.tasks import sentiment
from lib.tasks.sentiment_files import files

REAL = ROOT.parent / "shared/data/finance"


def test_a_set_is_split_as_its_files_say_or_else_at_random():
    rows = [{"id": str(i), "part": "test" if i < 3 else "train"} for i in range(10)]
    assert [len(part) for part in sentiment.split(rows, 0).values()] == [7, 3]
    for part in ("train", "test"):  # only one kind of file: a fifth is drawn
        drawn = sentiment.split([{**row, "part": part} for row in rows], 0)
        ids = {name: {row["id"] for row in found} for name, found in drawn.items()}
        assert len(ids["test"]) == 2 and not ids["train"] & ids["test"]
        assert len(ids["train"] | ids["test"]) == 10
        assert drawn == sentiment.split([{**row, "part": part} for row in rows], 0)


def wanted(**other):
    return settings.load("smoke")[1].instruction.model_copy(update={"train": 6, "test": 4, **other})


def test_real_sets_join_ours_and_nothing_is_fetched_offline(tmp_path, monkeypatch):
    import datasets
    monkeypatch.setattr(datasets, "load_dataset", lambda **_: pytest.fail("the hub was asked"))
    write(tmp_path / "tfns.csv",
          "text,label\n" + "".join(f"tweet {i},{i % 3}\n" for i in range(30)) + "odd,9\n")
    sets, counts, rejected = sentiment.collect(wanted(hub=["fpb", "tfns"]), tmp_path, offline=True)
    assert set(sets) == {"news", "tweets", "headlines", "tfns"}
    assert all(len(parts["train"]) == 6 and len(parts["test"]) == 4 for parts in sets.values())
    assert counts[0]["set"] == "tfns" and counts[0]["records"] == 31 and len(rejected) == 1
    assert sets["tfns"]["test"][0]["instruction"] == (
        "What is the sentiment of this tweet? "
        "Please choose an answer from {negative/neutral/positive}.")
    assert sets["news"]["train"][0]["instruction"].startswith("What is the sentiment of this news?")
    with pytest.raises(DataError, match=r"instruction\.single is .fpb."):
        sentiment.collect(wanted(single="fpb"), tmp_path, offline=True)


def test_the_hub_is_asked_when_allowed(tmp_path, monkeypatch):
    import datasets
    asked = []

    def load_dataset(**place):
        asked.append(place)
        return {"train": [{"sentence": f"s{i}", "label": i % 3} for i in range(20)],
                "validation": [{"sentence": "v", "label": 2}]}
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    sets, _, _ = sentiment.collect(wanted(hub=["fpb"], synthetic=False, single="fpb"), tmp_path,
                                   offline=False)
    assert asked == [sentiment.HUB["fpb"]] and len(sets["fpb"]["train"]) == 6
    assert pairs(sets["fpb"]["test"]) == [("v", "positive")]

    def unreachable(**place):
        raise ConnectionError("no\nroute")
    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    message = r"cannot load takala/financial_phrasebank \(no route\); put its files into data/"
    with pytest.raises(DataError, match=message):
        sentiment.from_hub("fpb")


def test_a_report_has_both_readings_and_the_truth():
    rows = [{"label": "neutral", "truth": "positive"}, {"label": "positive", "truth": "positive"}]
    found = sentiment.answer_scores(rows, ["positive", "no idea"])
    assert found["accuracy"]["rate"] == 0 and found["true_accuracy"]["rate"] == 0.5
    assert found["unparseable"]["rate"] == 0.5
    assert found["loose"]["unparseable"]["rate"] == 0 and found["loose"]["accuracy"]["rate"] == 0
    assert "true_accuracy" not in sentiment.answer_scores([{"label": "neutral"}], ["neutral"])


@pytest.mark.skipif(not REAL.is_dir(), reason="no shared/data/finance: these sets are not shipped")
def test_the_real_files():
    """The counts that the notes give of these files; their text is nowhere in the repository."""
    rows, rejected, counts = sentiment.read("tfns", files(REAL, "tfns")[0])
    labels = Counter(row["label"] for row in rows)
    assert labels == {"neutral": 1566, "positive": 475, "negative": 347} and not rejected
    assert counts["texts over several lines"] == 43
    rows, rejected, counts = sentiment.read("fiqa", files(REAL, "fiqa")[0])
    assert len(rows) + counts["texts with conflicting labels"] == 336 + 575
    assert counts["texts with conflicting labels"] == 7
    both = [sentiment.read("fpb", [path]) for path in files(REAL, "fpb")[0]]
    assert len(both) == 2 and pairs(both[0][0]) == pairs(both[1][0])
    assert both[0][2]["records"] == 2264 and both[0][2]["repeats merged"] == 5
    latin = [counts["files in Latin-1"] for _, _, counts in both if "files in Latin-1" in counts]
    assert set(latin) == {1}


def test_no_training_text_stands_in_a_test_of_any_set():
    words = "the company said its quarterly sales rose by ten percent"
    sets = {"fpb": {"train": [{"text": words}, {"text": "profit fell in the last quarter of it"}],
                    "test": [{"text": "nothing else is said here at all by anyone"}]},
            "tfns": {"train": [{"text": "short one"}],
                     "test": [{"text": f"$ABC: {words} https://t.co/abc"}]}}
    assert sentiment.apart(sets) == {"fpb": 1, "tfns": 0}
    kept, = sets["fpb"]["train"]
    assert kept["text"] == "profit fell in the last quarter of it"
    assert len(sets["tfns"]["test"]) == len(sets["fpb"]["test"]) == 1
