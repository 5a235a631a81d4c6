"""What commands take: arguments, readers of their words, and how wrong use is answered."""
import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lib.core.terminal import line

Argument = tuple[tuple[str, ...], dict[str, Any]]
Given = argparse.Namespace


def take(*names: str, **options: Any) -> Argument:
    """One argument, in argparse's words."""
    return names, options


LARGEST = 1e12  # a number that anybody can mean


def at_least(least: float) -> Callable[[str], float]:
    """Reads a number of the type of `least` that is not below it, and not beyond LARGEST."""
    def read(word: str) -> float:
        try:
            value = type(least)(word)
        except ValueError:
            value = None
        if value is None or not least <= value <= LARGEST:  # nor is nan
            shown = word if len(word) <= 40 else f"{word[:40]}…"
            raise argparse.ArgumentTypeError(f"{shown!r} must be a number of at least {least}, and "
                                             f"at most {LARGEST:g}")
        return value
    return read


def named(word: str) -> str:
    """Reads a name, which is not empty: an unset variable of a shell is a mistake."""
    if not word.strip():
        raise argparse.ArgumentTypeError("it is empty; name something, or leave the option out")
    return word


def share(word: str) -> float:
    """Reads a number above 0 and at most 1."""
    if (value := at_least(0.0)(word)) == 0 or value > 1:
        raise argparse.ArgumentTypeError(f"{word!r} must be above 0 and at most 1")
    return value


def file_of(forms: Sequence[str] = ()) -> Callable[[str], Path]:
    """Reads the name of a file to write, whose ending is one of these where there are any."""
    def read(word: str) -> Path:
        if forms and Path(word).suffix not in forms:
            raise argparse.ArgumentTypeError(f"{word!r} must end in one of {', '.join(forms)}")
        try:
            folder = not word or Path(word).is_dir()
        except (OSError, ValueError) as error:
            raise argparse.ArgumentTypeError(f"no name of a file ({error})") from None
        if folder:
            raise argparse.ArgumentTypeError(f"{word!r} is a folder; name a file in it")
        return Path(word)
    return read


def parameter(word: str) -> tuple[str, int | str]:
    """Reads NAME=VALUE, where a value of digits is a number."""
    name, equals, value = word.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{word!r} must be NAME=VALUE, such as number=2")
    return name, int(value) if value.isdigit() else value


class Parser(argparse.ArgumentParser):
    """Wrong use is answered by one sentence and exit status 2."""

    def error(self, message: str) -> Any:
        """End the process."""
        self.exit(2, f"{line(f'error: {message}; see {self.prog} --help')}\n")


class WithDefaults(argparse.RawDescriptionHelpFormatter):
    """Examples as they are written, and every default."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        fixed = action.required or not action.option_strings or action.nargs == 0
        if fixed or "(default: " in (action.help or ""):
            return action.help
        default = "none" if action.default is None else action.default
        return f"{action.help} (default: {default})"
