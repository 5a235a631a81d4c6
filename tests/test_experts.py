"""The experts' review without a browser: items, submissions, statistics; and the original study, by hand.

All answers here are made up to test the code; none is an expert's.
"""
import json
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from scipy.stats import ttest_1samp, wilcoxon
from test_review_page import make, make_prompts, make_written, settings

from lib.competencies import prompts
from lib.core.records import DataError
from lib.core.settings import ROOT
from lib.metrics import stats
from lib.studies.experts import command as reviews
from lib.studies.experts import pages, statistics, thesis_study


def drawn(count=30, authors=20, **changes):
    rows = make_prompts(authors)
    return pages.draw_items(rows, make_written(rows) | changes, count, 7)


def test_items_are_stratified_seeded_and_spread_over_authors():
    items, left_out = drawn()
    assert Counter(tuple(item["pair"]) for item in items) == dict.fromkeys(pages.PAIRS, 10) and left_out == {"unreadable": 0, "identical": 0}
    assert set(Counter(item["prompt"] for item in items).values()) == {1, 2}, "30 items of 20 authors"
    assert items == drawn()[0] and [item["item"] for item in items] == [f"item-{i:03d}" for i in range(1, 31)]
    assert len({name for item in items for name in item["profiles"]}) == 60, "no profile id tells that two items share a profile"
    order = [tuple(item["pair"]) for item in items]
    assert order != list(pages.PAIRS) * 10, "an item's number would tell its models"
    firsts = Counter(next(iter(item["profiles"].values()))["model"] == item["pair"][0] for item in items)
    assert min(firsts.values()) >= 5


def test_pairs_that_cannot_be_compared_are_counted():
    rows = make_prompts(4)
    written = make_written(rows)
    written["tuned"]["test-0"] = None
    written["larger"]["test-1"] = {**written["base"]["test-1"], "domain": f"  {written['base']['test-1']['domain']} "}
    items, left_out = pages.draw_items(rows, written, 99, 7)
    assert left_out == {"unreadable": 2, "identical": 1} and len(items) == 12 - 3
    assert pages.draw_items([], written, 9, 7) == ([], {"unreadable": 0, "identical": 0})


def test_abstracts_come_back_out_of_the_prompt():
    rows = [{"title": "A title", "text": "First line.\n\nSecond paragraph."}, {"title": "", "text": "Abstract matters: not a heading"}]
    for style in ("brief", "full"):
        assert pages.abstracts(prompts.messages(rows, style)[-1]["content"]) == rows


def test_the_assignment_is_balanced():
    items, _ = drawn(60, 40)
    given = settings(items=60, reviewers=15, ratings_per_item=3)
    questions = pages.assign(items, given)
    pair_of = {item["item"]: tuple(item["pair"]) for item in items}
    ratings = Counter(row for asked in questions.values() for row in {question["item"] for question in asked})
    assert set(ratings.values()) == {3} and len(questions) == 15
    lefts = 0
    for asked in questions.values():
        counts = Counter(question["item"] for question in asked)
        assert len(counts) == 12 and sorted(counts.values())[-3:] == [1, 2, 2]
        assert all(3 <= count <= 5 for count in Counter(pair_of[name] for name in counts).values())
        for name in [name for name, count in counts.items() if count == 2]:
            first, second = (question for question in asked if question["item"] == name)
            assert (first["left"], first["right"]) == (second["right"], second["left"])
        model_of = {name: value["model"] for item in items for name, value in item["profiles"].items()}
        lefts += sum(model_of[question["left"]] == pair_of[question["item"]][0] for question in asked)
    assert 0.4 < lefts / (15 * 14) < 0.6
    together = Counter(frozenset(pair) for item in ratings for names in [[r for r, asked in questions.items() if any(q["item"] == item for q in asked)]]
                       for i, one in enumerate(names) for pair in [(one, other) for other in names[i + 1:]])
    assert len(together) > 60, "the same reviewers always meet"
    assert [len(asked) for asked in pages.assign(items[:1], settings(reviewers=2, ratings_per_item=1)).values()] == [2], "no empty page"


# --- submissions ---

