"""What a notebook shares with all others: places, settings, tables, figures, numbers."""
import json

import IPython.display
import pytest

from lib.models import places
from lib.workbook import book as module
from lib.workbook import figures
from lib.workbook.book import Workbook, environment, rounded


@pytest.fixture
def shown(monkeypatch):
    """What a notebook would show, as HTML."""
    found = []
    monkeypatch.setattr(IPython.display, "display", lambda item: found.append(item.data))
    return found


@pytest.fixture
def stage(monkeypatch, tmp_path):
    """A notebook that runs as a stage, in a project of its own."""
    monkeypatch.setenv(module.HEADLESS, "1")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "METRICS", tmp_path / "reports" / "metrics")
    for name in environment(module.load("default")[1]):
        monkeypatch.setenv(name, "1")
    return Workbook("03_dpo", "default")


def test_a_stage_writes_its_figure_with_caption_and_words(stage, shown):
    picture = figures.bars({"<a>": 0.5}, xlabel="share")
    stage.figure(picture, "f1", "How many & which?")
    page, = shown
    assert '<img alt="Bars: share. &lt;a&gt; 0.5." src="data:image/svg+xml;base64,' in page
    assert page.startswith('<figure id="figure-f1"><picture><source media="screen and ')
    assert page.endswith("<figcaption>How many &amp; which?</figcaption></figure>")
    drawn = (stage.figures / "f1.svg").read_text()
    assert drawn.startswith("<svg ") and ">&lt;a&gt;</text>" in drawn


def test_where_nothing_is_known_the_page_says_so(stage, shown, capsys):
    stage.figure(None, "f1", "How many?")
    assert not shown and capsys.readouterr().out == "Nothing to draw. How many?\n"
    assert stage.figures.is_dir() and not any(stage.figures.iterdir())


def test_numbers_are_rounded_and_written_under_the_preset(stage):
    stage.record({"rate": 0.12345678, 2: [1, None, (0.5, "x")]})
    assert json.loads((module.METRICS / "03_dpo.json").read_text()) == {
        "preset": "default", "rate": 0.123457, "2": [1, None, [0.5, "x"]]}


def test_rounding_reaches_every_float():
    assert rounded({"a": [0.12345678], 1: {"b": True}}) == {"a": [0.123457], "1": {"b": True}}


def test_work_in_progress_is_named_by_what_decides_it_and_goes_when_done(stage):
    one, other = stage.work({"seed": 1}), stage.work({"seed": 2})
    assert one != other and one == stage.work({"seed": 1})
    assert one.parent.parent == stage.data / ".work"
    stage.done(one)
    assert not one.exists() and other.exists()


def test_what_models_wrote_outlives_its_stage_only_where_it_is_kept(stage, monkeypatch):
    work = stage.work("inputs")
    assert stage.references == stage.data / ".work" / "references.jsonl"
    stage.journal(work, "base").add([("a", 1)])
    assert (work / "base.jsonl").exists()
    runtime = stage.settings.runtime.model_copy(update={"keep_written": True})
    stage.settings = stage.settings.model_copy(update={"runtime": runtime})
    stage.journal(work, "base").add([("a", 2)])
    stage.done(work)
    assert stage.references == stage.data / "written" / "references.jsonl"
    kept, = (stage.data / "written").rglob("*.jsonl")
    assert work.parent.name == kept.parent.name and stage.journal(work, "base")["a"] == 2


def test_a_preset_with_a_folder_keeps_to_it(stage, tmp_path):
    book = Workbook("03_dpo", "smollm2")
    book.record({"rate": 1})
    places = (book.data, book.reports, book.metrics, book.figures.parent.parent)
    assert [str(place.relative_to(tmp_path)) for place in places] == [
        "data/smollm2", "reports/smollm2", "reports/metrics/smollm2", "reports/smollm2"]
    assert [path.name for path in book.metrics.iterdir()] == ["03_dpo.json"]
    assert not list((tmp_path / "reports" / "metrics").glob("*.json"))


def test_settings_are_shown_beside_the_default_ones_only_where_they_differ(stage, shown):
    stage.parameters("runtime")
    stage.preset, stage.settings = module.load("laptop")
    stage.parameters("runtime", "dpo")
    same, different = shown
    assert "runtime.threads" in same and "default preset" not in same
    assert "default preset" in different and "laptop" in different and "dpo.beta" in different


def test_a_chat_is_shown_turn_by_turn(stage, capsys):
    stage.chat([{"role": "system", "content": "Read."}, {"role": "user", "content": "A text."}])
    assert capsys.readouterr().out == "[system]\nRead.\n\n[user]\nA text.\n\n"


def test_the_environment_keeps_models_from_the_hub_where_the_settings_say_so():
    _, settings = module.load("default")
    assert environment(settings)["HF_HUB_OFFLINE"] == "1"
    assert environment(settings)["OMP_NUM_THREADS"] == str(settings.runtime.threads)
    laptop = environment(module.load("laptop")[1])
    assert "HF_HUB_OFFLINE" not in laptop
    assert (environment(settings)[places.HUB], laptop[places.HUB]) == ("0", "1")


def test_work_in_progress_is_of_the_models_that_settings_name(stage, monkeypatch):
    model = stage.data / "models" / "own"
    model.mkdir(parents=True)
    (model / "model.safetensors").write_bytes(b"one")
    models = stage.settings.models.model_copy(update={"base": str(model)})
    runtime = stage.settings.runtime.model_copy(update={"keep_written": True})
    stage.settings = stage.settings.model_copy(update={"models": models, "runtime": runtime})
    before = stage.work("inputs")
    (model / "model.safetensors").write_bytes(b"other")
    after = stage.work("inputs")
    assert before != after and stage.kept(before) == stage.kept(after)
    assert stage.kept(after).name == f"03_dpo-{module.digest(('inputs',))}"
    assert stage.work() == stage.work()
