"""Abstracts in PDF and BibTeX files, whose parsers can stall: to be called in a `Worker`.

Each function returns [(line, record)], or a reason in the place of a record that is none.
"""
import re
from pathlib import Path
from typing import Any

from lib.competencies.decoding import decode
from lib.core.records import DataError

Found = list[tuple[int, Any]]
PAGES, LETTERS, BEGINNING = 2, 100_000, 3000  # that are looked into; taken where no abstract is
AFTER = re.compile(r"\n(?:(?:\d+\.?\s|I\.\s)?introduction|keywords|index terms)\b", re.IGNORECASE)


def pdf(path: str) -> Found:
    """The abstract of a paper: from the word "Abstract" to the introduction, or the beginning."""
    from pypdf import PdfReader  # only this kind of file needs it
    document = PdfReader(path)
    text = "\n".join(page.extract_text() for page in document.pages[:PAGES])[:LETTERS]
    if not text.strip():
        raise DataError("no text in the first two pages of this PDF; it may hold only pictures")
    title = document.metadata and document.metadata.get("/Title")
    record = {"title": str(title or Path(path).stem), "text": abstract_in(text) or text[:BEGINNING]}
    return [(1, record)]


def abstract_in(text: str) -> str:
    """What stands between the word "Abstract" and the introduction or keywords, "" if nothing.

    In time linear in the text: lines are freed of empty space first, of which no pattern then has
    to try several lengths.
    """
    begun = re.search("abstract", text, re.IGNORECASE)
    rest = text[begun.end():].split("\n") if begun else []
    stripped = (" ".join(line.split()) for line in rest)
    body = re.sub(r"^\W+", "", "\n".join(filter(None, stripped)))
    after = AFTER.search(body)
    return body[:after.start()] if after else ""


def bib(path: str) -> Found:
    """The abstracts of a bibliography's entries, each with its key, title and first author."""
    import bibtexparser  # only this kind of file needs it
    from bibtexparser.model import Entry, ImplicitComment, ParsingFailedBlock  # see above
    library = bibtexparser.parse_string(decode(path)[0])
    found: Found = []
    for block in library.blocks:
        line = (block.start_line or 0) + 1
        last = line + (block.raw or "").strip().count("\n")
        if isinstance(block, ParsingFailedBlock):
            kind = type(block.error).__name__
            found.append((line, f"not BibTeX up to line {last} ({kind}); is a brace or a quote "
                                "missing, or a key twice?"))
        elif not isinstance(block, Entry):  # it may have swallowed one
            told = "[{}@=]" if isinstance(block, ImplicitComment) else r"abstract\s*="
            if re.search(told, block.raw or "", re.IGNORECASE):
                found.append((line, f"no entry up to line {last}; is an @ or a quote missing?"))
    return sorted([*found, *map(_entry, library.entries)], key=lambda item: item[0])


def _entry(entry):
    """(line, record or reason) of one entry."""
    fields = {key.lower(): str(field.value) for key, field in entry.fields_dict.items()}
    line = (entry.start_line or 0) + 1
    if len(fields) < len(entry.fields_dict):
        return line, f"the entry {entry.key!r} has a field twice, in small letters and in large"
    if "abstract" not in fields:
        return line, f"the entry {entry.key!r} has no abstract"
    author = " ".join(fields.get("author", "").split()).split(" and ")[0]
    title = fields.get("title", "").replace("{", "").replace("}", "")
    return line, {"id": entry.key, "author": author, "title": title, "text": fields["abstract"]}