def submission(key, reviewer, choices, **changes):
    """What the page would write for these choices ("1" the left one, "2" the right one, "t", "c")."""
    names = {"1": "left", "2": "right", "t": "tie", "c": "cannot_judge"}
    page = key["pages"][reviewer]
    answers = [{"question": i, **asked, "choice": names[choice], "seconds": 1.5 * i}
               for i, (asked, choice) in enumerate(zip(page["questions"], choices), 1)]
    value = {"format": pages.FORMAT, "set": key["set"], "page": page["page"], "reviewer": reviewer,
             "partial": len(answers) < len(page["questions"]), "answers": answers} | changes
    return value | {"checksum": pages.checksum(value)}


def put(folder, **files):
    for name, value in files.items():
        data = value if isinstance(value, bytes) else (value if isinstance(value, str) else json.dumps(value)).encode()
        (folder / f"{name}.json").write_bytes(data)


def test_good_submissions_are_read(tmp_path):
    _, _, key = make()
    put(tmp_path, b=submission(key, "R1", "12tc1212"), a=submission(key, "R3", "11111111"))
    (tmp_path / "README.md").write_text("not a submission")
    (tmp_path / "pasted.txt").write_text("\ufeff" + json.dumps(submission(key, "R2", "22222222"), indent=3) + "\n")
    (tmp_path / "thesis").mkdir()
    read, aside = pages.read_submissions(tmp_path, key)
    assert list(read) == ["R1", "R2", "R3"] and aside == [] and len(read["R1"]) == 8


@pytest.mark.parametrize(("value", "reason"), [
    (lambda key: b"\xff\xfe{", "not UTF-8"),
    (lambda key: b'{"format": "comp', "not JSON"),
    (lambda key: b"[" * 100000, "not JSON"),
    (lambda key: [1], "not a submission"),
    (lambda key: {"author": "x"}, "not a submission"),
    (lambda key: submission(key, "R1", "11111111", format="competency-review/2"), "this workbook reads 'competency-review/1'"),
    (lambda key: submission(key, "R1", "11111111", set="0" * 16), "another set of items"),
    (lambda key: submission(key, "R1", "11111111", page=key["pages"]["R2"]["page"]), "do not belong together"),
    (lambda key: submission(key, "R1", "11111111") | {"reviewer": ["R1"]}, "do not belong together"),
    (lambda key: submission(key, "R1", "111"), "partial: 3 of 8 answered; ask R1 to finish"),
    (lambda key: submission(key, "R1", ""), "partial: 0 of 8"),
    (lambda key: submission(key, "R1", "111", partial=False), "rightly whether it is partial"),
    (lambda key: submission(key, "R1", "11111111") | {"answers": submission(key, "R1", "21111111")["answers"]}, "edited: the checksum"),
    (lambda key: submission(key, "R1", "11111111") | {"checksum": None}, "edited: the checksum"),
    (lambda key: submission(key, "R1", "11111111") | {"answers": "x"}, "do not have the form"),
    (lambda key: submission(key, "R1", "11111111", answers=submission(key, "R2", "11111111")["answers"]), "not those of the page"),
    (lambda key: submission(key, "R1", "11111111", answers=submission(key, "R1", "11111111")["answers"] * 2), "not those of the page"),
    (lambda key: json.dumps(submission(key, "R1", "11111111")).replace('"seconds": 1.5', '"seconds": NaN'), "do not have the form"),
    (lambda key: json.dumps(submission(key, "R1", "11111111")).replace('"seconds": 1.5', '"seconds": true'), "do not have the form"),
    (lambda key: json.dumps(submission(key, "R1", "11111111")).replace('"choice": "left"', '"choice": ["left"]'), "do not have the form"),
])
def test_what_cannot_be_used_is_named_and_set_aside(tmp_path, value, reason):
    _, _, key = make()
    put(tmp_path, bad=value(key), good=submission(key, "R4", "12121212"))
    read, aside = pages.read_submissions(tmp_path, key)
    assert list(read) == ["R4"] and [row["file"] for row in aside] == ["bad.json"] and reason in aside[0]["reason"]


def test_several_files_of_one_reviewer(tmp_path):
    _, _, key = make()
    whole, part, changed = (submission(key, "R1", choices) for choices in ("12tc1212", "12tc", "11tc1212"))
    put(tmp_path, a=whole, b=whole, c=part)
    read, aside = pages.read_submissions(tmp_path, key)
    assert read["R1"] == whole["answers"]
    assert aside == [{"file": "b.json", "reason": "the same as a.json"}, {"file": "c.json", "reason": "continued in a.json"}]
    put(tmp_path, d=changed)
    read, aside = pages.read_submissions(tmp_path, key)
    assert read == {} and len(aside) == 4 and all("contradicts another file of R1" in row["reason"] for row in aside)


