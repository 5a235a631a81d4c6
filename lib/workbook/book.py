"""What every notebook shares: settings, places, tables, figures, the record of its numbers.

In a notebook: `book = Workbook("03_dpo", preset)`. Headless: `python -m lib run
notebooks/03_dpo.ipynb`, where it has parameters, `... notebooks/09_round.ipynb number=2`.
"""
import json
import os
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

from lib.core.records import DataError, Journal, digest, write_json, write_text
from lib.core.rows import Message
from lib.core.sections.preset import Preset
from lib.core.settings import ROOT, SettingsError, flatten, load
from lib.core.terminal import say
from lib.models import places
from lib.workbook import drawing
from lib.workbook.figures import Picture
from lib.workbook.tables import figure_html, named, table_html

METRICS = ROOT / "reports" / "metrics"
DIGITS = 6  # of recorded numbers: below that, platforms differ
HEADLESS = "WORKBOOK_HEADLESS"  # set by the runner; a notebook that runs without it explores


def environment(settings: Preset) -> dict[str, str]:
    """Variables that have to stand before torch and the Hugging Face libraries are imported."""
    threads = str(settings.runtime.threads)
    found = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads,
             # Threads that spin for long while they wait stall each other on a busy machine.
             "GOMP_SPINCOUNT": "20000", "TOKENIZERS_PARALLELISM": "false", "PYTHONHASHSEED": "0",
             "DVC_NO_ANALYTICS": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
             "TRANSFORMERS_VERBOSITY": "error", **places.hub(settings.runtime)}
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    return {**found, **offline} if settings.runtime.offline else found


