"""Hostile files: mutations of every format that a user may bring, each read in a process apart.

`measure` makes them from small sound files with twelve records, of which each carries a mark, and
looks for every one in what was read or refused.
"""
import json
import random
import re
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lib.competencies import abstracts
from lib.competencies.decoding import decode, lines
from lib.competencies.worker import Stopped, Worker
from lib.core.records import DataError
from lib.tasks import sentiment_files
from lib.tasks.sentiment_records import INTERPRETERS

RECORDS, STALL = 12, 20.0  # in a file; seconds
MARK, ROW = re.compile(r"mark\d\d"), re.compile(r"""["']?mark\d\d["']?[,\t]""")
ENCODINGS = ("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252")
PIECES = [
    b'"', b"'", b"{", b"}", b"[", b"]", b",", b";", b"\t", b"\n", b"\r", b"\r\n", b"\x00", b"\x1a",
    b"\xff", b"\xef\xbb\xbf", b"\xfe\xff", b"\xed\xa0\x80", b"\xc2\x85", b"\xe2\x80\xa8",
    b"\\ud800", b"\\", b"@", b"@article{", b"%", b"=", b"#", b"<<", b">>", b"endobj", b"stream\n",
    b"1 0 R", b"abstract", b"\n1 Introduction\n", b"NaN", b"-1e999", b"9" * 5000, b"[" * 3000,
    b"{" * 500,
    b'{"a":' * 2000, b'"\n' * 300, b'a","b\n' * 300, b"\n" * 3000, b" " * 3000, b"x" * 200000]


def rows() -> list[dict[str, Any]]:
    """The records of a sound file."""
    return [{"id": f"mark{i:02}", "author": f"Zoë {i % 3}", "title": "On, and of: 'streams'",
             "text": f'mark{i:02}: We study "kernel" clustering, for naïve streams; and report it.',
             "label": i % 3} for i in range(RECORDS)]


def jsonl() -> str:
    return "".join(json.dumps(row, ensure_ascii=row["label"] > 0) + "\n" for row in rows())


def table(delimiter: str = ",") -> str:
    """Some cells are quoted, some run over two lines."""
    def cell(name, value, i):
        words = str(value).replace('"', '""' if i % 2 or name != "text" else "")
        ended = "\nOn two lines." if name == "text" and i % 4 == 1 else ""
        return f'"{words}{ended}"' if name == "title" or i % 2 or ";" in words else words
    found = [[cell(name, value, i) for name, value in row.items()] for i, row in enumerate(rows())]
    return "".join(delimiter.join(cells) + "\n" for cells in [list(rows()[0]), *found])


def bib() -> str:
    """A string and a comment stand before the entries."""
    def entry(row):
        return (f"@article{{{row['id']},\n  author = {{{row['author']} and Roe, R.}},\n  title = "
                f"\"{row['title']}\",\n  abstract = {{{row['text']}}}\n}}\n")
    return '@string{j = "Journal"}\n% a comment\n' + "\n".join(map(entry, rows()))


def fiqa() -> str:
    return json.dumps({f"{i}": {"sentence": row["text"], "info": [
        {"target": row["id"], "sentiment_score": f"{i / 12 - 0.5:.2f}"}]}
        for i, row in enumerate(rows())}, indent=1, ensure_ascii=False)


def phrases() -> str:
    return "".join(f"{row['text']} @home@positive\n" for row in rows())


def pdf() -> bytes:
    """A page with an abstract; its content is compressed and lies in a form."""
    words = "Abstract\nmark00: We study kernel clustering for streams.\n1 Introduction\nMore."
    shown = "".join(f"({line}) Tj 0 -14 Td " for line in words.split("\n"))
    form = zlib.compress(f"BT /F1 12 Tf 50 700 Td {shown}ET".encode())
    resources = b"/Resources << /Font << /F1 6 0 R >> /XObject << /X 5 0 R >> >>"
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
               b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R "
               + resources + b" >>", b"<< /Length 5 >>\nstream\n/X Do\nendstream",
               b"<< /Type /XObject /Subtype /Form /BBox [0 0 600 800] %b /Filter /FlateDecode "
               b"/Length %d >>\nstream\n%b\nendstream" % (resources, len(form), form),
               b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    entries = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return out + (b"xref\n0 7\n0000000000 65535 f \n%btrailer << /Size 7 /Root 1 0 R >>\n"
                  b"startxref\n%d\n%%%%EOF\n" % (entries, len(out)))


def parquet() -> bytes:
    import pyarrow  # with its files half a second, for this format alone
    import pyarrow.parquet
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows()), sink)
    return sink.getvalue().to_pybytes()


# (reader, ending of the file): what makes a sound one.
SOUND: dict[tuple[str, str], Callable[[], str | bytes]] = {
    ("abstracts", ".jsonl"): jsonl, ("abstracts", ".csv"): table, ("abstracts", ".txt"): phrases,
    ("abstracts", ".tsv"): lambda: table("\t"), ("abstracts", ".bib"): bib,
    ("abstracts", ".pdf"): pdf, ("tfns", ".csv"): table, ("nwgi", ".jsonl"): jsonl,
    ("fiqa", ".json"): fiqa, ("fpb", ".txt"): phrases, ("tfns", ".parquet"): parquet}


