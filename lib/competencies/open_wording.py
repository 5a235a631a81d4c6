"""How the synthetic world speaks when its wording is open: aliases, paraphrases, empty phrases.

What can be said stands in wording.yaml. A competency is named by its words, one or two modifiers
and a method, from which its aliases follow.
"""
import random
import re
from collections.abc import Iterator
from functools import cache
from itertools import chain, product
from math import prod
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from yaml import safe_load

from lib.competencies.plain_wording import VAGUE

Words = tuple[str, ...]  # modifiers and a method
ECHO = 0.75  # share of descriptions that say what the sentence in the abstract says


@cache
def spoken() -> dict[str, Any]:
    """What can be said, as wording.yaml has it."""
    return safe_load((Path(__file__).parent / "wording.yaml").read_text(encoding="utf-8"))


def names(words: Words) -> dict[str, str]:
    """All names of a competency by how they are formed; each is an alias of the others."""
    *modifiers, method = words
    first, short = " ".join(modifiers), "".join(word[0] for word in " ".join(words).split())
    found = {"plain": f"{first} {method}", "reordered": f"{method} of the {first} kind",
             "abbreviated": short.upper(), "introduced": f"{first} {method} ({short.upper()})"}
    if synonym := spoken()["synonyms"].get(method):
        found["synonym"] = f"{first} {synonym}"
    if method.endswith(("ion", "ment")):
        found["inflected"] = f"{first} {method}s"
    return found


def distinct(words: dict[str, list[str]], count: int, rng: random.Random,
             taken: set[str]) -> list[Words]:
    """`count` competencies of a domain, no two of which share a name; `taken` gains theirs."""
    pairs = list(product(words["modifiers"], words["methods"]))
    found: list[Words] = []
    for pair in rng.sample(pairs, len(pairs)):
        own = {name.casefold() for name in names(pair).values()}
        if len(found) < count and not own & taken:
            taken |= own
            found.append(pair)
    return found


def sentence(manner: str, rng: random.Random) -> tuple[str, str]:
    """A way to show a competency: the frame of a sentence, and that of its description."""
    said = spoken()["shown"][manner]
    description = rng.choice(list(said))
    frame = rng.choice(said[description])
    return frame, description if rng.random() < ECHO else rng.choice(list(said))


def wordings(manner: str, obj: str) -> list[str]:
    """All descriptions that say the same: the manner in which a competency is shown, the object."""
    return [frame.format(object=obj) for frame in spoken()["shown"][manner]]


def meaning(description: str) -> tuple[str, str] | None:
    """The manner and the object that a description names; None for what is no wording of any."""
    for manner, pattern in _meanings().items():
        if match := pattern.fullmatch(description):
            return manner, next(filter(None, match.groups()))
    return None


@cache
def _meanings():
    return {manner: re.compile("|".join(_pattern(frame) for frame in said))
            for manner, said in spoken()["shown"].items()}


def _pattern(frame):
    return re.escape(frame).replace(re.escape("{object}"), "(.+)")


def empty(domain: str, rng: random.Random, obj: str = "") -> str:
    """A description that says nothing, composed from parts; it may name the domain or the object.
    """
    kinds = spoken()["empty"]
    kind = rng.choices(kinds, list(map(_phrases, kinds)))[0]
    parts = {key: rng.choice(choices) for key, choices in kind.items() if key != "say"}
    if parts["topic"] == "{object}" and not obj:
        parts["topic"] = "{domain}"
    return kind["say"].format(**parts).format(domain=domain, object=obj)


def is_empty(description: str) -> bool:
    """Whether a description says nothing, in either wording."""
    return description in VAGUE or _empty_pattern().fullmatch(description) is not None


@cache
def _empty_pattern():
    patterns = []
    for kind in spoken()["empty"]:
        pattern = re.escape(kind["say"])
        for part in set(kind) - {"say"}:
            said = "|".join(re.sub(r"\\{\w+\\}", ".+?", re.escape(text)) for text in kind[part])
            pattern = pattern.replace(re.escape(f"{{{part}}}"), f"(?:{said})")
        patterns.append(pattern)
    return re.compile("|".join(patterns))


def sizes() -> dict[str, int]:
    """How much can be said: sentences, descriptions, and phrases that say nothing."""
    said = spoken()
    frames = [*said["shown"].values(), said["unnamed"]]
    sentences = sum(len(list(chain(*group.values()))) for group in frames)
    sentences += sum(len(said[kind]) for kind in ("again", "mentioned", "field", "filler"))
    return {"phrasings": sentences, "descriptions": sum(map(len, said["shown"].values())),
            "empty_phrases": sum(map(_phrases, said["empty"]))}


def _phrases(kind):
    """How many phrases a kind of empty ones has."""
    return prod(len(choices) for part, choices in kind.items() if part != "say")


def texts() -> Iterator[str]:
    """All that is said, without what is filled in, for a tokenizer to know the words of."""
    yield from (f" {letter}" for letter in ascii_uppercase)
    yield " the of kind (A)"
    yield from (f" {synonym}" for synonym in spoken()["synonyms"].values())
    rest = {key: part for key, part in spoken().items() if key != "synonyms"}
    yield from (re.sub(r"\{\w+\}", "it", f" {text}") for text in _strings(rest))


def _strings(value):
    """All strings in a nested value, keys that are sentences included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (key for key in value if key.endswith("."))
        yield from chain.from_iterable(map(_strings, value.values()))
    else:
        yield from chain.from_iterable(map(_strings, value))