# --- statistics ---

KEY = {"items": {f"i{n}": {"prompt": f"p{n}", "pair": ["tuned", "base"], "profiles": {f"x{n}": "tuned", f"y{n}": "base"}} for n in range(4)}}


def answer(item, choice, swap=False, seconds=2.0):
    left, right = (f"y{item}", f"x{item}") if swap else (f"x{item}", f"y{item}")
    return {"question": 1, "item": f"i{item}", "left": left, "right": right, "choice": choice, "seconds": seconds}


REVIEWS = {"R1": [answer(0, "left"), answer(1, "left"), answer(2, "tie"), answer(0, "right", swap=True)],
           "R2": [answer(0, "left", swap=True), answer(1, "left"), answer(3, "cannot_judge"), answer(1, "left", swap=True)]}


def test_answers_become_judgments():
    rows = statistics.judgments(KEY, REVIEWS)
    assert [row["winner"] for row in rows] == ["tuned", "tuned", "tie", "tuned", "base", "tuned", None, "base"]
    assert [row["label"] for row in rows] == ["a", "a", "tie", "a", "b", "a", None, "b"]
    assert [row["again"] for row in rows] == [False, False, False, True, False, False, False, True]


def test_the_summary_by_hand():
    found = statistics.review_statistics(statistics.judgments(KEY, REVIEWS), {"judge": {"i0": "a", "i1": "b", "i2": "tie"}}, draws=50)
    assert found["reviewers"] == 2 and found["judgments"] == 6 and found["seconds"]["median"] == 2
    assert (found["ties"]["rate"], found["cannot_judge"]["rate"]) == pytest.approx((1 / 5, 1 / 6))
    # tuned, tuned, tie of R1 and base, tuned of R2: 3.5 of 5; without the tie 3 of 4.
    assert found["pairs"]["tuned_over_base"]["rate"] == found["win_rates"]["tuned"]["rate"] == pytest.approx(0.7)
    assert found["win_rates"]["base"]["rate"] == pytest.approx(0.3) and found["shares"]["tuned"]["rate"] == 0.75
    assert found["pairs"]["tuned_over_base"]["low"] == 0.5, "R2 alone: one of two"
    # Items 0 (a, b) and 1 (a, a) have two labels: two pairs, one agrees.
    assert found["agreement"]["raw"] == 0.5 and found["agreement"]["pairs"] == 2
    assert found["agreement"]["alpha"]["rate"] == pytest.approx(stats.krippendorff_alpha(["ab", "aa"]))
    assert found["self_consistency"] == stats.rate(1, 2) and found["left_chosen"]["rate"] == 1
    judge = found["machines"]["judge"]
    assert judge["agreement"]["rate"] == pytest.approx(2 / 5) and judge["agreement_without_ties"]["rate"] == 1 / 4
    assert judge["kappa"] == pytest.approx(stats.kappa("aatba"[:2] + "t" + "ba", "abtab"))
    json.dumps(found)


def test_one_reviewer_or_none_gives_no_false_precision():
    one = statistics.review_statistics(statistics.judgments(KEY, {"R1": REVIEWS["R1"]}), {"judge": {"i0": "a"}}, draws=20)
    assert one["pairs"]["tuned_over_base"]["low"] is None and one["machines"]["judge"]["alternative_annotator_test"] is None
    assert reviews.shown(one["pairs"]["tuned_over_base"]) == "0.83, n = 3" and reviews.shown(None) == "–"
    assert reviews.shown(stats.rate(0, 0)) == "–, n = 0"
    none = statistics.review_statistics([], {"judge": {}}, draws=20)
    assert none["judgments"] == 0 and none["agreement"]["raw"] is None and none["pairs"] == {}
    assert statistics.per_reviewer(statistics.judgments(KEY, REVIEWS))[0] == {
        "reviewer": "R1", "judged": 3, "cannot judge": 0, "left chosen": 2 / 3, "repeats alike": "1 of 1", "median seconds": 2.0}


def test_a_judges_labels_have_the_items_orientation():
    items, _, _ = make()
    found = statistics.labels(items, lambda prompt, one, other: (len(one["competencies"]) > len(other["competencies"])) - (len(one["competencies"]) < len(other["competencies"])))
    for item in items:
        first, second = (len(item["profiles"][name]["profile"]["competencies"]) for name in sorted(item["profiles"]))
        assert found[item["item"]] == ("a" if first > second else "b" if first < second else "tie")
    assert set(statistics.labels(items, lambda *_: None).values()) == {None}


