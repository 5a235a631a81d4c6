"""Where models come from: what is there, or the hub if its name and the settings say so."""
import shutil
from pathlib import Path

import pytest
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

from lib.core.records import DataError, write_json
from lib.core.settings import ROOT
from lib.models import loading, places
from lib.models.encoder import Encoder

GONE = ("data/none", "data/none/deep", "./own/model", "/nowhere/model", "model", "~/own/model",
        "own/model/deeper", "own/model.safetensors", "own/", "", "own/mo\x00del", "own/\x1b[31mred",
        "lib/model", Path("own/model"), "x" * 5000)


@pytest.fixture
def asked(monkeypatch):
    """What the libraries would be asked for, and how; they find nothing."""
    calls = []

    def from_pretrained(name, **options):
        calls.append((name, options["local_files_only"], options.get("revision")))
        raise OSError("no such file in the cache\nand more")
    for kind in (AutoModel, AutoModelForCausalLM, AutoTokenizer):
        monkeypatch.setattr(kind, "from_pretrained", from_pretrained)
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.delenv(places.HUB, raising=False)
    monkeypatch.setattr(places, "file_of", lambda name, file: None)
    return calls


@pytest.mark.parametrize("name", GONE)
def test_a_name_that_means_something_local_never_reaches_the_hub(name, asked, monkeypatch):
    monkeypatch.setenv(places.HUB, "1")
    for load in (loading.load, loading.load_tokenizer, Encoder):
        with pytest.raises(DataError, match=r"cannot load the model .*give an existing") as said:
            load(name)
        assert str(said.value).isprintable() and len(str(said.value)) < 500
    with pytest.raises(DataError, match=r"cannot load the adapter .*give an existing directory"):
        loading.with_adapter(None, name)
    with pytest.raises(DataError, match="adapter"):
        loading.load(ROOT / "data/models/embedded/base", adapter=name or "none")
    assert not asked


def test_the_hub_is_asked_only_where_settings_let_it_be(asked, monkeypatch):
    for allowed in ("0", "1"):
        monkeypatch.setenv(places.HUB, allowed)
        with pytest.raises(DataError, match=r"'own/model@v1' \(no such file in the cache\)") as why:
            loading.load("own/model@v1", device="cpu")
        assert ("runtime.offline is true" in str(why.value)) == (allowed == "0")
    assert asked == [("own/model", True, "v1"), ("own/model", False, "v1")]


def test_a_folder_of_that_name_makes_it_a_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert places.locate("own/model") == "own/model"
    (tmp_path / "own").mkdir()
    with pytest.raises(DataError, match="no such directory"):
        places.locate("own/model")
    (tmp_path / "own" / "model").mkdir()
    assert places.find("own/model") == Path("own/model")


def adapter(place, **config):
    write_json(place / "adapter_config.json", config)
    return place


def test_the_base_that_an_adapter_names_is_no_exception(tmp_path, asked, monkeypatch):
    monkeypatch.setenv(places.HUB, "1")
    place = adapter(tmp_path / "adapter", base_model_name_or_path="/nowhere/base")
    with pytest.raises(DataError, match="cannot load the model '/nowhere/base'"):
        monkeypatch.undo()
        loading.load(place)
    for config in ({}, {"base_model_name_or_path": None}, {"base_model_name_or_path": ["x"]}):
        with pytest.raises(DataError, match="names no model that it was trained on"):
            places.lineage(adapter(place, **config))
    other = adapter(tmp_path / "other", base_model_name_or_path=str(place))
    adapter(place, base_model_name_or_path=str(other))
    with pytest.raises(DataError, match="was trained on itself"):
        loading.load(place)
    (place / "adapter_config.json").write_text("no JSON")
    with pytest.raises(DataError, match="names no model"):
        loading.load(place)


def test_an_adapter_without_its_weights_is_not_looked_for_elsewhere(tmp_path, base):
    place = adapter(tmp_path / "own", base_model_name_or_path="x/y")
    with pytest.raises(DataError, match=r"no adapter_model\.\*; give the folder"):
        loading.with_adapter(base[0], place)
    (place / "adapter_model.safetensors").write_bytes(b"something else")
    with pytest.raises(DataError, match=r"cannot load the adapter .*trained on this model"):
        loading.with_adapter(base[0], place)


def test_a_model_is_its_files_wherever_they_lie(tmp_path):
    source = ROOT / "data/models/embedded/base"
    for name in ("one", "other"):
        shutil.copytree(source, tmp_path / name)
    first = places.identity(tmp_path / "one")
    assert first == places.identity(tmp_path / "other") == places.identity(source)
    tuned = adapter(tmp_path / "tuned", base_model_name_or_path=str(tmp_path / "other"))
    seen = {first, places.identity(tuned)}
    for file in ("model.safetensors", "tokenizer.json", "config.json"):
        place = tmp_path / "other" / file
        place.write_bytes(place.read_bytes() + b" ")
        seen |= {places.identity(tmp_path / "other"), places.identity(tuned)}
    assert len(seen) == 2 + 2 * 3
    (tmp_path / "other" / "README.md").write_text("a word")
    assert places.identity(tmp_path / "other") in seen
