"""The adapter's card with its results, and what goes to a hub: what belongs there, when asked."""
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers.tunings import small_settings

from lib.__main__ import main
from lib.core.records import read_json, write_json, write_jsonl
from lib.core.settings import ROOT
from lib.report import card, claims
from lib.training import cards

FILES = {"adapter_config.json": "{}", "adapter_model.safetensors": "weights",
         "training_args.bin": "?"}


@pytest.fixture
def published(tmp_path, monkeypatch):
    """An adapter as 03_dpo leaves it, the numbers of 03 and 04, and a hub that only takes notes."""
    point = {"accuracy": 0.9, "chosen_logp": -9.0, "loss": 0.6, "margin": 1.23456789}
    history = {"train": [], "steps": 7, "validation": [{**point, "step": step} for step in (0, 7)]}
    adapter, metrics = tmp_path / "adapter", tmp_path / "metrics"
    pairs = tmp_path / "preferences.jsonl"
    write_jsonl(pairs, [{"id": "1"}])
    text = cards.model_card(small_settings(), history, {"train": [1, 2]}, pairs)
    write_json(adapter / "curves.json", history)
    for name, content in {**FILES, "README.md": text}.items():
        (adapter / name).write_text(content)
    measured = json.loads((ROOT / "reports/metrics/04_evaluation.json").read_text())
    measured["preset"] = "default"
    write_json(metrics / "04_evaluation.json", measured)
    write_json(metrics / "03_dpo.json", {
        "preset": "default", "steps": 7, "reward_margin": 1.234568,
        "pairs": {"train": 2, "validation": 1}})
    monkeypatch.setattr(claims, "METRICS", metrics)
    noted = {}

    class Hub:
        def __init__(self, token):
            noted["token"] = token

        def create_repo(self, name, private, exist_ok):
            noted.update(name=name, private=private)
            return f"https://hub/{name}"

        def upload_folder(self, repo_id, folder_path, commit_message):
            files = Path(folder_path).iterdir()
            noted["files"] = {path.name: path.read_text() for path in files}
    monkeypatch.setattr(card, "HfApi", Hub)
    monkeypatch.setenv("HF_TOKEN", "secret")
    return SimpleNamespace(adapter=adapter, metrics=metrics, noted=noted, measured=measured)


def test_the_card_tells_results_with_intervals_and_is_only_printed(published, capsys):
    main(["card", "--adapter", str(published.adapter)])
    text, rate = capsys.readouterr().out, published.measured["preference_over_base"]
    shown = f"{rate['rate']:.3f} [{rate['low']:.3f}, {rate['high']:.3f}]; n = {rate['n']}; "
    assert shown in text and "| 7 | 0.6000 | 1.2346 |" in text and "Preset: default." in text
    assert text.startswith("---\n# The base is a directory")
    order = [text.index(f"## {title}") for title in ("Every argument", "Evaluation", "Limits")]
    assert order == sorted(order)
    assert "## Evaluation" not in (published.adapter / "README.md").read_text()
    path = published.adapter.parent / "CARD.md"
    main(["card", "--adapter", str(published.adapter), "-o", str(path)])
    assert path.read_text() + "\n" == text and published.noted == {}


def test_a_printed_card_never_acts_on_the_terminal(published, capsys):
    path = published.adapter / "README.md"
    path.write_text(path.read_text().replace("## Limits", "base\x1b[2J\u202e\n\n## Limits"))
    main(["card", "--adapter", str(published.adapter)])
    assert r"base\x1b[2J\u202e" in capsys.readouterr().out.split("\n")


def test_only_push_uploads_and_only_what_belongs_there(published, capsys, monkeypatch):
    pushing = ["card", "--adapter", str(published.adapter), "--push", "me/adapter"]
    main(pushing)
    assert capsys.readouterr().out == "uploaded to https://hub/me/adapter\n"
    noted = published.noted
    assert noted["token"] == "secret" and noted["private"] and noted["name"] == "me/adapter"
    assert set(noted["files"]) == {*card.FILES, "README.md"}
    assert "## Evaluation" in noted["files"]["README.md"]
    assert "secret" not in "".join(noted["files"].values())
    monkeypatch.delenv("HF_TOKEN")
    noted.clear()
    with pytest.raises(SystemExit, match="set the environment variable HF_TOKEN"):
        main(pushing)
    assert noted == {}


def test_a_card_never_shows_another_adapters_numbers(published):
    asking = ["card", "--adapter", str(published.adapter), "--push", "me/adapter"]
    place = published.metrics / "03_dpo.json"
    sound = read_json(place)
    for changes, sentence in (({"reward_margin": 2.0}, r"03_dpo\.json is not about"),
                              ({"preset": "smoke"}, "preset 'default', 03_dpo with 'smoke'")):
        write_json(place, {**sound, **changes})
        with pytest.raises(SystemExit, match=sentence):
            main(asking)
    (published.metrics / "04_evaluation.json").unlink()
    with pytest.raises(SystemExit, match=r"04_evaluation.json is missing; run dvc repro"):
        main(asking)
    with pytest.raises(SystemExit, match="no adapter with a card"):
        main(["card", "--adapter", str(published.metrics)])
    assert published.noted == {}


def test_the_card_of_the_real_study_has_that_studys_numbers(published, capsys, monkeypatch):
    root, folder = published.adapter.parent, published.metrics / claims.REAL
    monkeypatch.setattr(card, "ROOT", root)
    monkeypatch.chdir(root)  # the real study's adapter of this checkout lies under the same name
    place = root / "data" / claims.REAL / "adapter"
    shutil.copytree(published.adapter, place)
    asking = ["card", "--adapter", f"data/{claims.REAL}/adapter"]
    with pytest.raises(SystemExit, match=r"smollm2/03_dpo.json is missing; run make real"):
        main(asking)
    write_json(folder / "03_dpo.json", read_json(published.metrics / "03_dpo.json"))
    rate = {"rate": 0.625, "low": 0.575, "high": 0.675, "n": 400}
    write_json(folder / "04_evaluation.json", everywhere(rate, "default"))
    main(asking)
    text = capsys.readouterr().out
    shown = ("0.625 [0.575, 0.675]; n = 400; Wilson's, over texts; target ≥ 0.60, low end > 0.50, "
             "n ≥ 400 (set before the run): met. Beside it: DPO on shuffled labels 0.625")
    assert shown in text and "| claim | real texts" in text
    assert "On texts that nothing was chosen on" in text
    assert "F1 of competencies, larger" not in text, "this world has none"
    assert "not run yet" not in text, "the evaluation alone"


def everywhere(rate, preset):
    """Numbers of the real study's evaluation: the same wherever a claim looks."""
    numbers = {"preset": preset, "temperature_0.2": {"judge": rate, "people": rate}}
    real = [claim["real"] for claim in claims.contents(claims.CLAIMS)["claims"] if "real" in claim]
    looked_up = [[one["metric"], *one.get("beside", {}).values()] for one in real]
    for metric in sum(looked_up, []):
        notebook, *way = metric.split(".")
        if notebook == "04_evaluation" and not way[0].startswith("temperature"):
            tree = numbers
            for name in way[:-1]:
                tree = tree.setdefault(name, {})
            tree[way[-1]] = rate
    return numbers
