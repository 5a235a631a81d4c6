"""The suite for judges: what it holds, how it is made, and what real texts it needs."""
import json
from collections import Counter

import pytest

from lib.competencies.profiles import parse
from lib.core.records import DataError, read_jsonl
from lib.judging import cases

MATERIALS = read_jsonl(cases.FOLDER / "materials.jsonl", ("id", "profile"))
CASES = read_jsonl(cases.FOLDER / "cases.jsonl", tuple(cases.Case.__annotations__))


def of_kind(kind):
    return [case for case in CASES if case["kind"] == kind]


def sides(case):
    """The better and the worse text of a case that has them."""
    better = case["allowed"][0]
    return case[better], case["left" if better == "right" else "right"]


def test_the_committed_cases_are_made_of_the_committed_materials():
    assert cases.build(MATERIALS) == CASES


def test_there_are_enough_of_each_half_and_kind_and_no_side_is_the_right_one():
    assert len(CASES) >= 200 and len({case["id"] for case in CASES}) == len(CASES)
    halves = Counter(map(cases.half, CASES))
    assert halves["synthetic"] == halves["real"] == len(CASES) / 2
    assert set(Counter(case["kind"] for case in CASES).values()) == {len(MATERIALS)}
    first = Counter(case["allowed"][0] for case in CASES if case["allowed"] != ["tie"])
    assert first["left"] == first["right"]


def test_what_must_tie_says_the_same():
    for kind in ("reordered", "recased", "json"):
        for case in of_kind(kind):
            left, right = (sorted((item["name"].casefold(), item["description"])
                                  for item in parse(case[side])["competencies"])
                           for side in ("left", "right"))
            assert case["allowed"] == ["tie"] and left == right
            assert case["left"] != case["right"], "else nobody is asked"


def test_a_paraphrase_shares_fewer_names_with_the_faithful_profile_than_junk_does():
    faithful = {row["id"]: {item["name"] for item in row["profile"]["competencies"]}
                for row in MATERIALS}
    for kind in ("paraphrase", "abbreviation_and_junk"):
        for case in of_kind(kind):
            better, worse = ({item["name"] for item in parse(text)["competencies"]}
                             for text in sides(case))
            assert len(worse & faithful[case["text"]]) == 1 and len(worse) == 4
            if kind == "paraphrase":
                assert not better & faithful[case["text"]]


def test_what_must_not_win_is_longer_or_asks_for_it():
    for case in of_kind("longer") + of_kind("injected"):
        better, worse = sides(case)
        assert len(worse) > len(better) and case["allowed"][1] == "tie"
        assert parse(worse)["competencies"][0] is not None


def papers(folder):
    """A stand-in for the file of real texts: every paper that the suite names."""
    rows = [{"paper_id": row["paper"], "title": "A title", "source": ["One.", "Two."]}
            for row in MATERIALS if "paper" in row]
    path = folder / "papers.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_without_the_real_texts_half_is_not_run(tmp_path):
    suite = cases.load("brief", papers=tmp_path / "none.jsonl")
    assert len(suite.lacking) == len(suite.cases) == len(CASES) / 2
    assert {cases.half(case) for case in suite.cases} == {"synthetic"}
    whole = cases.load("brief", papers=papers(tmp_path))
    assert not whole.lacking and len(whole.prompts) == len(MATERIALS)
    real = next(row for row in whole.prompts if row["id"].startswith("real"))
    assert real["abstracts"] == [{"title": "A title", "text": "One. Two."}]
    assert "One. Two." in real["messages"][-1]["content"]
    assert set(cases.texts(whole.cases)) == {row["id"] for row in MATERIALS}


def test_a_broken_file_of_real_texts_is_named(tmp_path):
    path = tmp_path / "papers.jsonl"
    path.write_text('{"title": "no source"}\n')
    with pytest.raises(DataError, match=r"papers\.jsonl"):
        cases.load("brief", papers=path)
