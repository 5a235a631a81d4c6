"""Kinds of document: the wording of the prompt for each, and the fewest words that it needs.

A paper is asked about in the words of `prompts`, for its abstract as for a chunk of it: they are
what a model was tuned on.
"""
from collections.abc import Mapping
from typing import NamedTuple

from lib.competencies import prompts
from lib.core.rows import Message


class Kind(NamedTuple):
    """Wording. whose: of whom profiles are; text: what is read; shown: what makes one count."""
    whose: str
    text: str
    shown: str
    label: str
    fewest: int  # words of a document


PAPER = "paper"
KINDS: Mapping[str, Kind] = {
    PAPER: Kind("researchers", "abstracts", "the author shows it", "Abstract", 5),
    "job_ad": Kind("the people that employers look for", "advertisement", "the employer asks for "
                   "it", "Advertisement", 20),
    "report": Kind("the authors of reports", "part of a report", "the author shows it", "Report",
                   50),
    "mail": Kind("people by what they write", "message", "the sender shows it", "Message", 10)}


def system(kind: str, style: str) -> str:
    """The first turn of a chat: role, rules and format, with the words of a kind of document."""
    text, paper = prompts.SYSTEM[style], KINDS[PAPER]
    for ours, theirs in zip(KINDS[kind][:3], paper[:3]):
        text = text.replace(theirs, ours)
    return text


def messages(kind: str, title: str, text: str, style: str = "full") -> list[Message]:
    """The chat that asks for the profile of one document, or of a chunk of one.

    style: "full" or "brief", which knows no kinds. Of a paper it is the chat of `prompts`.
    """
    asked = prompts.messages([{"title": title, "text": text}], style)
    if kind == PAPER:
        return asked
    paper, own = (f"{KINDS[name].label} 1: " for name in (PAPER, kind))
    content = own + asked[1]["content"].removeprefix(paper)
    return [Message(role="system", content=system(kind, style)),
            Message(role="user", content=content)]


def summary_messages(title: str, part: str, text: str) -> list[Message]:
    """The chat that asks a model for the summary of one part of a document."""
    shown, = prompts.as_shown([{"title": title, "text": text}])
    head = prompts.neutralise(part)
    return [Message(role="system", content=SUMMARY),
            Message(role="user", content=f"{shown['title']} ({head})\n\n{shown['text']}\n\n"
                                         f"{ASKED}")]


SUMMARY = """\
You summarise parts of documents. You rely solely on the text that you are given, name methods and \
subjects with
the words of the text, and write at most three sentences and nothing else."""
ASKED = "Summarise this part now, in at most three sentences."
