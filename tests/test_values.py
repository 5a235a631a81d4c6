"""Records, statistics, measures, corpus: against hand-computed cases and reference implementations."""
import numpy as np
import pytest
from scipy.stats import binomtest

from lib.core import records
from lib.metrics import competencies, overlap, stats
from lib.metrics.text import distinct, self_bleu


def test_bad_lines_name_file_line_and_field(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": 1, "text": "a"}\n\n{"id": 2}\n')
    with pytest.raises(records.DataError, match=r"rows.jsonl line 3: no field 'text'"):
        records.read_jsonl(path, ("id", "text"))
    path.write_text('{"id": 1}\nnot json\n')
    with pytest.raises(records.DataError, match="line 2: not JSON"):
        records.read_jsonl(path)
    with pytest.raises(records.DataError, match="no such file"):
        records.read_jsonl(tmp_path / "absent.jsonl")


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "value.txt"
    records.write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        records.write_text(path, "new \ud800")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_journal_survives_being_cut_off_anywhere(tmp_path):
    path = tmp_path / "journal.jsonl"
    records.Journal(path).add([("a", {"x": 1}), ("b", "ü")])
    whole = path.read_bytes()
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        journal = records.Journal(path)
        complete = whole[:cut].count(b"\n")
        assert [key in journal for key in "ab"] == [complete > 0, complete > 1]
        journal.add([("c", 3)])
        assert records.Journal(path)["c"] == 3


@pytest.mark.parametrize(("wins", "n"), [(0, 10), (5, 10), (47, 50), (200, 200), (1, 1)])
def test_wilson_interval_is_scipys(wins, n):
    ours, theirs = stats.rate(wins, n), binomtest(wins, n).proportion_ci(0.95, "wilson")
    assert (ours["low"], ours["high"]) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_wilson_of_the_gate_of_ninety():
    assert (round(stats.rate(90, 100)["low"], 3), round(stats.rate(90, 100)["high"], 3)) == (0.826, 0.945)
    assert stats.rate(0, 0) == {"rate": None, "low": 0.0, "high": 1.0, "n": 0}


def test_cluster_bootstrap_covers_where_rows_share_a_prompt():
    rng, covered = np.random.default_rng(0), {"clusters": 0, "rows": 0}
    for trial in range(200):
        prompts = np.repeat(rng.normal(0, 1, 40), 12)  # twelve rows of one prompt say the same thing
        values, keys = prompts + rng.normal(0, 0.3, 480), np.repeat(np.arange(40), 12)
        for name, groups in (("clusters", keys), ("rows", None)):
            found = stats.mean(values, groups, seed=trial, draws=400)
            covered[name] += found["low"] <= 0 <= found["high"]
    assert covered["clusters"] / 200 > 0.89
    assert covered["rows"] / 200 < 0.6


def profile(*pairs, domain="physics"):
    return {"domain": domain, "competencies": [{"name": name, "description": text} for name, text in pairs]}


def test_precision_recall_f1_by_hand():
    truth = profile(("a b", ""), ("c d", ""), ("e f", ""), ("g h", ""))
    found = profile(("A B", ""), ("c d", ""), ("x y", ""))
    assert competencies.precision_recall_f1(found, truth) == pytest.approx({"precision": 2 / 3, "recall": 1 / 2, "f1": 4 / 7})
    assert competencies.precision_recall_f1(None, truth) == {"precision": 0, "recall": 0, "f1": 0}
    twice = profile(("a b", ""), ("a b", ""))
    assert competencies.precision_recall_f1(twice, truth)["precision"] == 1 / 2


def test_similarity_by_hand():
    truth = profile(("a b", "does it well"), ("c d", "knows it"))
    assert competencies.similarity(truth, truth) == pytest.approx(1.0)
    assert competencies.similarity(None, truth) == 0
    vague = profile(("a b", "other words entirely"), domain="chemistry")
    # One pair of two and one: name 1, description 0, so it earns 0.5; soft F1 = 2 * 0.5 / 3; no point for the domain.
    assert competencies.similarity(vague, truth) == pytest.approx(0.9 / 3)
    padded = {**truth, "competencies": truth["competencies"] + [{"name": "team work", "description": "x"}] * 2}
    assert competencies.similarity(padded, truth) < competencies.similarity(truth, truth)


def test_which_competencies_pair_and_what_they_earn():
    truth = profile(("a b", "does it well"), ("c d", "knows it"))
    found = profile(("c d", "knows it"), ("a x", "does it well"), ("q r", "knows it"), ("c d", "knows it"))
    # The second shares half of its name and its whole description; the last finds its match taken.
    assert competencies.pairs(found, truth) == [(0, 1, pytest.approx(1.0)), (1, 0, pytest.approx(0.75))]


def test_diversity_figures():
    assert distinct(["a b a", "a b"], 1) == 2 / 5
    assert distinct(["a b a", "a b"], 2) == 2 / 3
    assert distinct(["a"], 2) is None
    assert self_bleu(["the same words here now"] * 3) == pytest.approx(100)
    assert self_bleu(["one"]) is None


def test_near_duplicates_and_contamination():
    long = "one two three four five six seven eight nine ten eleven twelve"
    assert overlap.near_duplicates([long, "entirely other words stand here today", long.upper()], 0.9) == {2: 0}
    near = " ".join(["word" + str(i) for i in range(60)])
    assert overlap.near_duplicates([near, near + " extra"], 0.9) == {1: 0}
    assert overlap.contaminated([[long], ["x " + long[:20]]], [["zero " + long + " end"]], 8) == [0]
    assert overlap.contaminated([["a b c d", "e f g h"]], [["a b c d e f g h"]], 8) == []  # no run across abstracts
    assert overlap.distinct_completions(["a b c", "a b c", "x y z"], 0.95) == [0, 2]
