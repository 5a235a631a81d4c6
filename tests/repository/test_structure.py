"""The repository keeps its own rules: notebooks, stages, pins, numbers that come from metrics."""

import json
import re
import tomllib

import pytest
import yaml
from helpers.rooms import ROOT

from lib.report import claims

NOTEBOOKS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
STORIES = NOTEBOOKS + sorted(f"real/{path.name}"
                             for path in (ROOT / "notebooks" / "real").glob("*.ipynb"))
# A stage that is run once per number stands under `do`.
STAGES = {
    name: stage.get("do", stage)
    for name, stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].items()
}


def cells(name):
    return json.loads((ROOT / "notebooks" / name).read_text())["cells"]


def text(cell):
    return "".join(cell["source"])


def names(paths):
    return {path if isinstance(path, str) else next(iter(path)) for path in paths}


def test_one_stage_per_notebook_in_the_same_order():
    staged = [
        name for name in NOTEBOOKS if name not in ("08_benchmarks.ipynb", "11_reliability.ipynb")
    ]  # times differ between runs: `make bench` runs it
    assert [f"{name}.ipynb" for name in STAGES if name != "report"] == staged
    for name, stage in STAGES.items():
        assert stage["desc"] and (
            name == "report"
            or stage["cmd"].removesuffix(" number=${key}")
            == f"python -m lib run notebooks/{name}.ipynb"
        )


@pytest.mark.parametrize("name", STORIES)
def test_notebooks_tell_a_story(name):
    all_cells = cells(name)
    prose = [cell for cell in all_cells if cell["cell_type"] == "markdown"]
    code = [cell for cell in all_cells if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
    assert [cell["metadata"].get("tags") for cell in code].count(["parameters"]) == 1
    first = text(all_cells[0])
    assert first.startswith("# ") and all(
        word in first for word in ("**Question**", "**Reads**", "**Writes**")
    )
    assert sum(text(cell).count("\n# ") + text(cell).startswith("# ") for cell in prose) == 1
    assert "book.record(" in text(all_cells[-1])
    assert sum(len(text(cell).split()) for cell in prose) > 200
    for cell in code:
        lines = text(cell).splitlines()
        assert len(lines) <= 15, lines[0]
    assert re.search(
        r"^preset = ", text(next(c for c in code if c["metadata"].get("tags"))), re.MULTILINE
    )


def test_no_parameter_is_named_like_a_secret():
    keys = re.findall(r"(?:^\s*|[{,]\s*)(\w+):", (ROOT / "params.yaml").read_text(), re.MULTILINE)
    assert not [
        key
        for key in keys
        if re.search(r"secret|password|api_?key|_token$|^token$|credential", key)
    ]


def test_one_list_of_pins_with_two_doors():
    lock = [
        line
        for line in (ROOT / "requirements.lock").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!_-]+", line) for line in lock), (
        "pins only, no hosts, no local builds"
    )
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lock}
    wanted = {
        re.split(r"[=><]", line)[0].lower()
        for line in (ROOT / "requirements.in").read_text().splitlines()
        if line[:1] not in ("#", "")
    }
    assert wanted <= pinned and "torch==2.13.0" in lock
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert {"pip": ["-r requirements.lock", "-e ."]} in environment["dependencies"]
    assert "requirements.lock" in (ROOT / "Makefile").read_text()
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["dynamic"][
        "dependencies"
    ]["file"] == ["requirements.in"]


def test_the_readme_shows_the_numbers_of_the_last_run():
    readme = (ROOT / "README.md").read_text()
    assert claims.with_results(readme, claims.worlds()) == readme
    table = readme.split("<!-- results")[1].split("<!-- end")[0].splitlines()
    assert sum(line.startswith("| ") for line in table) == 9, "eight rows and their head"
    rest = re.sub(r"<!-- results.*?end of results -->", "", readme, flags=re.DOTALL)
    assert not re.search(r"\b0\.\d{2,}", rest), (
        "a number outside the table that reports/metrics fill in"
    )


def test_no_prose_in_notebooks_types_a_result():
    for name in STORIES:
        for cell in cells(name):
            if cell["cell_type"] == "markdown":
                prose = re.sub(r"\$[^$]*\$|`[^`]*`", "", text(cell))
                assert not re.search(r"\b0\.\d{3,}", prose), (name, text(cell)[:60])
