"""Where models lie, and what they are: directories that are there, or names of the hub."""
import hashlib
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from lib.core.records import DataError, digest, read_json
from lib.core.sections.models import Runtime
from lib.core.sections.preset import Preset
from lib.core.settings import ROOT

MADE = ("data/models/smollm2", "data/models/minilm")  # by lib/models/packaged.py
HUB = "WORKBOOK_HUB"  # "1" where settings let the hub be asked; started processes inherit it
HUB_NAME = re.compile(r"[a-z0-9][\w.-]*/[a-z0-9][\w.-]*(@[\w./-]+)?", re.ASCII | re.IGNORECASE)
FILES = (".safetensors", ".bin", ".gguf", ".pt", ".json")  # of a model: never a name of the hub
NO_PART = ("README.md", "curves.json")  # of what a model answers


def hub(runtime: Runtime) -> dict[str, str]:
    """The variable of the environment that lets the hub be asked, or not."""
    return {HUB: "0" if runtime.offline else "1"}


def find(name: str | Path) -> Path | None:
    """A directory of the project or of the working folder; None where there is none."""
    places = (ROOT / name, Path(name)) if str(name) else ()
    return next((place for place in places if os.path.isdir(place)), None)


def of_hub(name: str | Path) -> bool:
    """Whether a name means the hub's alone: "owner/name", where nothing here is called owner.

    "@" and a branch, tag or commit may follow.
    """
    if isinstance(name, Path) or not HUB_NAME.fullmatch(name) or name.endswith(FILES):
        return False
    owner = name.partition("/")[0]
    return not any(os.path.lexists(place) for place in (ROOT / owner, owner))


def locate(name: str | Path, what: str = "model") -> str:
    """The place of what is there, or a name of the hub. Raises DataError for all else."""
    if place := find(name):
        return str(place)
    if of_hub(name):
        return str(name)
    raise DataError(f"cannot load the {what} {str(name)[:200]!r} (no such directory); "
                    f"{advice(name, what)}.")


def advice(name: str | Path, what: str = "model") -> str:
    """What to do about a model or adapter that is not there."""
    if str(name) in MADE:
        return "run `make models`, which makes it"
    if of_hub(name) and os.environ.get(HUB) != "1":
        return ("runtime.offline is true, so no hub was asked: give an existing directory, or a "
                "preset where it is false")
    if what == "adapter":
        return "give an existing directory, such as the one that 03_dpo wrote (data/adapter)"
    return "give an existing directory, or a hub name, owner/name, with runtime.offline: false"


def source(name: str | Path, what: str = "model") -> tuple[str, dict[str, Any]]:
    """What `from_pretrained` reads, and the options that keep it from asking where it must not."""
    place = locate(name, what)
    if find(name):
        return place, {"local_files_only": True}
    place, _, revision = place.partition("@")
    found: dict[str, Any] = {"local_files_only": os.environ.get(HUB) != "1"}
    return place, found | ({"revision": revision} if revision else {})


def file_of(name: str | Path, file: str) -> Path | None:
    """A file of a model, from its directory or from the hub; None where it has none."""
    place, options = source(name)
    if find(name):
        return Path(place, file) if Path(place, file).is_file() else None
    from transformers.utils.hub import cached_file  # seconds, for models of the hub alone
    try:
        found = cached_file(place, file, _raise_exceptions_for_missing_entries=False, **options)
    except OSError:
        return None
    return Path(found) if found else None


def base_of(name: str | Path) -> str | None:
    """The model that an adapter was trained on; None for a model of its own.

    Raises DataError for an adapter that does not say.
    """
    config = file_of(name, "adapter_config.json")
    if config is None:
        return None
    try:
        base = read_json(config)["base_model_name_or_path"]
    except (ValueError, KeyError, TypeError):
        base = None
    if not base or not isinstance(base, str):
        raise DataError(f"the adapter {str(name)!r} names no model that it was trained on; set "
                        "base_model_name_or_path in its adapter_config.json.")
    return base


def lineage(name: str | Path) -> list[str | Path]:
    """A model, the model that it was trained on if it is an adapter, and so on to the first.

    Raises DataError where one of them is not there, and for a circle.
    """
    line: list[str | Path] = [name]
    while base := base_of(line[-1]):
        line.append(base)
        if locate(base) in map(locate, line[:-1]):
            raise DataError(f"the adapter {str(name)!r} was trained on itself, as its "
                            "adapter_config.json says; name its base there.")
    return line


def identity(name: str | Path) -> str:
    """A digest of what makes a model: of its files, and of its base's where it is an adapter.

    A model of the hub is told from others by its name and the commit that is taken of it.
    """
    parts: list[Any] = []
    for one in lineage(name):
        if place := find(one):
            files = [file for file in sorted(place.iterdir())
                     if file.is_file() and file.name not in NO_PART]
            parts.append({file.name: content(file) for file in files})
        else:
            parts.append([str(one), commit(one)])
    return digest(parts)


def commit(name: str | Path) -> str:
    """The commit of a model of the hub that is taken, "" where nobody knows."""
    files = (file_of(name, file) for file in ("config.json", "adapter_config.json"))
    return next((file.parent.name for file in files if file), "")


def content(path: Path) -> str:
    """The SHA-256 of a file, read once as long as nobody writes to it."""
    state = path.stat()
    return _content(path, state.st_mtime_ns, state.st_size)


@lru_cache
def _content(path, changed, size):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def identities(settings: Preset) -> dict[str, str | None]:
    """The `identity` of every model that settings name, by its name; None where it is not there.

    Those of servers, which tell nobody, are left out.
    """
    models, studied = settings.models, settings.instruction
    names = {models.base, models.larger, models.label_judge, models.evaluation_judge,
             models.encoder, settings.warm_start.model, studied.model}
    names |= {name for one in studied.compared for name in (one.model, one.adapter)}
    judges = (*settings.judging.panel, *settings.evaluators())
    names |= {judge.model for judge in judges if judge.kind != "endpoint"}
    named = {getattr(models, name, name) for name in names} - {""}
    return {name: identity(name) if find(name) or of_hub(name) else None
            for name in sorted(named)}
