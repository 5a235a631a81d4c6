"""What each public set means by its labels, and the traps of each, read from files."""
import json

import pytest
from helpers.sentiment_sets import pairs, write

from lib.tasks import sentiment


def test_tfns_counts_its_labels_its_own_way_and_quotes_run_over_lines(tmp_path):
    path = write(tmp_path / "tfns_validation.csv",
                 'text,label\n$A cut,0\n"$B raised,\n\nto buy ""now""",1\n$C meets,2\n$D,7\n'
                 ',1\n$E\n$F up,1.0\n')
    rows, rejected, counts = sentiment.read("tfns", [path])
    assert pairs(rows) == [("$A cut", "negative"), ('$B raised, to buy "now"', "positive"),
                           ("$C meets", "neutral"), ("$F up", "positive")]
    assert [(item["line"], item["reason"]) for item in rejected] == [
        (7, "unknown label '7'"), (8, "the text is empty"), (9, "1 cells where the header has 2")]
    assert counts["texts over several lines"] == 1 and counts["records"] == 7
    assert counts["usable"] == 4
    assert {row["source"] for row in rows} == {"tweet"}
    assert {row["part"] for row in rows} == {"test"}


@pytest.mark.parametrize(("score", "label"),
                         [("-0.1001", "negative"), ("-0.1", "neutral"), ("0.0999", "neutral"),
                          ("0.1", "positive")])
def test_fiqa_scores_become_labels_at_its_thresholds(tmp_path, score, label):
    document = {"5": {"sentence": "Shell pays",
                      "info": [{"target": "Shell", "sentiment_score": score}]}}
    path = write(tmp_path / "fiqa_headline.json", json.dumps(document))
    assert pairs(sentiment.read("fiqa", [path])[0]) == [("Shell pays", label)]


def test_fiqa_has_several_targets_to_a_sentence(tmp_path):
    def item(sentence, *scores):
        targets = [{"target": f"T{i}", "sentiment_score": score} for i, score in enumerate(scores)]
        return {"sentence": sentence, "info": targets}
    document = {"1": item("they agree", "0.5", "0.2"), "2": item("they differ", "0.5", "-0.5"),
                "3": item("one", "0.0"),
                "4": {"sentence": "none", "info": []}, "5": item("odd", "high"),
                "6": item("far", "7"), "7": item("lost", "nan")}
    path = write(tmp_path / "fiqa" / "post_train.json", json.dumps(document, indent=1))
    rows, rejected, counts = sentiment.read("fiqa", [path])
    assert pairs(rows) == [("they agree", "positive"), ("one", "neutral")]
    assert {row["source"] for row in rows} == {"tweet"}
    assert counts["targets of sentences with several"] == 4 and counts["repeats merged"] == 1
    assert counts["texts with conflicting labels"] == 1
    text = path.read_text().split("\n")
    reasons = {item["reason"]: item["line"] for item in rejected}
    assert len(rejected) == 6
    assert text[reasons["the same text is labelled negative and positive"] - 1] == ' "2": {'
    assert text[reasons["the sentence '4' has no list of targets"] - 1] == ' "4": {'
    assert {"the score 'high' is no number", "the score '7' is outside -1 to 1",
            "the score 'nan' is outside -1 to 1"} <= set(reasons)


def test_fiqa_as_csv_counts_from_positive_and_the_score_decides(tmp_path):
    plain = write(tmp_path / "a" / "fiqa.csv",
                  "sentence,label,format\ngood,0,headline\nso so,1,headline\nbad,2,post\n")
    assert [(row["text"], row["label"], row["source"])
            for row in sentiment.read("fiqa", [plain])[0]] == [
        ("good", "positive", "news"), ("so so", "neutral", "news"), ("bad", "negative", "tweet")]
    both = write(tmp_path / "b" / "fiqa.csv",
                 "sentence,sentiment_score,label\ngood,0.4,0\nbad,-0.4,0\n")
    rows, _, counts = sentiment.read("fiqa", [both])
    assert pairs(rows) == [("good", "positive"), ("bad", "negative")]
    assert counts["labels that contradict the score"] == 1


PHRASES = ["Talvivaara@home sells nickel .@neutral", "Profit rose .@positive",
           "Profit rose .@positive", "Sales fell .@negative",
           "Seen twice .@neutral", "Seen twice .@positive", "Sepp+ñl+ñ of +àland grows .@positive",
           "no label here", "half\x85line .@negative",
           "strange .@sad"]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_phrasebank_in_both_encodings(tmp_path, encoding):
    path = write(tmp_path / "fpb_50agree.txt", "\r\n".join(PHRASES).encode(encoding))
    rows, rejected, counts = sentiment.read("fpb", [path])
    assert pairs(rows) == [("Talvivaara@home sells nickel .", "neutral"),
                           ("Profit rose .", "positive"), ("Sales fell .", "negative"),
                           ("Sepp+ñl+ñ of +àland grows .", "positive"), ("half line .", "negative")]
    assert counts["repeats merged"] == 1 and counts["texts with conflicting labels"] == 1
    assert counts["texts with mangled umlauts"] == 1
    assert counts[f"files in {'UTF-8' if encoding == 'utf-8' else 'Latin-1'}"] == 1
    assert [(item["line"], item["reason"]) for item in rejected] == [
        (8, "no @ before a label"), (10, "unknown label 'sad'"),
        (5, "the same text is labelled neutral and positive"),
        (6, "the same text is labelled neutral and positive")]
    mended, _, _ = sentiment.read("fpb", [path], repair=True)
    assert mended[3]["text"] == "Seppälä of Åland grows ."


def test_nwgi_has_seven_classes(tmp_path):
    labels = ["strong negative", "moderately negative", "mildly negative", "neutral",
              "mildly positive", "Moderately Positive",
              "strong positive"]
    lines = [json.dumps({"news": f"n{i}", "label": label}) for i, label in enumerate(labels)]
    path = write(tmp_path / "nwgi.jsonl", "\n".join([*lines, "{", "[]", ""]))
    rows, rejected, counts = sentiment.read("nwgi", [path])
    assert [row["label"] for row in rows] == ["negative"] * 2 + ["neutral"] * 3 + ["positive"] * 2
    assert counts["mildly ... read as neutral"] == 2
    assert [item["line"] for item in rejected] == [8, 9]
