"""A notebook as a stage: what an executed copy forgets, and what goes wrong in one sentence."""
import base64
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from lib.core.records import DataError
from lib.core.settings import ROOT
from lib.workbook import runner


def test_executed_notebooks_forget_times_and_progress():
    outputs = [{"output_type": "stream", "name": "stderr", "text": "50%"},
               {"output_type": "stream", "name": "stdout", "text": "kept"}]
    metadata = {"tags": ["parameters"], "execution": {"x": 1}, "papermill": {}}
    cell = {"cell_type": "code", "id": "random", "metadata": metadata, "outputs": outputs}
    kernel = {"name": "python3"}
    clean = runner.normalise({"metadata": {"papermill": {"start_time": 1}, "kernelspec": kernel},
                              "cells": [cell]})
    assert clean["metadata"] == {"kernelspec": kernel}
    cell, = clean["cells"]
    assert cell["id"] == "cell-0" and cell["metadata"] == {"tags": ["parameters"]}
    assert [output["text"] for output in cell["outputs"]] == ["kept"]


def test_a_missing_notebook_is_named(tmp_path):
    with pytest.raises(DataError, match=r"absent\.ipynb: no such notebook"):
        runner.execute(tmp_path / "absent.ipynb")


def test_a_notebook_that_fails_does_not_show_a_key(tmp_path, monkeypatch, capsys):
    import papermill
    key = 'hf_Ab/9+"q0123456789'

    def fail(path, partial, stderr_file, **_):
        Path(partial).write_text(json.dumps({"cells": [{"outputs": [f"it said {key}"]}]}))
        stderr_file.write(f"a warning of {base64.b64encode(key.encode()).decode()}")
        stderr_file.flush()
        raise papermill.PapermillExecutionError(0, 3, "", "Problem", f"wrong {key}", [])
    monkeypatch.setenv("HF_TOKEN", key)
    monkeypatch.setattr(papermill, "execute_notebook", fail)
    monkeypatch.setattr(runner, "ROOT", tmp_path)
    (tmp_path / "one.ipynb").touch()
    with pytest.raises(DataError) as failed:
        runner.execute(tmp_path / "one.ipynb", "default")
    assert "failed in its cell 3: Problem: wrong [key] (see reports/" in str(failed.value)
    assert capsys.readouterr().err.startswith("a warning of [key]")
    copy, = tmp_path.glob("reports/**/one.ipynb")
    assert json.loads(copy.read_text())["cells"][0]["outputs"] == ["it said [key]"]


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A project whose real study has two stages; says what ran. Its data are not there yet."""
    ran = []
    place = tmp_path / "notebooks" / "real" / "dvc.yaml"
    place.parent.mkdir(parents=True)
    place.write_text("stages:\n  one: {cmd: '${run} notebooks/one.ipynb'}\n"
                     "  two: {cmd: '${run} notebooks/two.ipynb number=2'}\n")
    monkeypatch.setattr(runner, "ROOT", tmp_path)
    monkeypatch.setattr(runner, "REAL", place)
    monkeypatch.setattr(runner, "execute", lambda *given: ran.append(given))
    return tmp_path, ran


def with_texts(place):
    for name in ("train", "dev"):
        file = place / "data" / "keyphrases" / f"inspec_{name}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def test_the_real_study_says_where_its_texts_come_from(study):
    with pytest.raises(DataError, match=r"inspec_train.jsonl is missing.*README\.md says where"):
        runner.real(quick=True, part="")
    assert "taln-ls2n/inspec" in (ROOT / "data/keyphrases/README.md").read_text()


def test_quick_runs_each_stage_once_on_the_quick_preset(study):
    place, ran = study
    with_texts(place)
    runner.real(quick=True, part="")
    runner.real(quick=True, part="two")
    two = place / "notebooks/two.ipynb", "smollm2_quick", [("number", 2)]
    assert ran == [(place / "notebooks/one.ipynb", "smollm2_quick", []), two, two]
    with pytest.raises(DataError, match="'three' is no part of the real study; it has one, two"):
        runner.real(quick=True, part="three")


def test_the_whole_study_runs_through_dvc_and_a_failure_says_how_to_go_on(study, monkeypatch):
    place, _ = study
    with_texts(place)
    calls = []

    def called(words, cwd, env):
        assert env["PATH"].startswith(str(Path(sys.executable).parent))
        calls.append((words[1:], cwd))
        return SimpleNamespace(returncode=len(calls) - 1)
    monkeypatch.setattr(runner.subprocess, "run", called)
    runner.real(quick=False, part="one")
    assert calls == [(["-m", "dvc", "repro", "notebooks/real/dvc.yaml:one"], place)]
    with pytest.raises(DataError, match="give the same command again"):
        runner.real(quick=False, part="")
