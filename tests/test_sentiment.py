"""Financial sentiment: readers and their traps, prompts, readings of answers, scores, baselines, and our own sets."""
import json
import re
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from lib.core import settings
from lib.core.records import DataError
from lib.core.sections.studies import Compared
from lib.core.settings import ROOT
from lib.metrics.labels import label_scores, scores
from lib.studies import instruction
from lib.tasks import classification, sentiment, sentiment_synthetic
from lib.tasks.sentiment_files import files

REAL = ROOT.parent / "shared/data/finance"


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def pairs(rows):
    return [(row["text"], row["label"]) for row in rows]


def test_tfns_counts_its_labels_its_own_way_and_quotes_run_over_lines(tmp_path):
    path = write(tmp_path / "tfns_validation.csv", 'text,label\n$A cut,0\n"$B raised,\n\nto buy ""now""",1\n$C meets,2\n$D,7\n,1\n$E\n$F up,1.0\n')
    rows, rejected, counts = sentiment.read("tfns", [path])
    assert pairs(rows) == [("$A cut", "negative"), ('$B raised, to buy "now"', "positive"), ("$C meets", "neutral"), ("$F up", "positive")]
    assert [(item["line"], item["reason"]) for item in rejected] == [
        (7, "unknown label '7'"), (8, "the text is empty"), (9, "1 cells where the header has 2")]
    assert counts["texts over several lines"] == 1 and counts["records"] == 7 and counts["usable"] == 4
    assert {row["source"] for row in rows} == {"tweet"} and {row["part"] for row in rows} == {"test"}


def test_an_open_quote_swallows_no_rows_in_silence(tmp_path):
    path = write(tmp_path / "tfns.csv", 'text,label\nfirst,0\n"never closed,1\nsecond,1\n')
    rows, rejected, _ = sentiment.read("tfns", [path])
    assert pairs(rows) == [("first", "negative")]
    assert rejected[0]["line"] == 3 and "not CSV" in rejected[0]["reason"]


@pytest.mark.parametrize(("score", "label"), [("-0.1001", "negative"), ("-0.1", "neutral"), ("0.0999", "neutral"), ("0.1", "positive")])
def test_fiqa_scores_become_labels_at_its_thresholds(tmp_path, score, label):
    document = {"5": {"sentence": "Shell pays", "info": [{"target": "Shell", "sentiment_score": score}]}}
    path = write(tmp_path / "fiqa_headline.json", json.dumps(document))
    assert pairs(sentiment.read("fiqa", [path])[0]) == [("Shell pays", label)]


def test_fiqa_has_several_targets_to_a_sentence(tmp_path):
    def item(sentence, *scores):
        return {"sentence": sentence, "info": [{"target": f"T{i}", "sentiment_score": score} for i, score in enumerate(scores)]}
    document = {"1": item("they agree", "0.5", "0.2"), "2": item("they differ", "0.5", "-0.5"), "3": item("one", "0.0"),
                "4": {"sentence": "none", "info": []}, "5": item("odd", "high"), "6": item("far", "7"), "7": item("lost", "nan")}
    path = write(tmp_path / "fiqa" / "post_train.json", json.dumps(document, indent=1))
    rows, rejected, counts = sentiment.read("fiqa", [path])
    assert pairs(rows) == [("they agree", "positive"), ("one", "neutral")]
    assert {row["source"] for row in rows} == {"tweet"}
    assert counts["targets of sentences with several"] == 4 and counts["repeats merged"] == 1 and counts["texts with conflicting labels"] == 1
    text = path.read_text().split("\n")
    reasons = {item["reason"]: item["line"] for item in rejected}
    assert len(rejected) == 6 and text[reasons["the same text is labelled negative and positive"] - 1] == ' "2": {'
    assert text[reasons["the sentence '4' has no list of targets"] - 1] == ' "4": {'
    assert {"the score 'high' is no number", "the score '7' is outside -1 to 1", "the score 'nan' is outside -1 to 1"} <= set(reasons)


def test_fiqa_as_csv_counts_from_positive_and_the_score_decides(tmp_path):
    plain = write(tmp_path / "a" / "fiqa.csv", "sentence,label,format\ngood,0,headline\nso so,1,headline\nbad,2,post\n")
    assert [(row["text"], row["label"], row["source"]) for row in sentiment.read("fiqa", [plain])[0]] == [
        ("good", "positive", "news"), ("so so", "neutral", "news"), ("bad", "negative", "tweet")]
    both = write(tmp_path / "b" / "fiqa.csv", "sentence,sentiment_score,label\ngood,0.4,0\nbad,-0.4,0\n")
    rows, _, counts = sentiment.read("fiqa", [both])
    assert pairs(rows) == [("good", "positive"), ("bad", "negative")] and counts["labels that contradict the score"] == 1