def test_the_alternative_annotator_test_by_hand():
    # A against B and C: item 1 judge 2, A 2; item 2 judge 2, A 0; item 3 judge 1, A 1. So W_f = 1, 1, 1 and W_h = 1, 0, 1.
    people = {"A": {1: "x", 2: "y", 3: "x"}, "B": {1: "x", 2: "x", 3: "x"}, "C": {1: "x", 2: "x", 3: "y"}}
    found = statistics.alternative_annotator_test(people, {1: "x", 2: "x", 3: "x"}, epsilon=0.2)
    assert {name: (row["n"], row["rho"], row["rho_human"]) for name, row in found["annotators"].items()} == {
        "A": (3, 1.0, pytest.approx(2 / 3)), "B": (3, 1.0, 1.0), "C": (3, 1.0, pytest.approx(2 / 3))}
    assert found["annotators"]["A"]["p"] == pytest.approx(wilcoxon([-0.2, -1.2, -0.2], alternative="less").pvalue)
    assert found["rho"] == 1 and found["omega"] == 0 and not found["enough"], "three items reject nothing"


def test_the_alternative_annotator_test_on_many_items():
    rng = np.random.default_rng(0)
    truth = rng.integers(2, size=90)

    def noisy(share, seed):
        flips = np.random.default_rng(seed).random(90) < share
        return {i: int(label ^ flip) for i, (label, flip) in enumerate(zip(truth, flips))}
    people = {f"R{seed}": noisy(0.2, seed) for seed in range(5)}
    good, bad = (statistics.alternative_annotator_test(people, noisy(share, 9)) for share in (0.05, 0.5))
    assert good["omega"] == 1 and good["passed"] and good["enough"] and good["rho"] > 0.85
    assert bad["omega"] == 0 and not bad["passed"] and bad["rho"] < good["rho"]
    row = good["annotators"]["R0"]
    differences = []
    for i in range(90):
        others = [people[name][i] for name in people if name != "R0"]
        machine, human = others.count(noisy(0.05, 9)[i]), others.count(people["R0"][i])
        differences.append((human >= machine) - (machine >= human))
    assert row["p"] == pytest.approx(ttest_1samp(differences, 0.2, alternative="less").pvalue)
    # Benjamini-Yekutieli: the largest p-value of five is multiplied by the harmonic sum 1 + 1/2 + ... + 1/5.
    worst = max(value["p"] for value in good["annotators"].values())
    assert max(value["p_adjusted"] for value in good["annotators"].values()) == pytest.approx(min(1, worst * sum(1 / k for k in range(1, 6))))
    assert statistics.alternative_annotator_test(people, people["R0"])["annotators"]["R0"]["p"] == 0, "always equal: surely within epsilon"
    assert statistics.alternative_annotator_test(people, {}) is None


def test_the_command_reads_the_reviews(tmp_path):
    _, _, key = make()
    put(tmp_path, a=submission(key, "R1", "12tc1212"), b=submission(key, "R2", "11111111"), c="{")
    (tmp_path / "key").mkdir()
    (tmp_path / "key/key.json").write_text(json.dumps(key))
    result = command(tmp_path, str(tmp_path), "--key", "key/key.json")
    assert result.returncode == 0 and "set aside: c.json: not JSON" in result.stderr and result.stdout.endswith("Written to experts.json\n")
    assert json.loads((tmp_path / "experts.json").read_text())["reviewers"] == 2


# --- the original study ---

MODELS = {"1": ("tuned-4b", "finetuning"), "2": ("phi", "extract_from_abstracts_custom"), "3": ("mixtral", "extract_from_abstracts_custom"),
          "4": ("mixtral", "extract_from_summaries_custom"), "5": ("phi", "extract_from_full_texts_custom")}


def node(profiles, preferred=0, *children):
    return {"match": {"profiles": profiles, "preferred_profile_index": preferred}, "children": list(children)}


def study_file(tournament, ids="12345", **changes):
    return {"author": "Prof. Secret", "titles": ["A secret title"], "feedback": "A secret wish", "tournament": tournament, "profiles": {
        name: {"profile": {"domain": "d", "competencies": []}, "model": MODELS[name][0], "number_of_examples": 1,
               "extraction_function": MODELS[name][1], "extraction_time": 1.0} for name in ids}} | changes


