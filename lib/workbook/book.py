"""What every notebook shares: its settings and places, figures and tables, the record of its numbers, and the runner.

In a notebook: `book = Workbook("03_dpo", preset)`. Headless: `python -m lib run notebooks/03_dpo.ipynb`, and where a notebook has
parameters, `python -m lib run notebooks/09_round.ipynb number=2`.
"""
import base64
import html
import io
import os
import shutil

from lib.core.records import digest, write_json
from lib.core.settings import ROOT, flatten, load
from lib.workbook.tables import table_html

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

    name: the notebook's, such as "03_dpo". preset: of settings; empty takes the one that params.yaml selects.
    """

    def __init__(self, name, preset=""):
        self.name = name
        self.preset, self.settings = load(preset)
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
        """A table of the settings in some sections, with those that differ from the default preset marked."""
        mine = flatten({name: getattr(self.settings, name).model_dump() for name in sections})
        _, default = load("default")
        usual = flatten({name: getattr(default, name).model_dump() for name in sections})
        rows = [{"setting": key, "value": value} | ({"default preset": usual.get(key)} if mine != usual else {})
                for key, value in mine.items()]
        self.table(rows, f"Settings of the preset {self.preset!r}.")

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
        write_json(METRICS / f"{self.name}.json", {"preset": self.preset, **rounded(numbers)})


def rounded(value):
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, dict):
        return {str(key): rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, (list, tuple)) else value
