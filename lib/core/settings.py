"""Reading params.yaml: merged and checked as a whole before any work starts, every mistake named in one sentence."""
import difflib
from inspect import isclass
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from lib.core.sections.preset import Preset
from lib.core.sections.section import Section

ROOT = Path(__file__).resolve().parents[2]
# Sections that say only what differs from another one: (section, where it says so). A star stands for every name there.
INHERITED = (
    ("pretraining.roles.base", "pretraining.roles.*"),
    ("sft", "rounds.sft"),
    ("sft", "instruction.tuning"),
    ("sft", "generalisation.gate.sft"),
    ("sft", "generalisation.gate.explained"),
    ("sft", "generalisation.explanations.tuning"),
    ("sft", "generalisation.forgetting.methods.*"),
)


class SettingsError(ValueError):
    """A setting is wrong. The message names it, says what it must be, and is one sentence."""


def load(preset: str = "", path: Path = ROOT / "params.yaml") -> tuple[str, Preset]:
    """The settings of one preset, merged with those of the default one, and checked.

    preset: its name; empty takes the one that params.yaml selects. Returns (name, Preset).
    Raises SettingsError with one sentence about the first thing that is wrong.
    """
    document = _read(path)
    name, presets = preset or document["preset"], document["presets"]
    if name not in presets:
        raise SettingsError(f"params.yaml: preset is {name!r}{_nearest(name, presets)}.")
    where = f"params.yaml: presets.{name}"
    _check_sections(where, presets[name])
    try:
        return name, Preset.model_validate(complete(merged(presets["default"], presets[name])))
    except ValidationError as error:
        raise SettingsError(_sentence(where, error)) from None


def merged(usual: Any, special: Any) -> Any:
    """Two trees of settings as one: dicts key by key, where `special` counts; anything else as a whole."""
    if not (isinstance(usual, dict) and isinstance(special, dict)):
        return special
    both = {key: merged(usual[key], special[key]) for key in usual.keys() & special.keys()}
    return {key: both[key] if key in both else {**usual, **special}[key] for key in (*usual, *(special.keys() - usual.keys()))}


def complete(settings: dict) -> dict:
    """A preset in which every section that says only what differs from another one is whole."""
    for source, target in INHERITED:
        *way, last = target.split(".")
        place, usual = _at(settings, way), _at(settings, source.split("."))
        for key in (list(place) if last == "*" else [last]) if isinstance(place, dict) else ():
            if isinstance(place.get(key), dict):
                place = {**place, key: merged(usual, place[key])}
        settings = _with(settings, way, place)
    return settings


def flatten(tree, prefix=""):
    """{"a": {"b": 1}} as {"a.b": 1}; the items of a list of sections go by their names, as in "panel.chat.kind"."""
    flat = {}
    for key, value in tree.items():
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            value = {item.get("name", str(number)): item for number, item in enumerate(value)}
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _at(tree: Any, way: list[str]) -> Any:
    for name in way:
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree


def _with(tree: Any, way: list[str], value: Any) -> Any:
    """The tree with another value at a place, where there is such a place."""
    if not way:
        return value
    return {**tree, way[0]: _with(tree[way[0]], way[1:], value)} if isinstance(tree, dict) and way[0] in tree else tree


def _read(path: Path) -> dict:
    """What params.yaml says, as far as its outermost shape is right."""
    try:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such file; it holds every setting, so restore it from git.") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"params.yaml is not valid YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(document, dict) or set(document) != {"preset", "presets"}:
        raise SettingsError("params.yaml must hold exactly two keys, `preset` and `presets`.")
    presets = document["presets"]
    if not isinstance(presets, dict) or not isinstance(presets.get("default"), dict):
        raise SettingsError("params.yaml: presets.default is missing; it holds every setting, so restore it from git.")
    return document


def _check_sections(where: str, preset: Any) -> None:
    """Raise SettingsError unless a preset is a dict that names every section: stages depend on each by its name."""
    if not isinstance(preset, dict):
        raise SettingsError(f"{where} must hold sections, such as `dpo: {{}}`.")
    for name in Preset.model_fields:
        if name not in preset:
            raise SettingsError(f"{where}.{name} is missing; where nothing differs from the default, write `{name}: {{}}`.")
        if not isinstance(preset[name], dict):
            raise SettingsError(f"{where}.{name} is {preset[name]!r}; it must hold settings, or be {{}}.")


def _sentence(prefix: str, error: ValidationError) -> str:
    """The first problem of a pydantic error as one sentence: what, where, what to do."""
    first = error.errors()[0]
    place = [str(part) for part in first["loc"] if part != "[key]"]
    where = ".".join([prefix, *place])
    if first["type"] == "extra_forbidden":
        return f"{where} is not a setting{_nearest(place[-1], _names_at(place[:-1]))}."
    if first["type"] == "missing":
        return f"{where} is missing; set it."
    if first["type"] == "value_error":
        return f"{where}: {first['ctx']['error']}."
    message = first["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"{where} is {first['input']!r}; it must be {message}."


def _names_at(place: list[str]) -> list[str]:
    """The names that the section at a place may hold; indices of lists and keys of dicts lead to their items."""
    section: type[Section] = Preset
    for part in place:
        if part in section.model_fields:
            annotation = section.model_fields[part].annotation
            kinds = (annotation, *get_args(annotation))
            section = next((kind for kind in kinds if isclass(kind) and issubclass(kind, Section)), section)
    return list(section.model_fields)


def _nearest(name: Any, choices: Any) -> str:
    close = difflib.get_close_matches(str(name), list(choices), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; it must be one of {', '.join(choices)}"