PHRASES = ["Talvivaara@home sells nickel .@neutral", "Profit rose .@positive", "Profit rose .@positive", "Sales fell .@negative",
           "Seen twice .@neutral", "Seen twice .@positive", "Sepp+ñl+ñ of +àland grows .@positive", "no label here", "half\x85line .@negative",
           "strange .@sad"]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_phrasebank_in_both_encodings(tmp_path, encoding):
    path = write(tmp_path / "fpb_50agree.txt", "\r\n".join(PHRASES).encode(encoding))
    rows, rejected, counts = sentiment.read("fpb", [path])
    assert pairs(rows) == [("Talvivaara@home sells nickel .", "neutral"), ("Profit rose .", "positive"), ("Sales fell .", "negative"),
                           ("Sepp+ñl+ñ of +àland grows .", "positive"), ("half line .", "negative")]
    assert counts["repeats merged"] == 1 and counts["texts with conflicting labels"] == 1 and counts["texts with mangled umlauts"] == 1
    assert counts[f"files in {'UTF-8' if encoding == 'utf-8' else 'Latin-1'}"] == 1
    assert [(item["line"], item["reason"]) for item in rejected] == [
        (8, "no @ before a label"), (10, "unknown label 'sad'"), (5, "the same text is labelled neutral and positive"),
        (6, "the same text is labelled neutral and positive")]
    mended, _, _ = sentiment.read("fpb", [path], repair=True)
    assert mended[3]["text"] == "Seppälä of Åland grows ."


def test_nwgi_has_seven_classes(tmp_path):
    labels = ["strong negative", "moderately negative", "mildly negative", "neutral", "mildly positive", "Moderately Positive",
              "strong positive"]
    path = write(tmp_path / "nwgi.jsonl", "".join(json.dumps({"news": f"n{i}", "label": label}) + "\n" for i, label in enumerate(labels)) + "{\n[]\n")
    rows, rejected, counts = sentiment.read("nwgi", [path])
    assert [row["label"] for row in rows] == ["negative"] * 2 + ["neutral"] * 3 + ["positive"] * 2
    assert counts["mildly ... read as neutral"] == 2
    assert [item["line"] for item in rejected] == [8, 9]


def test_parquet_and_missing_columns(tmp_path):
    import pyarrow
    import pyarrow.parquet
    pyarrow.parquet.write_table(pyarrow.table({"news": ["up", "down"], "label": ["strong positive", "neutral"]}), tmp_path / "nwgi.parquet")
    assert pairs(sentiment.read("nwgi", [tmp_path / "nwgi.parquet"])[0]) == [("up", "positive"), ("down", "neutral")]
    path = write(tmp_path / "nwgi.csv", "title,label\nx,neutral\n")
    with pytest.raises(DataError, match=r"nwgi\.csv line 2: no column 'news' \(found: title, label\)"):
        sentiment.read("nwgi", [path])
    write(tmp_path / "nwgi_broken.parquet", b"nothing")
    with pytest.raises(DataError, match="cannot be read"):
        sentiment.read("nwgi", [tmp_path / "nwgi_broken.parquet"])


def test_files_are_found_by_their_name_or_their_folder(tmp_path):
    wanted = [write(tmp_path / name, "x") for name in ("TFNS/sent_train.csv", "tfns_valid.csv")]
    write(tmp_path / "README.md", "tfns")
    write(tmp_path / "other/tfns.csv", "x")
    assert files(tmp_path, "tfns") == wanted and files(tmp_path / "nowhere", "tfns") == []


def test_a_set_is_split_as_its_files_say_or_else_at_random():
    rows = [{"id": str(i), "part": "test" if i < 3 else "train"} for i in range(10)]
    assert [len(part) for part in sentiment.split(rows, 0).values()] == [7, 3]
    for part in ("train", "test"):  # only one kind of file: a fifth is drawn
        drawn = sentiment.split([{**row, "part": part} for row in rows], 0)
        ids = {name: {row["id"] for row in found} for name, found in drawn.items()}
        assert len(ids["test"]) == 2 and not ids["train"] & ids["test"] and len(ids["train"] | ids["test"]) == 10
        assert drawn == sentiment.split([{**row, "part": part} for row in rows], 0)


