"""Judges that measure: both orders, outcomes by author, and the suite that earns the name."""
import pytest
from helpers.texts import prompt

from lib.benchmarks import measuring, scripted_server
from lib.core.records import DataError, read_jsonl
from lib.core.settings import load
from lib.endpoint.store import Calls
from lib.judging import cases, evaluators, judges
from lib.judging.evaluators import EARNED, Evaluator
from lib.judging.panel import Training
from lib.metrics import stats

CASES = read_jsonl(cases.FOLDER / "cases.jsonl", tuple(cases.Case.__annotations__))
IDS = list(dict.fromkeys(case["text"] for case in CASES))
SUITE = cases.Suite(CASES, [prompt(key, "Bees dance.") for key in IDS], [])
PROMPTS = [{**prompt(key, "Bees dance."), "author": author}
           for key, author in (("a1", "ann"), ("a2", "ann"), ("b1", "bob"))]


class Says:
    """A judge whose vote on a comparison is what a function of it says."""

    name, family = "says", "tests"

    def __init__(self, decide):
        self.decide, self.asked = decide, []

    def votes(self, comparisons):
        self.asked += comparisons
        return [{"winner": self.decide(one), "status": "ok", "reason": ""} for one in comparisons]


def longer(one):
    difference = len(one["left"]) - len(one["right"])
    return "tie" if not difference else "left" if difference > 0 else "right"


def written(*texts):
    return [{"id": row["id"], "text": text} for row, text in zip(PROMPTS, texts, strict=True)]


def knowing(wrong=0):
    """A judge who knows the right outcome of all cases but the first few."""
    known = {(case["text"], case[one], case[other]): (case["allowed"][0], one)
             for case in CASES[wrong:] for one, other in (("left", "right"), ("right", "left"))}

    def decide(one):
        allowed, first = known.get((one["id"], one["left"], one["right"]), (None, "left"))
        return {None: None, "tie": "tie"}.get(allowed, "left" if allowed == first else "right")
    return Says(decide)


def test_everything_is_asked_in_both_orders_and_equal_texts_are_not_asked():
    judge = Says(longer)
    found = Evaluator(judge, PROMPTS).both_orders([("a1", "xx", "x"), ("a2", "x", "x"),
                                                   ("b1", "y", "yy")])
    assert found == [("left", "left"), ("tie", "tie"), ("right", "right")]
    assert [(one["left"], one["right"]) for one in judge.asked] == [
        ("xx", "x"), ("y", "yy"), ("x", "xx"), ("yy", "y")]
    assert judge.asked[0]["abstracts"] == "Abstract 1: \nBees dance."
    assert Evaluator(judge, PROMPTS).both_orders([]) == []


def test_who_prefers_a_side_ties_and_is_not_consistent():
    rows = Evaluator(Says(lambda one: "left"), PROMPTS).contest(written("a", "b", "c"),
                                                               written("x", "y", "z"))
    found = evaluators.shares(rows)
    assert found["preference"]["rate"] == 0.5 and found["ties"]["rate"] == 1
    assert found["order_consistency"]["rate"] == 0 and found["invalid"]["rate"] == 0


def test_invalid_replies_are_counted_and_win_nothing():
    replies = {"aa": "left", "x": None}
    judge = Says(lambda one: longer(one) if one["left"] in replies and one["right"] else None)
    rows = Evaluator(judge, PROMPTS).contest(written("aa", "bb", "cc"), written("x", "y", "z"))
    assert [row["outcome"] for row in rows] == [1, None, None]
    found = evaluators.shares(rows)
    assert found["invalid"] == stats.rate(2, 3) and found["preference"]["n"] == 1
    nobody = evaluators.shares(Evaluator(Says(lambda one: None), PROMPTS).contest(
        written("aa", "bb", "cc"), written("x", "y", "z")))
    assert nobody["preference"]["rate"] is None and nobody["ties"]["n"] == 0


def test_an_author_with_several_prompts_counts_once():
    rows = Evaluator(Says(longer), PROMPTS).contest(written("aa", "b", "c"),
                                                   written("x", "yy", "zz"))
    assert [row["outcome"] for row in rows] == [1, 0, 0]
    assert judges.win_rate(rows) == stats.win_rate([0.5, 0])
    alone = [{**row, "author": row["id"]} for row in rows]
    assert judges.win_rate(alone) == stats.win_rate([1, 0, 0])


