"""Whole documents from what a user has: text, PDF, Word and mail files, tables with a text a row.

A document is in parts, its pages or its sections. What cannot be read is never dropped silently:
of a PDF it is a page, which stands where other files have a line.
"""
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lib.competencies import documents, formats
from lib.competencies.decoding import decode
from lib.competencies.files import listed, written_here
from lib.competencies.kinds import KINDS, PAPER
from lib.competencies.tables import csv_records, json_records
from lib.competencies.worker import Stopped, Worker
from lib.core.records import DataError, well_formed
from lib.core.rows import Document, Part, Rejected

COLUMNS = {"id": "id", "author": "author", "title": "title", "text": "text"}
TABLES = {".jsonl": json_records, ".ndjson": json_records, ".csv": csv_records}
KINDS_OF_FILE = (*TABLES, ".txt", ".md", ".pdf", ".docx", ".eml")
PAGES, STOPS = 10, 3  # read at once; that may stall before a PDF is given up
LONGEST = 5_000_000  # letters of a document
# A line that is a heading: marked, numbered, or one of the names that sections of papers have.
NUMBERED = re.compile(r"(?:#{1,4} |\d{1,2}(?:\.\d{1,2}){0,3}\.? (?=[A-Z])|[IVX]{1,5}\. (?=[A-Z]))"
                      r"[^.!?;]{2,60}")
NAMED = re.compile(
    r"(?:abstract|summary|introduction|background|related work|methods?|materials and methods|"
    r"results?|evaluation|experiments?|discussion|conclusions?|acknowledge?ments?|references|"
    r"bibliography|literature)\W{0,2}", re.IGNORECASE)
OTHERS = {"references", "bibliography", "literature"}  # words of others
QUOTED = re.compile(r">|On .{4,200} wrote:$|Am .{4,200} schrieb .{1,200}:$|-+ ?Original Message")
Found = Iterator[tuple[int, Any]]


def read(path: str | Path, kind: str = PAPER,
         columns: dict[str, str] = COLUMNS) -> tuple[list[Document], list[Rejected]]:
    """All documents in a file, or in a folder and its sub-folders. Returns (documents, rejected).

    kind: of document, see `kinds`. columns: as for `abstracts.read`; a table's text may also be a
    list of {"section", "text"} under "sections", and "abstract" stands apart. Raises DataError
    when nothing is left.
    """
    path = Path(path)
    files, rejected = files_of(path)
    found: list[Document] = []
    ids: set[str] = set()
    with Worker() as worker:
        for file in tqdm(files, desc="reading", unit="file", disable=len(files) < 2):
            name = str(file.relative_to(path if path.is_dir() else path.parent))
            for line, given in _of_file(file, worker, columns):
                document = checked(given, f"{name}:{line}" if line > 1 else name, kind, ids)
                if isinstance(document, str):
                    reason = " ".join(well_formed(document).split())[:300]
                    rejected.append(Rejected(file=well_formed(name), line=line, reason=reason))
                else:
                    found.append(document)
    if not found:
        first = rejected[0] if rejected else None
        why = f"{first['file']} line {first['line']}: {first['reason']}" if first else "no files"
        raise DataError(f"{path}: no usable document ({why}).")
    return found, rejected


def files_of(path: Path) -> tuple[list[Path], list[Rejected]]:
    """The files that `read` reads, and what it leaves out. Raises DataError for another kind."""
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; name one that holds documents.")
    if path.is_file() and path.suffix.lower() not in KINDS_OF_FILE:
        raise DataError(f"{path}: unknown kind of file; use one of {', '.join(KINDS_OF_FILE)}.")
    return ([path], []) if path.is_file() else listed(path, KINDS_OF_FILE)


def checked(found: Any, fallback: str, kind: str, ids: set[str]) -> Document | str:
    """A document of what a file held, clean and known by a new id; or the reason for none."""
    if isinstance(found, str):
        return found

    def clean(value):
        return " ".join(well_formed(str(value or "")).replace("\x00", " ").split())
    parts = [Part(place=clean(part["place"]) or "text", text=clean(part["text"]))
             for part in found["parts"]]
    parts = [part for part in parts if part["text"]]
    abstract = re.sub(r"^abstract\b\W*", "", clean(found.get("abstract")), flags=re.IGNORECASE)
    words = sum(len(part["text"].split()) for part in parts) or len(abstract.split())
    letters = sum(len(part["text"]) for part in parts)
    if words < KINDS[kind].fewest:
        return f"{words} words; a {kind.replace('_', ' ')} needs {KINDS[kind].fewest}"
    if letters > LONGEST:
        return f"{letters} letters, where a document has {LONGEST} at most; cut it in volumes"
    name = clean(found.get("id")) or well_formed(fallback)
    if name in ids:
        return f"the id {name!r} has occurred before"
    ids.add(name)
    document = Document(id=name, author=clean(found.get("author")), title=clean(found.get("title")),
                        abstract=abstract, parts=parts)
    terms = found.get("references")
    if isinstance(terms, list) and all(isinstance(term, str) for term in terms):
        document["references"] = list(dict.fromkeys(filter(None, map(clean, terms))))
    return document


def sections(text: str) -> list[Part]:
    """A text's sections by its headings, of which the first may have none: ""."""
    parts = [Part(place="", text="")]
    held: list[list[str]] = [[]]
    for line in text.splitlines():
        heading = " ".join(line.split())
        if len(heading) <= 70 and (NUMBERED.fullmatch(heading) or NAMED.fullmatch(heading)):
            parts.append(Part(place=_place(heading), text=""))
            held.append([])
        else:
            held[-1].append(line)
    return [Part(place=part["place"], text="\n".join(lines))
            for part, lines in zip(parts, held) if "".join(lines).strip()]


