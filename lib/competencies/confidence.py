"""How sure a model was of each competency that it wrote: from the probabilities of its tokens."""
import math
import re
from collections.abc import Callable, Sequence
from itertools import pairwise

from lib.core.rows import Completion, Profile

Decode = Callable[[list[int]], str]
Span = tuple[int, int]  # the first character and the one behind the last

# What may stand before a name: a bullet, a number, quotes at the beginning of a line, or JSON.
BEFORE = r'(?:^(?:[^\w\n]|_)*?(?:\d{1,3}[.)][^\w\n]*?)?|"name"\s*:\s*")'


def with_confidence(profile: Profile, completion: Completion, decode: Decode) -> Profile:
    """The profile with a `confidence` for each competency, from 0 to 1; None where it is unknown.

    It is the geometric mean of the probabilities that the model gave to the tokens of the name.
    completion: with "ids" and "logps", those without temperature. decode: token ids as text.
    """
    spans = token_spans(completion["ids"], decode)
    names = [item["name"] for item in profile["competencies"]]
    found = name_spans(decode(completion["ids"]), names)
    sure = [confidence(name, spans, completion["logps"]) for name in found]
    competencies = [{**item, "confidence": value}
                    for item, value in zip(profile["competencies"], sure)]
    return {**profile, "competencies": competencies}  # type: ignore[typeddict-item]


def confidence(name: Span | None, tokens: Sequence[Span], logps: Sequence[float]) -> float | None:
    """exp of the mean log-probability of the tokens that write any character of a name.

    tokens: the characters that each token writes. None for a name without a place in the text.
    """
    if name is None:
        return None
    own = [logp for (start, end), logp in zip(tokens, logps, strict=True)
           if start < name[1] and end > name[0]]
    return round(math.exp(sum(own) / len(own)), 4) if own else None


def token_spans(ids: list[int], decode: Decode) -> list[Span]:
    """The characters that each token writes, by decoding one token more at a time.

    Tokenising the text again may part it otherwise than it was written. Several tokens that write
    one character together all have it.
    """
    whole = decode(ids)
    known = [_shared(decode(ids[:count]), whole) for count in range(len(ids) + 1)]
    return [(start, max(end, start + 1)) for start, end in pairwise(known)]


def name_spans(text: str, names: Sequence[str]) -> list[Span | None]:
    """Where each name of a text's profile stands, in order; None for one that is not found.

    A name begins an item of the list, or is a value of JSON: what a description says does not
    count. Spaces and colons within it may have been written otherwise than `canonical` has them.
    """
    found: list[Span | None] = []
    place = 0
    for name in names:
        words = r"[\s:：]+".join(map(re.escape, name.split()))
        match = re.compile(rf"{BEFORE}({words})(?!\w)", re.MULTILINE).search(text, place)
        found.append(match.span(1) if match else None)
        place = match.end() if match else place
    return found


def _shared(one, other):
    """How many characters two texts share from their beginning."""
    both = zip(one, other)
    return next((at for at, (a, b) in enumerate(both) if a != b), min(len(one), len(other)))
