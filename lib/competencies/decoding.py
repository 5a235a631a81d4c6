"""The text of files that come in whatever encoding they were saved in."""
import codecs
import io
from pathlib import Path

from lib.core.records import DataError

MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"),
         (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
         (codecs.BOM_UTF16_BE, "utf-16"))  # UTF-32 first: its mark begins with one of UTF-16
# What texts are saved in without a mark; a detector that may also choose between the code pages of
# old terminals takes a single umlaut for any of them.
UNMARKED = ["utf_16_le", "utf_16_be", "utf_32_le", "utf_32_be"]
LEGACY = ["cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8_r", "cp932",
          "euc_jp", "gb18030", "big5", "cp949"]
NAMES = {"utf-8-sig": "UTF-8", "cp1252": "Windows-1252", "latin_1": "Latin-1"}
MAC = b"\x00\x05\x16\x07"  # AppleDouble: what macOS keeps about another file, as "._name"
SAMPLE = 1 << 16  # bytes that a detector reads


def decode(path: str | Path, western: str = "cp1252") -> tuple[str, str]:
    """(text, name of the encoding) of a file.

    Without a mark at its beginning it is UTF-8, where a few bytes that are none are read one by one
    in Windows-1252; else what charset-normalizer detects. western: what is taken where that is as
    likely as others, "cp1252" or "latin_1". Raises DataError for what is no text, and OSError.
    """
    raw = Path(path).read_bytes()
    if raw.startswith(MAC) or Path(path).name.startswith("._"):
        raise DataError("a file that macOS keeps about another one, not a text of yours")
    encoding = next((name for mark, name in MARKS if raw.startswith(mark)), "")
    if encoding:
        return raw.decode(encoding, "replace"), NAMES.get(encoding, encoding.upper())
    if b"\x00" in raw and (encoding := detected(raw[:SAMPLE], UNMARKED)):
        return raw.decode(encoding, "replace"), named(encoding)
    try:
        return raw.decode("utf-8"), "UTF-8"
    except UnicodeDecodeError:
        text = raw.decode("utf-8", "surrogateescape")
    strange = sum("\udc80" <= letter <= "\udcff" for letter in text)
    if sum(letter > "\x7f" for letter in text) > 2 * strange:  # proper sequences are the more
        return text.translate(SINGLE), "UTF-8"
    telling = b"".join(line for line in io.BytesIO(raw) if not line.isascii())[:SAMPLE]
    whole = telling[:telling.rfind(b"\n") + 1] or telling  # a cut character fits no encoding
    encoding = detected(whole, [western, *LEGACY, *UNMARKED], western)
    if not encoding and strange * 10 > len(text):
        raise DataError("not a text in any encoding that is known; save it as UTF-8")
    return raw.decode(encoding or western, "replace"), named(encoding or western)


def detected(sample: bytes, among: list[str], preferred: str = "") -> str:
    """The likeliest encoding, or the preferred one if it is likely at all; "" where none is."""
    import charset_normalizer  # only text that is not UTF-8 needs it
    matches = charset_normalizer.from_bytes(sample, cp_isolation=among)
    plausible = [name for match in matches for name in match.could_be_from_charset]
    return preferred if preferred and preferred in plausible else (plausible or [""])[0]


def named(encoding: str) -> str:
    """An encoding's name as people write it."""
    return NAMES.get(encoding, encoding.upper().replace("_", "-"))


def lines(text: str) -> list[str]:
    """The lines of a text with their ends, which are \\n, \\r\\n or \\r and nothing else."""
    return io.StringIO(text, newline="").readlines()


def _single(byte):
    """A byte that is no UTF-8, as Windows-1252 has it; U+FFFD where it has none."""
    return bytes([byte]).decode("cp1252", "replace")


SINGLE = {0xdc00 + byte: _single(byte) for byte in range(0x80, 0x100)}
