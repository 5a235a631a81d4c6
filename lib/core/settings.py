"""Reading params.yaml: merged, and checked as a whole before any work starts.

Every mistake is named in one sentence: what is wrong, where, what it must be.
"""
import difflib
import reprlib
from inspect import isclass
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from lib.core.sections.preset import Preset
from lib.core.sections.section import Section

ROOT = Path(__file__).resolve().parents[2]
# Sections that say only what differs from another one: (the other, the section). A star stands for
# every name there.
INHERITED = (
    ("pretraining.roles.base", "pretraining.roles.*"),
    ("sft", "warm_start.tuning"),
    ("sft", "rounds.sft"),
    ("sft", "instruction.tuning"),
    ("sft", "generalisation.gate.sft"),
    ("sft", "generalisation.gate.explained"),
    ("sft", "generalisation.explanations.tuning"),
    ("sft", "generalisation.forgetting.methods.*"),
)


# Values of any depth and length, as an error shows them.
SHOWN = reprlib.Repr()
SHOWN.maxlist = SHOWN.maxdict = SHOWN.maxset = SHOWN.maxtuple = 12
SHOWN.maxstring = SHOWN.maxother = SHOWN.maxlong = 120


class SettingsError(ValueError):
    """A setting is wrong. The message names it, says what it must be, and is one sentence."""


def load(preset: str = "", path: Path = ROOT / "params.yaml") -> tuple[str, Preset]:
    """The settings of one preset, merged with those of the default one, and checked.

    preset: its name; empty takes the one that params.yaml selects. Returns (name, Preset).
    Raises SettingsError with one sentence about the first thing that is wrong.
    """
    document = _read(path)
    name = preset or document["preset"]
    return name, checked(name, document["presets"])


def checked(name: str, presets: dict[str, Any]) -> Preset:
    """One of the presets, completed by the default one. Raises SettingsError."""
    if not isinstance(name, str) or name not in presets:
        shown = SHOWN.repr(name)
        raise SettingsError(f"params.yaml: preset is {shown}{_nearest(name, presets)}")
    for one in ("default", name):
        _check_sections(f"params.yaml: presets.{one}", presets[one])
    try:
        return Preset.model_validate(complete(merged(presets["default"], presets[name])))
    except ValidationError as error:
        raise SettingsError(_sentence(name, presets, error)) from None
    except RecursionError:
        raise SettingsError(f"params.yaml: presets.{name} is nested too deeply; where a setting "
                            "holds itself through an alias, write it out.") from None


def merged(usual: Any, special: Any) -> Any:
    """Two trees of settings as one: dicts key by key, `special` first; anything else as a whole."""
    if not (isinstance(usual, dict) and isinstance(special, dict)):
        return special
    both = {key: merged(usual[key], special[key]) for key in usual if key in special}
    return {**usual, **special, **both}


def complete(settings: dict[str, Any]) -> dict[str, Any]:
    """A preset in which every section that says only what differs from another one is whole."""
    for source, target in INHERITED:
        *way, last = target.split(".")
        place, usual = _at(settings, way), _at(settings, source.split("."))
        if isinstance(place, dict):
            for key in list(place) if last == "*" else [last]:
                if isinstance(place.get(key), dict):
                    place = {**place, key: merged(usual, place[key])}
            settings = _with(settings, way, place)
    return settings


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} as {"a.b": 1}; a list of sections goes by their names: "panel.chat.kind"."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            value = {item.get("name", str(number)): item for number, item in enumerate(value)}
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _at(tree, way):
    """What stands at a place of a tree; None where there is no such place."""
    for name in way:
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree


def _with(tree, way, value):
    """The tree with another value at a place that exists."""
    return {**tree, way[0]: _with(tree[way[0]], way[1:], value)} if way else value


def _read(path):
    """What params.yaml says, as far as its outermost shape is right."""
    try:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such file; it holds every setting, so restore it from "
                            "git.") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8.") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be opened ({error.strerror}).") from None
    except RecursionError:
        raise SettingsError("params.yaml is nested too deeply; it has six levels.") from None
    # Of a value that cannot be what it looks like, as 2024-13-45, PyYAML hands on the cause.
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        raise SettingsError(f"params.yaml is not valid YAML: {_line(error)}.") from None
    if not isinstance(document, dict) or set(document) != {"preset", "presets"}:
        raise SettingsError("params.yaml must hold exactly two keys, `preset` and `presets`.")
    presets = document["presets"]
    if not isinstance(presets, dict) or "default" not in presets:
        raise SettingsError("params.yaml: presets.default is missing; it holds every setting, so "
                            "restore it from git.")
    return document


def _check_sections(where, preset):
    """Raise SettingsError unless a preset names every section: stages depend on each by name."""
    if not isinstance(preset, dict):
        raise SettingsError(f"{where} must hold sections, such as `dpo: {{}}`.")
    for name in Preset.model_fields:
        if name not in preset:
            raise SettingsError(f"{where}.{name} is missing; where nothing differs from the "
                                f"default, write `{name}: {{}}`.")
        if not isinstance(preset[name], dict):
            raise SettingsError(f"{where}.{name} is {SHOWN.repr(preset[name])}; it must hold "
                                "settings, or be {}.")


def _sentence(name, presets, error):
    """The first problem of a pydantic error as one sentence: what, where, what to do."""
    first = error.errors()[0]
    place = [str(part) for part in first["loc"] if part != "[key]"]
    where = ".".join(["params.yaml: presets", _preset_of(place, name, presets), *place])
    kind, given, message = first["type"], SHOWN.repr(first["input"]), first["msg"]
    if kind in ("extra_forbidden", "invalid_key"):
        return f"{where} is not a setting{_nearest(place[-1], _names_at(place[:-1]))}"
    if kind == "missing":
        return f"{where} is missing; set it."
    if kind == "value_error":
        return f"{where}: {_line(first['ctx']['error'])}."
    if kind == "model_type":
        return f"{where} is {given}; it must hold settings."
    return f"{where} is {given}; it must be {message.removeprefix('Input should be ')}."


def _preset_of(place, name, presets):
    """The preset that a wrong setting stands in: the default one where the other is silent."""
    mine, usual = presets[name], presets["default"]
    for part in place:
        if not (isinstance(mine, dict) and isinstance(usual, dict)):
            return name
        if part not in mine:
            return "default"
        mine, usual = mine[part], usual.get(part)
    return name


def _names_at(place: list[str]) -> list[str]:
    """The names that the section at a place may hold.

    Indices of lists and keys of dicts lead to their items.
    """
    section: type[Section] = Preset
    for part in place:
        if part in section.model_fields:
            kinds = _kinds(section.model_fields[part].annotation)
            sections = (kind for kind in kinds if isclass(kind) and issubclass(kind, Section))
            section = next(sections, section)
    return list(section.model_fields)


def _kinds(annotation):
    """A type and all types inside of it."""
    return [annotation, *(kind for inner in get_args(annotation) for kind in _kinds(inner))]


def _nearest(name, choices):
    """The end of a sentence about a name that does not exist."""
    names = [str(choice) for choice in choices]
    close = difflib.get_close_matches(str(name), names, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; it must be one of {', '.join(names)}."


def _line(error):
    return " ".join(str(error).split())
