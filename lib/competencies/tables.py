"""Records of files that hold one in a row or line: (line, record), or (line, reason for none).

Whatever stands in a file comes out: lines that are not read come with the reason.
"""
import csv
from collections import Counter
from collections.abc import Iterator
from typing import Any

from lib.competencies.decoding import lines
from lib.core.records import DataError, json_lines

Records = Iterator[tuple[int, Any]]  # a record is a dict, a reason a str
LONGEST, SHORTEST = 1000, 20  # lines that are tried as one row of a table


def header(text: str, delimiter: str = ",") -> list[str]:
    """The names of a table's columns, [] without any. Raises DataError where they are not CSV."""
    return _header(lines(text), delimiter)[0]


def csv_records(text: str, delimiter: str = ",") -> Records:
    """Of a CSV file: dicts by the header's names. A quoted cell may run over several lines.

    Where a quote is not closed, or a row of several lines does not fit the header, its first line
    is refused and reading goes on with the second, so that it swallows no other rows. The number of
    lines tried halves with each failure, or many of them would take quadratic time. Raises
    DataError as `header` does.
    """
    content, most = lines(text), LONGEST
    names, at = _header(content, delimiter)
    while at < len(content):
        cells, used, reason = _row(content, at, most, delimiter)
        if cells and len(cells) != len(names):
            used, reason = 1, f"{len(cells)} cells where the header has {len(names)}"
        most = max(SHORTEST, most // 2) if reason else min(LONGEST, most * 2)
        if cells or reason:
            yield at + 1, reason or dict(zip(names, cells))
        at += used


def json_records(text: str) -> Records:
    """Of a file with one JSON object a line, such as JSON Lines."""
    for number, value, problem in json_lines(text):
        yield number, problem or (value if isinstance(value, dict) else "not a JSON object")


def _header(content, delimiter):
    """(names of the columns, index of the line below them)."""
    at = next((i for i, line in enumerate(content) if line.strip()), len(content))
    if at == len(content):
        return [], at
    names, used, reason = _row(content, at, LONGEST, delimiter)
    if reason:
        raise DataError(f"the header is {reason}")
    if twice := [name for name, number in Counter(names).items() if name and number > 1]:
        raise DataError(f"two columns are called {twice[0]!r}; rename one of them")
    return names, at + used


def _row(content, at, most, delimiter):
    """(cells, lines used, "") of the row that begins at a line, or ([], 1, reason)."""
    for part in (content[at:at + 1], content[at:at + most]):  # nearly all rows have one line
        plain = (line.replace("\x00", " ") for line in part)
        reader = csv.reader(plain, delimiter=delimiter, strict=True)
        try:
            return next(reader), reader.line_num, ""
        except csv.Error as error:
            ended = "unexpected end" in str(error)
            reason = "a quote is not closed" if ended else str(error)
    return [], 1, f"not CSV: {reason}"