class Workbook:
    """One notebook at work: as a stage, or opened by somebody who explores.

    name: the notebook's, such as "03_dpo". preset: of settings; empty takes the selected one.
    data: the folder to read from. results: the folder to write to, the same in a stage. Who
    explores writes to a fresh folder of the notebook's own, and neither figures nor metrics: no
    committed file and no stage changes.
    """

    def __init__(self, name: str, preset: str = ""):
        self.exploring = HEADLESS not in os.environ
        if self.exploring:
            _speak_plainly()
        self.name = name
        self.preset, self.settings = load(preset)
        os.environ.update(environment(self.settings))
        import torch  # after the environment is set, which it reads
        torch.set_num_threads(self.settings.runtime.threads)
        torch.set_float32_matmul_precision(self.settings.runtime.matmul_precision)
        folder = self.settings.runtime.folder
        self.data = self.results = ROOT / "data" / folder
        self.reports, self.metrics = ROOT / "reports" / folder, METRICS / folder
        self.figures = self.reports / "figures" / name
        if self.exploring:
            self.results = self.data / ".work" / "explore" / name
            shutil.rmtree(self.results, ignore_errors=True)
            self.results.mkdir(parents=True)
        else:
            # A stage's output, also where there is nothing to draw.
            self.figures.mkdir(parents=True, exist_ok=True)

    def work(self, *inputs: Any) -> Path:
        """A folder for work in progress, named by what decides the result, so it is never stale.

        It lies outside the stage's outputs and outlives an interruption; `done` removes it. inputs:
        what the work is made of, but for the content of the models that settings name, which counts
        by itself. Without inputs the work is made of no model.
        """
        models = digest(places.identities(self.settings)) if inputs else "none"
        place = self.results / ".work" / f"{self.name}-{digest(inputs)}" / models
        place.mkdir(parents=True, exist_ok=True)
        return place

    def kept(self, place: Path) -> Path:
        """The folder for what models wrote, given one for work in progress: the same.

        With runtime.keep_written it stands beside the data instead and is never removed, so that
        who has it goes on from there. It is named by the inputs alone, the files of the models that
        write among them: numbers in memory may differ from machine to machine.
        """
        keep = self.settings.runtime.keep_written
        return self.results / "written" / place.parent.name if keep else place

    @property
    def references(self) -> Path:
        """Where log-probabilities of the reference models are kept, for later trainings to read."""
        keep = self.settings.runtime.keep_written
        return self.results / ("written" if keep else ".work") / "references.jsonl"

    def journal(self, place: Path, name: str) -> Journal:
        """A journal of what models wrote, in the `kept` folder."""
        return Journal(self.kept(place) / f"{name}.jsonl", place.parent.name)

    def done(self, place: Path) -> None:
        """The result is written: the work in progress can go, also that of other models."""
        shutil.rmtree(place.parent, ignore_errors=True)

    def own(self, folder: Path) -> Path:
        """A folder whose content is renewed: itself in a stage; for who explores, a copy of it."""
        if not self.exploring or folder.is_relative_to(self.results):
            return folder
        return Path(shutil.copytree(folder, self.results / folder.name, dirs_exist_ok=True))

    def parameters(self, *sections: str) -> None:
        """A table of the settings in some sections, beside the default ones where some differ."""
        mine = flatten({name: getattr(self.settings, name).model_dump() for name in sections})
        _, default = load("default")
        usual = flatten({name: getattr(default, name).model_dump() for name in sections})
        rows = [{"setting": key, "value": value} for key, value in mine.items()]
        if mine != usual:
            rows = [{**row, "default preset": usual.get(row["setting"])} for row in rows]
        self._show(table_html(rows, f"Settings of the preset {self.preset!r}."))

    def table(self, rows: list[dict[str, Any]], caption: str) -> None:
        """Show rows as a table, with keys as `naming` says them.

        Every cell is escaped; numbers get three decimals.
        """
        self._show(table_html(named(rows), caption))

    def _show(self, content):
        from IPython.display import HTML, display  # of a notebook's kernel; the runner needs none
        display(HTML(content))

    def figure(self, picture: Picture | None, name: str, caption: str) -> None:
        """Show a picture with its caption, and keep it as reports/figures/<notebook>/<name>.svg.

        Where nothing is known that could be drawn, there is no picture, and the page says so.
        """
        if picture is None:
            say(f"Nothing to draw. {caption}")
            return
        drawn = drawing.svg(picture.figure)
        if not self.exploring:
            write_text(self.figures / f"{name}.svg", drawn)
        slim = drawing.svg(picture.slim)
        self._show(figure_html(drawn, slim, name, picture.alt, caption))

    def chat(self, messages: list[Message]) -> None:
        """Show what a model is asked, turn by turn."""
        for message in messages:
            say(f"[{message['role']}]", *message["content"].split("\n"), "")

    def record(self, numbers: dict[str, Any]) -> None:
        """Write numbers to reports/metrics/<name>.json, the only source of numbers in reports."""
        found = {"preset": self.preset, **rounded(numbers)}
        if self.exploring:
            shown = json.dumps(found, ensure_ascii=False, indent=1, sort_keys=True)
            say("Exploring, so nothing is recorded:", *shown.split("\n"))
        else:
            write_json(self.metrics / f"{self.name}.json", found)


def _speak_plainly() -> None:
    """For who explores: bad input in one line without a traceback, and no word on ipywidgets."""
    warnings.filterwarnings("ignore", message="IProgress not found")  # tqdm.auto in libraries
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell:
        shell.set_custom_exc((DataError, SettingsError, FileNotFoundError), _one_line)


def _one_line(shell: Any, kind: type, error: Exception, trace: Any, tb_offset: Any = None) -> None:
    """In place of a traceback: what is wrong with the input, and how a missing one is made."""
    lost = error if isinstance(error, FileNotFoundError) else error.__context__
    if not isinstance(lost, FileNotFoundError):
        say(error, error=True)
    elif ROOT in Path(lost.filename or "").parents:
        place = Path(lost.filename).relative_to(ROOT)
        say(f"{place} is missing: run `make repro` first.", error=True)
    else:
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)


def rounded(value: Any) -> Any:
    """Any nested value with its floats rounded to DIGITS, and with keys that are text."""
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, dict):
        return {str(key): rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, (list, tuple)) else value
