"""Text measures: against the reference program's outputs, Lin's worked examples, slow definitions and hand-computed cases."""
import json
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.core.records import DataError
from lib.metrics import labels, rouge, rouge_scores
from lib.metrics.competencies import precision_recall_f1, soft_f1, stem_f1
from lib.metrics.text import bleu

VECTORS = Path(__file__).resolve().parent.parent.parent / "shared/data/rouge/rouge155_vectors.json"
ALL = ("1", "2", "3", "4", "L", "Lsum", "W-1.2", "S4", "SU4", "S*", "SU*")
GUNMAN = "police killed the gunman"


def f1(prediction, *references, kind, **options):
    return rouge(prediction, list(references), (kind,), **options)[kind]["f1"]


def zeros(scores):
    return all(value == 0 for kind in scores.values() for value in kind.values())


@pytest.mark.parametrize("table", [rouge_scores.TABLE, 0])  # by rouge-score, and by the counts that stand in for it
def test_the_reference_programs_outputs(table, monkeypatch):
    if not VECTORS.exists():
        pytest.skip("no shared/data/rouge next to the repository: the reference program's outputs are not shipped")
    monkeypatch.setattr(rouge_scores, "TABLE", table)
    compared = 0
    for case in json.loads(VECTORS.read_text(encoding="utf-8"))["cases"]:
        for run in case["scores"].values():
            args = run["args"].split()
            if "-m" in args:  # stemmed by the program's own stemmer and list of exceptions
                continue
            kinds = [name.removeprefix("ROUGE-") for name in run["metrics"]]
            found = rouge(case["hypothesis"], case["references"], kinds, "rouge155", "best" if "B" in args else "average")
            for kind, expected in zip(kinds, run["metrics"].values()):
                ours = [found[kind][key] for key in ("recall", "precision", "f1")]
                assert ours == pytest.approx([expected[key] for key in "rpf"], abs=1e-9), (case["case"], args, kind)
                compared += 1
    assert compared == 16 * 24


@pytest.mark.parametrize(("prediction", "longest", "skip"), [
    ("police kill the gunman", 3 / 4, 3 / 6), ("the gunman kill police", 2 / 4, 1 / 6), ("the gunman police killed", 2 / 4, 2 / 6)])
def test_lins_examples_of_l_and_s(prediction, longest, skip):
    """Lin 2004, sections 3.1 and 5."""
    assert f1(prediction, GUNMAN, kind="L") == pytest.approx(longest)
    assert f1(prediction, GUNMAN, kind="S*") == pytest.approx(skip)


def test_lins_example_of_lsum():
    """Section 3.2: w1 w2 from one sentence and w1 w3 w5 from the other unite to 4 of 5 words."""
    found = rouge("w1 w2 w6 w7 w8\nw1 w3 w8 w9 w5", ["w1 w2 w3 w4 w5"], ("Lsum",))["Lsum"]
    assert (found["recall"], found["precision"]) == pytest.approx((4 / 5, 4 / 10))


def test_lins_example_of_w():
    """Section 4, with f(k) = k squared: the run of four is worth more than four scattered words."""
    assert f1("a b c d h i k", "a b c d e f g", kind="W-2") == pytest.approx(4 / 7)
    assert f1("a h b k c i d", "a b c d e f g", kind="W-2") == pytest.approx(2 / 7)


def test_lins_example_of_su():
    """Section 5.1: the reversed sentence shares no pair; its words count in SU (4 of 6 + 4)."""
    assert f1("gunman the killed police", GUNMAN, kind="S*") == 0
    assert f1("gunman the killed police", GUNMAN, kind="SU*") == pytest.approx(4 / 10)
    assert f1("police killed the gunman today", GUNMAN, kind="S0") == f1("police killed the gunman today", GUNMAN, kind="2")


def test_what_the_program_does_otherwise():
    both = rouge("a b c d e", ["a b c d e"], ("W-1.2",), "rouge155")["W-1.2"]
    assert both == {"recall": round(5**-0.2, 5), "precision": 1.0, "f1": 0.84043}
    assert zeros(rouge("python", ["python"], ("SU4",), "rouge155"))
    assert rouge("python", ["python"], ("SU4",))["SU4"]["f1"] == 1
    two_lines = "b c\na", "a\nb c"  # L of the program goes by sentence, of the paper's variant by text
    assert f1(*two_lines, kind="L", variant="rouge155") == f1(*two_lines, kind="Lsum") == 1
    assert f1(*two_lines, kind="L") == pytest.approx(2 / 3)


