"""Personal data left out of texts on request, and counted: what it leaves is no anonymous text.

Patterns find addresses and numbers that are written as usual; names are found behind a title, or
where they are known, as those of a mail's sender are. Each pattern is linear in the text.
"""
import re
from collections import Counter
from collections.abc import Iterable

from lib.core.rows import Document, Part

NAME = r"[A-ZÀ-Þ][\w'’-]{1,30}"
STREETS = "Street|St|Road|Rd|Avenue|Ave|Lane|Drive|Square|Boulevard|Way|Close|Court"
PATTERNS = {  # in this order: an address of the web may hold one of mail, or digits
    "web address": re.compile(r"\b(?:https?://|www\.)[^\s<>\"')]{1,2000}(?<![.,;:!?])",
                              re.IGNORECASE),
    "mail address": re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"),
    "phone number": re.compile(
        r"(?<![\w.])(?:(?:\+|00?(?=\d)|\(0?\d)\d[\d ()/.-]{5,20}\d|\d{3}[-. ]\d{3}[-. ]\d{4})"
        r"(?!\w)"),
    "postal address": re.compile(
        rf"\b\d{{1,5}}[a-z]?,?\s(?:{NAME}\s){{1,3}}(?:{STREETS})\b\.?"
        rf"|\b{NAME}(?:straße|strasse|str\.|weg|platz|allee|gasse)\s\d{{1,4}}[a-z]?\b"
        r"|\bP\.?\s?O\.?\sBox\s\d{1,6}\b"),
    "name": re.compile(rf"\b(?:Mrs?|Ms|Dr|Prof|Herrn?|Frau)\b\.?\s(?:{NAME}\s?){{1,3}}(?<!\s)")}
SHORTEST = 3  # letters of a part of a known name that is looked for by itself


def without(text: str, names: Iterable[str] = ()) -> tuple[str, Counter[str]]:
    """A text in which a word such as "(mail address)" stands for each piece of personal data.

    names: of people that are known to occur, whole or in part. Returns the text and how many of
    each kind were left out.
    """
    found: Counter[str] = Counter()
    for kind, pattern in [*_known(names), *PATTERNS.items()]:
        text, count = pattern.subn(f"({kind})", text)
        found[kind] += count
    return text, +found


def left_out(document: Document) -> tuple[Document, Counter[str]]:
    """A document `without` personal data, also that of its author, whose name goes with it."""
    counts: Counter[str] = Counter()
    address = PATTERNS["mail address"]
    names = [address.sub("", document["author"])]

    def cleaned(text):
        text, found = without(text, names)
        counts.update(found)
        return text
    parts = [Part(place=cleaned(part["place"]), text=cleaned(part["text"]))
             for part in document["parts"]]
    title, abstract = cleaned(document["title"]), cleaned(document["abstract"])
    return {**document, "author": "", "title": title, "abstract": abstract, "parts": parts}, counts


def _known(names):
    """[("name", what finds a known name or a part of one)], none without names."""
    parts = [part for name in names for part in re.findall(NAME, name) if len(part) >= SHORTEST]
    words = "|".join(re.escape(part) for part in sorted(set(parts), key=len, reverse=True))
    # A mail address that holds a name is left whole, for its own pattern to find.
    return [("name", re.compile(rf"(?<![\w.@-])(?:{words})(?:\s(?:{words}))*(?![\w@]|[.-]\w)"))
            ] if words else []
