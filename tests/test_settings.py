"""Bad settings stop before any work, with one sentence."""
import subprocess
import sys

import pytest
import yaml
from ruamel.yaml import YAML

from lib.core import settings
from lib.core.settings import ROOT, SettingsError


def changed(tmp_path, edit):
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    edit(document)
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def judging(document, preset="default"):
    return document["presets"][preset]["judging"]


@pytest.mark.parametrize("name", ["default", "smoke", "laptop", "paper"])
def test_every_preset_is_sound(name):
    assert settings.load(name)[0] == name


@pytest.mark.parametrize(("edit", "sentence"), [
    (lambda d: d.update(preset="defualt"), "preset is 'defualt'; did you mean 'default'?"),
    (lambda d: d["presets"]["default"]["dpo"].update(bta=1), "presets.default.dpo.bta is not a setting; did you mean 'beta'?"),
    (lambda d: d["presets"]["default"]["dpo"].update(beta=-0.1), "presets.default.dpo.beta is -0.1; it must be greater than 0."),
    (lambda d: d["presets"]["default"]["dpo"].update(beta="1e-1x"), "dpo.beta is '1e-1x'; it must be a valid number"),
    (lambda d: d["presets"]["default"]["dpo"].pop("beta"), "presets.default.dpo.beta is missing; set it."),
    (lambda d: d["presets"]["default"]["data"].update(source="web"), "data.source is 'web'; it must be 'synthetic', 'files' or 'openalex'."),
    (lambda d: d["presets"]["default"]["models"].update(label_judge=d["presets"]["default"]["models"]["base"]),
     "label_judge and base are the same model"),
    (lambda d: d["presets"]["default"]["pretraining"]["roles"]["base"].update(hidden=130), "it must be a multiple of 4 x heads"),
    (lambda d: d.update(extra=1), "exactly two keys"),
    (lambda d: judging(d)["panel"].append({**judging(d)["panel"][0]}), "two judges of the panel have the same name"),
    (lambda d: judging(d)["panel"][0].update(model="base"), "the judge 'reference' of judging.panel is also the base"),
    (lambda d: judging(d)["panel"][0].update(kind="endpoint"), "only kind endpoint has, and needs, a section `endpoint`"),
    (lambda d: judging(d)["panel"][0].update(temperature=0.5), "temperature belongs to a judge of kind chat"),
    (lambda d: judging(d)["panel"][2].update(promt="brief"), "panel.2.promt is not a setting; did you mean 'prompt'?"),
    (lambda d: judging(d).update(scheme="best"), "judging.scheme is 'best'; it must be 'knockout', 'swiss'"),
    (lambda d: d.update(preset="paper") or judging(d, "paper")["panel"][0]["endpoint"].update(urls=["ftp://x"]), "each of urls must look like http://host:8000/v1"),
    (lambda d: d.update(preset="paper") or judging(d, "paper")["panel"][0]["endpoint"].update(key_variable="sk-123 abc"), "must be the name of an environment variable"),
])
def test_what_is_wrong_is_said_in_one_sentence(tmp_path, edit, sentence):
    with pytest.raises(SettingsError) as error:
        settings.load(path=changed(tmp_path, edit))
    assert sentence in str(error.value) and "\n" not in str(error.value)


def test_missing_and_broken_files(tmp_path):
    with pytest.raises(SettingsError, match="no such file"):
        settings.load(path=tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("preset: [")
    with pytest.raises(SettingsError, match="not valid YAML"):
        settings.load(path=tmp_path / "params.yaml")


def test_a_stage_stops_before_any_work():
    result = subprocess.run([sys.executable, "-m", "lib", "run", "notebooks/03_dpo.ipynb", "--preset", "nosuch"], cwd=ROOT, text=True,
                            capture_output=True)
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr.startswith("error: params.yaml: preset is 'nosuch'") and "Traceback" not in result.stderr


def test_yaml_1_1_and_1_2_read_the_same():
    text = (ROOT / "params.yaml").read_text()
    assert yaml.safe_load(text) == YAML(typ="safe", pure=True).load(text)