def test_several_references_by_hand():
    texts = ["a b", "a b c d"]  # bigrams of "a b x": 1 of 1, 1 of 3; it has 2
    assert rouge("a b x", texts, ("2",))["2"] == pytest.approx({"recall": 2 / 4, "precision": 2 / 4, "f1": 1 / 2})
    assert rouge("a b x", texts, ("2",), multi="best")["2"] == pytest.approx({"recall": 1, "precision": 1 / 2, "f1": 2 / 3})
    # The program takes the reference of the highest recall, the paper's variant that of the highest F1.
    one, other = "a", "a b c d e f z"
    assert f1("a b c d e f", one, other, kind="1", variant="rouge155", multi="best") == pytest.approx(2 / 7, abs=1e-5)
    assert f1("a b c d e f", one, other, kind="1", multi="best") == pytest.approx(12 / 13)


def test_a_run_that_loses_its_last_word_goes_on():
    """The prediction's one b counts in the first sentence, so the run a b of the second has no end of its own."""
    assert rouge_scores.union_hits([["b"], ["a", "b", "x", "c"]], [["a", "b", "c"]], 2) == (3, 1 + 2**2)
    assert rouge_scores.union_hits([["b"], ["a", "b"]], [["a", "b", "c"]], 2) == (2, 1)


@pytest.mark.parametrize("variant", ["paper", "rouge155"])
@pytest.mark.parametrize(("prediction", "reference"), [("", "a b"), ("a b", ""), ("", ""), ("...", "some text"), ("\n\n", "\n")])
def test_texts_without_words_score_zero(prediction, reference, variant):
    assert zeros(rouge(prediction, [reference], ALL, variant))


@pytest.mark.parametrize("text", ["Обучение языковых моделей", "机器学习模型评估", "हिन्दी भाषा का मूल्यांकन", "تقييم النماذج اللغوية", "การประเมินแบบจำลอง"])
def test_other_scripts(text):
    assert all(kind["f1"] == pytest.approx(1) for kind in rouge(text, [text], ("1", "2", "L", "Lsum", "W-1.2", "S4", "SU4")).values())
    assert 0 < f1(text + " x", text, kind="1") < 1
    assert zeros(rouge(text, [text], ALL, "rouge155"))  # the program knows ASCII only


def test_tokens():
    assert rouge_scores.sentences("Don't re-use snake_case\n\n of 3 Words!", "paper") == [["don", "t", "re", "use", "snake", "case"], ["of", "3", "words"]]
    assert rouge_scores.sentences("Don't re-use snake_case\n\n of 3 Words!", "rouge155") == rouge_scores.sentences("Don't re-use snake_case\n\n of 3 Words!", "paper")
    assert rouge_scores.sentences("Stra\u00dfe caf\u00e9", "paper") == rouge_scores.sentences("STRASSE cafe\u0301", "paper")
    assert rouge_scores.sentences("données", "rouge155") == [["donn", "es"]]
    assert rouge_scores.sentences("用GPU训练 हिन्दी", "paper") == [["用", "gpu", "训", "练", "हिन्दी"]]


@pytest.mark.parametrize(("change", "message"), [
    ({"kinds": ("5a",)}, "no kind '5a'"), ({"kinds": ("W",)}, "W-1.2"), ({"kinds": ("W-0.5",)}, "from 1"), ({"variant": "lin"}, "`rouge155`"),
    ({"multi": "mean"}, "`best`"), ({"references": []}, "at least one"), ({"references": "text"}, "list")])
def test_errors_say_what_to_take(change, message):
    with pytest.raises(DataError, match=message):
        rouge(**{"prediction": "a", "references": ["a"], **change})


texts = st.lists(st.lists(st.sampled_from("abcdeé文"), max_size=8).map(" ".join), max_size=4).map("\n".join)


@settings(deadline=None, max_examples=60)
@given(texts, texts, st.sampled_from(["paper", "rouge155"]), st.sampled_from(["average", "best"]))
def test_bounds(one, other, variant, multi):
    for scores in rouge(one, [other, one], ALL, variant, multi).values():
        assert all(0 <= value <= 1 for value in scores.values())
        assert min(scores["precision"], scores["recall"]) - 1e-4 <= scores["f1"] <= max(scores["precision"], scores["recall"]) + 1e-4


