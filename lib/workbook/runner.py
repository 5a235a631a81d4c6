"""Runs a notebook headless, as a stage: `python -m lib run notebooks/03_dpo.ipynb`."""
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

from lib.core.records import DataError, read_json, write_json, write_text
from lib.core.sections.preset import Preset
from lib.core.settings import ROOT, load
from lib.endpoint.blotting import Blot
from lib.workbook.book import HEADLESS, environment

REAL = ROOT / "notebooks" / "real" / "dvc.yaml"


def normalise(notebook: dict[str, Any]) -> dict[str, Any]:
    """Remove what differs between equal runs: times, random ids, progress bars. In place."""
    def only(names: tuple[str, ...], metadata: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in metadata.items() if key in names}

    notebook["metadata"] = only(("kernelspec", "language_info"), notebook["metadata"])
    for number, item in enumerate(notebook["cells"]):
        item["id"] = f"cell-{number}"
        item["metadata"] = only(("tags",), item["metadata"])
        if item["cell_type"] == "code":
            item["outputs"] = [out for out in item["outputs"] if out.get("name") != "stderr"]
    return notebook


def execute(path: Path, preset: str = "", parameters: Sequence[tuple[str, Any]] = ()) -> None:
    """Run a notebook headless and keep the executed copy in reports/notebooks.

    Time and memory are noted in runtime.json beside it. parameters: (name, value) pairs of a
    notebook's own; whole numbers go into the copy's name, since they tell its runs apart. On
    failure the copy as far as it got goes to reports/failed, and a DataError names the exception.
    """
    path = Path(path)
    name, settings = load(preset)
    if not path.exists():
        raise DataError(f"{path}: no such notebook.")
    import nbformat  # seconds with papermill, for this alone
    import papermill
    os.environ.update({**environment(settings), HEADLESS: "1"})
    numbers = [str(value) for _, value in parameters if isinstance(value, int)]
    stem = "_".join([path.stem, *numbers])
    reports = ROOT / "reports" / settings.runtime.folder
    target, partial = (reports / at / f"{stem}.ipynb" for at in ("notebooks", "failed"))
    partial.parent.mkdir(parents=True, exist_ok=True)
    start, blot = time.time(), Blot(*keys(settings))
    told = SimpleNamespace(write=lambda words: sys.stderr.write(blot(words)),
                           flush=sys.stderr.flush)
    try:
        papermill.execute_notebook(
            str(path), str(partial), parameters={"preset": name, **dict(parameters)},
            kernel_name="python3", cwd=str(path.parent), stderr_file=told, progress_bar=False)
    except papermill.PapermillExecutionError as error:
        words = blot(f"{error.ename}: {error.evalue}")
        raise DataError(f"{path.name} failed in its cell {error.exec_count}: {words} (see "
                        f"{partial.relative_to(ROOT)}).") from None
    finally:  # the copy is there to be shown to others
        if blot.pattern and partial.exists():
            write_text(partial, blot(partial.read_text(encoding="utf-8")))
    notebook = normalise(nbformat.read(partial, as_version=4))
    write_text(target, json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n")
    partial.unlink()
    note_runtime(reports / "runtime.json", stem, name, time.time() - start)


def keys(settings: Preset) -> list[str]:
    """What the environment holds that nobody may read: of the judges' servers, and of the hub."""
    servers = [judge.endpoint for judge in settings.judging.panel if judge.endpoint]
    names = {server.key_variable for server in servers} | {"HF_TOKEN"}
    return [os.environ.get(name, "").strip() for name in sorted(names)]


def real(quick: bool, part: str) -> None:
    """Run the stages of the real study that are out of date; quick: each once, on a few texts.

    part: one stage, with those that it needs; "" all. Raises DataError without the data, or where a
    stage fails.
    """
    _, settings = load("smollm2_quick" if quick else "smollm2")
    for place in (settings.data.path, settings.data.test_path):
        if not (ROOT / place).exists():
            raise DataError(f"{place} is missing; {Path(place).parent}/README.md says where to get "
                            "it and what its columns are.")
    stages = yaml.safe_load(REAL.read_text(encoding="utf-8"))["stages"]
    if part and part not in stages:
        raise DataError(f"{part!r} is no part of the real study; it has {', '.join(stages)}.")
    if quick:
        for stage in [part] if part else stages:
            notebook, *words = stages[stage]["cmd"].removeprefix("${run} ").split()
            numbers = dict(word.split("=") for word in words)
            execute(ROOT / notebook, "smollm2_quick",
                    [(name, int(number)) for name, number in numbers.items()])
        return
    target = f"{REAL.relative_to(ROOT)}{':' if part else ''}{part}"
    # Stages call `python`: the one that runs this.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    command = [sys.executable, "-m", "dvc", "repro", target]
    if subprocess.run(command, cwd=ROOT, env={**os.environ, "PATH": path}).returncode:
        raise DataError("the real study stopped; give the same command again to go on from there.")


def note_runtime(place: Path, stage: str, preset: str, seconds: float) -> None:
    """Note wall-clock seconds and peak memory in a runtime.json, on which nothing depends."""
    known = read_json(place) if place.exists() else {"stages": {}}
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024  # KiB on Linux
    known["stages"][stage] = {
        "preset": preset, "seconds": round(seconds, 1), "peak_memory_mb": round(peak),
        "machine": f"{processor()}, {os.cpu_count()} cores"}
    write_json(place, known)


def processor() -> str:
    """The processor's name, as the system calls it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line for line in lines if line.startswith("model name"))
        return name.split(":", 1)[1].strip()
    except (OSError, StopIteration):
        import platform  # where there is no /proc
        return platform.processor() or platform.machine()
