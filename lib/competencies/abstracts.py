"""Abstracts from what a user has: JSON Lines, CSV, folders of text, PDF or BibTeX files, OpenAlex.

A row is {"id", "author", "title", "text"}, with "references" and "subjects" where people gave the
text terms; `author` is "" where the source names none. What cannot be read is never dropped
silently: every reader returns its rows and a list of `Rejected`.
"""
import functools
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import chain, count
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lib.competencies import documents
from lib.competencies.decoding import decode
from lib.competencies.files import listed, same, spare, written_here
from lib.competencies.tables import Records, csv_records, header, json_records
from lib.competencies.worker import Worker
from lib.core.records import DataError, digest, well_formed
from lib.core.rows import Abstract, Group, Rejected

COLUMNS = {"id": "id", "author": "author", "title": "title", "text": "text"}
FEWEST_WORDS = 5
TABLES: dict[str, Callable[[str], Records]] = {
    ".jsonl": json_records, ".ndjson": json_records, ".csv": csv_records,
    ".tsv": functools.partial(csv_records, delimiter="\t")}
DOCUMENTS = {".pdf": documents.pdf, ".bib": documents.bib}
KINDS = (*TABLES, ".txt", *DOCUMENTS)


def read(path: str | Path,
         columns: dict[str, str] = COLUMNS) -> tuple[list[Abstract], list[Rejected]]:
    """All abstracts in a file, or in a folder and its sub-folders. Returns (rows, rejected).

    columns: which column or key holds "id", "author", "title" and "text", and "references" and
    "subjects": lists, or terms parted by semicolons. In a folder, what `files.listed` leaves out
    and what the workbook wrote are passed over, which is said, and a sub-folder's name is the
    author of the .txt and .pdf files in it. Raises DataError when nothing is left.
    """
    path = Path(path)
    rows: list[Any] = []
    files, rejected = _files(path)
    seen: set[Any] = set()
    with Worker() as worker:
        for file in tqdm(files, desc="reading", unit="file", disable=len(files) < 2):
            name = str(file.relative_to(path if path.is_dir() else path.parent))
            folder = file.parent.name if path.is_dir() and file.parent != path else ""
            try:
                found = records(file, columns, worker, alone=file == path)
            except (OSError, ValueError) as error:
                found = [(1, str(error))]
            for line, record in found or [(1, "there is nothing in this file")]:
                row = record
                if isinstance(record, dict):
                    row = _unseen(_row(record, f"{name}:{line}", folder), name, seen)
                if isinstance(row, dict):
                    rows.append(row)
                else:
                    rejected.append(Rejected(file=well_formed(name), line=line, reason=_short(row)))
    if not rows:
        first = rejected[0] if rejected else None
        reason = f"{first['file']} line {first['line']}: {first['reason']}" if first else "no files"
        raise DataError(f"{path}: no usable abstract among {', '.join(KINDS)} files ({reason}).")
    return rows, rejected


def records(file: Path, columns: dict[str, str], worker: Worker | None = None,
            alone: bool = True) -> list[tuple[int, Any]]:
    """All that stands in a file: [(line, {our name: value}, or the reason why there is none)].

    worker: reads the kinds that can stall, which need one. alone: the file was asked for by its
    name, not found in a folder. Raises DataError or OSError where nothing can be read.
    """
    kind = file.suffix.lower()
    if kind in DOCUMENTS and worker:
        return worker.call(DOCUMENTS[kind], str(file.resolve()))
    text, _ = decode(file)
    if kind not in TABLES:
        return [(1, {"title": file.stem, "text": text})] if text else []
    if kind in (".csv", ".tsv"):
        _check_columns(header(text, "," if kind == ".csv" else "\t"), columns)
    found = list(TABLES[kind](text))
    ours = _origin(found)
    if ours and ("profiles" in ours or not alone):
        raise DataError(f"{ours}, not abstracts; move it elsewhere")
    return [(line, record if isinstance(record, str) else _mapped(record, columns))
            for line, record in found]


def spare_inputs(path: Path, output: Path) -> None:
    """Raise DataError where writing `output` would destroy what `read` reads at `path`.

    Profiles that lie in a folder are not read, so a later run may write them again.
    """
    for file in _files(path)[0]:
        kind = file.suffix.lower()
        again = file != path and same(file, output) and kind in TABLES
        if not (again and "profiles" in _origin(TABLES[kind](decode(file)[0]))):
            spare(output, [file])


