"""Prompts: from an author's abstracts to chat messages, by concatenation only."""
import re
from collections.abc import Sequence

from lib.core.records import well_formed
from lib.core.rows import Abstract, Message, Shown

Texts = Sequence[Abstract] | Sequence[Shown]

BRIEF = "Write the competency profile of this author."
RULES = """\
You write competency profiles of researchers. You are neutral and accurate, and you rely solely \
on the abstracts
that you are given: a competency counts only when the author shows it, not when a text merely \
mentions it.
Answer with one profile in exactly this format and nothing else: a domain, then three to eight \
competencies, each with a
description of one or two sentences.

"""
FULL = RULES + """\
Domain: <name of the field>

Competencies:
- <name>: <description>
- <name>: <description>"""
JSON = RULES + """\
{"domain": "<name of the field>", "competencies": [{"name": "<name>", "description": \
"<description>"}, {"name": "<name>", "description": "<description>"}]}"""
SYSTEM = {"brief": BRIEF, "full": FULL, "json": JSON}
REMINDER = "Write the profile now, in the format given above."

# What templates and servers mark turns, tools and thoughts with: <|im_end|>, </s>, <bos>,
# <start_of_turn>, <think>, <function=f>, <｜User｜>, <<SYS>>, [INST], [control_8], ]~b]. Whatever
# looks so is broken, known or not; "p < 0.05", "a<b and c>d", "[12]" and "<http://a.org>" do not.
MARKUP = re.compile(
    r"""[<＜‹](?=[|｜]|[/\[]*[\w▁][\w▁:|｜/="'\]-]*\s*[>＞]|\w+\s+[\w:-]+\s*=[^<>]{0,200}[>＞])"""
    r"""|\[(?=/?(?:\w*_\w*|[a-z]?[A-Z]+\d*)\]|e~\[)|\](?=~)""")


def neutralise(text: str) -> str:
    """Text that marks no turn in a prompt: a space goes into each look-alike of mark-up.

    For templates and servers that tell mark-up by its letters; models of this process are safe
    without it (lib.models.chats). NUL and surrogates go out.
    """
    return MARKUP.sub(lambda match: match.group(0) + " ", well_formed(text).replace("\x00", " "))


def as_shown(abstracts: Texts) -> list[Shown]:
    """Title and text of each abstract as a prompt shows them; changes nothing twice."""
    return [{"title": neutralise(row.get("title") or ""), "text": neutralise(row["text"])}
            for row in abstracts]


def document(shown: list[Shown]) -> str:
    """Abstracts as one text: what a prompt shows of them, and what a judge reads."""
    return "\n\n".join(f"Abstract {number}: {row['title']}\n{row['text']}"
                       for number, row in enumerate(shown, 1))


def messages(abstracts: Texts, style: str = "full",
             examples: Sequence[tuple[Texts, str]] = ()) -> list[Message]:
    """The chat that asks for one profile.

    abstracts: the rows of one author. style: "full" states role and format (for models from a hub),
    "brief" is one sentence (for embedded models, which learned the format in training), "json" is
    "full" with JSON as the format. examples: (abstracts, answer) of others, shown before as turns
    of the chat.
    """
    chat = [Message(role="system", content=SYSTEM[style])]
    for rows, answer in examples:
        chat += [Message(role="user", content=question(rows, style)),
                 Message(role="assistant", content=neutralise(answer))]
    return [*chat, Message(role="user", content=question(abstracts, style))]


def question(abstracts: Texts, style: str) -> str:
    """The user's turn: the abstracts, and unless the style is brief a reminder of the format."""
    content = document(as_shown(abstracts))
    return content if style == "brief" else f"{content}\n\n{REMINDER}"
