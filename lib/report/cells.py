"""Cells of tables that others open: text stays text in a spreadsheet."""
import re
import unicodedata

SEPARATORS = re.compile(r"([\t\r\n\v\f\x1c-\x1e\x85\u2028\u2029;|；，]|,(?=\S|\s+[=＝]))")


def harmless(cell: str) -> str:
    """A cell in which no spreadsheet finds a formula, at its start or after another separator.

    An apostrophe stands before what would begin one, quotes and invisible letters passed over;
    numbers, which are no formulas, stay.
    """
    return "".join(map(_guarded, SEPARATORS.split(cell)))


def _guarded(part: str) -> str:
    """A part between separators, as text."""
    seen = (letter for letter in part if unicodedata.category(letter)[0] not in "CZ")
    first = next((letter for letter in seen if letter != '"'), "")
    if unicodedata.normalize("NFKC", first)[:1] not in ("=", "+", "-", "@"):  # full-width ones, too
        return part
    try:
        float(part)
    except ValueError:
        return f"'{part}"
    return part