def test_a_contest_by_texts_is_the_contest_by_scores():
    truth = {"domain": "bees", "competencies": [{"name": "bee dances", "description": "Reads."}]}
    judge = judges.Truth([{**row, "truth": truth} for row in PROMPTS])
    sides = [[{"id": row["id"], "text": text, "profile": judges.parse(text)}
              for row, text in zip(PROMPTS, texts)]
             for texts in (("- bee dances: Reads.", "nothing", "- law: x"),
                           ("- bee songs: Reads.", "- bee dances: no", "- law: y"))]
    by_scores = judges.contest(judge, *sides)
    by_texts = judges.contest(Evaluator(judge, PROMPTS), *sides)
    assert [row["outcome"] for row in by_scores] == [1, 0, 0.5]
    assert [{**row, "author": ""} for row in by_texts] == [{**row, "author": ""}
                                                           for row in by_scores]


def test_nine_of_ten_cases_earn_the_name():
    wrong = round((1 - EARNED) * len(CASES))
    for missed, valid in ((0, True), (wrong, True), (wrong + 1, False)):
        found = evaluators.tried(Evaluator(knowing(missed), SUITE.prompts), SUITE)
        assert found["suite"] == stats.rate(len(CASES) - missed, len(CASES))
        assert found["valid"] is valid is (found["suite"]["rate"] >= EARNED)
    assert found["suite_by_half"]["real"]["rate"] == 1
    assert sum(rate["n"] for rate in found["suite_by_kind"].values()) == len(CASES)


@pytest.mark.parametrize(("decide", "right"), [
    (lambda one: "tie", {"reordered", "recased", "json", "abbreviation", "longer", "injected"}),
    (lambda one: "left", set()), (lambda one: None, set())])
def test_no_empty_habit_earns_it(decide, right):
    found = evaluators.tried(Evaluator(Says(decide), SUITE.prompts), SUITE)
    assert not found["valid"]
    assert {kind for kind, rate in found["suite_by_kind"].items() if rate["rate"]} == right


def test_who_was_not_asked_everything_has_not_earned_it():
    real, rest = ([case for case in CASES if cases.half(case) == half]
                  for half in ("real", "synthetic"))
    half = cases.Suite(real, SUITE.prompts, rest)
    found = evaluators.tried(Evaluator(knowing(), SUITE.prompts), half)
    assert found["suite"]["rate"] == 1 and not found["valid"] and found["suite_not_run"] == 126
    assert "NOT VALID HERE: right in 1.000 of 126 cases, and 126 were not run" in evaluators.said(
        "says", found)


def test_what_a_judge_made_of_missing_texts_is_recalled_for_this_very_judge(tmp_path):
    """Found where the texts are, told where they are not: of this judge and these cases alone."""
    kept, judge = tmp_path / "tried.json", knowing(3)
    real = [case for case in CASES if cases.half(case) == "real"]
    clone = cases.Suite([case for case in CASES if case not in real], SUITE.prompts, real)

    def tried(made_by, suite, keep=False):
        return evaluators.tried(Evaluator(judge, SUITE.prompts, (), made_by), suite, keep, kept)
    assert tried("a", SUITE)["suite_not_run"] == 0 and not kept.exists()
    whole = tried("a", SUITE, keep=True)
    before = kept.read_bytes()
    assert tried("a", clone, keep=True) == whole and kept.read_bytes() == before
    assert tried("b", clone)["suite_not_run"] == len(real)
    other = cases.Suite(clone.cases, clone.prompts, [{**real[0], "left": "x"}, *real[1:]])
    assert tried("a", other)["suite_not_run"] == len(real)
    tried("", SUITE, keep=True)  # who hangs on a server is not kept
    assert kept.read_bytes() == before


