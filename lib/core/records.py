"""Rows in and out: JSON and JSON Lines in UTF-8, written whole or not at all.

Whatever Python holds as text can be written. UTF-8 has no lone surrogates, which come with escapes
in JSON and with names of files that are not UTF-8: JSON keeps them as escapes, other files get the
replacement character instead.
"""
import fcntl
import hashlib
import io
import json
import os
import tempfile
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class DataError(ValueError):
    """Bad input. The message says what is wrong, where, and what to do."""


def json_lines(content: str | bytes) -> Iterator[tuple[int, Any, str]]:
    """(line, value, problem) of each line of JSON Lines; problem: why there is no value, or "".

    Nothing but a newline or carriage return ends a line: str.splitlines also breaks at U+2028,
    U+2029 and U+0085, which JSON may hold as they are. Blank lines are passed over.
    """
    lines: Any  # of the same type as the content
    if isinstance(content, bytes):
        lines = content.split(b"\n")
    else:
        lines = io.StringIO(content, newline=None)
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield number, parse(line), ""
            except DataError as error:
                yield number, None, str(error)


def parse(content: str | bytes) -> Any:
    """The value that JSON stands for. Raises DataError, which quotes nothing of it but a key."""
    try:
        return json.loads(content, object_pairs_hook=unambiguous)
    except RecursionError:
        raise DataError("not JSON: nested too deeply") from None
    except ValueError as error:
        raise DataError(f"not JSON: {error}") from None


def unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object as a dict, unless a key comes twice: ValueError, for one would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        (twice, _), = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the key {twice[:40]!r} comes twice")
    return found


def read_jsonl(path: str | Path, fields: Sequence[str] = ()) -> list[dict[str, Any]]:
    """All rows of a JSON Lines file as dicts. Raises DataError naming file, line and field.

    fields: names that each row must have.
    """
    rows = []
    for number, row, problem in json_lines(_open(path)):
        where = f"{path} line {number}"
        if problem:
            raise DataError(f"{where}: {problem}; write one object per line.")
        missing = [name for name in fields if not isinstance(row, dict) or name not in row]
        if missing:
            needed = ", ".join(fields)
            raise DataError(f"{where}: no field {missing[0]!r}; each row needs {needed}.")
        rows.append(row)
    return rows


def write_jsonl(path: str | Path, rows: Iterable[Any]) -> None:
    write_text(path, "".join(dump(row) + "\n" for row in rows))


def read_json(path: str | Path) -> Any:
    """The value in a file of JSON. Raises DataError, as `read_jsonl`."""
    content = _open(path)
    try:
        return parse(content)
    except DataError as error:
        raise DataError(f"{path}: {error}.") from None


def write_json(path: str | Path, value: Any) -> None:
    write_text(path, dump(value, indent=1) + "\n")


def dump(value: Any, indent: int | None = None) -> str:
    """Canonical JSON, in one line without `indent`: equal values give equal bytes."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, indent=indent)
    return text.encode("utf-8", "backslashreplace").decode()  # a lone surrogate as JSON escapes it


def digest(value: Any) -> str:
    """A short content key of any JSON value, for caches."""
    return hashlib.sha256(dump(value).encode()).hexdigest()[:20]


def file_digest(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def well_formed(text: str) -> str:
    """The text as UTF-8 can hold it: pairs of surrogates joined, lone ones replaced by U+FFFD."""
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def write_text(path: str | Path, text: str) -> None:
    """Write a file atomically: a reader sees the old content or the new, never a part.

    Raises DataError where it cannot be written.
    """
    path = Path(path)
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as out:
                out.write(well_formed(text))
                out.flush()
                os.fsync(out.fileno())
            os.chmod(temporary, 0o644)  # mkstemp makes private files; results are for everybody
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


class Journal:
    """Finished work of a long run, one JSON row per item: an interrupted run resumes from it.

    Each row is flushed to disk as it is added. A last line that a crash cut off is overwritten, and
    a row that was damaged later is ignored: its work is done again. Keys must be made from
    everything that decides the item's result (see `digest`). Raises DataError where the file cannot
    be written, and where another process has the journal: two would lose each other's rows.
    made_by: a digest of what makes all of its rows, where who opens it knows.
    """

    def __init__(self, path: str | Path, made_by: str = ""):
        self.path, self.made_by = Path(path), made_by
        self.items: dict[str, Any] = {}
        with _writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.hold = _held(self.path)
            with open(self.hold.file, "rb", closefd=False) as file:
                file.seek(0)
                content = file.read()
            end = content.rfind(b"\n") + 1
            if end < len(content):
                os.ftruncate(self.hold.file, end)
        for _, row, _ in json_lines(content[:end]):
            if isinstance(row, dict) and isinstance(row.get("key"), str) and "value" in row:
                self.items[row["key"]] = row["value"]

    def __contains__(self, key: str) -> bool:
        return key in self.items

    def __getitem__(self, key: str) -> Any:
        return self.items[key]

    def add(self, rows: Iterable[tuple[str, Any]]) -> None:
        """Append (key, value) pairs and force them to disk: all of them, or none."""
        rows, file = list(rows), self.hold.file
        lines = [dump({"key": key, "value": value}) + "\n" for key, value in rows]
        left, end = "".join(lines).encode(), os.fstat(file).st_size
        with _writing(self.path):
            try:
                while left:
                    left = left[os.write(file, left):]
                os.fsync(file)
            except BaseException:
                os.ftruncate(file, end)
                raise
        self.items.update(rows)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


class _Hold:
    """An open file, locked against other processes, which is closed when nobody has this left."""

    def __init__(self, file):
        self.file = file
        weakref.finalize(self, os.close, file)


_HOLDS: weakref.WeakValueDictionary[tuple[int, int], _Hold] = weakref.WeakValueDictionary()


def _held(path):
    """The hold on a file, which is made where there is none; one for all of this process."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        found = os.fstat(file)
        place = found.st_dev, found.st_ino
        if hold := _HOLDS.get(place):
            os.close(file)
            return hold
        hold = _Hold(file)
        try:  # the system lets go of the lock when a process dies
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(f"{path}: another process is writing it; wait for that to end, or "
                            "stop it.") from None
        if path.exists() and os.path.samestat(found, path.stat()):  # it was not removed meanwhile
            _HOLDS[place] = hold
            return hold


@contextmanager
def _writing(path):
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error}); make room, or "
                        "name another place.") from None


def _open(path):
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file.") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be opened ({error.strerror or error}).") from None
