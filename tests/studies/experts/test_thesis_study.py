"""The original study, by hand: its way of counting, and the correct one."""
from collections import Counter

import pytest
from helpers.review import put
from helpers.thesis_files import FIVE, FOUR, node, study_file

from lib.core.records import DataError
from lib.studies.experts import thesis_study


def closure(tournament, ids="12345"):
    profiles = {name: {} for name in ids}
    return thesis_study.preferences(thesis_study.read_node(tournament, profiles))


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
    assert sorted(won) == [("1", "2"), ("3", "1"), ("3", "2"), ("3", "3")]
    assert len(thesis_study.corrected(won)) == 3


def test_a_bracket_of_five_with_a_bye_further_up_by_hand():
    # The upper bye gives nothing itself; through it the lower one, 5 twice, is reached.
    lost = closure(node([1, 5], 0, *FIVE))
    assert Counter(lost) == {("1", "2"): 1, ("3", "4"): 1, ("1", "3"): 1, ("1", "4"): 1,
                             ("5", "5"): 1, ("1", "5"): 2}
    assert len(thesis_study.corrected(lost)) == 5
    won = closure(node([1, 5], 1, *FIVE))
    assert Counter(won) == {("1", "2"): 1, ("3", "4"): 1, ("1", "3"): 1, ("1", "4"): 1,
                            ("5", "5"): 1, ("5", "1"): 1, ("5", "2"): 1, ("5", "3"): 1,
                            ("5", "4"): 1}
    tournament = thesis_study.read_node(node([1, 5], 1, *FIVE), dict.fromkeys("12345"))
    assert thesis_study.matches(tournament) == [
        ("5", "1"), ("1", "3"), ("1", "2"), ("3", "4")], "byes are not matches"


@pytest.mark.parametrize("entrants", [2, 4, 8, 16, 32])
def test_full_brackets_have_the_studys_counts(entrants):
    ids = [str(i) for i in range(entrants)]
    rounds = [node([a, b]) for a, b in zip(ids[::2], ids[1::2])]
    while len(rounds) > 1:
        sides = zip(rounds[::2], rounds[1::2])
        rounds = [node([a["match"]["profiles"][0], b["match"]["profiles"][0]], 0, a, b)
                  for a, b in sides]
    found = closure(rounds[0], ids)
    assert len(set(found)) == len(found) == entrants // 2 * (entrants.bit_length() - 1)


def test_the_tables_by_hand(tmp_path):
    put(tmp_path, one=study_file(node([1, 5], 0, *FIVE)), two=study_file(FOUR, "1234"))
    found = thesis_study.analyse(thesis_study.read_study(tmp_path)[0], draws=50)
    published, corrected = found["as_published"], found["corrected"]
    # One: 1 wins 5 (5 twice), 3 wins 1, 5 wins 1, of 7. Two: 1 wins 3, 3 wins 1, of 4.
    counts = published["counts"]
    assert counts["preferences"] == 11
    assert counts["by_model"] == {"mixtral": 2, "phi": 1, "tuned-4b": 8}
    assert published["by_model"] == pytest.approx(
        {"mixtral": 200 / 11, "phi": 100 / 11, "tuned-4b": 800 / 11})
    assert published["by_method"] == pytest.approx({
        "extract_from_abstracts_custom": 200 / 11, "extract_from_full_texts_custom": 100 / 11,
        "extract_from_summaries_custom": 0, "finetuning": 800 / 11})
    # Table 7: the eight of the tuned model and the two of Mixtral from abstracts; Phi from
    # abstracts never wins.
    assert published["table_7"] == pytest.approx({"mixtral": 20, "phi": 0, "tuned-4b": 80})
    assert counts["table_7_both_sides"] == {"mixtral": 0, "phi": 0, "tuned-4b": 4}
    # Without the bye and the duplicate: one: 1 wins 4, 3 wins 1, of 5.
    assert corrected["counts"]["preferences"] == 9
    assert corrected["counts"]["by_model"] == {"mixtral": 2, "phi": 0, "tuned-4b": 7}
    assert corrected["table_7"] == pytest.approx(
        {"mixtral": 200 / 9, "phi": 0, "tuned-4b": 700 / 9})
    # Matches: 1-5, 1-3, 1-2, 3-4 and 1-3, 1-2, 3-4; Mixtral against itself counts on both sides.
    direct = found["direct"]
    assert direct["counts"]["by_model"] == {
        "mixtral": {"wins": 2, "matches": 6}, "phi": {"wins": 0, "matches": 3},
        "tuned-4b": {"wins": 5, "matches": 5}}
    assert direct["by_model"] == pytest.approx({"mixtral": 100 / 3, "phi": 0, "tuned-4b": 100})
    assert found["experts"] == 2 and found["stale_matches"] == 0
    assert published["intervals"]["by_model"]["tuned-4b"] == pytest.approx(
        {"low": 500 / 7, "high": 75})
    assert sum(published["by_model"].values()) == pytest.approx(100)
    assert sum(corrected["by_method"].values()) == pytest.approx(100)


def test_changed_early_choices_are_counted(tmp_path):
    # The expert first preferred 1 to 2, later 2; the final still shows 1.
    put(tmp_path, stale=study_file(node([1, 3], 0, node([1, 2], 1), node([3, 4])), "1234"))
    read, _ = thesis_study.read_study(tmp_path / "stale.json")
    assert thesis_study.stale(read[0]["tournament"]) == 1
    assert thesis_study.analyse(read, draws=10)["stale_matches"] == 1
    with pytest.raises(DataError, match="no such folder"):
        thesis_study.read_study(tmp_path / "none")


@pytest.mark.parametrize(("value", "where"), [
    (study_file(node([1, 3], 0, node([1, 2]), node([3, 9]))), "tournament.1"),
    (study_file(node([1, 3], 0, node([1, 2], 7), node([3, 4]))), "tournament.0"),
    (study_file(node([1, 2]), profiles={"1": {"model": "x", "extraction_function": "y"}, "2": {}}),
     "profile 2"),
    ({"author": "x"}, "profiles")])
def test_it_is_said_where_a_file_is_wrong(tmp_path, value, where):
    put(tmp_path, bad=value, good=study_file(FOUR, "1234"))
    read, aside = thesis_study.read_study(tmp_path)
    assert len(read) == 1
    assert [(row["file"], row["where"]) for row in aside] == [("bad.json", where)]
