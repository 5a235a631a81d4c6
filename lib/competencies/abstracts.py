"""Abstracts from whatever a user has: JSON Lines, CSV, folders of text, PDF or BibTeX files, or OpenAlex.

A row is {"id", "author", "title", "text"}; `author` is "" where the source names none. What cannot be read is never
dropped silently: every reader returns its rows and a list of {"file", "line", "reason"}.
"""
import csv
import io
import json
import re
from collections import defaultdict
from pathlib import Path

from tqdm import tqdm

from lib.core.records import DataError

COLUMNS = {"id": "id", "author": "author", "title": "title", "text": "text"}
FEWEST_WORDS = 5
PDF_ABSTRACT = re.compile(r"abstract\W*(.+?)(?=\n\s*(?:\d+\.?\s+|I\.\s+)?introduction\b|\n\s*(?:keywords|index terms)\b)",
                          re.IGNORECASE | re.DOTALL)


def read(path, columns=COLUMNS):
    """All abstracts in a file, or in a folder and its sub-folders. Returns (rows, rejected).

    columns: which column or key holds "id", "author", "title" and "text". In a folder, files of other kinds are passed
    over, and a sub-folder's name is the author of the .txt and .pdf files in it. Raises DataError when nothing is left.
    """
    path = Path(path)
    if path.is_file() and path.suffix.lower() not in READERS:
        raise DataError(f"{path}: unknown kind of file; use one of {', '.join(READERS)}.")
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; put your abstracts there or set data.path.")
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.suffix.lower() in READERS and f.is_file())
    rows, rejected, seen = [], [], set()
    for file in tqdm(files, desc="reading", unit="file", disable=len(files) < 2):
        name = str(file.relative_to(path if path.is_dir() else path.parent))
        folder = file.parent.name if path.is_dir() and file.parent != path else ""
        try:
            found = list(READERS[file.suffix.lower()](file, columns))
        except (OSError, DataError, ValueError) as error:
            rejected.append({"file": name, "line": 1, "reason": str(error)})
            continue
        for line, record in found:
            row = record if isinstance(record, str) else _row(record, f"{name}:{line}", folder)
            if isinstance(row, dict) and row["id"] in seen:
                own = f"{name}#{row['id']}"  # files of one folder may each count from 1
                row = f"the id {row['id']!r} has occurred before" if (name, row["id"]) in seen else {**row, "id": own}
            if isinstance(row, str):
                rejected.append({"file": name, "line": line, "reason": row})
            else:
                seen |= {row["id"], (name, row["id"].removeprefix(f"{name}#"))}
                rows.append(row)
    if not rows:
        reason = f"{rejected[0]['file']} line {rejected[0]['line']}: {rejected[0]['reason']}" if rejected else "no files"
        raise DataError(f"{path}: no usable abstract among {', '.join(READERS)} files ({reason}).")
    return rows, rejected


def group(rows, size):
    """Prompts' worth of abstracts: at most `size` of one author, or `size` neighbours where no author is known.

    Returns [{"id", "author", "abstracts"}]; an author with more abstracts than `size` fills several groups.
    """
    by_author = defaultdict(list)
    for row in rows:
        by_author[row["author"]].append(row)
    groups = []
    for author, items in by_author.items():
        for number, start in enumerate(range(0, len(items), size), 1):
            name = f"{author or 'group'} {number}" if not author or len(items) > size else author
            groups.append({"id": name, "author": author or name, "abstracts": items[start:start + size]})
    return groups


def from_openalex(institution, authors, abstracts_per_author):
    """The most cited English works with an abstract, of the most cited authors of an institution. Returns (rows, rejected).

    institution: an OpenAlex id such as "I102335020". Authors are known by their OpenAlex ids; no names are kept.
    """
    import pyalex  # only this source needs it

    rows, rejected = [], []
    people = pyalex.Authors().filter(last_known_institutions={"id": institution}).sort(cited_by_count="desc")
    pages = people.paginate(per_page=min(authors, 200), n_max=authors)
    for person in tqdm([person for page in pages for person in page], desc="OpenAlex", unit="author"):
        key = person["id"].rsplit("/", 1)[-1]
        works = pyalex.Works().filter(authorships={"author": {"id": key}}, language="en", has_abstract=True)
        for number, work in enumerate(works.sort(cited_by_count="desc").get(per_page=abstracts_per_author), 1):
            row = _row({"id": work["id"].rsplit("/", 1)[-1], "author": key, "title": work["title"] or "",
                        "text": work["abstract"] or ""}, "", "")
            if isinstance(row, str):
                rejected.append({"file": f"OpenAlex {key}", "line": number, "reason": row})
            elif row["id"] not in {r["id"] for r in rows}:  # a work shared by two authors stays with the first
                rows.append(row)
    return rows, rejected


