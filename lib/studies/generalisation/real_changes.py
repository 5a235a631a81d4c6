"""Changes to a real text whose consequence is known: made of the terms that people gave it.

Each kind of change is a function that yields all ways to change one text so, in an order of the
seed's, and none where the text does not suit. Terms are found by the stems of their words.
"""
import random
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import TypedDict

from lib.core.rows import Prompt, Shown
from lib.metrics.words import WORD, stem, stems, stop_words
from lib.studies.warm_start import SENTENCE

LEAST = 3  # terms that a text keeps where one is removed; sentences to be put in another order
OPENINGS = ("Related work by other authors, which is not taken up here, says: “{}”",
            "By way of contrast, a paper on another subject says: “{}”",
            "Elsewhere, and unlike here, it was reported: “{}”")
VOWELS, CONSONANTS = "aeiou", "bdfgklmnprstv"


class Change(TypedDict):
    """One way to change a text, and what is expected then."""
    after: Shown
    term: str | None   # that the model must have named of the original; None: whatever it named
    names: list[str]   # to be listed now
    lacks: list[str]   # to stand in no name now
    keeps: bool        # whether the same names are expected


def removed(prompt: Prompt, others: Sequence[Prompt], rng: random.Random) -> Iterator[Change]:
    """Every sentence that holds a term is taken out: the profile no longer names it.

    Suits terms that stand in no title, of texts where three others remain.
    """
    shown, terms = prompt["abstracts"][0], prompt["references"]
    parts = SENTENCE.split(shown["text"])
    for term in rng.sample(terms, len(terms)):
        left = [part for part in parts if not runs(term, part)]
        after: Shown = {**shown, "text": " ".join(left)}
        remaining = {stems(other) for other in terms if holds(after, other)}
        if len(left) < len(parts) and not holds(after, term) and len(remaining) >= LEAST:
            yield {"after": after, "term": term, "names": [], "lacks": [term], "keeps": False}


def mentioned(prompt: Prompt, others: Sequence[Prompt], rng: random.Random) -> Iterator[Change]:
    """A sentence of another text is quoted as other people's: its terms are not named.

    Suits a sentence with a term of its own text that this text neither holds nor has for a term.
    """
    shown, own = prompt["abstracts"][0], set(map(stems, prompt["references"]))
    for other in rng.sample(others, len(others)):
        for part in SENTENCE.split(other["abstracts"][0]["text"]):
            foreign = [term for term in other["references"]
                       if runs(term, part) and not holds(shown, term) and stems(term) not in own]
            if foreign:
                parts = SENTENCE.split(shown["text"])
                parts.insert(rng.randint(1, len(parts)), rng.choice(OPENINGS).format(part))
                yield {"after": {**shown, "text": " ".join(parts)}, "term": None, "names": [],
                       "lacks": foreign, "keeps": False}
                return


def reordered(prompt: Prompt, others: Sequence[Prompt], rng: random.Random) -> Iterator[Change]:
    """The sentences come in another order: the same names. Suits texts of three or more."""
    shown = prompt["abstracts"][0]
    parts = SENTENCE.split(shown["text"])
    if len(set(parts)) >= LEAST:
        order = parts
        while order == parts:
            order = rng.sample(parts, len(parts))
        yield {"after": {**shown, "text": " ".join(order)}, "term": None, "names": [], "lacks": [],
               "keeps": True}


def untitled(prompt: Prompt, others: Sequence[Prompt], rng: random.Random) -> Iterator[Change]:
    """The title is dropped: the same names. Suits texts that hold all terms of their title."""
    shown = prompt["abstracts"][0]
    after: Shown = {**shown, "title": ""}
    lost = [term for term in prompt["references"] if holds(shown, term) and not holds(after, term)]
    if shown["title"] and not lost:
        yield {"after": after, "term": None, "names": [], "lacks": [], "keeps": True}


def renamed(prompt: Prompt, others: Sequence[Prompt], rng: random.Random) -> Iterator[Change]:
    """A term gets a made-up name throughout: the profile lists the new one and not the old one.

    Suits terms that stand in the text in one form only, but for capitals and hyphens.
    """
    shown, terms = prompt["abstracts"][0], prompt["references"]
    for term in rng.sample(terms, len(terms)):
        found = runs(term, shown["title"]) + runs(term, shown["text"])
        forms = {tuple(word.group().casefold() for word in run) for run in found}
        new = {word: made_up(word, rng) for form in forms for word in form}
        if len(forms) == 1 and any(word != other for word, other in new.items()):
            after: Shown = {"title": replaced(shown["title"], term, new),
                            "text": replaced(shown["text"], term, new)}
            name = " ".join(new[word] for word in forms.pop())
            if not holds(after, term) and not holds(shown, name):
                yield {"after": after, "term": term, "names": [name], "lacks": [term],
                       "keeps": False}


Changer = Callable[[Prompt, Sequence[Prompt], random.Random], Iterator[Change]]
KINDS: dict[str, Changer] = {"removed": removed, "mentioned": mentioned, "reordered": reordered,
                             "untitled": untitled, "renamed": renamed}


def runs(term: str, text: str) -> list[list[re.Match[str]]]:
    """Where a text holds a term: its words, one after another, with the same stems."""
    wanted, (words, given) = stems(term), _words(text)
    starts = [i for i in range(len(words)) if wanted and given[i:i + len(wanted)] == wanted]
    return [words[i:i + len(wanted)] for i in starts]


def holds(shown: Shown, term: str) -> bool:
    """Whether a term stands in a text or in its title."""
    return bool(runs(term, shown["title"]) or runs(term, shown["text"]))


def made_up(word: str, rng: random.Random) -> str:
    """A word in lower case that means nothing, as long as the given one and with its ending.

    Consonants and vowels take turns before it, so that it can be spoken: `wavelets` might become
    `gamulets`. Words of grammar, single letters and what is not all letters stay as they are.
    """
    if len(word) < 2 or word in stop_words() or not (word.isascii() and word.isalpha()):
        return word
    letters = word[-min(3, len(word) // 2):]
    while len(letters) < len(word):
        letters = rng.choice(CONSONANTS if letters[0] in VOWELS + "y" else VOWELS) + letters
    return letters


def replaced(text: str, term: str, new: dict[str, str]) -> str:
    """The text with each word of a term, where the term stands, by its new one in its capitals."""
    words = {word.start(): word for run in runs(term, text) for word in run}
    for start, word in sorted(words.items(), reverse=True):
        old, other = word.group(), new[word.group().casefold()]
        cased = "".join(letter.upper() if was.isupper() else letter
                        for was, letter in zip(old, other))
        text = text[:start] + (cased if old.casefold() != other else old) + text[word.end():]
    return text


@lru_cache(maxsize=1 << 13)
def _words(text):
    """The words of a text and their stems."""
    words = list(WORD.finditer(text))
    return words, tuple(stem(word.group().casefold()) for word in words)
