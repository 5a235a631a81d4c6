"""Which profiles take part in a review: of the evaluation, of files, and what is left out."""
import json

import pytest

from lib.core.records import DataError
from lib.studies.experts import lineup

GOOD = {"domain": "d", "competencies": [{"name": "n", "description": "x"}]}
PROMPTS = [{"id": name} for name in ("t1", "t2", "t3")]
ROWS = [{"model": model, "setting": setting, "id": "t1", "profile": GOOD | {"domain": setting}}
        for model in ("base", "tuned", "larger") for setting in ("greedy", "usual")]


def gather(tmp_path, models, **files):
    return lineup.gather(ROWS, PROMPTS, models, files, "usual", tmp_path)


def test_the_models_come_in_the_order_of_the_settings_and_at_one_setting(tmp_path):
    written, absent, rejected = gather(tmp_path, ["tuned", "base"])
    assert list(written) == ["tuned", "base"] and not absent and not rejected
    assert written["tuned"] == {"t1": GOOD | {"domain": "usual"}}


def test_a_model_that_is_absent_is_named_with_what_there_is(tmp_path):
    written, (sentence,), _ = gather(tmp_path, ["tuned", "smaller", "base"])
    assert list(written) == ["tuned", "base"]
    assert sentence == ("smaller: nothing in the evaluation under usual; it has base, larger, "
                        "tuned.")


def test_a_review_of_one_model_is_refused(tmp_path):
    with pytest.raises(DataError, match="two models or more; smaller: nothing"):
        gather(tmp_path, ["tuned", "smaller"])
    with pytest.raises(DataError, match="it has no profiles"):
        lineup.gather([], PROMPTS, ["a", "b"], {}, "usual", tmp_path)


def test_files_add_models_and_no_line_is_lost(tmp_path):
    text = "Domain: d\n\nCompetencies:\n- n: x"
    lines = [{"id": "t1", "profile": GOOD}, {"id": "t2", "profile": None},
             {"id": "t3", "text": text, "model": "sft", "setting": "usual"},
             {"id": "t1", "text": text, "model": "another"},
             {"id": "t1", "text": text, "setting": "greedy"},
             {"id": "t1", "text": text}, {"id": "t9", "text": text}, {"id": "t3"}, {"text": text},
             [1], {"id": "t2", "profile": {"domain": "d"}}]
    content = "\n".join([*map(json.dumps, lines), '{"id": ', ""])
    (tmp_path / "sft.jsonl").write_bytes(b"\xef\xbb\xbf" + content.encode())
    written, absent, rejected = gather(tmp_path, ["base"], sft="sft.jsonl")
    assert list(written) == ["base", "sft"] and not absent
    assert written["sft"] == {"t1": GOOD, "t2": None, "t3": GOOD}
    assert {row["file"] for row in rejected} == {"sft.jsonl"}
    reasons = {row["line"]: row["reason"] for row in rejected}
    assert reasons[6] == "id 't1' comes twice" and "no text of this review" in reasons[7]
    assert reasons[8] == "id 't3' comes twice" and "no object" in reasons[9]
    assert "no object" in reasons[10] and "comes twice" in reasons[11]
    assert reasons[12].startswith("not JSON") and len(reasons) == 7


@pytest.mark.parametrize(("row", "reason"), [
    ({"id": "t1"}, "neither \"profile\" nor \"text\""), ({"id": "t1", "text": 7}, "neither"),
    ({"id": "t1", "profile": {"domain": 1, "competencies": []}}, "no domain, names"),
    ({"id": ["t1"], "text": ""}, "no object with an \"id\"")])
def test_a_profile_that_is_none_is_said_to_be(tmp_path, row, reason):
    (tmp_path / "x.jsonl").write_text(json.dumps(row) + "\n")
    found, (rejected,) = lineup.from_file(tmp_path / "x.jsonl", "x", PROMPTS, "usual")
    assert found == {} and rejected["line"] == 1 and reason in rejected["reason"]


def test_a_file_without_profiles_of_the_model_leaves_it_out(tmp_path):
    (tmp_path / "x.jsonl").write_text(json.dumps({"id": "t1", "profile": GOOD, "model": "y"}))
    written, absent, _ = gather(tmp_path, ["base", "tuned"], x="x.jsonl")
    assert list(written) == ["base", "tuned"]
    assert absent == ["x: no profile of a test author in x.jsonl."]
    with pytest.raises(DataError, match=r"none.jsonl: cannot be opened .*experts.files"):
        gather(tmp_path, ["base"], x="none.jsonl")
    (tmp_path / "latin.jsonl").write_bytes('{"id": "t1", "text": "ä"}'.encode("latin-1"))
    _, (bad,) = lineup.from_file(tmp_path / "latin.jsonl", "x", PROMPTS, "usual")
    assert bad["reason"].startswith("not JSON")