def test_what_decides_a_judge_tells_it_from_others():
    _, settings = load()
    first, *others = settings.evaluators()
    models, none = settings.models, Training([], {})
    learnt = Training([{**PROMPTS[0], "abstracts": []}], {})
    digests = [evaluators.made_of(one, models, none) for one in (first, *others)]
    digests += [evaluators.made_of(first, models, learnt), evaluators.made_of(
        first, models.model_copy(update={"evaluation_judge": models.label_judge}), none)]
    assert len(set(digests)) == len(digests) and all(digests)
    server = first.model_copy(update={"kind": "endpoint"})
    assert evaluators.made_of(server, models, none) == ""


def test_the_figures_of_who_is_not_valid_stand_in_a_column_of_their_own():
    team = evaluators.Team({"says": Evaluator(Says(longer), PROMPTS)},
                           {"says": Evaluator(Says(longer), SUITE.prompts)}, SUITE)
    sides = written("aa", "bb", "cc"), written("x", "y", "z")
    found = evaluators.measured(team, *sides)
    line, = evaluators.table_rows(found)
    assert line["not valid here"] == found["says"]["suite"] and line["suite, valid here"] is None
    assert line["tuned preferred to base"]["rate"] == 1
    good, = evaluators.table_rows({"says": {**found["says"], "valid": True}})
    assert good["not valid here"] is None and good["suite, valid here"]["n"] == len(CASES)


def settings_of(panel, **models):
    _, usual = load("default")
    evaluation = usual.evaluation.model_copy(update={"panel": panel})
    return usual.model_copy(update={
        "evaluation": evaluation, "models": usual.models.model_copy(update=models)})


def test_a_team_is_gathered_for_the_study_and_for_the_suite(tmp_path):
    _, usual = load("default")
    lexical = usual.evaluation.panel[2]
    parts = {"name": "both", "kind": "standardised", "model": ""}
    both = lexical.model_copy(update={**parts, "lexical": None, "standardised": {"lexical": 1.0}})
    texts = {row["id"]: ["- bees: a", "- law: b"] for row in PROMPTS}
    team = evaluators.gather(settings_of([lexical, both]), PROMPTS, texts, Training(PROMPTS, {}),
                             Calls(tmp_path / "calls.sqlite"), tmp_path)
    assert list(team.study) == list(team.suite) == ["lexical", "both"]
    assert {judge.family for judge in team.study.values()} == {"lexical"}
    rows = team.study["both"].contest(
        [{"id": row["id"], "text": texts[row["id"]][0]} for row in PROMPTS],
        [{"id": row["id"], "text": texts[row["id"]][1]} for row in PROMPTS])
    assert {row["outcome"] for row in rows} == {1}
    for judge in team.suite.values():
        kinds = evaluators.tried(judge, team.cases)["suite_by_kind"]
        assert kinds["reordered"]["rate"] == kinds["json"]["rate"] == 1, "equal but for rounding"


def test_a_server_measures_like_any_other_judge(tmp_path):
    with scripted_server.running() as url:
        endpoint = measuring.usual(urls=[url])
        _, usual = load("default")
        server = usual.judging.panel[0].model_copy(update={
            "name": "server", "kind": "endpoint", "model": "scripted", "endpoint": endpoint})
        judge = evaluators.headline(settings_of([server]), PROMPTS, {}, Training([], {}),
                                    Calls(tmp_path / "calls.sqlite"), tmp_path)
        rows = judge.contest(written("- bees: a", "same", "- law: b"),
                             written("- bees: c", "same", "- law: d"))
        asked = scripted_server.log(url)
    assert judge.family == "language model: scripted" and len(asked) == 4
    assert rows[1]["outcome"] == 0.5 and None not in [row["outcome"] for row in rows]
    found = evaluators.shares(rows)
    assert found["invalid"]["rate"] == 0 and found["preference"]["n"] == 2, "two authors"


def test_an_adapter_of_the_base_is_found_out_by_its_folder(tmp_path):
    tuned = tmp_path / "tuned"
    tuned.mkdir()
    _, usual = load("default")
    (tuned / "adapter_config.json").write_text(
        f'{{"base_model_name_or_path": "{usual.models.base}"}}')
    settings = settings_of(usual.evaluation.panel, evaluation_judge=str(tuned))
    with pytest.raises(DataError, match=r"'reference'.*with the base, which is tuned"):
        evaluators.headline(settings, PROMPTS, {}, Training([], {}), None, tmp_path)