@settings(deadline=None, max_examples=60)
@given(texts, texts)
def test_symmetry_and_identity(one, other):
    kinds = tuple(kind for kind in ALL if kind != "Lsum")  # the union is of the prediction's sentences, so it has a direction
    there, back = rouge(one, [other], kinds), rouge(other, [one], kinds)
    for kind in kinds:
        assert there[kind]["precision"] == pytest.approx(back[kind]["recall"]) and there[kind]["f1"] == pytest.approx(back[kind]["f1"])
    for kind, scores in rouge(one, [one], ALL).items():
        needed = int(kind) if kind.isdigit() else 2 if kind in ("S4", "S*") else 1
        enough = sum(map(len, rouge_scores.sentences(one, "paper"))) >= needed
        assert scores == pytest.approx(dict.fromkeys(scores, float(enough)))


def random_pair(rng):
    size = rng.choice([2, 4, 12, 60])
    return tuple([str(rng.randrange(size)) for _ in range(rng.randint(0, 30))] for _ in range(2))


def test_skip_bigrams_against_listing_them(monkeypatch):
    rng = random.Random(1)
    for _ in range(150):
        x, y = random_pair(rng)
        for gap in (None, 0, 1, 4, 25):
            one, other = (Counter((t[i], t[j]) for j in range(len(t)) for i in range(j) if gap is None or j - i - 1 <= gap) for t in (x, y))
            assert rouge_scores.skip_total(len(x), gap) == one.total()
            for pairs in (2**22, 40):  # all at once; by token, or in portions where the gap is small
                monkeypatch.setattr(rouge_scores, "PAIRS", pairs)
                assert rouge_scores.skip_hits(x, y, gap) == (one & other).total()
            if x and y and gap is not None:
                assert rouge_scores._listed_hits(*rouge_scores._numbered(x, y), gap) == (one & other).total()


def test_the_fast_tables_are_the_slow_ones(monkeypatch):
    rng = random.Random(2)
    for _ in range(60):
        x, y = random_pair(rng)
        for weight in (1, 1.2, 2):
            monkeypatch.setattr(rouge_scores, "SMALL", 20_000)
            slow, path = rouge_scores.weighted_lcs(x, y, weight), list(rouge_scores.alignment(x, y, weight))
            assert rouge_scores.weighted_lcs(y, x, weight) == pytest.approx(slow)
            monkeypatch.setattr(rouge_scores, "SMALL", -1)
            assert rouge_scores.weighted_lcs(x, y, weight) == slow
            for block in (2, 3, 7, 2048):
                monkeypatch.setattr(rouge_scores, "BLOCK", block)
                assert list(rouge_scores.alignment(x, y, weight)) == path
            if weight == 1:
                assert rouge_scores.lcs_length(x, y) == len(path) == slow


def test_unions_against_rouge_score_and_against_all_pairs():
    rng = random.Random(3)
    for _ in range(100):
        reference, prediction = ([random_pair(rng)[0][:9] for _ in range(rng.randint(1, 5))] for _ in range(2))
        hits, _ = rouge_scores.union_hits(reference, prediction, 1)
        total = sum(map(len, reference))
        assert hits == round(rouge_scores._rouge_score("rougeLsum", reference, prediction) * total)
        left, weighted = Counter(token for line in prediction for token in line), 0.0
        for line in reference:
            marked, run = {i for other in prediction for i in rouge_scores.alignment(line, other, 1.2)}, 0
            for i in sorted(marked):
                if left[line[i]]:
                    left[line[i]] -= 1
                    run += 1
                    if i + 1 not in marked:
                        weighted, run = weighted + run**1.2, 0
        assert rouge_scores.union_hits(reference, prediction, 1.2)[1] == pytest.approx(weighted)


def test_long_texts_have_defined_results():
    """Sizes at which a table in Python, or a list of all pairs, would not end; 100,000 tokens where the measure stays fast."""
    rng = random.Random(4)
    one, other = (" ".join(f"w{rng.randrange(500)}" for _ in range(100_000)) for _ in range(2))
    for scores in rouge(one, [other], ("1", "2", "L", "S4", "SU4", "S*")).values():
        assert 0 < scores["f1"] < 1
    short, other_short = one[:30_000], other[:30_000]
    for variant in ("paper", "rouge155"):
        for scores in rouge(short, [other_short], ("L", "W-1.2"), variant).values():
            assert 0 < scores["f1"] < 1
    assert all(scores["f1"] == pytest.approx(1) for scores in rouge(one, [one], ("W-1.2", "S*", "SU4")).values())
    assert f1("w " * 100_000, "w " * 50_000, kind="W-1.2") == pytest.approx(2 / 3)
    assert rouge("w " * 100_000, ["w " * 50_000], ("W-1.2",), "rouge155")["W-1.2"]["precision"] == 0.5
    assert f1("w " * 100_000, "w " * 50_000, kind="S*") == pytest.approx(2 * 0.25 / 1.25, abs=1e-4)