def command(cwd, *arguments):
    return subprocess.run([sys.executable, "-m", "lib", "experts", *arguments], cwd=cwd, text=True, capture_output=True,
                          env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"})


def closure(tournament, ids="12345"):
    profiles = {name: {} for name in ids}
    return thesis_study.preferences(thesis_study.read_node(tournament, profiles))


FOUR = node([1, 3], 0, node([1, 2]), node([4, 3], 1))
# Five entrants: (1, 2), (3, 4), bye 5; then (1, 3), bye 5; then (1, 5), which 5 or 1 wins.
FIVE = node([1, 3], 0, node([1, 2]), node([3, 4])), node([5], 0, node([5, 5]))


def test_a_full_bracket_by_hand():
    # 1 beats 2 and 3; 3 beat 4, so 1 is also preferred to 4.
    assert sorted(closure(FOUR)) == [("1", "2"), ("1", "3"), ("1", "4"), ("3", "4")]
    assert thesis_study.corrected(closure(FOUR)) == closure(FOUR)


def test_a_bracket_of_three_by_hand():
    leaves = node([1, 2]), node([3, 3])
    # The bye is counted as 3 over 3; 1 beats the bye's leaf, where 3 stands twice.
    lost = closure(node([1, 3], 0, *leaves))
    assert sorted(lost) == [("1", "2"), ("1", "3"), ("1", "3"), ("3", "3")]
    assert thesis_study.corrected(lost) == [("1", "3"), ("1", "2")]
    won = closure(node([1, 3], 1, *leaves))
    assert sorted(won) == [("1", "2"), ("3", "1"), ("3", "2"), ("3", "3")] and len(thesis_study.corrected(won)) == 3


def test_a_bracket_of_five_with_a_bye_further_up_by_hand():
    # The upper bye gives nothing itself; through it the lower one, 5 twice, is reached.
    lost = closure(node([1, 5], 0, *FIVE))
    assert Counter(lost) == {("1", "2"): 1, ("3", "4"): 1, ("1", "3"): 1, ("1", "4"): 1, ("5", "5"): 1, ("1", "5"): 2}
    assert len(thesis_study.corrected(lost)) == 5
    won = closure(node([1, 5], 1, *FIVE))
    assert Counter(won) == {("1", "2"): 1, ("3", "4"): 1, ("1", "3"): 1, ("1", "4"): 1, ("5", "5"): 1,
                            ("5", "1"): 1, ("5", "2"): 1, ("5", "3"): 1, ("5", "4"): 1}
    assert thesis_study.matches(thesis_study.read_node(node([1, 5], 1, *FIVE), dict.fromkeys("12345"))) == [
        ("5", "1"), ("1", "3"), ("1", "2"), ("3", "4")], "byes are not matches"


@pytest.mark.parametrize("entrants", [2, 4, 8, 16, 32])
def test_full_brackets_have_the_studys_counts(entrants):
    ids = [str(i) for i in range(entrants)]
    rounds = [node([a, b]) for a, b in zip(ids[::2], ids[1::2])]
    while len(rounds) > 1:
        rounds = [node([a["match"]["profiles"][0], b["match"]["profiles"][0]], 0, a, b) for a, b in zip(rounds[::2], rounds[1::2])]
    assert len(set(closure(rounds[0], ids))) == len(closure(rounds[0], ids)) == entrants // 2 * (entrants.bit_length() - 1)


def test_the_tables_by_hand(tmp_path):
    put(tmp_path, one=study_file(node([1, 5], 0, *FIVE)), two=study_file(FOUR, "1234"))
    found = thesis_study.analyse(thesis_study.read_study(tmp_path)[0], draws=50)
    published, corrected = found["as_published"], found["corrected"]
    # One: 1 wins 5 (5 twice), 3 wins 1, 5 wins 1, of 7. Two: 1 wins 3, 3 wins 1, of 4.
    assert published["counts"]["preferences"] == 11 and published["counts"]["by_model"] == {"mixtral": 2, "phi": 1, "tuned-4b": 8}
    assert published["by_model"] == pytest.approx({"mixtral": 200 / 11, "phi": 100 / 11, "tuned-4b": 800 / 11})
    assert published["by_method"] == pytest.approx({"extract_from_abstracts_custom": 200 / 11, "extract_from_full_texts_custom": 100 / 11,
                                                    "extract_from_summaries_custom": 0, "finetuning": 800 / 11})
    # Table 7: the eight of the tuned model and the two of Mixtral from abstracts; Phi from abstracts never wins.
    assert published["table_7"] == pytest.approx({"mixtral": 20, "phi": 0, "tuned-4b": 80})
    assert published["counts"]["table_7_both_sides"] == {"mixtral": 0, "phi": 0, "tuned-4b": 4}
    # Without the bye and the duplicate: one: 1 wins 4, 3 wins 1, of 5.
    assert corrected["counts"]["preferences"] == 9 and corrected["counts"]["by_model"] == {"mixtral": 2, "phi": 0, "tuned-4b": 7}
    assert corrected["table_7"] == pytest.approx({"mixtral": 200 / 9, "phi": 0, "tuned-4b": 700 / 9})
    # Matches: 1-5, 1-3, 1-2, 3-4 and 1-3, 1-2, 3-4; Mixtral against itself counts on both sides.
    assert found["direct"]["counts"]["by_model"] == {"mixtral": {"wins": 2, "matches": 6}, "phi": {"wins": 0, "matches": 3}, "tuned-4b": {"wins": 5, "matches": 5}}
    assert found["direct"]["by_model"] == pytest.approx({"mixtral": 100 / 3, "phi": 0, "tuned-4b": 100}) and found["experts"] == 2
    assert published["intervals"]["by_model"]["tuned-4b"] == pytest.approx({"low": 500 / 7, "high": 75}) and found["stale_matches"] == 0
    assert sum(published["by_model"].values()) == pytest.approx(100) and sum(corrected["by_method"].values()) == pytest.approx(100)


def test_the_command_on_the_original_schema(tmp_path):
    folder = tmp_path / "study"
    folder.mkdir()
    good = study_file(FOUR, "1234", extra={"x": 1})
    del good["feedback"], good["titles"]
    put(folder, good=good, five=study_file(node(["1", "5"], 1, *FIVE)), twin=good, latin="ä".encode("latin-1"), broken="{", other=[1], empty={},
        unknown=study_file(node([1, 9])), undecided=study_file(node([1, 2], None)), odd=study_file(node([1, 2], 0, node([1, 3]))),
        nameless=study_file(FOUR, "1234", profiles={"1": {"profile": {}}}), endless="[" * 200000)
    result = command(tmp_path, "study", "--format", "thesis")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "Written to thesis_study.json" and "table 7" in result.stdout
    for name in ("twin", "latin", "broken", "other", "empty", "unknown", "undecided", "odd", "nameless", "endless"):
        assert f"set aside: {name}.json: " in result.stderr
    text = (tmp_path / "thesis_study.json").read_text()
    numbers = json.loads(text)
    assert numbers["experts"] == 2 and len(numbers["set_aside"]) == 10 and {"as_published", "corrected", "direct"} <= set(numbers)
    assert all({"by_model", "by_method", "table_7"} <= set(numbers[name]) for name in ("as_published", "corrected"))
    assert not any(word in text + result.stdout + result.stderr for word in ("Secret", "secret", "Traceback"))
    again = command(tmp_path, "study", "--format", "thesis", "-o", "deep/out.json")
    assert again.stdout.endswith("Written to deep/out.json\n") and (tmp_path / "deep/out.json").read_text() == text


def test_the_command_says_what_is_missing(tmp_path):
    (tmp_path / "bad.json").write_text("{")
    for arguments, words in ((["nowhere", "--format", "thesis"], "no such folder"), ([".", "--format", "thesis"], "no submission that can be used (1 set aside)"),
                             (["nowhere"], "no such folder"), (["."], "key.json: no such file")):
        result = command(tmp_path, *arguments)
        assert result.returncode == 1 and words in result.stderr and "Traceback" not in result.stderr


def test_changed_early_choices_are_counted(tmp_path):
    # The expert first preferred 1 to 2, later 2; the final still shows 1.
    put(tmp_path, stale=study_file(node([1, 3], 0, node([1, 2], 1), node([3, 4])), "1234"))
    read, _ = thesis_study.read_study(tmp_path / "stale.json")
    assert thesis_study.stale(read[0]["tournament"]) == 1 and thesis_study.analyse(read, draws=10)["stale_matches"] == 1
    with pytest.raises(DataError, match="no such folder"):
        thesis_study.read_study(tmp_path / "none")
