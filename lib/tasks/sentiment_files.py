"""Records of financial sentiment sets in the files that users have: (line, record) pairs, or (line, reason) for what is none."""
import csv
import io
import json
from pathlib import Path


def files(folder, name):
    """The files of one set in a folder: those whose name, or whose sub-folder's name, begins with the set's."""
    found = sorted(path for path in Path(folder).rglob("*") if path.is_file() and path.suffix.lower() in RECORDS)
    return [path for path in found if path.relative_to(folder).parts[0].lower().startswith(name)]


def decode(path):
    """(text, name of the encoding) of a file in UTF-8, or in Latin-1 where it is not valid UTF-8."""
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig"), "UTF-8"
    except UnicodeDecodeError:
        return raw.decode("latin-1"), "Latin-1"


def csv_records(text, _):
    """(line, record) of a CSV file; a quoted text may run over several lines, so lines are counted, not guessed."""
    reader = csv.reader(io.StringIO(text.replace("\x00", " "), newline=""), strict=True)
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
            if cells:
                yield start, dict(zip(header, cells)) if len(cells) == len(header) else f"{len(cells)} cells where the header has {len(header)}"
        line = reader.line_num


def json_records(text, name):
    """(line, record) of FiQA's JSON: a dict of sentences, each with a list of targets. The line is that of the sentence's key."""
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("not a JSON object of sentences")
    kind = "post" if "post" in name else "headline"
    at = 0
    for key, item in document.items():
        at = max(at, text.find(f"{json.dumps(key, ensure_ascii=False)}:", at))
        line = text.count("\n", 0, at) + 1
        if not isinstance(item, dict) or not isinstance(item.get("info"), list) or not item["info"]:
            yield line, f"the sentence {key!r} has no list of targets"
        else:
            for target in item["info"]:
                if isinstance(target, dict):
                    yield line, {"sentence": item.get("sentence"), "format": kind, "targets": len(item["info"]), **target}
                else:
                    yield line, f"a target of the sentence {key!r} is no object"


def jsonl_records(text, _):
    for line, content in enumerate(text.split("\n"), 1):
        if content.strip():
            try:
                record = json.loads(content)
            except ValueError as error:
                record = f"not JSON: {error}"
            yield line, record if isinstance(record, (dict, str)) else "not a JSON object"


def text_records(text, _):
    """(line, record) of Financial PhraseBank's "sentence@label"; sentences may hold an @ themselves, so the last one counts."""
    for line, content in enumerate(text.split("\n"), 1):  # splitlines would also break at a Latin-1 \x85
        if content.strip():
            sentence, at, label = content.rpartition("@")
            yield line, {"sentence": sentence, "label": label} if at else "no @ before a label"


def parquet_records(path, _):
    import pyarrow.parquet
    yield from enumerate(pyarrow.parquet.read_table(path).to_pylist(), 1)


RECORDS = {".csv": csv_records, ".json": json_records, ".jsonl": jsonl_records, ".txt": text_records, ".parquet": parquet_records}