def wanted(**other):
    return settings.load("smoke")[1].instruction.model_copy(update={"train": 6, "test": 4, **other})


def test_real_sets_join_ours_and_nothing_is_fetched_offline(tmp_path, monkeypatch):
    import datasets
    monkeypatch.setattr(datasets, "load_dataset", lambda **_: pytest.fail("the hub was asked"))
    write(tmp_path / "tfns.csv", "text,label\n" + "".join(f"tweet {i},{i % 3}\n" for i in range(30)) + "odd,9\n")
    sets, counts, rejected = sentiment.collect(wanted(hub=["fpb", "tfns"]), tmp_path, offline=True)
    assert set(sets) == {"news", "tweets", "headlines", "tfns"}
    assert all(len(parts["train"]) == 6 and len(parts["test"]) == 4 for parts in sets.values())
    assert counts[0]["set"] == "tfns" and counts[0]["records"] == 31 and len(rejected) == 1
    assert sets["tfns"]["test"][0]["instruction"] == (
        "What is the sentiment of this tweet? Please choose an answer from {negative/neutral/positive}.")
    assert sets["news"]["train"][0]["instruction"].startswith("What is the sentiment of this news?")
    with pytest.raises(DataError, match=r"instruction\.single is .fpb."):
        sentiment.collect(wanted(single="fpb"), tmp_path, offline=True)


def test_the_hub_is_asked_when_allowed(tmp_path, monkeypatch):
    import datasets
    asked = []

    def load_dataset(**place):
        asked.append(place)
        return {"train": [{"sentence": f"s{i}", "label": i % 3} for i in range(20)], "validation": [{"sentence": "v", "label": 2}]}
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    sets, _, _ = sentiment.collect(wanted(hub=["fpb"], synthetic=False, single="fpb"), tmp_path, offline=False)
    assert asked == [sentiment.HUB["fpb"]] and len(sets["fpb"]["train"]) == 6
    assert pairs(sets["fpb"]["test"]) == [("v", "positive")]

    def unreachable(**place):
        raise ConnectionError("no\nroute")
    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(DataError, match=r"cannot load takala/financial_phrasebank \(no route\); put its files into data/finance"):
        sentiment.from_hub("fpb")


def test_prompts_are_those_of_the_recipe():
    row = {"instruction": classification.instruction("Is {it} so?", ("yes", "no")), "text": "Costs {rose} 5 %.\nTwice"}
    assert classification.prompt(row, "plain") == (
        "Instruction: Is {it} so? Please choose an answer from {yes/no}.\nInput: Costs {rose} 5 %.\nTwice\nAnswer: ")
    assert classification.prompt(row, "alpaca").endswith("### Input:\nCosts {rose} 5 %.\nTwice\n\n### Response:\n")
    assert classification.prompt(row, "chat") == [{"role": "user", "content": row["instruction"] + "\n\nCosts {rose} 5 %.\nTwice"}]


@pytest.mark.parametrize(("answer", "strict", "loose"), [
    ("positive", "positive", "positive"), (" Negative. ", "negative", "negative"), ("neutral", "neutral", "neutral"),
    ("It is positive", None, "positive"), ("negative, not positive", None, "positive"), ("", None, "neutral"), ("ve ve", None, "neutral")])
def test_answers_are_read_strictly_or_as_fingpt_reads_them(answer, strict, loose):
    assert classification.strict(answer, sentiment.LABELS) == strict
    assert classification.loose(answer, sentiment.ORDER, sentiment.DEFAULT) == loose


def test_scores_agree_with_the_library_and_with_resampled_rows():
    rng = np.random.default_rng(0)
    truth = rng.choice(sentiment.LABELS, size=80, p=[0.2, 0.5, 0.3]).tolist()
    found = [label if rng.random() < 0.6 else rng.choice([*sentiment.LABELS, None]) for label in truth]
    ours, theirs = scores(truth, found, sentiment.LABELS), label_scores(truth, found, sentiment.LABELS)
    assert ours["macro_f1"]["rate"] == pytest.approx(theirs["macro"]["f1"])
    assert ours["weighted_f1"]["rate"] == pytest.approx(theirs["weighted"]["f1"])
    assert {label: item["rate"] for label, item in ours["f1"].items()} == pytest.approx(
        {label: item["f1"] for label, item in theirs["classes"].items()})
    assert ours["accuracy"]["rate"] == np.mean([a == b for a, b in zip(truth, found)])
    assert ours["unparseable"]["rate"] == np.mean([b is None for b in found])
    drawn = []
    for _ in range(400):
        index = rng.integers(80, size=80)
        drawn.append(label_scores([truth[i] for i in index], [found[i] for i in index], sentiment.LABELS)["macro"]["f1"])
    assert np.quantile(drawn, [0.025, 0.975]) == pytest.approx([ours["macro_f1"]["low"], ours["macro_f1"]["high"]], abs=0.03)


