"""ROUGE: against the reference program's outputs, Lin's worked examples, and its own laws."""
import json
import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.core.records import DataError
from lib.core.settings import ROOT
from lib.metrics import rouge, rouge_scores

VECTORS = ROOT.parent / "shared/data/rouge/rouge155_vectors.json"
ALL = ("1", "2", "3", "4", "L", "Lsum", "W-1.2", "S4", "SU4", "S*", "SU*")
GUNMAN = "police killed the gunman"


def f1(prediction, *references, kind, **options):
    return rouge(prediction, list(references), (kind,), **options)[kind]["f1"]


def zeros(scores):
    return all(value == 0 for kind in scores.values() for value in kind.values())


# by rouge-score, and by the counts that stand in for it
@pytest.mark.parametrize("table", [rouge_scores.TABLE, 0])
def test_the_reference_programs_outputs(table, monkeypatch):
    if not VECTORS.exists():
        pytest.skip("no shared/data/rouge next to the repository: the outputs are not shipped")
    monkeypatch.setattr(rouge_scores, "TABLE", table)
    compared = 0
    for case in json.loads(VECTORS.read_text(encoding="utf-8"))["cases"]:
        for run in case["scores"].values():
            args = run["args"].split()
            if "-m" in args:  # stemmed by the program's own stemmer and list of exceptions
                continue
            kinds = [name.removeprefix("ROUGE-") for name in run["metrics"]]
            found = rouge(case["hypothesis"], case["references"], kinds, "rouge155",
                          "best" if "B" in args else "average")
            for kind, expected in zip(kinds, run["metrics"].values()):
                ours = [found[kind][key] for key in ("recall", "precision", "f1")]
                theirs = [expected[key] for key in "rpf"]
                assert ours == pytest.approx(theirs, abs=1e-9), (case["case"], args, kind)
                compared += 1
    assert compared == 16 * 24


@pytest.mark.parametrize(("prediction", "longest", "skip"), [
    ("police kill the gunman", 3 / 4, 3 / 6), ("the gunman kill police", 2 / 4, 1 / 6),
    ("the gunman police killed", 2 / 4, 2 / 6)])
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
    longer = "police killed the gunman today"
    assert f1(longer, GUNMAN, kind="S0") == f1(longer, GUNMAN, kind="2")


def test_what_the_program_does_otherwise():
    both = rouge("a b c d e", ["a b c d e"], ("W-1.2",), "rouge155")["W-1.2"]
    assert both == {"recall": round(5**-0.2, 5), "precision": 1.0, "f1": 0.84043}
    assert zeros(rouge("python", ["python"], ("SU4",), "rouge155"))
    assert rouge("python", ["python"], ("SU4",))["SU4"]["f1"] == 1
    # L of the program goes by sentence, of the paper's variant by text
    two_lines = "b c\na", "a\nb c"
    assert f1(*two_lines, kind="L", variant="rouge155") == f1(*two_lines, kind="Lsum") == 1
    assert f1(*two_lines, kind="L") == pytest.approx(2 / 3)


def test_several_references_by_hand():
    texts = ["a b", "a b c d"]  # bigrams of "a b x": 1 of 1, 1 of 3; it has 2
    average = rouge("a b x", texts, ("2",), multi="average")["2"]
    best = rouge("a b x", texts, ("2",), multi="best")["2"]
    assert average == pytest.approx({"recall": 2 / 4, "precision": 2 / 4, "f1": 1 / 2})
    assert best == pytest.approx({"recall": 1, "precision": 1 / 2, "f1": 2 / 3})
    # The program takes the reference of the highest recall, the paper's variant of the highest F1.
    one, other = "a", "a b c d e f z"
    found = f1("a b c d e f", one, other, kind="1", variant="rouge155", multi="best")
    assert found == pytest.approx(2 / 7, abs=1e-5)
    assert f1("a b c d e f", one, other, kind="1", multi="best") == pytest.approx(12 / 13)


@pytest.mark.parametrize("variant", ["paper", "rouge155"])
@pytest.mark.parametrize(("prediction", "reference"),
                         [("", "a b"), ("a b", ""), ("", ""), ("...", "some text"), ("\n\n", "\n")])
def test_texts_without_words_score_zero(prediction, reference, variant):
    assert zeros(rouge(prediction, [reference], ALL, variant))


@pytest.mark.parametrize("text", [
    "Обучение языковых моделей", "机器学习模型评估", "हिन्दी भाषा का मूल्यांकन",
    "تقييم النماذج اللغوية", "การประเมินแบบจำลอง"])
