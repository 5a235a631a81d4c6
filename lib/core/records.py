"""Rows in and out: JSON and JSON Lines in UTF-8, written whole or not at all."""
import hashlib
import json
import os
import tempfile
from pathlib import Path


class DataError(ValueError):
    """Bad input. The message says what is wrong, where, and what to do."""


def read_jsonl(path, fields=()):
    """All rows of a JSON Lines file as dicts. Raises DataError naming file, line and field.

    fields: names that each row must have.
    """
    rows = []
    for number, line in enumerate(_open(path).splitlines(), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DataError(f"{path} line {number}: not JSON ({error}); write one object per line.") from None
            missing = [name for name in fields if not isinstance(row, dict) or name not in row]
            if missing:
                raise DataError(f"{path} line {number}: no field {missing[0]!r}; each row needs {', '.join(fields)}.")
            rows.append(row)
    return rows


def write_jsonl(path, rows):
    write_text(path, "".join(dump(row) + "\n" for row in rows))


def read_json(path):
    return json.loads(_open(path))


def write_json(path, value):
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n")


def dump(value):
    """One canonical line of JSON: equal values give equal bytes."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def digest(value):
    """A short content key of any JSON value, for caches."""
    return hashlib.sha256(dump(value).encode()).hexdigest()[:20]


def file_digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def write_text(path, text):
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
    """Finished work of a long run, one JSON row per item, so that an interrupted run resumes where it stopped.

    Each row is flushed to disk as it is added; a last line cut off by a crash is ignored and overwritten.
    Keys have to be derived from everything that decides the item's result (see `digest`).
    """

    def __init__(self, path):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.items, end = {}, 0
        if self.path.exists():
            for line in self.path.read_bytes().splitlines(keepends=True):
                try:
                    row = json.loads(line) if line.endswith(b"\n") else None
                    self.items[row["key"]] = row["value"]
                except (ValueError, TypeError, KeyError):
                    break
                end += len(line)
            with self.path.open("r+b") as file:
                file.truncate(end)

    def __contains__(self, key):
        return key in self.items

    def __getitem__(self, key):
        return self.items[key]

    def add(self, rows):
        """Append (key, value) pairs and force them to disk."""
        rows = list(rows)
        self.items.update(rows)
        with self.path.open("a", encoding="utf-8", newline="\n") as out:
            out.writelines(dump({"key": key, "value": value}) + "\n" for key, value in rows)
            out.flush()
            os.fsync(out.fileno())

    def remove(self):
        self.path.unlink(missing_ok=True)


def _open(path):
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file.") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8.") from None
