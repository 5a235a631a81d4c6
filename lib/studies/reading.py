"""Profiles of whole documents: chunks that fit, a profile for each, and one of them all.

`full_text` asks for a profile of each chunk and merges them (`merging`). `summaries` has a model
summarise each chunk, and asks for a profile of the summaries: where they do not fit in one prompt,
they are chunks themselves.
"""
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil
from typing import Any, NamedTuple

from torch.nn import Module
from transformers import PreTrainedTokenizerBase as Tokenizer

from lib.competencies import kinds
from lib.competencies.prompts import neutralise
from lib.core.records import DataError, Journal
from lib.core.rows import Document, Part, Prompt, Written
from lib.core.sections.models import Models
from lib.core.sections.studies import Decoding
from lib.models.chats import encode, encode_chats
from lib.models.sampling import complete_all
from lib.studies import evaluation, merging
from lib.studies.warm_start import SENTENCE

FEWEST, MARGIN = 32, 8  # tokens that must be left for a chunk; for the seams of a prompt
Chunks = dict[str, list[Part]]  # of each document, by its id


class Writer(NamedTuple):
    """A model with all that decides what it writes."""
    model: Module
    tokenizer: Tokenizer
    models: Models
    decoding: Decoding
    seed: int
    journal: Journal | None = None


class Merging(NamedTuple):
    """When two names are one: the cosine, and the encoder, None for stems alone."""
    same: float
    encode: merging.Encode | None = None


def chunks(parts: Sequence[Part], length: Callable[[str], int], most: int) -> Iterator[Part]:
    """Parts as chunks of at most `most` tokens, which break between sentences if they can.

    length: of a text in tokens. No chunk holds text of two parts; those of one part are of about
    equal length and numbered: "method, 2 of 5".
    """
    for part in parts:
        found = list(_pieces(part["text"], length, most))
        place = part["place"] or "text"
        for number, text in enumerate(found, 1):
            named = f"{place}, {number} of {len(found)}" if len(found) > 1 else place
            yield Part(place=named, text=text)


def room(kind: str, title: str, tokenizer: Tokenizer, models: Models) -> int:
    """Tokens that a prompt for a document of this kind leaves for its text.

    Raises DataError where that is too little.
    """
    chat = kinds.messages(kind, title, "", models.prompt)
    left = models.max_prompt_tokens - len(encode_chats(tokenizer, [chat])[0]) - MARGIN
    if left < FEWEST:
        raise DataError(f"max_prompt_tokens ({models.max_prompt_tokens}) leave {left} tokens for "
                        f"the text of a document called {title[:60]!r}; raise it.")
    return left


def in_chunks(documents: Sequence[Document], kind: str, writer: Writer, most: int,
              first: int = 0) -> tuple[Chunks, dict[str, int]]:
    """The chunks of each document, and how many of each are not read.

    most: tokens of a chunk; fewer where a prompt leaves less. first: how many are read; 0: all.
    """
    found: Chunks = {}
    left: dict[str, int] = {}
    for document in documents:
        length = _length(writer.tokenizer)
        fits = room(kind, document["title"], writer.tokenizer, writer.models)
        every = list(chunks(document["parts"], length, min(most, fits)))
        found[document["id"]] = every[:first or None]
        left[document["id"]] = len(every) - len(found[document["id"]])
    return found, left


def beginnings(documents: Sequence[Document], kind: str, writer: Writer) -> Chunks:
    """Of each document its abstract as one chunk, or where it has none its beginning."""
    apart = [{**document, "parts": [Part(place="abstract", text=document["abstract"])]}
             if document["abstract"] else document for document in documents]
    return in_chunks(apart, kind, writer,  # type: ignore[arg-type]
                     writer.models.max_prompt_tokens, 1)[0]


def summarised(documents: Sequence[Document], read: Chunks, writer: Writer,
               tokens: int) -> tuple[Chunks, float]:
    """A summary of each chunk by a model, and the share of them that the limit cut off.

    tokens: of a summary, at most. One that was cut off ends with its last whole sentence, where it
    has one.
    """
    asked = [(document["id"], number, part,
              kinds.summary_messages(document["title"], part["place"], part["text"]))
             for document in documents for number, part in enumerate(read[document["id"]])]
    ids = encode_chats(writer.tokenizer, [chat for *_, chat in asked])
    keys = [f"{name}#{number}" for name, number, *_ in asked]
    drawn = complete_all(
        writer.model, writer.tokenizer, list(zip(keys, ids)), 4 * writer.models.batch_size,
        writer.journal, "summaries", temperature=writer.decoding.temperature,
        top_p=writer.decoding.top_p, max_new_tokens=tokens, seed=writer.seed)
    found: Chunks = {document["id"]: [] for document in documents}
    cut = 0
    for key, (name, _, part, _) in zip(keys, asked):
        answer = drawn[key][0]
        cut += not answer["finished"]
        text = " ".join(answer["text"].split())
        ended = "" if answer["finished"] else text[:text.rfind(". ") + 1]
        found[name].append(Part(place=part["place"], text=ended or text))
    return found, cut / len(asked) if asked else 0.0


