"""The project, copied and set to the smoke preset, and what runs in it: what the tests of whole
runs share.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from lib.core.settings import ROOT

COPIED = (
    ".dvc",
    ".dvcignore",
    "dvc.yaml",
    "params.yaml",
    "pyproject.toml",
    "lib",
    "notebooks",
    "reports",
    "data/raw/README.md",
    "data/reviews/README.md",
    "data/finance/README.md",
    "data/explanations/README.md",
    "data/models/embedded",
    "README.md",
    "CITATION.cff",
    "reports/notebooks/08_benchmarks.ipynb",
    "reports/metrics/08_benchmarks.json",
    "reports/notebooks/11_reliability.ipynb",
    "reports/metrics/11_reliability.json",
)  # measured apart, by `make bench`


def project(place):
    """Fill a folder with the repository's files, without git and without results, and return it."""
    skip = shutil.ignore_patterns(
        "__pycache__",
        "cache",
        "tmp",
        "config.local",
        "notebooks",
        "figures",
        "metrics",
        "failed",
        "*.html",
    )
    for name in COPIED:
        source = ROOT / name
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(
                source,
                place / name,
                ignore=skip
                if name in ("reports", ".dvc")
                else shutil.ignore_patterns("__pycache__"),
            )
        else:
            shutil.copy(source, place / name)
    params = place / "params.yaml"
    params.write_text(
        params.read_text()
        .replace("\npreset: default\n", "\npreset: smoke\n")
        .replace("      threads: 2 ", "      threads: 1 ")
    )
    run(place, "dvc", "config", "--local", "core.no_scm", "true")
    return place


def in_one_process(place, *names):
    """Run notebooks of the project one after the other in a single process, which starts once; see
    `one_process`.
    """
    return python(place, str(Path(__file__).with_name("one_process.py")), *names)


def run(place, *module):
    """Run a module with its arguments, as `python -m` does, in the project; returns what it
    printed.
    """
    return python(place, "-m", *module)


def python(place, *arguments):
    environment = {
        **os.environ,
        "PYTHONPATH": str(place),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    result = subprocess.run(
        [sys.executable, *arguments], cwd=place, env=environment, text=True, capture_output=True
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-6000:]
    return result.stdout + result.stderr
