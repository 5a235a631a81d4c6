"""What every notebook shares: its settings and places, figures and tables, the record of its numbers, and the runner.

In a notebook: `book = Workbook("03_dpo", profile)`. Headless: `python -m lib.workbook notebooks/03_dpo.ipynb`, and where a notebook has
parameters, `python -m lib.workbook notebooks/09_round.ipynb number=2`.
"""
import base64
import html
import io
import json
import os
import resource
import shutil
import sys
import time
from pathlib import Path

from lib import settings as settings_module
from lib.records import DataError, digest, read_json, write_json, write_text
from lib.settings import ROOT, SettingsError

METRICS = ROOT / "reports" / "metrics"
DIGITS = 6  # of recorded numbers: below that, platforms differ


def environment(settings):
    """Environment variables that have to stand before torch and the Hugging Face libraries are imported."""
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"} if settings.runtime.offline else {}
    threads = {name: str(settings.runtime.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    return {**threads, **offline, "TOKENIZERS_PARALLELISM": "false", "PYTHONHASHSEED": "0", "DVC_NO_ANALYTICS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1", "TRANSFORMERS_VERBOSITY": "error", "MPLBACKEND": "agg",
            "GOMP_SPINCOUNT": "20000"}  # threads that spin for long while they wait stall each other on a busy machine


class Workbook:
    """One notebook at work.

    name: the notebook's, such as "03_dpo". profile: of settings; empty takes the one that params.yaml selects.
    """

    def __init__(self, name, profile=""):
        self.name = name
        self.profile, self.settings = settings_module.load(profile)
        os.environ.update({key: value for key, value in environment(self.settings).items() if key != "MPLBACKEND"})
        import torch
        torch.set_num_threads(self.settings.runtime.threads)
        self.data = ROOT / "data"
        self.reports = ROOT / "reports"
        self.figures = self.reports / "figures" / name
        self.figures.mkdir(parents=True, exist_ok=True)  # a stage's output, also where there is nothing to draw

    def work(self, *inputs):
        """A folder for work in progress, named by the inputs that decide the result, so that stale work is never used.

        It lies outside the stage's outputs and outlives an interruption; `done` removes it.
        """
        place = self.data / ".work" / f"{self.name}-{digest(inputs)}"
        place.mkdir(parents=True, exist_ok=True)
        return place

    def done(self, place):
        """The result is written: the work in progress can go."""
        shutil.rmtree(place, ignore_errors=True)

    def parameters(self, *sections):
        """A table of the settings in some sections, with those that differ from the default profile marked."""
        mine = flatten({name: getattr(self.settings, name).model_dump() for name in sections})
        _, default = settings_module.load("embedded")
        usual = flatten({name: getattr(default, name).model_dump() for name in sections})
        rows = [{"setting": key, "value": value} | ({"default profile": usual.get(key)} if mine != usual else {})
                for key, value in mine.items()]
        self.table(rows, f"Settings of the profile {self.profile!r}.")

    def table(self, rows, caption):
        """Show rows (dicts with the same keys) as a table. Every cell is escaped; numbers get three decimals."""
        from IPython.display import HTML, display
        display(HTML(table_html(rows, caption)))

    def figure(self, figure, name, caption, alt):
        """Show a matplotlib figure with its caption and alternative text, and keep it as reports/figures/<notebook>/<name>.png."""
        import matplotlib.pyplot as plt
        from IPython.display import HTML, display
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=140, bbox_inches="tight", facecolor="white", metadata={"Software": None})
        plt.close(figure)
        (self.figures / f"{name}.png").write_bytes(buffer.getvalue())
        image = base64.b64encode(buffer.getvalue()).decode()
        display(HTML(f'<figure id="figure-{name}"><img alt="{html.escape(alt, quote=True)}" '
                     f'src="data:image/png;base64,{image}"><figcaption>{html.escape(caption)}</figcaption></figure>'))

    def record(self, numbers):
        """Write the notebook's numbers to reports/metrics/<name>.json, the only source of numbers in reports and README."""
        write_json(METRICS / f"{self.name}.json", {"profile": self.profile, **rounded(numbers)})


def table_html(rows, caption):
    columns = list(dict.fromkeys(key for row in rows for key in row))
    head = "".join(f'<th scope="col">{html.escape(str(column))}</th>' for column in columns)
    body = "".join("<tr>" + "".join(cell_html(row.get(column, "")) for column in columns) + "</tr>" for row in rows)
    return (f'<table><caption>{html.escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>')


def cell_html(value):
    """One escaped cell; numbers and intervals do not wrap."""
    kind = ' class="number"' if isinstance(value, (int, float, dict)) else ""
    return f"<td{kind}>{html.escape(cell(value))}</td>"


def cell(value):
    """A value as readers want to see it: a rate as "0.81 [0.76, 0.85]", a float with three decimals, None as a dash."""
    if isinstance(value, dict) and {"rate", "low", "high"} <= set(value):
        return interval(value)
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) >= 0.001 or value == 0 else f"{value:.2g}"
    return str(value)


