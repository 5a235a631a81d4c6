"""Abstracts from what a user has: JSON Lines, CSV, folders of text, PDF or BibTeX files, OpenAlex.

A row is {"id", "author", "title", "text"}, with "references" and "subjects" where people gave the
text terms; `author` is "" where the source names none. What cannot be read is never dropped
silently: every reader returns its rows and a list of `Rejected`.
"""
import csv
import io
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lib.core.records import DataError
from lib.core.rows import Abstract, Group, Rejected

COLUMNS = {"id": "id", "author": "author", "title": "title", "text": "text"}
FEWEST_WORDS = 5
PDF_ABSTRACT = re.compile(
    r"abstract\W*(.+?)(?=\n\s*(?:\d+\.?\s+|I\.\s+)?introduction\b|\n\s*(?:keywords|index terms)\b)",
    re.IGNORECASE | re.DOTALL)


def read(path: str | Path,
         columns: dict[str, str] = COLUMNS) -> tuple[list[Abstract], list[Rejected]]:
    """All abstracts in a file, or in a folder and its sub-folders. Returns (rows, rejected).

    columns: which column or key holds "id", "author", "title" and "text", and "references" and
    "subjects": lists, or terms parted by semicolons. In a folder, files of other kinds are passed
    over, and a sub-folder's name is the author of the .txt and .pdf files in it. Raises DataError
    when nothing is left.
    """
    path = Path(path)
    rows: list[Any] = []
    rejected, seen = [], set()
    files = _files(path)
    for file in tqdm(files, desc="reading", unit="file", disable=len(files) < 2):
        name = str(file.relative_to(path if path.is_dir() else path.parent))
        folder = file.parent.name if path.is_dir() and file.parent != path else ""
        try:
            found = list(READERS[file.suffix.lower()](file, columns))
        except (OSError, DataError, ValueError) as error:
            rejected.append(Rejected(file=name, line=1, reason=str(error)))
            continue
        for line, record in found:
            row = record
            if isinstance(record, dict):
                row = _row(record, f"{name}:{line}", folder)
            if isinstance(row, dict) and (name, row["id"]) in seen:
                row = f"the id {row['id']!r} has occurred before"
            elif isinstance(row, dict) and row["id"] in seen:
                row["id"] = f"{name}#{row['id']}"  # files of one folder may each count from 1
            if isinstance(row, dict):
                seen |= {row["id"], (name, row["id"].removeprefix(f"{name}#"))}
                rows.append(row)
            else:
                rejected.append(Rejected(file=name, line=line, reason=row))
    if not rows:
        first = rejected[0] if rejected else None
        reason = f"{first['file']} line {first['line']}: {first['reason']}" if first else "no files"
        raise DataError(f"{path}: no usable abstract among {', '.join(READERS)} files ({reason}).")
    return rows, rejected


def group(rows: list[Abstract], size: int, label: str = "group") -> list[Group]:
    """Prompts' worth of abstracts: at most `size` of an author, or of neighbours without an author.

    An author with more abstracts than `size` fills several groups. A group of one abstract without
    an author is known by the abstract's id.
    """
    by_author = defaultdict(list)
    for row in rows:
        by_author[row["author"]].append(row)
    groups = []
    for author, items in by_author.items():
        for number, start in enumerate(range(0, len(items), size), 1):
            name = author
            if not author or len(items) > size:
                name = f"{author or label} {number}"
            part = items[start:start + size]
            if not author and size == 1:
                name = part[0]["id"]
            groups.append(Group(id=name, author=author or name, abstracts=part))
    return groups


def from_openalex(institution: str, authors: int,
                  abstracts_per_author: int) -> tuple[list[Abstract], list[Rejected]]:
    """The most cited English works with an abstract, of an institution's most cited authors.

    institution: an OpenAlex id such as "I102335020". Authors are known by their OpenAlex ids; no
    names are kept. Returns (rows, rejected).
    """
    import pyalex  # only this source needs it

    rows, rejected, seen = [], [], set()
    people = pyalex.Authors().filter(last_known_institutions={"id": institution})
    people = people.sort(cited_by_count="desc")
    pages = people.paginate(per_page=min(authors, 200), n_max=authors)
    found = [person for page in pages for person in page]
    for person in tqdm(found, desc="OpenAlex", unit="author"):
        key = person["id"].rsplit("/", 1)[-1]
        works = pyalex.Works().filter(authorships={"author": {"id": key}}, language="en",
                                      has_abstract=True)
        works = works.sort(cited_by_count="desc").get(per_page=abstracts_per_author)
        for number, work in enumerate(works, 1):
            record = {"id": work["id"].rsplit("/", 1)[-1], "author": key, "title": work["title"],
                      "text": work["abstract"] or ""}
            row = _row(record, "", "")
            if isinstance(row, str):
                rejected.append(Rejected(file=f"OpenAlex {key}", line=number, reason=row))
            elif row["id"] not in seen:  # a work shared by two authors stays with the first
                seen.add(row["id"])
                rows.append(row)
    return rows, rejected


