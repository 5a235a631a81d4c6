"""Competency profiles of whole documents, from the command line: `extract`'s rows."""
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lib.core.records import DataError, Journal
from lib.core.rows import Document, Rejected, Written
from lib.core.terminal import say

# Below, rooms that load torch are imported where they are used, so that --help is quick.
AS_EVER = {"extraction": "abstracts", "document": "paper", "personal": "kept"}


def wanted(given: Namespace) -> bool:
    """Whether a command asks for more than profiles of abstracts as they are."""
    return any(getattr(given, name) != value for name, value in AS_EVER.items())


def extract(given: Namespace, style_of: Callable[[str], str],
            ) -> tuple[list[dict[str, Any]], list[Rejected], Journal]:
    """Read documents, write a profile of each. Returns (rows, rejected, the journal).

    given: complete options of the command. style_of: the prompt that a model was made for. A
    competency has the places where it was found.
    """
    from lib.competencies import files, whole_texts
    from lib.models import loading
    from lib.studies import novelty, reading

    path = Path(given.input)
    files.spare(given.output, whole_texts.files_of(path)[0])
    columns = {name: getattr(given, f"{name}_column") for name in ("id", "author", "title", "text")}
    documents, rejected = whole_texts.read(path, given.document, columns)
    if given.personal == "left_out":
        documents, counted = without_personal(documents)
        rejected += counted
    model, tokenizer = loading.load(given.model, given.dtype, given.device, given.quantisation,
                                    given.adapter)
    style = style_of(given.model) if given.prompt == "auto" else given.prompt
    journal = Journal(given.output.with_name(f".{given.output.name}.progress"))
    writer = _writer(given, model, tokenizer, style, journal)
    read, left = reading.in_chunks(documents, given.document, writer, given.reading.chunk_tokens,
                                   given.chunks)
    shown = read
    if given.extraction == "abstracts":
        shown = reading.beginnings(documents, given.document, writer)
    elif given.extraction == "summaries":
        other, summariser = writer, given.summariser
        if summariser not in ("", given.model):
            other = _writer(given, *loading.load(summariser, given.dtype, given.device), style,
                            journal)
        summaries, _ = reading.summarised(documents, read, other, given.reading.summary_tokens)
        shown = reading.together(summaries, documents, given.document, writer)
    written, _ = reading.profiles("profiles", documents, shown, given.document, writer,
                                  _merger(given))
    if given.extraction == "summaries":
        written = reading.pointing(written, summaries)
    unlike = novelty.unlike_training(reading.measurable(documents, shown), given.training_texts,
                                     given.device)
    whole = given.extraction == "abstracts"
    return [row(document, one, 0 if whole else left[document["id"]]) | {"unlike_training": new}
            for document, one, new in zip(documents, written, unlike)], rejected, journal


def without_personal(documents: list[Document]) -> tuple[list[Document], list[Rejected]]:
    """Documents without personal data, and for each that had some how much of which kind."""
    from lib.competencies import personal
    cleaned = [personal.left_out(document) for document in documents]
    said = [(document["id"], ", ".join(f"{count} x {kind}" for kind, count in counts.items()))
            for document, counts in cleaned]
    return [document for document, _ in cleaned], [
        Rejected(file=name, line=1, reason=f"personal data: {what}") for name, what in said if what]


def row(document: Document, written: Written, left: int) -> dict[str, Any]:
    """One result; `problems` says what is wrong with the profile, or why there is none."""
    from lib.competencies.profiles import problems
    profile = written["profile"]
    found = problems(profile) if profile else ["no profile in the model's answer"]
    found += [] if written["finished"] else ["the answer was cut off"]
    found += [f"{left} chunks of the document were not read"] if left else []
    return {"id": document["id"], "author": document["author"], "abstracts": [document["id"]],
            "profile": profile, "problems": found, "text": written["text"]}


def _writer(given, model, tokenizer, style, journal):
    from lib.core.sections.models import Models
    from lib.core.sections.studies import Decoding
    from lib.studies.reading import Writer
    limits = Models.model_construct(
        prompt=style, **{name: getattr(given, name) for name in
                         ("max_prompt_tokens", "max_new_tokens", "batch_size")})
    decoding = Decoding(temperature=given.temperature, top_p=given.top_p)
    return Writer(model, tokenizer, limits, decoding, given.seed, journal)


def _merger(given):
    """How names are told to be one: by the preset's encoder, where it has one and it is there."""
    from lib.models.encoder import Encoder
    from lib.studies.reading import Merging
    if not given.encoder:
        return Merging(given.reading.same)
    try:
        return Merging(given.reading.same, Encoder(given.encoder, given.device).encode)
    except DataError as error:
        say(f"names are compared by their stems alone: {error}", error=True)
        return Merging(given.reading.same)
