"""Files that others sent: each is read by itself, so that none keeps the others from being read."""
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from lib.competencies.files import listed
from lib.core.records import DataError, parse

LARGEST = 20_000_000  # bytes; a submission of 1,000 answers has less than a hundredth of that
Aside = list[dict[str, str]]  # {"file", "reason"}


def read_each(place: Path, kinds: Collection[str],
              check: Callable[[Any], Any]) -> tuple[dict[Path, Any], Aside]:
    """What `check` makes of the JSON in each file, {path: it}; and the files that were set aside.

    place: one file, or a folder, of which and of whose sub-folders those with these endings are
    read. check: raises DataError with the reason. The names of files may be names of persons: no
    reason holds one.
    """
    found: dict[Path, Any] = {}
    paths, left_out = ([place], []) if place.is_file() else listed(place, kinds)
    aside = [{"file": item["file"], "reason": item["reason"]} for item in left_out]
    for path in paths:
        try:
            found[path] = check(content(path))
        except DataError as error:
            aside.append({"file": path.name, "reason": str(error)})
        except Exception as error:  # whoever forges a file may find what no check foresaw
            reason = f"cannot be checked ({type(error).__name__})"
            aside.append({"file": path.name, "reason": reason})
    return found, aside


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
