"""Records of sentiment sets in users' files: (line, record), or (line, reason) where it is none."""
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lib.competencies import tables
from lib.competencies.decoding import decode, lines
from lib.competencies.files import listed
from lib.competencies.tables import Records
from lib.competencies.worker import Worker
from lib.core.records import parse
from lib.core.rows import Rejected

FAR = 1 << 16  # letters in which the next sentence of a JSON file is looked for, to know its line


def files(folder: Path, name: str) -> tuple[list[Path], list[Rejected]]:
    """The files of one set in a folder: their or their sub-folder's name begins with the set's.

    Returns them, and what `listed` leaves out of them.
    """
    found, left_out = listed(Path(folder), RECORDS)

    def ours(path):
        return str(path).lower().startswith(name)
    return ([path for path in found if ours(path.relative_to(folder))],
            [item for item in left_out if ours(item["file"])])


def read_file(path: Path) -> tuple[list[tuple[int, Any]], str]:
    """(records and reasons of all that stands in a file, the name of its encoding or "")."""
    kind, encoding = path.suffix.lower(), ""
    content: Any = path
    try:
        if kind != ".parquet":
            content, encoding = decode(path, western="latin_1")  # as Financial PhraseBank is saved
        found = list(RECORDS[kind](content, path.stem.lower()))
    except (ValueError, OSError) as error:
        found = [(1, f"cannot be read ({error})")]
    return found or [(1, "there is nothing in this file")], encoding


def csv_records(text: str, _: str) -> Records:
    """Of a CSV file."""
    return tables.csv_records(text)


def jsonl_records(text: str, _: str) -> Records:
    """Of a file with one JSON object a line."""
    return tables.json_records(text)


def json_records(text: str, name: str) -> Records:
    """Of FiQA's JSON: a dict of sentences, each with a list of targets; lines are of its keys."""
    document = parse(text)
    if not isinstance(document, dict):
        raise ValueError("not a JSON object of sentences")
    kind = "post" if "post" in name else "headline"
    at, line = 0, 1
    for key, item in document.items():
        begin = text.find(f"{json.dumps(key, ensure_ascii=False)}:", at, at + FAR)
        if begin > at:
            line += text.count("\n", at, begin)
            at = begin
        targets = item.get("info") if isinstance(item, dict) else None
        if not isinstance(targets, list) or not targets:
            yield line, f"the sentence {key!r} has no list of targets"
            continue
        shared = {"sentence": item.get("sentence"), "format": kind}
        for target in targets:
            if isinstance(target, dict):
                yield line, {**shared, **target, "targets": len(targets)}
            else:
                yield line, f"a target of the sentence {key!r} is no object"


def text_records(text: str, _: str) -> Records:
    """Of Financial PhraseBank's "sentence@label"; a sentence may hold an @, so the last counts."""
    for line, content in enumerate(lines(text), 1):  # splitlines would also break at a \x85
        if content.strip():
            sentence, at, label = content.rpartition("@")
            found = {"sentence": sentence, "label": label}
            yield line, found if at else "no @ before a label"


def parquet_records(path: Path, _: str) -> Records:
    """Of a Parquet file, counted from 1. It is read apart: what is damaged may end the process."""
    with Worker() as worker:
        yield from enumerate(worker.call(parquet_rows, str(path.resolve())), 1)


def parquet_rows(path: str) -> list[dict[str, Any]]:
    """The rows of a Parquet file with values such as JSON has."""
    import pyarrow.parquet  # half a second, for a format that few files have
    plain = (str, int, float, type(None))
    return [{name: value if isinstance(value, plain) else str(value) for name, value in row.items()}
            for row in pyarrow.parquet.read_table(path).to_pylist()]


RECORDS: dict[str, Callable[[Any, str], Records]] = {
    ".csv": csv_records, ".json": json_records, ".jsonl": jsonl_records,
    ".txt": text_records, ".parquet": parquet_records}