def test_scores_by_hand():
    """Two of a, one of b. Found: a, b, b. F1 of a: 2/(2+1) = 2/3, of b: 2/(1+2) = 2/3. With c never there: 0."""
    found = scores(["a", "a", "b"], ["a", "b", "b"], ["a", "b", "c"])
    assert found["accuracy"]["rate"] == pytest.approx(2 / 3) and found["macro_f1"]["rate"] == pytest.approx(4 / 9)
    assert found["weighted_f1"]["rate"] == pytest.approx(2 / 3) and found["f1"]["c"]["rate"] == 0
    silent = scores(["a", "b"], [None, None], ["a", "b"])
    assert silent["unparseable"]["rate"] == 1 and silent["macro_f1"] == {"rate": 0.0, "low": 0.0, "high": 0.0, "n": 2}


def test_the_published_majority_of_tfns():
    """The notes give what always answering "neutral" earns on TFNS: accuracy .656, weighted F1 .519, macro F1 .264."""
    truth = ["neutral"] * 1566 + ["positive"] * 475 + ["negative"] * 347
    found = scores(truth, ["neutral"] * len(truth), sentiment.LABELS)
    assert [round(found[key]["rate"], 3) for key in ("accuracy", "weighted_f1", "macro_f1")] == [0.656, 0.519, 0.264]


def test_baselines_see_only_what_they_may():
    train = [{"text": "x" * n, "label": "short" if n < 50 else "long"} for n in range(1, 121)]
    test = [{"text": "x" * n} for n in (5, 110, 500)]
    found = classification.baselines(train, test)
    assert found["majority"] == ["long"] * 3 and found["length"] == ["short", "long", "long"]
    words = [{"text": f"{word} {i}", "label": label} for i in range(20) for word, label in (("rose", "up"), ("fell", "down"))]
    assert classification.baselines(words, [{"text": "rose 99"}, {"text": "fell 99"}])["words"] == ["up", "down"]
    assert classification.baselines(words, [{"text": "99"}])["majority"] == ["down"]  # a tie goes by the alphabet
    one = classification.baselines(train[:10], test)
    assert one["words"] == one["majority"] == one["length"] == ["short"] * 3


def test_kinds_are_measured_against_the_truth():
    rows = [{"kind": "a", "label": "x", "truth": "y"}, {"kind": "a", "label": "x", "truth": "x"}, {"kind": "b", "label": "x"}]
    found = classification.by_kind(rows, ["y", None, "x"])
    assert {kind: (item["rate"], item["n"]) for kind, item in found.items()} == {"a": (0.5, 2), "b": (1.0, 1)}


def test_a_report_has_both_readings_and_the_truth():
    rows = [{"label": "neutral", "truth": "positive"}, {"label": "positive", "truth": "positive"}]
    found = sentiment.answer_scores(rows, ["positive", "no idea"])
    assert found["accuracy"]["rate"] == 0 and found["true_accuracy"]["rate"] == 0.5 and found["unparseable"]["rate"] == 0.5
    assert found["loose"]["unparseable"]["rate"] == 0 and found["loose"]["accuracy"]["rate"] == 0
    assert "true_accuracy" not in sentiment.answer_scores([{"label": "neutral"}], ["neutral"])


def test_a_model_that_cannot_be_loaded_is_named_not_fatal(tmp_path):
    loaded, reason = instruction.load(settings.load("smoke")[1], Compared(name="gone", model=str(tmp_path / "nothing"), adapter="", quantisation="none"))
    assert loaded is None and "cannot load the model" in reason


def test_a_model_is_asked_in_the_order_of_the_rows(tiny):
    model, tokenizer = tiny
    rows = [{"instruction": "Is it so?", "text": "coral " * n} for n in (9, 1, 5)]
    for template in classification.TEMPLATES:
        together = classification.ask(model, tokenizer, rows, template, 2, 3)
        assert together == [classification.ask(model, tokenizer, [row], template, 1, 3)[0] for row in rows]


