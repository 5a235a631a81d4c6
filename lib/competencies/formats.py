"""Whole documents in PDF, Word and mail, whose parsers can stall: to be called in a `Worker`."""
import zipfile
from email import message_from_bytes, policy
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from lib.core.records import DataError

LETTERS = 100_000  # of a page, at most
LARGEST = 200 << 20  # bytes of a Word document's text with its mark-up, unpacked
WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
BLOCKS = {"p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "table", "blockquote"}


def pdf_length(path: str) -> int:
    """How many pages a PDF has."""
    from pypdf import PdfReader  # only this kind of file needs it
    return len(PdfReader(path).pages)


def pdf_pages(path: str, start: int, stop: int) -> list[tuple[int, str, str]]:
    """[(number, text, "" or the reason why there is none)] of the pages from `start` to `stop`.

    start, stop: counted from 0, as in a range; numbers are counted from 1. The file is opened anew
    with each call: pypdf keeps all that it has read.
    """
    from pypdf import PdfReader  # see above
    document, found = PdfReader(path), []
    for number in range(start, stop):
        text, reason = "", ""
        try:
            text = document.pages[number].extract_text()[:LETTERS]
        except MemoryError:
            raise
        except Exception as error:  # a parser fails in any way on a file that was made for it
            reason = f"it cannot be read ({type(error).__name__}: {error})"
        if not (text.strip() or reason):
            reason = "no text on this page; it may hold only a picture"
        found.append((number + 1, text, reason))
    return found


def docx(path: str) -> list[tuple[bool, str]]:
    """The paragraphs of a Word document: [(whether it is a heading, text)].

    Text that was deleted while changes were tracked is no part of it. Raises DataError for another
    kind of file, and for one that unpacks to more than LARGEST.
    """
    from defusedxml import ElementTree  # only this kind of file needs it
    try:
        with zipfile.ZipFile(path) as file:
            entry = file.getinfo("word/document.xml")
            if entry.file_size > LARGEST:
                raise DataError(f"its text unpacks to more than {LARGEST >> 20} MB")
            root = ElementTree.fromstring(file.read(entry))
    except (zipfile.BadZipFile, KeyError):
        raise DataError("no Word document (.docx); save it as one") from None
    found = []
    for paragraph in root.iter(f"{WORD}p"):
        style = paragraph.find(f"{WORD}pPr/{WORD}pStyle")
        name = "" if style is None else style.get(f"{WORD}val", "")
        words = [_in_word(node) for node in paragraph.iter()]
        found.append((name.casefold().startswith(("heading", "title")), "".join(words)))
    return found


def eml(path: str) -> dict[str, Any]:
    """A mail: {"title", "author", "text", "attachments": their names}.

    Of several forms of a text the plain one is taken; attachments are not opened.
    """
    message = message_from_bytes(Path(path).read_bytes(), policy=policy.default)
    body = message.get_body(("plain", "html"))
    text = body.get_content() if body else ""
    if body and body.get_content_subtype() == "html":
        text = plain(text)
    attached = [part.get_filename() or part.get_content_type()
                for part in message.iter_attachments()]
    return {"title": str(message["subject"] or ""), "author": str(message["from"] or ""),
            "text": str(text), "attachments": attached}


def plain(text: str) -> str:
    """What a page in HTML says, without mark-up, scripts and styles."""
    reader = _Plain()
    reader.feed(text)
    reader.close()
    return "".join(reader.said)


class _Plain(HTMLParser):
    """The text of a page, a line for each block."""

    def __init__(self):
        super().__init__()
        self.said, self.silent = [], 0

    def handle_starttag(self, tag, attrs):
        self.silent += tag in ("script", "style")
        self.said.append("\n" if tag in BLOCKS else "")

    def handle_endtag(self, tag):
        self.silent = max(0, self.silent - (tag in ("script", "style")))

    def handle_data(self, data):
        self.said.append("" if self.silent else data)


def _in_word(node):
    """What one element of a Word document's paragraph adds to its text."""
    if node.tag == f"{WORD}t":
        return node.text or ""
    return " " if node.tag in (f"{WORD}tab", f"{WORD}br", f"{WORD}cr") else ""
