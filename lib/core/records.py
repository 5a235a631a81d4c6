"""Rows in and out: JSON and JSON Lines in UTF-8, written whole or not at all."""
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


class DataError(ValueError):
    """Bad input. The message says what is wrong, where, and what to do."""


def read_jsonl(path: str | Path, fields: Sequence[str] = ()) -> list[dict[str, Any]]:
    """All rows of a JSON Lines file as dicts. Raises DataError naming file, line and field.

    fields: names that each row must have.
    """
    rows = []
    for number, line in enumerate(_open(path).split("\n"), 1):  # U+2028 ends no line of JSON
        if not line.strip():
            continue
        where = f"{path} line {number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{where}: not JSON ({error}); write one object per line.") from None
        missing = [name for name in fields if not isinstance(row, dict) or name not in row]
        if missing:
            needed = ", ".join(fields)
            raise DataError(f"{where}: no field {missing[0]!r}; each row needs {needed}.")
        rows.append(row)
    return rows


def write_jsonl(path: str | Path, rows: Iterable[Any]) -> None:
    write_text(path, "".join(dump(row) + "\n" for row in rows))


def read_json(path: str | Path) -> Any:
    return json.loads(_open(path))


def write_json(path: str | Path, value: Any) -> None:
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n")


def dump(value: Any) -> str:
    """One canonical line of JSON: equal values give equal bytes."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def digest(value: Any) -> str:
    """A short content key of any JSON value, for caches."""
    return hashlib.sha256(dump(value).encode()).hexdigest()[:20]


def file_digest(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def write_text(path: str | Path, text: str) -> None:
    """Write a file atomically: a reader sees the old content or the new, never a part."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        os.chmod(temporary, 0o644)  # mkstemp makes private files; results are for everybody
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


class Journal:
    """Finished work of a long run, one JSON row per item: an interrupted run resumes from it.

    Each row is flushed to disk as it is added; a last line cut off by a crash is ignored and
    overwritten. Keys must be made from everything that decides the item's result (see `digest`).
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.items, end = {}, 0
        if self.path.exists():
            for line in self.path.read_bytes().splitlines(keepends=True):
                try:
                    row: Any = json.loads(line) if line.endswith(b"\n") else None
                    self.items[row["key"]] = row["value"]
                except (ValueError, TypeError, KeyError):
                    break
                end += len(line)
            with self.path.open("r+b") as file:
                file.truncate(end)

    def __contains__(self, key: str) -> bool:
        return key in self.items

    def __getitem__(self, key: str) -> Any:
        return self.items[key]

    def add(self, rows: Iterable[tuple[str, Any]]) -> None:
        """Append (key, value) pairs and force them to disk."""
        rows = list(rows)
        self.items.update(rows)
        with self.path.open("a", encoding="utf-8", newline="\n") as out:
            out.writelines(dump({"key": key, "value": value}) + "\n" for key, value in rows)
            out.flush()
            os.fsync(out.fileno())

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def _open(path):
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file.") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8.") from None
