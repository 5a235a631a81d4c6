"""Runs a notebook headless, as a stage: `python -m lib run notebooks/03_dpo.ipynb`."""
import json
import os
import resource
import sys
import time
from pathlib import Path

from lib.core.records import DataError, read_json, write_json, write_text
from lib.core.settings import ROOT, load
from lib.workbook.book import environment


def normalise(notebook):
    """Remove what differs between two equal runs: times, random ids, progress bars. Changes and returns the notebook."""
    notebook["metadata"] = {key: value for key, value in notebook["metadata"].items() if key in ("kernelspec", "language_info")}
    for number, item in enumerate(notebook["cells"]):
        item["id"] = f"cell-{number}"
        item["metadata"] = {key: value for key, value in item["metadata"].items() if key in ("tags",)}
        if item["cell_type"] == "code":
            item["outputs"] = [output for output in item["outputs"] if output.get("name") != "stderr"]
    return notebook


def execute(path, preset="", parameters=()):
    """Run a notebook headless and keep the executed copy in reports/notebooks; note time and memory in runtime.json.

    parameters: (name, value) pairs of a notebook's own; whole numbers go into the copy's name, since they tell its runs apart.
    On failure the copy as far as it got goes to reports/failed, and the error names the cell's exception.
    """
    import nbformat
    import papermill
    path = Path(path)
    name, settings = load(preset)
    if not path.exists():
        raise DataError(f"{path}: no such notebook.")
    os.environ.update(environment(settings))
    stem = "_".join([path.stem, *(str(value) for _, value in parameters if isinstance(value, int))])
    target, partial = (ROOT / "reports" / folder / f"{stem}.ipynb" for folder in ("notebooks", "failed"))
    partial.parent.mkdir(parents=True, exist_ok=True)
    start = time.time()
    try:
        papermill.execute_notebook(str(path), str(partial), parameters={"preset": name, **dict(parameters)}, kernel_name="python3",
                                   cwd=str(path.parent), stderr_file=sys.stderr, progress_bar=False)
    except papermill.PapermillExecutionError as error:
        raise DataError(f"{path.name} failed in its cell {error.exec_count}: {error.ename}: {error.evalue} "
                        f"(see {partial.relative_to(ROOT)}).") from None
    notebook = normalise(nbformat.read(partial, as_version=4))
    write_text(target, json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n")
    partial.unlink()
    note_runtime(stem, name, time.time() - start)


def note_runtime(stage, preset, seconds):
    """Add a stage's wall-clock seconds and peak memory to reports/runtime.json, on which nothing depends."""
    place = ROOT / "reports" / "runtime.json"
    known = read_json(place) if place.exists() else {"stages": {}}
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024  # KiB on Linux
    known["hardware"] = {"processor": processor(), "cores": os.cpu_count()}
    known["stages"][stage] = {"preset": preset, "seconds": round(seconds, 1), "peak_memory_mb": round(peak)}
    write_json(place, known)


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        import platform
        return platform.processor() or platform.machine()
