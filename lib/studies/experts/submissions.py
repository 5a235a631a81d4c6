"""Files that others sent: each is read by itself, so that none keeps the others from being read."""
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from lib.competencies.files import listed
from lib.core.records import DataError, parse

LARGEST = 20_000_000  # bytes; a submission of 1,000 answers has less than a hundredth of that
Aside = list[dict[str, str]]  # {"file", "where", "reason"}; where: a field, a line, or ""
LINE = re.compile(r"line \d+ column \d+")


class Refused(DataError):
    """A submission that cannot be used: the message says why, `where` in which field."""

    def __init__(self, reason: str, where: str = ""):
        super().__init__(reason)
        self.where = where


def read_each(place: Path, kinds: Collection[str], check: Callable[[Any], Any],
              apart: Path | None = None) -> tuple[dict[str, Any], Aside]:
    """What `check` makes of the JSON in each file, {file: it}; and the files that were set aside.

    place: one file, or a folder, of which and of whose sub-folders those with these endings are
    read; a file is named by its way from there. check: raises DataError with the reason. apart: a
    folder inside whose files are of another kind. The names of files may be names of persons: no
    reason holds one.
    """
    found: dict[str, Any] = {}
    paths, left_out = ([place], []) if place.is_file() else listed(place, kinds)
    aside = [{"file": item["file"], "where": "", "reason": item["reason"]} for item in left_out
             if apart is None or not (place / item["file"]).is_relative_to(apart)]
    for path in paths:
        if apart and path.is_relative_to(apart):
            continue
        name = str(path.relative_to(place)) if path != place else path.name
        try:
            found[name] = check(content(path))
        except DataError as error:
            aside.append(_aside(name, error))
        except Exception as error:  # whoever forges a file may find what no check foresaw
            aside.append(_aside(name, DataError(f"cannot be checked ({type(error).__name__})")))
    return found, aside


def _aside(name, error):
    line = LINE.search(str(error))
    where = getattr(error, "where", line.group() if line else "")
    return {"file": name, "where": where, "reason": str(error)}


def content(path: Path) -> Any:
    """The JSON in a file. Raises DataError, which does not name it."""
    try:
        if path.stat().st_size > LARGEST:
            raise DataError("larger than any submission")
        return parse(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        reason = "not UTF-8"
    except OSError as error:
        reason = f"cannot be opened ({error.strerror})"
    except DataError as error:
        reason = str(error)
    raise DataError(f"{reason}; ask for the file as it was downloaded")
