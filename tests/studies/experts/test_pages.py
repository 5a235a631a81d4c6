"""The review's items, their assignment, the pages without a browser, and submissions.

All answers here are made up to test the code; none is an expert's.
"""
import json
import re
from collections import Counter
from contextlib import suppress
from itertools import combinations
from pathlib import Path

import pytest
from helpers.review import (
    HOSTILE,
    embedded,
    make,
    make_prompts,
    make_written,
    put,
    settings,
    submission,
)
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from lib.core.records import DataError
from lib.studies.experts import pages, statistics


def drawn(count=30, authors=20, **changes):
    rows = make_prompts(authors)
    return pages.draw_items(rows, make_written(rows) | changes, count, 7)


def test_items_are_stratified_seeded_and_spread_over_authors():
    items, left_out = drawn()
    assert Counter(tuple(item["pair"]) for item in items) == dict.fromkeys(pages.PAIRS, 10)
    assert left_out == {"unreadable": 0, "identical": 0}
    used = Counter(item["prompt"] for item in items)
    assert set(used.values()) == {1, 2}, "30 items of 20 authors"
    assert items == drawn()[0]
    assert [item["item"] for item in items] == [f"item-{i:03d}" for i in range(1, 31)]
    names = {name for item in items for name in item["profiles"]}
    assert len(names) == 60, "no profile id tells that two items share a profile"
    order = [tuple(item["pair"]) for item in items]
    assert order != list(pages.PAIRS) * 10, "an item's number would tell its models"
    firsts = [next(iter(item["profiles"].values()))["model"] for item in items]
    sides = Counter(first == item["pair"][0] for first, item in zip(firsts, items))
    assert min(sides.values()) >= 5


def test_an_item_shows_the_abstracts_of_its_prompt():
    shown = {row["id"]: row["abstracts"] for row in make_prompts(20)}
    assert all(item["abstracts"] == shown[item["prompt"]] for item in drawn()[0])


def test_pairs_that_cannot_be_compared_are_counted():
    rows = make_prompts(4)
    written = make_written(rows)
    written["tuned"]["test-0"] = None
    domain = f"  {written['base']['test-1']['domain']} "
    written["larger"]["test-1"] = {**written["base"]["test-1"], "domain": domain}
    items, left_out = pages.draw_items(rows, written, 99, 7)
    assert left_out == {"unreadable": 2, "identical": 1} and len(items) == 12 - 3
    assert pages.draw_items([], written, 9, 7) == ([], {"unreadable": 0, "identical": 0})


def test_the_assignment_is_balanced():
    items, _ = drawn(60, 40)
    questions = pages.assign(items, settings(items=60, reviewers=15, ratings_per_item=3))
    pair_of = {item["item"]: tuple(item["pair"]) for item in items}
    model_of = {name: value["model"]
                for item in items for name, value in item["profiles"].items()}
    seen, lefts = {}, 0
    for reviewer, asked in questions.items():
        counts = Counter(question["item"] for question in asked)
        assert len(counts) == 12 and sorted(counts.values())[-3:] == [1, 2, 2]
        assert all(3 <= count <= 5 for count in Counter(pair_of[name] for name in counts).values())
        for name in [name for name, count in counts.items() if count == 2]:
            first, second = (question for question in asked if question["item"] == name)
            assert (first["left"], first["right"]) == (second["right"], second["left"])
        for question in asked:
            lefts += model_of[question["left"]] == pair_of[question["item"]][0]
            seen.setdefault(question["item"], set()).add(reviewer)
    assert len(questions) == 15 and {len(reviewers) for reviewers in seen.values()} == {3}
    assert 0.4 < lefts / (15 * 14) < 0.6
    together = {pair for reviewers in seen.values() for pair in combinations(sorted(reviewers), 2)}
    assert len(together) > 60, "the same reviewers always meet"
    few = pages.assign(items[:1], settings(reviewers=2, ratings_per_item=1))
    assert [len(asked) for asked in few.values()] == [2], "no empty page"


def test_pages_are_blind_self_contained_and_repeatable():
    items, made, key = make()
    assert make()[1] == made and list(made) == ["R1", "R2", "R3", "R4"]
    assert len(set(made.values())) == 4
    assert make(seed=6)[2]["set"] != key["set"]
    reaching = r"""(src|href)\s*=|@import|url\(|https?:|style=| on\w+=|innerHTML|eval\("""
    for reviewer, page in made.items():
        assert not re.search(r"\b(base|tuned|larger|test-\d+)\b", page), "a model or an author"
        assert not re.search(reaching, page.replace("link.href = URL", ""))
        assert page.count("default-src 'none'; script-src 'sha256-") == 1
        assert "unsafe" not in page and "{{" not in page
        data = embedded(page)
        assert len(data["questions"]) == 6 + 2 and data["page"] == key["pages"][reviewer]["page"]
    shown = [row["item"] for page in key["pages"].values() for row in page["questions"]]
    assert {shown.count(item["item"]) for item in items} <= {2, 3, 4}


