"""Models that ordinary packages carry, as directories."""
import zipfile

import pytest

from lib.core.records import DataError
from lib.models import packaged
from lib.models.packaged import PACKAGED, Packaged, unpack


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with an archive, whose code must not run."""
    place = tmp_path / "site" / "carrier"
    place.mkdir(parents=True)
    (place / "__init__.py").write_text("raise AssertionError('imported')")
    with zipfile.ZipFile(place / "model.zip", "w") as archive:
        for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
                     "special_tokens_map.json"):
            archive.writestr(name, f"of {name}")
        archive.writestr("../evil.txt", "out of the folder")
    monkeypatch.syspath_prepend(place.parent)
    monkeypatch.setitem(PACKAGED, "one", Packaged("carrier", "model.zip", packaged.unzip, "About."))
    return place


def test_a_directory_appears_whole_says_where_it_is_from_and_is_made_once(package, tmp_path):
    place = unpack("one", tmp_path / "models")
    assert (place / "model.safetensors").read_text() == "of model.safetensors"
    assert "carrier" in (place / "README.md").read_text()
    assert not (tmp_path / "evil.txt").exists() and not (tmp_path / "models/evil.txt").exists()
    (package / "model.zip").unlink()
    assert unpack("one", tmp_path / "models") == place


def test_what_fails_leaves_nothing(package, tmp_path):
    (package / "model.zip").write_bytes(b"no archive")
    with pytest.raises(zipfile.BadZipFile):
        unpack("one", tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []


def test_a_missing_package_says_what_to_do(tmp_path, monkeypatch):
    lost = Packaged("no_such_package", "model.zip", packaged.unzip, "About.")
    monkeypatch.setitem(PACKAGED, "lost", lost)
    with pytest.raises(DataError, match="run `make models`"):
        unpack("lost", tmp_path)


def test_the_lock_pins_each_package_by_version_and_hash():
    lines = (packaged.ROOT / "requirements-models.lock").read_text().splitlines()
    pinned = [line for line in lines if line and not line.startswith("#")]
    assert all("==" in line and "--hash=sha256:" in line for line in pinned)
    names = {line.split("==")[0].replace("-", "_") for line in pinned}
    assert all(any(model.package in name for name in names) for model in PACKAGED.values())