def _row(record, fallback_id, folder):
    """A checked row, or the reason why there is none."""
    text = record.get("text")
    if isinstance(text, list) and all(isinstance(part, str) for part in text):
        text = " ".join(text)  # some sets keep one sentence per item
    if text is None:
        return "no text"
    if not isinstance(text, str):
        return f"the text is {type(text).__name__}, not a string"
    text = " ".join(text.replace("\x00", " ").split())
    if not text:
        return "the text is empty"
    if len(text.split()) < FEWEST_WORDS and len(text) < 40:  # languages without spaces have long "words"
        return f"the text has fewer than {FEWEST_WORDS} words"

    def field(name, default):
        value = record.get(name)
        return " ".join(str(value).split()) if value not in (None, "") else default
    return {"id": field("id", fallback_id), "author": field("author", folder), "title": field("title", ""), "text": text}


def _decode(path):
    """Text of a file in UTF-8, or in Windows-1252 where it is not valid UTF-8."""
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def _read_jsonl(path, columns):
    for number, line in enumerate(_decode(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield number, f"not JSON: {error}"
            continue
        if not isinstance(value, dict):
            yield number, "not a JSON object"
        elif columns["text"] not in value:
            yield number, f"no key {columns['text']!r} (found: {', '.join(map(str, value))}); name it with data.columns.text"
        else:
            yield number, {ours: value.get(theirs) for ours, theirs in columns.items()}


def _read_csv(path, columns, delimiter=","):
    reader = csv.reader(io.StringIO(_decode(path).replace("\x00", " "), newline=""), delimiter=delimiter)
    header = next(reader, [])
    if columns["text"] not in header:
        raise DataError(f"no column {columns['text']!r} (found: {', '.join(header)}); name it with data.columns.text")
    line = reader.line_num
    while True:
        start = line + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield start, f"not CSV: {error}"
            line = reader.line_num
            continue
        line = reader.line_num
        if cells and len(cells) != len(header):
            yield start, f"{len(cells)} cells where the header has {len(header)}"
        elif cells:
            record = dict(zip(header, cells))
            yield start, {ours: record.get(theirs) for ours, theirs in columns.items()}


def _read_txt(path, columns):
    yield 1, {"title": path.stem, "text": _decode(path)}


def _read_pdf(path, columns):
    """The abstract of a paper: from the word "Abstract" to the introduction, or else the beginning."""
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError
    try:
        document = PdfReader(path)
        text = "\n".join(page.extract_text() for page in document.pages[:2])
        title = (document.metadata or {}).get("/Title") or path.stem
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError, NotImplementedError) as error:
        raise DataError(f"cannot read this PDF ({type(error).__name__}: {error})") from None
    if not text.strip():
        raise DataError("no text in the first two pages of this PDF; it may hold scanned pictures only")
    found = PDF_ABSTRACT.search(text)
    yield 1, {"title": str(title), "text": found.group(1) if found else text[:3000]}


def _read_bib(path, columns):
    import bibtexparser
    library = bibtexparser.parse_string(_decode(path))
    for block in library.failed_blocks:
        yield (block.start_line or 0) + 1, f"not BibTeX ({type(block.error).__name__}); is a brace or a quote missing?"
    for entry in library.entries:
        fields = {key.lower(): field.value for key, field in entry.fields_dict.items()}
        line = (entry.start_line or 0) + 1
        if "abstract" not in fields:
            yield line, f"the entry {entry.key!r} has no abstract"
        else:
            author = re.split(r"\s+and\s+", str(fields.get("author", "")))[0]
            yield line, {"id": entry.key, "author": author, "title": str(fields.get("title", "")).replace("{", "").replace("}", ""),
                         "text": str(fields["abstract"])}


READERS = {
    ".jsonl": _read_jsonl, ".ndjson": _read_jsonl, ".csv": _read_csv,
    ".tsv": lambda path, columns: _read_csv(path, columns, "\t"), ".txt": _read_txt, ".pdf": _read_pdf, ".bib": _read_bib,
}