def test_text_that_ends_scripts_stays_data():
    _, made, _ = make(hostile=range(6))
    for page in made.values():
        assert page.count("<script") == 2 and "<img" not in page
        assert page.isascii() is False and "\u2028" not in page
        for item in embedded(page)["items"].values():
            for profile in item["profiles"].values():
                assert profile["competencies"][0]["name"] == HOSTILE
        page.encode("utf-8")  # no lone surrogate is left to fail on


def test_good_submissions_are_read(tmp_path):
    _, _, key = make()
    put(tmp_path, b=submission(key, "R1", "12tc1212"), a=submission(key, "R3", "11111111"))
    (tmp_path / "README.md").write_text("not a submission")
    pasted = json.dumps(submission(key, "R2", "22222222"), indent=3)
    (tmp_path / "pasted.txt").write_text(f"\ufeff{pasted}\n")
    (tmp_path / "late").mkdir()
    (tmp_path / "b.json").rename(tmp_path / "late" / "b.JSON")
    (tmp_path / "lost.json").symlink_to(tmp_path / "nowhere")
    read, (aside,) = pages.read_submissions(tmp_path, key)
    assert list(read) == ["R1", "R2", "R3"] and len(read["R1"]) == 8
    assert aside == {"file": "lost.json", "reason": "no file that can be read"}


def ones(key, reviewer="R1", **changes):
    """A sound submission of a whole page."""
    return submission(key, reviewer, "11111111", **changes)


def spoiled(key, old, new):
    """A sound submission's text with something else in it."""
    return json.dumps(ones(key)).replace(old, new)


@pytest.mark.parametrize(("value", "reason"), [
    (lambda key: b"\xff\xfe{", "not UTF-8"),
    (lambda key: b'{"format": "comp', "not JSON"),
    (lambda key: b"[" * 100000, "not JSON"),
    (lambda key: [1], "not a submission"),
    (lambda key: {"author": "x"}, "not a submission"),
    (lambda key: ones(key, format="competency-review/2"), "reads 'competency-review/1'"),
    (lambda key: ones(key, set="0" * 16), "another set of items"),
    (lambda key: ones(key, page=key["pages"]["R2"]["page"]), "do not belong together"),
    (lambda key: ones(key) | {"reviewer": ["R1"]}, "do not belong together"),
    (lambda key: submission(key, "R1", "111"), "partial: 3 of 8 answered; ask R1 to finish"),
    (lambda key: submission(key, "R1", ""), "partial: 0 of 8"),
    (lambda key: submission(key, "R1", "111", partial=False), "rightly whether it is partial"),
    (lambda key: ones(key) | {"answers": submission(key, "R1", "21111111")["answers"]},
     "edited: the checksum"),
    (lambda key: ones(key) | {"checksum": None}, "edited: the checksum"),
    (lambda key: ones(key) | {"answers": "x"}, "do not have the form"),
    (lambda key: ones(key, answers=ones(key, "R2")["answers"]), "not those of the page"),
    (lambda key: ones(key, answers=ones(key)["answers"] * 2), "not those of the page"),
    (lambda key: spoiled(key, '"seconds": 1.5', '"seconds": NaN'), "do not have the form"),
    (lambda key: spoiled(key, '"seconds": 1.5', '"seconds": true'), "do not have the form"),
    (lambda key: spoiled(key, '"seconds": 1.5', f'"seconds": {"9" * 400}'), "do not have the form"),
    (lambda key: spoiled(key, '"seconds": 1.5', '"seconds": 1e308'), "do not have the form"),
    (lambda key: spoiled(key, '"seconds": 1.5', f'"seconds": {"9" * 5000}'), "not JSON"),
    (lambda key: spoiled(key, '"question": 1', f'"question": {"9" * 400}'), "edited: the checksum"),
    (lambda key: spoiled(key, '"choice": "left"', '"choice": "\\ud800"'), "do not have the form"),
    (lambda key: spoiled(key, '"left": "', '"left": "\\ud800'), "edited: the checksum"),
    (lambda key: ones(key) | {"format": f"competency-review/\ud800{'x' * 9999}"}, "this workbook"),
    (lambda key: ones(key) | {"reviewer": ["R1"]}, "do not belong together"),
    (lambda key: ones(key) | {"reviewer": "\ud800"}, "do not belong together"),
    (lambda key: "[" * 200_000, "nested too deeply"),
    (lambda key: '{"a":' * 200_000, "nested too deeply"),
    (lambda key: b"\xff\xfe{", "not UTF-8"), (lambda key: b"", "not JSON"),
    (lambda key: "[]" + " " * 21_000_000, "larger than any submission"),
    (lambda key: spoiled(key, '"choice": "left"', '"choice": ["left"]'), "do not have the form"),
])
def test_what_cannot_be_used_is_named_and_set_aside(tmp_path, value, reason):
    _, _, key = make()
    put(tmp_path, bad=value(key), good=submission(key, "R4", "12121212"))
    read, aside = pages.read_submissions(tmp_path, key)
    assert list(read) == ["R4"]
    assert [row["file"] for row in aside] == ["bad.json"] and reason in aside[0]["reason"]
    assert len(aside[0]["reason"]) < 200


