"""`python -m lib experts`: what it prints, writes and refuses."""
import errno
import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from helpers.review import make, put, submission
from helpers.thesis_files import FIVE, FOUR, node, study_file

from lib.__main__ import main
from lib.core.records import read_json
from lib.core.settings import ROOT
from lib.metrics import stats
from lib.studies.experts.command import shown


@pytest.fixture
def experts(tmp_path, monkeypatch, capsys):
    """Carries the command out in a folder of its own: {"failed": the sentence, "out", "err"}."""
    monkeypatch.chdir(tmp_path)

    def carry_out(*arguments):
        failed = ""
        try:
            main(["experts", *arguments])
        except SystemExit as end:
            failed = end.code
        return SimpleNamespace(failed=failed, **capsys.readouterr()._asdict())
    return carry_out


def test_the_command_reads_the_reviews(tmp_path):
    _, _, key = make()
    put(tmp_path, a=submission(key, "R1", "12tc1212"), b=submission(key, "R2", "11111111"), c="{")
    (tmp_path / "key").mkdir()
    (tmp_path / "key/key.json").write_text(json.dumps(key))
    result = subprocess.run(
        [sys.executable, "-m", "lib", "experts", str(tmp_path), "--key", "key/key.json"],
        cwd=tmp_path, text=True, capture_output=True,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"})
    assert result.returncode == 0, result.stderr
    assert "set aside: c.json: not JSON" in result.stderr
    assert result.stdout.endswith("Written to experts.json\n")
    assert json.loads((tmp_path / "experts.json").read_text())["reviewers"] == 2


def test_the_command_on_the_original_schema(tmp_path, experts):
    folder = tmp_path / "study"
    folder.mkdir()
    good = study_file(FOUR, "1234", extra={"x": 1})
    del good["feedback"], good["titles"]
    bad = {
        "twin": good, "latin": "ä".encode("latin-1"), "broken": "{", "other": [1], "empty": {},
        "unknown": study_file(node([1, 9])), "undecided": study_file(node([1, 2], None)),
        "odd": study_file(node([1, 2], 0, node([1, 3]))), "endless": "[" * 200000,
        "nameless": study_file(FOUR, "1234", profiles={"1": {"profile": {}}}),
        "long": study_file(FOUR, "1234", profiles=profiles("x" * 999)),
        "many": study_file(FOUR, "1234", profiles=profiles("x", range(999))),
        "digits": "9" * 5000}
    put(folder, good=good, five=study_file(node(["1", "5"], 1, *FIVE)), **bad)
    result = experts("study", "--format", "thesis")
    assert not result.failed and "table 7" in result.out
    assert result.out.splitlines()[-1] == "Written to thesis_study.json"
    for name in bad:
        assert f"set aside: {name}.json: " in result.err
    text = (tmp_path / "thesis_study.json").read_text()
    numbers = json.loads(text)
    assert numbers["experts"] == 2 and len(numbers["set_aside"]) == 13
    assert {"as_published", "corrected", "direct"} <= set(numbers)
    for name in ("as_published", "corrected"):
        assert {"by_model", "by_method", "table_7"} <= set(numbers[name])
    for word in ("Secret", "secret", "Traceback"):
        assert word not in text + result.out + result.err
    again = experts("study", "--format", "thesis", "-o", "deep/out.json")
    assert again.out.endswith("Written to deep/out.json\n")
    assert (tmp_path / "deep/out.json").read_text() == text


def profiles(model, ids="1234"):
    """Profiles of one model."""
    return {str(name): {"model": model, "extraction_function": "finetuning"} for name in ids}


def test_names_of_others_never_act_on_the_terminal(tmp_path, experts):
    (tmp_path / "study").mkdir()
    evil = "\x1b]0;owned\x07\u202e\ud800\nmodel"
    put(tmp_path / "study", one=study_file(FOUR, "1234", profiles=profiles(evil)))
    (tmp_path / "study" / "\x1b[2Jcaf\udce9.json").write_text("{")
    result = experts("study", "--format", "thesis")
    assert not result.failed and r"\x1b]0;owned\x07\u202e\ud800\nmodel" in result.out
    assert r"set aside: \x1b[2Jcaf\udce9.json: not JSON" in result.err
    assert not {"\x1b", "\u202e", "\x07", "\ud800"} & set(result.out + result.err)
    numbers = read_json(tmp_path / "thesis_study.json")
    assert list(numbers["as_published"]["by_model"]) == [evil]


def test_a_full_disk_is_one_sentence(tmp_path, experts, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    (tmp_path / "study").mkdir()
    put(tmp_path / "study", one=study_file(FOUR, "1234"))
    monkeypatch.setattr(os, "fsync", full)
    result = experts("study", "--format", "thesis", "-o", "out.json")
    assert result.failed == ("error: out.json: cannot be written (No space left on device); make "
                             "room, or name another place.")
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(("arguments", "words"), [
    (["nowhere", "--format", "thesis"], "no such folder"),
    ([".", "--format", "thesis"], "no submission that can be used (1 set aside)"),
    (["nowhere"], "no such folder"), (["."], "key.json: no such file")])
def test_the_command_says_what_is_missing(tmp_path, experts, arguments, words):
    (tmp_path / "bad.json").write_text("{")
    assert words in experts(*arguments).failed


def test_numbers_are_shown_with_what_is_known_of_them():
    assert shown({"rate": 5 / 6, "low": None, "high": None, "n": 3}) == "0.83, n = 3"
    assert shown({"rate": 0.62, "low": 0.41, "high": 0.8, "n": 9}) == "0.62 [0.41, 0.80], n = 9"
    assert shown(None) == "–" and shown(0.5) == "0.50"
    assert shown(stats.rate(0, 0)) == "–, n = 0"


def test_no_submission_is_written_over(experts, tmp_path):
    folder = tmp_path / "study"
    folder.mkdir()
    put(folder, good=study_file(FOUR, "1234"))
    before = (folder / "good.json").read_bytes()
    os.link(folder / "good.json", tmp_path / "hard.json")
    for name in ("study/good.json", "study/../study/good.json", "hard.json"):
        result = experts("study", "--format", "thesis", "-o", name)
        assert "writing would destroy it" in result.failed
    assert (folder / "good.json").read_bytes() == before
    for _ in range(2):  # what an earlier run wrote among the submissions is not one of them
        result = experts("study", "--format", "thesis", "-o", "study/out.json")
        assert not result.failed
    assert "set aside: out.json" in result.err
