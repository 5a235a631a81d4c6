"""A key is blotted out of every word that a server says, however it is written there.

Careless servers echo the key that they were sent. Their words are decoded, then searched for the
key as it is and in the encodings that texts come in; only then may they be kept, shown or raised.
"""
import base64
import html.entities
import json
import re
from contextlib import suppress

SHORTEST = 8  # characters; a dummy such as EMPTY is no secret, and answers may use it
BETWEEN = r"(?:\s|\\[nr]){0,4}"  # lines of base64 are wrapped
APART = r"(?:[\s:,-]|0x){0,3}"  # pairs of hexadecimal digits are set apart


class Blot:
    """Called with a text, it returns the text without the keys."""

    def __init__(self, *keys: str):
        found = [form for key in keys if len(key) >= SHORTEST for form in forms(key)]
        self.pattern = re.compile("|".join(found), re.IGNORECASE) if found else None

    def __call__(self, text: str) -> str:
        return self.pattern.sub("[key]", text) if self.pattern else text

    def body(self, body: bytes) -> str:
        """The text of a reply. JSON is written anew, so that its own escapes can hide nothing."""
        text = body.decode(json.detect_encoding(body), "replace")
        with suppress(ValueError, RecursionError):  # an error page, perhaps: it stays text
            text = json.dumps(json.loads(text))
        return self(text)


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
