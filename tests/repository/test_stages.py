"""Stages: what makes each run again, and what leaves it alone, asked of DVC itself."""

import shutil

import pytest
import yaml
from helpers.rooms import ROOT, dependencies, source

from lib.core.sections.preset import Preset
from lib.report import site

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
NAMES = [name for name in STAGES if name != "report"]


def stage(name):
    return STAGES[name].get(
        "do", STAGES[name]
    )  # a stage that is run once per number stands under `do`


def paths(entries):
    return {entry if isinstance(entry, str) else next(iter(entry)) for entry in entries}


@pytest.mark.parametrize("name", NAMES)
def test_a_stage_depends_on_the_rooms_that_its_notebook_reaches(name):
    rooms = {path for path in paths(stage(name)["deps"]) if path.startswith("lib/")}
    assert rooms == dependencies(f"notebooks/{name}.ipynb") | {"lib/core"}


def test_the_report_depends_on_what_renders_it_and_writes_all_that_it_renders():
    deps = paths(stage("report")["deps"])
    assert (
        dependencies("lib/report/site.py")
        | {"lib/report", "reports/notebooks", "reports/metrics", "notebooks/LOG.md"}
        | {"data/CARD.md", "data/prompts.jsonl", "data/evaluation.jsonl", "data/adapter"}
        == deps
    )
    rendered = {f"reports/{file}" for file, _ in site.pages()}
    assert paths(stage("report")["outs"]) == rendered - {"reports/runtime.html"} | {
        "reports/tables"
    }, "run times differ from run to run"


@pytest.mark.parametrize("name", NAMES)
def test_a_stage_depends_on_the_settings_that_its_notebook_uses(name):
    code = source(f"notebooks/{name}.ipynb")
    used = {part for part in Preset.model_fields if f"settings.{part}" in code}
    given = [param for param in stage(name)["params"] if param != "preset"]
    for preset in ("default", "${preset}"):
        assert used <= {param.removeprefix(f"presets.{preset}.") for param in given}, used


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    """Stages in a copy of the code, and the rooms and files of lib that DVC watches for each."""
    from dvc.repo import Repo

    place = tmp_path_factory.mktemp("tracked")
    for name in ("lib", "notebooks"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "params.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, place / name)
    (place / ".dvc").mkdir()
    (place / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    with Repo(place) as repo:
        watched = {}
        # Not the real study's, which depends on no code.
        for one in [one for one in repo.index.stages if one.path_in_repo == "dvc.yaml"]:
            watched[one.name] = [
                dep for dep in one.deps if dep.def_path.startswith(("lib", "notebooks"))
            ]
            for dep in watched[one.name]:
                dep.save()
        yield place, watched


def stale(watched):
    return {name for name, deps in watched.items() if any(dep.workspace_status() for dep in deps)}


# One file of a room each; that every room is a dependency of what reaches it is tested above.
TOUCHED = [
    "lib/core/records.py",
    "lib/training/processes/fsdp2.yaml",
    "lib/competencies/world.yaml",
    "lib/studies/rounds.py",
    "lib/studies/experts/review.html",
    "lib/report/site.css",
    "lib/benchmarks/cases.py",
]


@pytest.mark.parametrize("touched", TOUCHED)
def test_touching_a_room_runs_what_reaches_it_and_nothing_else(tracked, touched):
    place, watched = tracked
    path = place / touched
    before = path.read_text()
    path.write_text(before + "\n# touched\n")
    try:
        found = {name.split("@")[0] for name in stale(watched)}
    finally:
        path.write_text(before)
    home = (
        touched
        if touched == "lib/studies/rounds.py"
        else "/".join(touched.split("/")[:-1]).removesuffix("/processes")
    )
    reach = {name for name in NAMES if home in dependencies(f"notebooks/{name}.ipynb")}
    if home in {"lib/report", *dependencies("lib/report/site.py")}:
        reach.add("report")
    assert found == reach
    assert not stale(watched)


def test_what_python_leaves_behind_makes_nothing_run_again(tracked):
    place, watched = tracked
    (place / "lib" / "core" / "__pycache__").mkdir()
    (place / "lib" / "core" / "__pycache__" / "settings.cpython-311.pyc").write_bytes(b"compiled")
    assert not stale(watched)