@pytest.mark.parametrize("error", [
    PermissionError(13, "Permission denied"), OSError(5, "I/O error"), MemoryError(),
    ZeroDivisionError("no check foresaw this")])
def test_no_file_keeps_the_others_from_being_read(error, tmp_path, monkeypatch):
    def read(path, **options):
        if path.name == "bad.json":
            raise error
        return whole(path, **options)
    whole = Path.read_text
    _, _, key = make()
    put(tmp_path, bad=ones(key), good=submission(key, "R4", "12121212"))
    monkeypatch.setattr(Path, "read_text", read)
    read, aside = pages.read_submissions(tmp_path, key)
    assert list(read) == ["R4"] and [row["file"] for row in aside] == ["bad.json"]
    assert re.match(r"cannot be (opened|checked) \(", aside[0]["reason"])


@settings_of_hypothesis(max_examples=60)
@given(st.data())
def test_whatever_is_forged_is_set_aside_or_is_a_submission(tmp_path_factory, data):
    odd = st.recursive(st.none() | st.booleans() | st.floats() | st.integers(-10**400, 10**400)
                       | st.text(st.characters(exclude_categories=()), max_size=3),
                       lambda inner: st.lists(inner, max_size=2), max_leaves=3)
    _, _, key = make()
    forged = ones(key)
    place = data.draw(st.sampled_from([*forged, *forged["answers"][0]]))
    (forged if place in forged else forged["answers"][0])[place] = data.draw(odd)
    with suppress(Exception):  # who forges well computes it anew, as far as that can be done
        forged["checksum"] = pages.checksum(forged)
    folder = tmp_path_factory.mktemp("forged")
    put(folder, bad=forged, good=submission(key, "R4", "12121212"))
    read, aside = pages.read_submissions(folder, key)
    assert "R4" in read and len(read) + len(aside) == 2
    statistics.review_statistics(statistics.judgments(key, read), draws=2)


def test_a_key_is_a_key(tmp_path):
    _, _, key = make()
    put(tmp_path, key=key, other=[key], broken="{")
    assert pages.read_key(tmp_path / "key.json") == key
    for name in ("other", "broken", "absent"):
        with pytest.raises(DataError, match=f"{name}.json: "):
            pages.read_key(tmp_path / f"{name}.json")


def test_several_files_of_one_reviewer(tmp_path):
    _, _, key = make()
    whole, part, changed = (submission(key, "R1", choices)
                            for choices in ("12tc1212", "12tc", "11tc1212"))
    put(tmp_path, a=whole, b=whole, c=part)
    read, aside = pages.read_submissions(tmp_path, key)
    assert read["R1"] == whole["answers"]
    assert aside == [{"file": "b.json", "reason": "the same as another file of R1"},
                     {"file": "c.json", "reason": "continued in another file of R1"}]
    put(tmp_path, d=changed)
    read, aside = pages.read_submissions(tmp_path, key)
    assert read == {} and len(aside) == 4
    assert all("contradicts another file of R1" in row["reason"] for row in aside)


@pytest.mark.parametrize(("reason", "sound"), [
    ("It names what is there.", True), ("", False), ("two\nlines", False), ("x" * 301, False),
    (7, False), (None, False)])
def test_a_reason_is_one_line_or_there_is_none(tmp_path, reason, sound):
    _, _, key = make()
    given = ones(key)
    given["answers"][0]["reason"] = reason
    put(tmp_path, a={**given, "checksum": pages.checksum(given)})
    read, aside = pages.read_submissions(tmp_path, key)
    assert bool(read) == sound and bool(aside) != sound