def test_other_scripts(text):
    found = rouge(text, [text], ("1", "2", "L", "Lsum", "W-1.2", "S4", "SU4"))
    assert all(scores["f1"] == pytest.approx(1) for scores in found.values())
    assert 0 < f1(text + " x", text, kind="1") < 1
    assert zeros(rouge(text, [text], ALL, "rouge155"))  # the program knows ASCII only


def test_tokens():
    sentences, plain = rouge_scores.sentences, "Don't re-use snake_case\n\n of 3 Words!"
    tokens = [["don", "t", "re", "use", "snake", "case"], ["of", "3", "words"]]
    assert sentences(plain, "paper") == sentences(plain, "rouge155") == tokens
    assert sentences("Stra\u00dfe caf\u00e9", "paper") == sentences("STRASSE cafe\u0301", "paper")
    assert sentences("données", "rouge155") == [["donn", "es"]]
    assert sentences("用GPU训练 हिन्दी", "paper") == [["用", "gpu", "训", "练", "हिन्दी"]]


@pytest.mark.parametrize(("change", "message"), [
    ({"kinds": ("5a",)}, "no kind '5a'"), ({"kinds": ("W",)}, "W-1.2"),
    ({"kinds": ("W-0.5",)}, "from 1"), ({"variant": "lin"}, "`rouge155`"),
    ({"multi": "mean"}, "`best`"), ({"references": []}, "at least one"),
    ({"references": "text"}, "list")])
def test_errors_say_what_to_take(change, message):
    with pytest.raises(DataError, match=message):
        rouge(**{"prediction": "a", "references": ["a"], **change})


texts = st.lists(st.lists(st.sampled_from("abcdeé文"), max_size=8).map(" ".join),
                 max_size=4).map("\n".join)


@settings(deadline=None, max_examples=60)
@given(texts, texts, st.sampled_from(["paper", "rouge155"]), st.sampled_from(["average", "best"]))
def test_bounds(one, other, variant, multi):
    for scores in rouge(one, [other, one], ALL, variant, multi).values():
        assert all(0 <= value <= 1 for value in scores.values())
        low, high = sorted((scores["precision"], scores["recall"]))
        assert low - 1e-4 <= scores["f1"] <= high + 1e-4


@settings(deadline=None, max_examples=60)
@given(texts, texts)
def test_symmetry_and_identity(one, other):
    # the union is of the prediction's sentences, so it has a direction
    kinds = tuple(kind for kind in ALL if kind != "Lsum")
    there, back = rouge(one, [other], kinds), rouge(other, [one], kinds)
    for kind in kinds:
        assert there[kind]["precision"] == pytest.approx(back[kind]["recall"])
        assert there[kind]["f1"] == pytest.approx(back[kind]["f1"])
    for kind, scores in rouge(one, [one], ALL).items():
        needed = int(kind) if kind.isdigit() else 2 if kind in ("S4", "S*") else 1
        enough = sum(map(len, rouge_scores.sentences(one, "paper"))) >= needed
        assert scores == pytest.approx(dict.fromkeys(scores, float(enough)))


def test_long_texts_have_defined_results():
    """Sizes at which a table in Python, or a list of all pairs, would not end."""
    rng = random.Random(4)
    one, other = (" ".join(f"w{rng.randrange(500)}" for _ in range(100_000)) for _ in range(2))
    for scores in rouge(one, [other], ("1", "2", "L", "S4", "SU4", "S*")).values():
        assert 0 < scores["f1"] < 1
    short, other_short = one[:30_000], other[:30_000]
    for variant in ("paper", "rouge155"):
        for scores in rouge(short, [other_short], ("L", "W-1.2"), variant).values():
            assert 0 < scores["f1"] < 1
    for scores in rouge(one, [one], ("W-1.2", "S*", "SU4")).values():
        assert scores["f1"] == pytest.approx(1)
    assert f1("w " * 100_000, "w " * 50_000, kind="W-1.2") == pytest.approx(2 / 3)
    program = rouge("w " * 100_000, ["w " * 50_000], ("W-1.2",), "rouge155")
    assert program["W-1.2"]["precision"] == 0.5
    assert f1("w " * 100_000, "w " * 50_000, kind="S*") == pytest.approx(2 * 0.25 / 1.25, abs=1e-4)


def test_the_public_function_needs_no_other_measures_library():
    code = "import sys; from lib.metrics import rouge; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True,
                            check=True).stdout.split()
    assert "lib.metrics.rouge_scores" in loaded
    assert not set(loaded) & {"torch", "sacrebleu", "nltk", "sklearn", "datasketch", "scipy.stats",
                              "rouge_score"}