@pytest.mark.parametrize("name", sentiment_synthetic.SETS)
def test_our_sets_are_reproducible_and_share_no_company(name):
    train, test = (sentiment_synthetic.rows(name, part, 200, 1, 0.1) for part in ("train", "test"))
    assert train == sentiment_synthetic.rows(name, "train", 200, 1, 0.1) != sentiment_synthetic.rows(name, "train", 200, 2, 0.1)
    assert len({row["text"] for row in train}) == 200 and not {row["text"] for row in train} & {row["text"] for row in test}
    assert not set(sentiment_synthetic.companies("train")) & set(sentiment_synthetic.companies("test"))
    assert all(any(company in row["text"].lower() for company in sentiment_synthetic.companies("test")) or "$" in row["text"] for row in test)
    wrong = sum(row["label"] != row["truth"] for row in train) / 200
    assert 0.04 < wrong < 0.17 and all(row["label"] == row["truth"] for row in sentiment_synthetic.rows(name, "train", 50, 1))
    shares = Counter(row["truth"] for row in sentiment_synthetic.rows(name, "train", 1000, 3))
    assert all(abs(shares[label] / 1000 - share) < 0.05 for label, share in sentiment_synthetic.SHARES[name].items())


def test_the_truth_of_our_sentences_follows_from_their_words():
    """Read back from the text by rules of the test's own, not from the generator's choices."""
    verbs = {**{v: 1 for pair in sentiment_synthetic.UP.items() for v in pair}, **{v: -1 for pair in sentiment_synthetic.DOWN.items() for v in pair}}
    seen = Counter()
    for row in sentiment_synthetic.rows("news", "train", 900, 4) + sentiment_synthetic.rows("headlines", "train", 900, 4):
        text, kind = row["text"].lower(), row["kind"]
        if kind in ("plain", "negation", "numbers", "contrast"):
            main = {"contrast": lambda t: re.split(r", although|^although [^,]*,|, but| despite|^despite [^,]*,", t)}.get(kind, lambda t: [t])(text)
            clause = main[1] if text.startswith(("although", "despite")) or ", but" in text else main[0]
            measure = next(word for word in re.findall(r"[a-z]+", clause) if word in sentiment_synthetic.GOOD + sentiment_synthetic.BAD)
            numbers = [int(n) for n in re.findall(r"\d+", clause)]
            if kind == "numbers":
                direction = 1 if numbers[0] > numbers[1] else -1
            else:
                direction = next((verbs[w] for w in re.findall(r"[a-z]+", clause) if w in verbs),
                                 1 if re.search(r"\bup\b", clause) else -1)
            direction *= (-1 if kind == "negation" else 1) * (1 if measure in sentiment_synthetic.GOOD else -1)
            assert row["truth"] == ("positive" if direction > 0 else "negative"), row
            seen[row["set"], kind] += 1
    assert min(seen.values()) > 20 and len(seen) == 8


def test_more_sentences_than_there_are_is_an_error(monkeypatch):
    monkeypatch.setitem(sentiment_synthetic.WRITERS, "news", lambda kind, positive, company, rng: "always the same")
    with pytest.raises(DataError, match="only 1 different sentences, 5 wanted"):
        sentiment_synthetic.rows("news", "train", 5, 1)


@pytest.mark.skipif(not REAL.is_dir(), reason="no shared/data/finance next to the repository: these sets are not shipped")
def test_the_real_files():
    """The counts that the notes give of these files; their text is nowhere in the repository."""
    rows, rejected, counts = sentiment.read("tfns", files(REAL, "tfns"))
    assert Counter(row["label"] for row in rows) == {"neutral": 1566, "positive": 475, "negative": 347} and not rejected
    assert counts["texts over several lines"] == 43
    rows, rejected, counts = sentiment.read("fiqa", files(REAL, "fiqa"))
    assert len(rows) + counts["texts with conflicting labels"] == 336 + 575 and counts["texts with conflicting labels"] == 7
    both = [sentiment.read("fpb", [path]) for path in files(REAL, "fpb")]
    assert len(both) == 2 and pairs(both[0][0]) == pairs(both[1][0])
    assert both[0][2]["records"] == 2264 and both[0][2]["repeats merged"] == 5
    assert {counts["files in Latin-1"] for _, _, counts in both if "files in Latin-1" in counts} == {1}


def test_a_setting_for_each_model(tmp_path):
    profile = SimpleNamespace(models=SimpleNamespace(base="data/models/embedded/base"))
    assert instruction.resolve(profile, "base") == "data/models/embedded/base"
    assert instruction.resolve(profile, "someone/model") == "someone/model"