def interval(value, scale=1.0, digits=3):
    """A rate with its 95 % interval, such as "0.812 [0.756, 0.857]"."""
    if value["rate"] is None:
        return "–"
    if value["low"] is None:  # a bootstrap over a single cluster
        return f"{value['rate'] * scale:.{digits}f}"
    return "{:.{d}f} [{:.{d}f}, {:.{d}f}]".format(*(value[key] * scale for key in ("rate", "low", "high")), d=digits)


def rounded(value):
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, dict):
        return {str(key): rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, (list, tuple)) else value


def flatten(tree, prefix=""):
    """{"a": {"b": 1}} as {"a.b": 1}; the items of a list of sections go by their names, as in "panel.chat.kind"."""
    flat = {}
    for key, value in tree.items():
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            value = {item.get("name", str(number)): item for number, item in enumerate(value)}
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def normalise(notebook):
    """Remove what differs between two equal runs: times, random ids, progress bars. Changes and returns the notebook."""
    notebook["metadata"] = {key: value for key, value in notebook["metadata"].items() if key in ("kernelspec", "language_info")}
    for number, item in enumerate(notebook["cells"]):
        item["id"] = f"cell-{number}"
        item["metadata"] = {key: value for key, value in item["metadata"].items() if key in ("tags",)}
        if item["cell_type"] == "code":
            item["outputs"] = [output for output in item["outputs"] if output.get("name") != "stderr"]
    return notebook


def execute(path, profile="", parameters=()):
    """Run a notebook headless and keep the executed copy in reports/notebooks; note time and memory in runtime.json.

    parameters: (name, value) pairs of a notebook's own; whole numbers go into the copy's name, since they tell its runs apart.
    On failure the copy as far as it got goes to reports/failed, and the error names the cell's exception.
    """
    import nbformat
    import papermill
    path = Path(path)
    name, settings = settings_module.load(profile)
    if not path.exists():
        raise DataError(f"{path}: no such notebook.")
    os.environ.update(environment(settings))
    stem = "_".join([path.stem, *(str(value) for _, value in parameters if isinstance(value, int))])
    target, partial = (ROOT / "reports" / folder / f"{stem}.ipynb" for folder in ("notebooks", "failed"))
    partial.parent.mkdir(parents=True, exist_ok=True)
    start = time.time()
    try:
        papermill.execute_notebook(str(path), str(partial), parameters={"profile": name, **dict(parameters)}, kernel_name="python3",
                                   cwd=str(path.parent), stderr_file=sys.stderr, progress_bar=False)
    except papermill.PapermillExecutionError as error:
        raise DataError(f"{path.name} failed in its cell {error.exec_count}: {error.ename}: {error.evalue} "
                        f"(see {partial.relative_to(ROOT)}).") from None
    notebook = normalise(nbformat.read(partial, as_version=4))
    write_text(target, json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n")
    partial.unlink()
    note_runtime(stem, name, time.time() - start)


def note_runtime(stage, profile, seconds):
    """Add a stage's wall-clock seconds and peak memory to reports/metrics/runtime.json, on which nothing depends."""
    place = METRICS / "runtime.json"
    known = read_json(place) if place.exists() else {"stages": {}}
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024  # KiB on Linux
    known["hardware"] = {"processor": processor(), "cores": os.cpu_count()}
    known["stages"][stage] = {"profile": profile, "seconds": round(seconds, 1), "peak_memory_mb": round(peak)}
    write_json(place, known)


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        import platform
        return platform.processor() or platform.machine()


def main():
    path, *rest = sys.argv[1:]
    try:
        pairs = [word.split("=", 1) for word in rest if "=" in word]
        parameters = [(name, int(value) if value.isdigit() else value) for name, value in pairs]
        execute(path, next((word for word in rest if "=" not in word), ""), parameters)
    except (SettingsError, DataError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; what was finished is kept, run the same command again to go on")


if __name__ == "__main__":
    main()