def test_bleu_is_sacrebleus_and_says_how():
    found = bleu(["the cat sat on the mat"], ["the cat sat on the mat"])
    assert found["score"] == pytest.approx(100) and "tok:13a" in found["signature"] and "eff:yes" in found["signature"]
    # Of "a b c": unigrams 2 of 3, bigrams 1 of 2, trigrams 0 of 1 (smoothed to 1 / 2); no order four, no brevity.
    assert bleu(["a b c"], ["a b x"])["score"] == pytest.approx(100 * (2 / 3 * 1 / 2 * 1 / 2) ** (1 / 3))
    several = bleu(["a b c d", "e f g h"], [["a b c d", "x"], ["e f g h"]])
    assert several["score"] == pytest.approx(100) and "nrefs:var" in several["signature"]
    assert bleu([""], ["a"])["score"] == 0
    assert bleu(["机器学习模型"], ["机器学习模型"], tokenize="zh")["score"] == pytest.approx(100)
    with pytest.raises(DataError, match="2 predictions, 1 references"):
        bleu(["a", "b"], ["a"])
    with pytest.raises(DataError, match="prediction 1 has no reference"):
        bleu(["a", "b"], [["a"], []])


def test_label_scores_by_hand():
    truth, predicted = ["a", "a", "a", "b", "b", "c"], ["a", "a", "b", "b", None, "a"]
    found = labels.label_scores(truth, predicted, ["a", "b", "c"])
    assert found["classes"]["a"] == pytest.approx({"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "n": 3})
    assert found["classes"]["b"] == pytest.approx({"precision": 1 / 2, "recall": 1 / 2, "f1": 1 / 2, "n": 2})
    assert found["classes"]["c"] == {"precision": 0, "recall": 0, "f1": 0, "n": 1}
    assert found["macro"]["f1"] == pytest.approx((2 / 3 + 1 / 2) / 3)
    assert found["weighted"]["f1"] == pytest.approx((3 * 2 / 3 + 2 / 2) / 6)
    assert found["micro"] == pytest.approx({"precision": 3 / 5, "recall": 3 / 6, "f1": 6 / 11, "n": 6})
    assert labels.label_scores(["a", "b"], ["a", "b"], "ab")["micro"]["f1"] == 1
    with pytest.raises(DataError, match="0 true labels"):
        labels.label_scores([], [], ["a"])
    with pytest.raises(DataError, match=r"outside \['a'\]: \['z'\]"):
        labels.label_scores(["z"], ["a"], ["a"])


def competencies(*names):
    return {"competencies": [{"name": name, "description": ""} for name in names]}


def test_stem_exact_names():
    truth = competencies("designing experiments", "data analysis", "team work", "modelling")
    found = competencies("Designs experiment", "data analysis", "teams of work")
    assert precision_recall_f1(found, truth)["precision"] == pytest.approx(1 / 3)
    assert stem_f1(found, truth) == pytest.approx({"precision": 2 / 3, "recall": 2 / 4, "f1": 4 / 7})
    assert stem_f1(None, truth)["f1"] == stem_f1(competencies(), competencies())["f1"] == 0


def test_soft_names_by_hand():
    vectors = {"a": [1, 0], "b": [0, 2], "c": [3, 3], "none": [0, 0], "against": [-1, -1]}

    def embed(names):
        return [vectors[name] for name in names]

    found = soft_f1(competencies("a", "c"), competencies("a", "b"), embed)
    assert (found["precision"], found["recall"]) == pytest.approx(((1 + 2**-0.5) / 2, (1 + 2**-0.5) / 2))
    assert soft_f1(competencies("none", "against"), competencies("a"), embed) == {"precision": 0, "recall": 0, "f1": 0}
    assert soft_f1(competencies("a", "b"), competencies("b", "a"), embed)["f1"] == pytest.approx(1)
    assert soft_f1(None, competencies("a"), embed)["f1"] == 0


def test_each_measure_is_explained():
    assert all(row.keys() == {"measure", "measures", "misleads"} and all(row.values()) for row in rouge_scores.EXPLAINED)
    told = " ".join(row["measure"] for row in rouge_scores.EXPLAINED)
    assert all(name in told for name in ("exact", "stem-exact", "soft", "macro", "micro", "weighted", "ROUGE-1", "ROUGE-L", "ROUGE-W", "ROUGE-SU", "BLEU"))