def group(rows: list[Abstract], size: int, label: str = "group",
          taken: Iterable[str] = ()) -> list[Group]:
    """Prompts' worth of abstracts: at most `size` of an author, or of neighbours without an author.

    An author with more abstracts than `size` fills several groups. A group of one abstract without
    an author is known by the abstract's id. No two groups have the same id, and none without an
    author that of an author: a number that is in use, also in `taken`, is passed over. An
    abstract's own id in `taken` stays, for it says that the two are one.
    """
    by_author = defaultdict(list)
    for row in rows:
        by_author[row["author"]].append(row)
    used, taken = set(by_author), set(taken)
    groups = []
    for author, items in by_author.items():
        names = (f"{author or label} {number}" for number in count(1))
        numbered = (name for name in names if name not in taken)
        for start in range(0, len(items), size):
            part = items[start:start + size]
            own = [part[0]["id"]] if not author and size == 1 else []
            name = author
            if not author or len(items) > size:
                name = next(free for free in chain(own, numbered) if free not in used)
                used.add(name)
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
            elif row["id"] in seen:
                rejected.append(Rejected(file=f"OpenAlex {key}", line=number,
                                         reason=f"{row['id']} stays with its first author here"))
            else:
                seen.add(row["id"])
                rows.append(row)
    return rows, rejected


def _files(path):
    """The files to read: one, or all of a known kind in a folder; and what is left out there."""
    if path.is_file() and path.suffix.lower() not in KINDS:
        raise DataError(f"{path}: unknown kind of file; use one of {', '.join(KINDS)}.")
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; put abstracts there or set data.path.")
    return ([path], []) if path.is_file() else listed(path, KINDS)


def _origin(found):
    """What the workbook wrote, judging by the first record; "" if that is not its own."""
    first = next((record for _, record in found if isinstance(record, dict)), {})
    return written_here(first)


def _check_columns(names, columns):
    """Raise DataError unless the header of a table has a column of texts."""
    key = columns["text"]
    if names and key not in names:
        found = ", ".join(names)
        raise DataError(f"no column {key!r} (found: {found}); name it with data.columns.text")


def _mapped(record, columns):
    """A record under our names, or the reason why it has no text."""
    key = columns["text"]
    if key not in record:
        found = ", ".join(map(str, record))
        return f"no key {key!r} (found: {found}); name it with data.columns.text"
    return {ours: record.get(theirs) for ours, theirs in columns.items()}


def _unseen(row, file, seen):
    """A row whose id, made one with its file's name if need be, is new; or the reason."""
    if isinstance(row, str):
        return row
    if (file, row["id"]) in seen:
        return f"the id {row['id']!r} has occurred before"
    copy = row["id"], digest([row["title"], row["text"]])
    if copy in seen:  # such as a table that was made of another, with columns of its own
        return f"the id {row['id']!r} and its text stand in another file"
    seen |= {(file, row["id"]), copy}
    while row["id"] in seen:
        row["id"] = f"{well_formed(file)}#{row['id']}"  # files of one folder may each count from 1
    seen.add(row["id"])
    return row


def _short(reason):
    """A reason on one line that quotes no more than a few hundred letters of a file."""
    line = " ".join(well_formed(reason).split())
    return line if len(line) <= 300 else f"{line[:300]} …"


def _row(record, fallback_id, folder):
    """A checked row, or the reason why there is none."""
    text = record.get("text")
    if isinstance(text, list) and all(isinstance(part, str) for part in text):
        text = " ".join(text)  # some sets keep one sentence per item
    if text is None:
        return "no text"
    if not isinstance(text, str):
        return f"the text is {type(text).__name__}, not a string"
    text = " ".join(well_formed(text).replace("\x00", " ").split())
    if not text:
        return "the text is empty"
    if len(text.split()) < FEWEST_WORDS and len(text) < 40:  # some languages have no spaces
        return f"the text has fewer than {FEWEST_WORDS} words"

    def field(name, default):
        value = record.get(name)
        value = default if value in (None, "") else value
        return " ".join(well_formed(str(value)).split())
    row = Abstract(id=field("id", fallback_id), author=field("author", folder),
                   title=field("title", ""), text=text)
    for name in ("references", "subjects"):
        given = _given(record.get(name))
        if not all(isinstance(term, str) for term in given):
            return f"the {name} are no list of terms, nor text with terms parted by semicolons"
        if terms := _terms(given):
            row[name] = terms
    return row


def _given(value):
    """Terms that people gave a text, as they stand in a list or parted by semicolons."""
    if isinstance(value, str):
        return value.split(";")
    return value if isinstance(value, list) else [] if value is None else [value]


def _terms(given):
    """Terms without needless space, each once."""
    terms = [" ".join(well_formed(term).split()) for term in given]
    return list(dict.fromkeys(filter(None, terms)))