def _files(path):
    """The files to read: one, or all of a known kind in a folder. Raises DataError."""
    if path.is_file() and path.suffix.lower() not in READERS:
        raise DataError(f"{path}: unknown kind of file; use one of {', '.join(READERS)}.")
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; put abstracts there or set data.path.")
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*")
                  if file.suffix.lower() in READERS and file.is_file())


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
    if len(text.split()) < FEWEST_WORDS and len(text) < 40:  # some languages have no spaces
        return f"the text has fewer than {FEWEST_WORDS} words"

    def field(name, default):
        value = record.get(name)
        return default if value in (None, "") else " ".join(str(value).split())
    row = Abstract(id=field("id", fallback_id), author=field("author", folder),
                   title=field("title", ""), text=text)
    if references := _terms(record.get("references")):
        row["references"] = references
    if subjects := _terms(record.get("subjects")):
        row["subjects"] = subjects
    return row


def _terms(value):
    """Terms that people gave a text, each once: from a list, or parted by semicolons."""
    given = value.split(";") if isinstance(value, str) else value
    terms = [" ".join(term.split()) for term in given or [] if isinstance(term, str)]
    return list(dict.fromkeys(filter(None, terms)))


def _decode(path):
    """Text of a file in UTF-8, or in Windows-1252 where it is not valid UTF-8."""
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def _read_jsonl(path, columns):
    key = columns["text"]
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
        elif key not in value:
            found = ", ".join(map(str, value))
            yield number, f"no key {key!r} (found: {found}); name it with data.columns.text"
        else:
            yield number, {ours: value.get(theirs) for ours, theirs in columns.items()}


def _read_csv(path, columns, delimiter=","):
    text = io.StringIO(_decode(path).replace("\x00", " "), newline="")
    reader = csv.reader(text, delimiter=delimiter)
    header, key = next(reader, []), columns["text"]
    if key not in header:
        found = ", ".join(header)
        raise DataError(f"no column {key!r} (found: {found}); name it with data.columns.text")
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
    """The abstract of a paper: from the word "Abstract" to the introduction, or the beginning."""
    from pypdf import PdfReader  # only this kind of file needs it
    from pypdf.errors import PyPdfError
    try:
        document = PdfReader(path)
        text = "\n".join(page.extract_text() for page in document.pages[:2])
        title = (document.metadata or {}).get("/Title") or path.stem
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError,
            NotImplementedError) as error:
        raise DataError(f"cannot read this PDF ({type(error).__name__}: {error})") from None
    if not text.strip():
        raise DataError("no text in the first two pages of this PDF; it may hold only pictures")
    found = PDF_ABSTRACT.search(text)
    yield 1, {"title": str(title), "text": found.group(1) if found else text[:3000]}


def _read_bib(path, columns):
    import bibtexparser  # only this kind of file needs it
    library = bibtexparser.parse_string(_decode(path))
    for block in library.failed_blocks:
        line, kind = (block.start_line or 0) + 1, type(block.error).__name__
        yield line, f"not BibTeX ({kind}); is a brace or a quote missing?"
    for entry in library.entries:
        fields = {key.lower(): str(field.value) for key, field in entry.fields_dict.items()}
        line = (entry.start_line or 0) + 1
        if "abstract" not in fields:
            yield line, f"the entry {entry.key!r} has no abstract"
        else:
            author = re.split(r"\s+and\s+", fields.get("author", ""))[0]
            title = fields.get("title", "").replace("{", "").replace("}", "")
            yield line, {"id": entry.key, "author": author, "title": title,
                         "text": fields["abstract"]}


READERS = {
    ".jsonl": _read_jsonl, ".ndjson": _read_jsonl, ".csv": _read_csv,
    ".tsv": lambda path, columns: _read_csv(path, columns, "\t"),
    ".txt": _read_txt, ".pdf": _read_pdf, ".bib": _read_bib,
}
