"""What commands print: line by line, and nothing in it that a terminal would carry out."""
import os
import sys
import unicodedata

# Controls (escape sequences begin with one), invisible and reordering characters, lone surrogates,
# and separators that some terminals take for the end of a line.
ACTING = ("Cc", "Cf", "Cs", "Zl", "Zp")


def line(text: object) -> str:
    """Text as one line to look at: what acts instead of being seen is written as its escape."""
    said = str(text)
    if said.isprintable():
        return said
    return "".join(char.encode("unicode_escape").decode() if unicodedata.category(char) in ACTING
                   else char for char in said)


def say(*lines: object, error: bool = False) -> None:
    """Print each as a line on stdout, or on stderr.

    Names, headers, reasons and texts that others wrote go through here, and so does all the rest.
    What the stream's encoding lacks is escaped, too.
    """
    stream = sys.stderr if error else sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    shown = "\n".join(map(line, lines)).encode(encoding, "backslashreplace")
    print(shown.decode(encoding), file=stream)


def silence() -> None:
    """Progress bars and warnings of libraries go nowhere; what goes wrong is raised."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
