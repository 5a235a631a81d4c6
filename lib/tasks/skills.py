"""Job advertisements with marked skills: SkillSpan (Zhang et al. 2022, NAACL).

One sentence a line, {"idx", "source", "tokens", "tags_skill", "tags_knowledge"}; sentences of one
`source` and `idx` are one advertisement. Skills and knowledge are spans of B and I tags.
"""
import re
from pathlib import Path
from typing import Any

from lib.core.records import DataError, json_lines
from lib.core.rows import Document, Part, Rejected

FIELDS = ("tokens", "tags_skill", "tags_knowledge")
# What stands for a name or an address, as <ORGANIZATION>: no mark-up, as its letters would be.
HIDDEN = re.compile(r"<([A-Z]+)>")
EDGES = " .,;:!?()[]/&-–•\"'"


def read(path: str | Path) -> tuple[list[Document], list[Rejected]]:
    """All advertisements of a file, their spans as references, each once. Returns also what is not
    read. Raises DataError where nothing is.
    """
    path = Path(path)
    found: dict[str, Document] = {}
    rejected: list[Rejected] = []
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be opened ({error.strerror}); data/skills/README.md says "
                        "where to get it.") from None
    for line, row, problem in json_lines(content):
        if reason := problem or wrong(row):
            rejected.append(Rejected(file=path.name, line=line, reason=reason))
            continue
        name = f"{row.get('source', 'ad')} {row['idx']}"
        document = found.setdefault(name, Document(
            id=name, author="", title="", abstract="", parts=[Part(place="text", text="")],
            references=[]))
        sentence = " ".join(map(shown, row["tokens"]))
        document["parts"][0]["text"] += f"{sentence}\n"
        given = [term for tags in FIELDS[1:] for term in spans(row["tokens"], row[tags])]
        document["references"] = list(dict.fromkeys([*document["references"], *given]))
    if not found:
        why = rejected[0]["reason"] if rejected else "the file is empty"
        raise DataError(f"{path}: no advertisement ({why}); data/skills/README.md says what its "
                        "columns are.")
    return list(found.values()), rejected


def spans(tokens: list[str], tags: list[str]) -> list[str]:
    """The texts that B and I tags mark, without punctuation at their ends; an I alone begins one.
    """
    found: list[list[str]] = []
    before = "O"
    for token, tag in zip(tokens, tags, strict=True):
        if tag == "B" or (tag == "I" and before == "O"):
            found.append([])
        if tag != "O":
            found[-1].append(shown(token))
        before = tag
    texts = (" ".join(words).strip(EDGES) for words in found)
    return [text for text in texts if text]


def shown(token: str) -> str:
    """A token as a prompt shows it: "<NAME>" as "(name)"."""
    return HIDDEN.sub(lambda match: f"({match.group(1).casefold()})", token)


def wrong(row: Any) -> str:
    """Why a row is no sentence of an advertisement, "" if it is one."""
    if not isinstance(row, dict) or not isinstance(row.get("idx"), int):
        return 'no object with a whole number "idx"'
    for name in FIELDS:
        words = row.get(name)
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            return f"{name!r} is no list of words"
        if len(words) != len(row["tokens"]):
            return f"{name!r} and 'tokens' differ in length"
        if name != "tokens" and not set(words) <= {"B", "I", "O"}:
            return f"{name!r} has tags other than B, I and O"
    return ""