def together(summaries: Chunks, documents: Sequence[Document], kind: str,
             writer: Writer) -> Chunks:
    """The summaries of each document in as few chunks as prompts can hold."""
    joined = [{**document, "parts": [Part(place="summaries", text=" ".join(
        part["text"] for part in summaries[document["id"]]))]} for document in documents]
    return in_chunks(joined, kind, writer,  # type: ignore[arg-type]
                     writer.models.max_prompt_tokens)[0]


def prompts_for(documents: Sequence[Document], read: Chunks, kind: str,
                style: str) -> list[Prompt]:
    """One chat for each chunk; its id is the document's with the chunk's number."""
    return [_prompt(document, f"{document['id']}#{number}", part["text"],
                    kinds.messages(kind, document["title"], part["text"], style))
            for document in documents for number, part in enumerate(read[document["id"]])]


def profiles(name: str, documents: Sequence[Document], read: Chunks, kind: str, writer: Writer,
             merger: Merging) -> tuple[list[Written], list[Written]]:
    """One profile for each document, and the answers that it is made of, one for each chunk.

    name: what the bar calls it. Of a document in one chunk it is the answer as it stands.
    """
    asked = prompts_for(documents, read, kind, writer.models.prompt)
    answers = evaluation.write_profiles(name, writer.model, writer.tokenizer, asked, writer.models,
                                        writer.decoding, writer.seed, writer.journal)
    by_id = {row["id"]: row for row in answers}
    found = []
    for document in documents:
        own = read[document["id"]]
        rows = [by_id[f"{document['id']}#{number}"] for number in range(len(own))]
        found.append(as_one(document["id"], rows, [part["place"] for part in own], merger))
    return found, answers


def as_one(name: str, answers: Sequence[Written], places: Sequence[str],
           merger: Merging) -> Written:
    """The answers for one document as what was written of it. places: of each answer.

    An answer that stands alone keeps all that it has. Several are merged: what comes out is
    finished where one of them can be read, and its tokens are those of all.
    """
    if len(answers) == 1:
        only = answers[0]
        profile = only["profile"]
        if profile:
            items: Any = [{**item, "places": list(places)} for item in profile["competencies"]]
            profile = {**profile, "competencies": items}
        return {**only, "id": name, "profile": profile}
    found = [(place, merging.whole(row)) for place, row in zip(places, answers, strict=True)]
    profile = merging.merge(found, *merger)
    return Written(id=name, text="\n\n".join(row["text"] for row in answers),
                   tokens=sum(row["tokens"] for row in answers), finished=profile is not None,
                   profile=profile)


def pointing(written: Sequence[Written], summaries: Chunks) -> list[Written]:
    """Profiles of summaries that point to the chunks in whose summaries their names stand."""
    return [{**row, "profile": merging.located(row["profile"], summaries[row["id"]])}
            for row in written]


def measurable(documents: Sequence[Document], read: Mapping[str, Sequence[Part]]) -> list[Prompt]:
    """Documents as `references.measure` takes them: their terms, and the text that was read."""
    texts = ("\n".join(part["text"] for part in read[document["id"]]) for document in documents)
    return [_prompt(document, document["id"], text, []) for document, text in zip(documents, texts)]


def _prompt(document, name, text, messages):
    return Prompt(id=name, author=document["author"], split="read", domain=None, truth=None,
                  references=document.get("references", []), messages=messages,
                  abstracts=[{"title": document["title"], "text": text}])


def _length(tokenizer):
    """How many tokens a prompt has for a text."""
    return lambda text: len(encode(tokenizer, [neutralise(text)])[0])


def _pieces(text, length, most):
    """A text in pieces of at most `most` tokens, of whole sentences and about equal length."""
    sentences = [piece for sentence in SENTENCE.split(text) for piece in _cut(sentence, length,
                                                                              most)]
    sizes = [length(sentence) + 1 for sentence in sentences]  # a space may be a token
    wanted = max(1, ceil(sum(sizes) / most))
    target, count, held, size = sum(sizes) / wanted, 1, [], 0
    for sentence, own in zip(sentences, sizes):
        full = size + own / 2 > target and count < wanted
        if held and (full or size + own > most):
            yield " ".join(held)
            count, held, size = count + 1, [], 0
        held.append(sentence)
        size += own
    if held:
        yield " ".join(held)


def _cut(sentence, length, most):
    """A sentence, or where it is too long its halves, and so on: between words if it has any."""
    if not sentence.strip():
        return
    if length(sentence) < most or len(sentence) < 2:
        yield sentence
        return
    middle = len(sentence) // 2
    space = re.search(r"\s", sentence[middle:])
    at = middle + space.start() if space and middle + space.start() < len(sentence) - 1 else middle
    yield from _cut(sentence[:at].strip(), length, most)
    yield from _cut(sentence[at:].strip(), length, most)
