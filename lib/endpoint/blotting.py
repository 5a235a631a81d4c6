"""A key is blotted out of every word that a server says, however it is written there.

Careless servers echo the key that they were sent. Their words are decoded, then searched for the
key as it is and in the encodings that texts come in; only then may they be kept, shown or raised.
What still spells the key, once it is unescaped as often as it takes and all but letters and digits
is passed over, is withheld as a whole.
"""
import base64
import binascii
import html
import html.entities
import json
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress

SHORTEST = 8  # characters; a dummy such as EMPTY is no secret, and answers may use it
BETWEEN = r"(?:\s|\\[nr]){0,4}"  # lines of base64 are wrapped
APART = r"(?:[\s:,-]|0x){0,3}"  # pairs of hexadecimal digits are set apart
WITHHELD = "[withheld: it spells the key]"
LAYERS = 6  # of encodings, one around the other
CODES = re.compile(r"(?:\\u\{?|\\x|\\U|%u?)([0-9a-f]{2,8})|\\([0-7]{2,3})", re.IGNORECASE)
RUNS = re.compile(r"[A-Za-z0-9+/_-]{12,}")  # of base64, perhaps


class Blot:
    """Called with a text, it returns the text without the keys."""

    def __init__(self, *keys: str):
        found = [form for key in keys if len(key) >= SHORTEST for form in forms(key)]
        self.pattern = re.compile("|".join(found), re.IGNORECASE) if found else None
        skeletons = {skeleton(key) for key in keys}
        self.skeletons = {bare for bare in skeletons if len(bare) >= SHORTEST}

    def __call__(self, text: str) -> str:
        text = self.pattern.sub("[key]", text) if self.pattern else text
        return WITHHELD if self.spelt(text) else text

    def spelt(self, text: str) -> bool:
        """Whether a text holds a key when it is decoded, and all but letters and digits left out.
        """
        layers = [text] if self.skeletons else []
        for _ in range(LAYERS):
            if any(bare in skeleton(layer) for layer in layers for bare in self.skeletons):
                return True
            layers = [below for layer in layers for below in decoded(layer) if below != layer]
        return False

    def body(self, body: bytes) -> str:
        """The text of a reply. JSON is written anew, so that its own escapes can hide nothing."""
        text = body.decode(json.detect_encoding(body), "replace")
        with suppress(ValueError, RecursionError):  # an error page, perhaps: it stays text
            text = json.dumps(json.loads(text))
        return self(text)


def skeleton(text: str) -> str:
    """The letters and digits of a text alone, small and plain: what separators cannot hide."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"[\W_]", "", plain)


def decoded(text: str) -> Iterator[str]:
    """What a text comes to without its escapes, and without its base64."""
    yield CODES.sub(_character, html.unescape(text))
    pieces = []
    for run in RUNS.findall(text):
        for offset in range(min(4, len(run))):  # a run may begin with letters that are not part
            part = run[offset:].replace("-", "+").replace("_", "/")
            with suppress(binascii.Error):
                pieces.append(base64.b64decode(part + "=" * (-len(part) % 4)).decode("latin-1"))
    yield "\n".join(pieces)


def _character(match):
    """The character of an escape in hexadecimal or octal digits; "" where there is none."""
    digits, octal = match.groups()
    code = int(digits, 16) if digits else int(octal, 8)
    return chr(code) if code < 0x110000 else ""


def forms(key: str) -> list[str]:
    """Patterns for an ASCII key: as it is or escaped, in hexadecimal, in base64 at any offset."""
    plain = key.encode()
    found = ["".join(map(escaped, key)), APART.join(f"{code:02x}" for code in plain)]
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + plain).decode()
        # The characters at both ends also hold bits of what stands beside the key.
        whole = encoded[-(-8 * offset // 6):8 * (offset + len(plain)) // 6]
        found.append(BETWEEN.join(map(digit, whole)))
    return found


def escaped(letter: str) -> str:
    """A pattern for an ASCII character: itself, or its escapes in JSON, source code, URLs and HTML.

    What is escaped may be escaped again; the bounds keep a search linear in its text.
    """
    code = f"{ord(letter):02x}"
    names = {re.escape(name.rstrip(";")) for name, value in html.entities.html5.items()
             if value == letter}
    entity = "|".join([f"#0{{0,6}}{ord(letter)}", f"#x0{{0,6}}{code}", *sorted(names)])
    return (rf"(?:\\{{0,8}}{re.escape(letter)}|\\{{1,8}}(?:u\{{?0{{0,6}}|x){code}\}}?"
            rf"|%(?:25){{0,4}}{code}|&(?:amp;){{0,4}}(?:{entity});?)")


def digit(letter: str) -> str:
    """A pattern for a digit of base64, in either alphabet."""
    other = {"+": "-", "/": "_"}.get(letter)
    return f"(?:{escaped(letter)}|{other})" if other else letter
