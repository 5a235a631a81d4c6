"""A notebook as a stage: what an executed copy forgets, and what goes wrong in one sentence."""
import pytest

from lib.core.records import DataError
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
