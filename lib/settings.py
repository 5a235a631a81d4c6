"""Reading params.yaml: checked as a whole before any work starts, every mistake named in one sentence."""
import difflib
from inspect import isclass
from pathlib import Path
from typing import get_args

import yaml
from pydantic import ValidationError

from lib.sections import Profile, Section

ROOT = Path(__file__).resolve().parent.parent


class SettingsError(ValueError):
    """A setting is wrong. The message names it, says what it must be, and is one sentence."""


def load(profile="", path=ROOT / "params.yaml"):
    """The settings of one profile, checked. profile: its name; empty takes the one that params.yaml selects.

    Returns (name, Profile). Raises SettingsError with one sentence about the first thing that is wrong.
    """
    try:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such file; it holds every setting, so restore it from git.") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"params.yaml is not valid YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(document, dict) or set(document) != {"profile", "profiles"}:
        raise SettingsError("params.yaml must hold exactly two keys, `profile` and `profiles`.")
    name = profile or document["profile"]
    if name not in document["profiles"]:
        raise SettingsError(f"params.yaml: profile is {name!r}{_nearest(name, document['profiles'])}.")
    try:
        return name, Profile.model_validate(document["profiles"][name])
    except ValidationError as error:
        raise SettingsError(_sentence(f"params.yaml: profiles.{name}", error)) from None


def _sentence(prefix, error):
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


def _names_at(place):
    """The names that the section at a place may hold; indices of lists and keys of dicts lead to their items."""
    section = Profile
    for part in place:
        if part in section.model_fields:
            annotation = section.model_fields[part].annotation
            section = next((kind for kind in (annotation, *get_args(annotation)) if isclass(kind) and issubclass(kind, Section)), section)
    return list(section.model_fields)


def _nearest(name, choices):
    close = difflib.get_close_matches(str(name), list(choices), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; it must be one of {', '.join(choices)}"


if __name__ == "__main__":
    import sys
    try:
        print(f"params.yaml is sound; profile: {load()[0]}")
    except SettingsError as error:
        sys.exit(f"error: {error}")