def mutated(content: str | bytes, rng: random.Random) -> bytes:
    """A file after one to four accidents, text in an encoding that may be another than UTF-8."""
    raw = content if isinstance(content, bytes) else content.encode(rng.choice(ENCODINGS))
    for _ in range(rng.randint(1, 4)):
        at, other = sorted(rng.randrange(len(raw) + 1) for _ in range(2))
        short = min(other, at + rng.randint(1, 8))
        accident = rng.randrange(7)
        if accident <= 2:
            raw = raw[:at] + rng.choice(PIECES) + raw[at if accident else short:]
        elif accident == 3:
            raw = raw[:at] + raw[short:]
        elif accident == 4:
            raw = raw[:at] + rng.randbytes(short - at) + raw[short:]
        elif accident == 5:
            raw = raw[:other] + raw[at:other] + raw[other:]
        else:
            raw = raw[:other] if rng.random() < 0.3 else raw[:at] + raw[other:]
    return raw


def read(reader: str, path: str) -> list[tuple[int, Any]]:
    """All records and reasons of a file; to be called in a worker. Raises what is not foreseen."""
    place = Path(path)
    if reader == "abstracts" and place.suffix in abstracts.DOCUMENTS:
        return abstracts.DOCUMENTS[place.suffix](path)
    if reader == "abstracts":
        return abstracts.records(place, abstracts.COLUMNS)
    found = (list(enumerate(sentiment_files.parquet_rows(path), 1)) if place.suffix == ".parquet"
             else sentiment_files.read_file(place)[0])
    for _, record in found:
        if isinstance(record, dict):
            INTERPRETERS[reader](record, Counter())
    return found


def outcome(reader: str, path: str) -> dict[str, Any]:
    """{"found", "uncaught"}: what was read, or an exception that the program does not catch."""
    try:
        return {"found": read(reader, path), "uncaught": ""}
    except (OSError, ValueError) as error:
        return {"found": [(1, str(error) or "no reason")], "uncaught": ""}
    except Exception as error:
        apart = Path(path).suffix in (*abstracts.DOCUMENTS, ".parquet")  # see `worker.answered`
        reason = f"{type(error).__name__}: {error}"
        return {"found": [(1, reason)], "uncaught": "" if apart else reason}


def lost(path: Path, found: list[tuple[int, Any]]) -> list[str]:
    """The rows of a file that were neither read nor refused.

    In tables these are lines that begin as rows do, below the header, and at which nothing begins
    that was read or refused: another row swallowed them. In BibTeX and JSON documents they are
    marks that are in no record, nor in the lines from a refusal to the next record.
    """
    if path.suffix in (".pdf", ".parquet") or (len(found) == 1 and isinstance(found[0][1], str)):
        return [] if found else [path.name]
    content, begins = lines(decode(path)[0]), {begin for begin, _ in found}
    if path.suffix in (".csv", ".tsv"):
        return [f"line {number}" for number, line in enumerate(content, 1)
                if number > 1 and ROW.match(line) and number not in begins]
    if path.suffix == ".jsonl" or path.stem == "fpb":
        return [f"line {number}" for number, line in enumerate(content, 1)
                if line.strip() and number not in begins]
    kept: set[str] = set()
    ends = [begin - 1 for begin, _ in found[1:]] + [len(content)]
    for (begin, record), end in zip(found, ends):
        refused = "".join(content[begin - 1:end])
        said = refused if isinstance(record, str) else json.dumps(record, ensure_ascii=False)
        kept |= set(MARK.findall(said))
    return sorted(set(MARK.findall("".join(content))) - kept)


def measure(number: int = 5000, seed: int = 0, seconds: float = 15.0) -> dict[str, Any]:
    """Read `number` hostile files. seconds: the worker's limit for each.

    Returns counts: "tried"; "uncaught" exceptions; "stalled" for more than STALL seconds; "stopped"
    by a limit, which is a reason like others; files of which records were "lost"; and the first
    "failures" as [reader, file's number, what went wrong].
    """
    counts: Counter[str] = Counter()
    failures: list[tuple[str, int, str]] = []
    kinds = list(SOUND)
    sound = {kind: make() for kind, make in SOUND.items()}
    with tempfile.TemporaryDirectory() as folder, Worker(seconds) as worker:
        for turn in tqdm(range(number), desc="hostile files", unit="file"):
            reader, ending = kind = kinds[turn % len(kinds)]
            path = Path(folder) / f"{reader}{ending}"
            path.write_bytes(mutated(sound[kind], random.Random(f"{seed}/{turn}")))
            begun = time.monotonic()
            uncaught, missing = "", []
            try:
                result = worker.call(outcome, reader, str(path))
                uncaught, missing = result["uncaught"], lost(path, result["found"])
            except Stopped as error:
                counts["stopped"] += 1
                uncaught = str(error) if "crashes" in str(error) and ending != ".parquet" else ""
            except DataError as error:
                uncaught = str(error)
            stalled = time.monotonic() - begun > STALL
            counts.update(uncaught=bool(uncaught), stalled=stalled, lost=bool(missing))
            if uncaught or stalled or missing:
                failures.append((f"{reader}{ending}", turn, uncaught or ", ".join(missing)))
    names = ("uncaught", "stalled", "stopped", "lost")
    return {"tried": number, **{name: counts[name] for name in names}, "failures": failures[:20]}
