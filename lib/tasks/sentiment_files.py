"""Records of sentiment sets in users' files: (line, record), or (line, reason) where it is none."""
import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Records = Iterator[tuple[int, dict[str, Any] | str]]


def files(folder: Path, name: str) -> list[Path]:
    """The files of one set in a folder: their or their sub-folder's name begins with the set's."""
    found = [path for path in sorted(Path(folder).rglob("*"))
             if path.is_file() and path.suffix.lower() in RECORDS]
    return [path for path in found if path.relative_to(folder).parts[0].lower().startswith(name)]


def decode(path: Path) -> tuple[str, str]:
    """(text, name of the encoding) of a file: UTF-8, or Latin-1 where it is not valid UTF-8."""
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig"), "UTF-8"
    except UnicodeDecodeError:
        return raw.decode("latin-1"), "Latin-1"


def csv_records(text: str, _: str, delimiter: str = ",") -> Records:
    """Of a CSV file. A quoted text may run over several lines, so lines are counted."""
    reader = csv.reader(io.StringIO(text.replace("\x00", " "), newline=""),
                        delimiter=delimiter, strict=True)
    header, line = next(reader, []), reader.line_num
    while True:
        start = line + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield start, f"not CSV: {error}"
        else:
            if cells and len(cells) == len(header):
                yield start, dict(zip(header, cells))
            elif cells:
                yield start, f"{len(cells)} cells where the header has {len(header)}"
        line = reader.line_num


def json_records(text: str, name: str) -> Records:
    """Of FiQA's JSON: a dict of sentences, each with a list of targets; lines are of its keys."""
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("not a JSON object of sentences")
    kind = "post" if "post" in name else "headline"
    at = 0
    for key, item in document.items():
        at = max(at, text.find(f"{json.dumps(key, ensure_ascii=False)}:", at))
        line = text.count("\n", 0, at) + 1
        targets = item.get("info") if isinstance(item, dict) else None
        if not isinstance(targets, list) or not targets:
            yield line, f"the sentence {key!r} has no list of targets"
            continue
        shared = {"sentence": item.get("sentence"), "format": kind, "targets": len(targets)}
        for target in targets:
            if isinstance(target, dict):
                yield line, {**shared, **target}
            else:
                yield line, f"a target of the sentence {key!r} is no object"


def jsonl_records(text: str, _: str) -> Records:
    """Of a file with one JSON object a line."""
    for line, content in enumerate(text.split("\n"), 1):
        if content.strip():
            try:
                record = json.loads(content)
            except ValueError as error:
                record = f"not JSON: {error}"
            yield line, record if isinstance(record, (dict, str)) else "not a JSON object"


def text_records(text: str, _: str) -> Records:
    """Of Financial PhraseBank's "sentence@label"; a sentence may hold an @, so the last counts."""
    for line, content in enumerate(text.split("\n"), 1):  # splitlines would also break at a \x85
        if content.strip():
            sentence, at, label = content.rpartition("@")
            found = {"sentence": sentence, "label": label}
            yield line, found if at else "no @ before a label"


def parquet_records(path: Path, _: str) -> Records:
    """Of a Parquet file, counted from 1."""
    import pyarrow.parquet  # half a second, for a format that few files have
    yield from enumerate(pyarrow.parquet.read_table(path).to_pylist(), 1)


RECORDS: dict[str, Callable[[Any, str], Records]] = {
    ".csv": csv_records, ".json": json_records, ".jsonl": jsonl_records,
    ".txt": text_records, ".parquet": parquet_records}