def pdf_pages(file: Path, worker: Worker) -> Iterator[tuple[int, str, str]]:
    """(number, text, "" or the reason why there is none) of each page, a few in memory at once.

    A page that stalls or fills the memory is left out; after STOPS of them, all that follow.
    """
    place, stops = str(file.resolve()), 0
    count = worker.call(formats.pdf_length, place)
    with tqdm(total=count, desc=file.name[:30], unit="page", disable=count <= PAGES) as bar:
        for start in range(0, count, PAGES):
            stop = min(start + PAGES, count)
            try:
                yield from worker.call(formats.pdf_pages, place, start, stop)
            except Stopped:  # then which of them was it?
                for number in range(start, stop):
                    if stops >= STOPS:
                        yield number + 1, "", f"given up after {STOPS} pages that could not be read"
                        continue
                    try:
                        yield from worker.call(formats.pdf_pages, place, number, number + 1)
                    except Stopped as error:
                        stops += 1
                        yield number + 1, "", str(error)
            bar.update(stop - start)
            if stops >= STOPS:
                yield from ((number + 1, "", "given up, as the pages before it")
                            for number in range(stop, count))
                return


def _of_file(file, worker, columns) -> Found:
    """(line, what `checked` takes, or a reason) of a file."""
    kind = file.suffix.lower()
    try:
        if kind in TABLES:
            yield from _rows(file, TABLES[kind], columns)
        else:
            yield from READERS.get(kind, _text)(file, worker)
    except (OSError, ValueError) as error:
        yield 1, str(error)


def _rows(file, records, columns):
    """A document for each row of a table."""
    for line, record in records(decode(file)[0]):
        if isinstance(record, dict):
            if ours := written_here(record):
                raise DataError(f"{ours}, not documents; move it elsewhere")
            record, reason = _row(record, columns)
            record = reason or record
        yield line, record


def _row(record, columns):
    """(a row under our names, "" or the reason why it has no text)."""
    row = {ours: record.get(theirs) for ours, theirs in columns.items() if theirs}
    given, text = record.get("sections"), row.pop("text", None)
    if given is not None:
        if not isinstance(given, list) or not all(map(_is_section, given)):
            return {}, 'the sections are no list of {"section", "text"}'
        parts = [Part(place=part["section"], text=part["text"]) for part in given]
    elif isinstance(text, str):
        parts = sections(text)
    elif isinstance(text, list) and all(isinstance(part, str) for part in text):
        parts = [Part(place="", text=" ".join(text))]
    else:
        return {}, f"no text under {columns['text']!r}, and no \"sections\""
    abstract = record.get("abstract")
    if abstract is not None and not isinstance(abstract, str):
        return {}, "the abstract is no text"
    return {**row, "abstract": abstract, "parts": parts}, ""


def _is_section(part):
    return isinstance(part, dict) and all(isinstance(part.get(key), str)
                                          for key in ("section", "text"))


def _text(file, worker):
    """The document in a text file. A bibliography is no part of it, which is said."""
    yield from _in_sections(sections(decode(file)[0]), file.stem)


def _word(file, worker):
    """The document in a Word file: a section for each heading."""
    parts = [Part(place="", text="")]
    for heading, text in worker.call(formats.docx, str(file.resolve())):
        if heading and text.strip():
            parts.append(Part(place=_place(" ".join(text.split())), text=""))
        else:
            parts[-1]["text"] += f"{text}\n"
    yield from _in_sections([part for part in parts if part["text"].strip()], file.stem)


def _in_sections(parts, title):
    own = [part for part in parts if part["place"].casefold() not in OTHERS]
    for part in parts:
        if part["place"].casefold() in OTHERS:
            yield 1, f"the section {part['place']!r} is left out: words of others"
    abstract = [part["text"] for part in own if part["place"].casefold() in ("abstract", "summary")]
    yield 1, {"title": title, "abstract": "\n".join(abstract), "parts": own}


def _pdf(file, worker):
    """The document in a PDF, in pages."""
    parts, letters = [], 0
    for number, text, reason in pdf_pages(file, worker):
        letters += len(text)
        if letters > LONGEST:
            yield number, f"page {number} and those after it: beyond {LONGEST} letters"
            break
        if reason:
            yield number, f"page {number}: {reason}"
        else:
            parts.append(Part(place=f"page {number}", text=text))
    first = "\n".join(part["text"] for part in parts[:documents.PAGES])
    yield 1, {"title": file.stem, "abstract": documents.abstract_in(first), "parts": parts}


def _mail(file, worker):
    """The message in a mail, without the words of others that it quotes, and without signature."""
    found = worker.call(formats.eml, str(file.resolve()))
    lines = found["text"].splitlines()
    end = next((at for at, line in enumerate(lines) if line in ("-- ", "--")), len(lines))
    own = [line for line in lines[:end] if not QUOTED.match(line.strip())]
    if len(own) < end:
        yield 1, f"{end - len(own)} lines that the mail quotes are left out: words of others"
    if end < len(lines):
        yield end + 1, f"a signature of {len(lines) - end} lines is left out"
    for name in found["attachments"]:
        yield 1, f"the attachment {name!r} is not read; save it beside the mail"
    yield 1, {"title": found["title"], "author": found["author"],
              "parts": [Part(place="message", text="\n".join(own))]}


def _place(heading):
    """A heading without its marks and its number."""
    return re.sub(r"^(?:#{1,4} |\d{1,2}(?:\.\d{1,2}){0,3}\.? |[IVX]{1,5}\. )", "",
                  heading).strip(" :.")


READERS = {".pdf": _pdf, ".docx": _word, ".eml": _mail}
