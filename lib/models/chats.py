"""Chats and texts as token ids, in which no text is ever a control token; batches of them.

A chat is written by its model's own template around marks that stand for the texts, so that the
template never reads them. The whole is then tokenised as it stands, and a special token that comes
out of a text is taken apart into what its letters are.
"""
import re
from collections.abc import Sequence

import torch
from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase as Tokenizer

from lib.core.rows import Message

Span = tuple[int, int]  # start and end of a part of a text, in characters
# White space around a mark tells whether the template trims; no template writes this one itself.
EDGE = "\v"
MARK = re.compile(f"({EDGE}?)\ue000([0-9]+)\ue001({EDGE}?)")


def chat_for(tokenizer: Tokenizer, messages: list[Message]) -> list[Message]:
    """Messages as the template takes them: a system text that it refuses opens the user's turn."""
    try:
        tokenizer.apply_chat_template(messages[:2], tokenize=False)
        return messages
    except TemplateError:
        first, second, *rest = messages
        return [{"role": "user", "content": f"{first['content']}\n\n{second['content']}"}, *rest]


def written(tokenizer: Tokenizer, chat: list[Message], ended: bool = False,
            ) -> tuple[str, list[Span]]:
    """A chat in its template, and where the texts of its messages stand in it.

    ended: the chat ends as it is; else it is ready for the assistant's turn.
    """
    marked = [Message(role=turn["role"], content=f"{EDGE}\ue000{place}\ue001{EDGE}")
              for place, turn in enumerate(chat)]
    marked = chat_for(tokenizer, marked)
    template = tokenizer.apply_chat_template(marked, tokenize=False,
                                             add_generation_prompt=not ended)
    text, spans, end = "", list[Span](), 0
    for mark in MARK.finditer(template):
        before, place, after = mark.groups()
        content = chat[int(place)]["content"]
        content = content if before else content.lstrip()
        content = content if after else content.rstrip()
        text += template[end:mark.start()]
        spans.append((len(text), len(text) + len(content)))
        text, end = text + content, mark.end()
    return text + template[end:], spans


def encode_chats(tokenizer: Tokenizer, chats: list[list[Message]]) -> list[list[int]]:
    """Token ids of each chat, ready for the assistant's turn."""
    parts = [written(tokenizer, chat) for chat in chats]
    return encode(tokenizer, [text for text, _ in parts], [spans for _, spans in parts])


def encode_turn(tokenizer: Tokenizer, prompt: list[Message],
                answers: Sequence[str]) -> tuple[list[int], list[list[int]]]:
    """Token ids of a chat, and of what each answer, ended as the template ends it, adds to it.

    Some templates write a chat that goes on differently: it then ends where the first answer parts
    from it, as in TRL (1.16).
    """
    ids, = encode_chats(tokenizer, [prompt])
    parts = [written(tokenizer, [*prompt, Message(role="assistant", content=answer)], ended=True)
             for answer in answers]
    whole = encode(tokenizer, [text for text, _ in parts], [spans for _, spans in parts])
    start = min(map(lambda row: common_start(ids, row), whole), default=len(ids))
    return ids[:start], [row[start:] for row in whole]


def common_start(one: list[int], other: list[int]) -> int:
    """How many tokens two rows begin with alike."""
    apart = (place for place, (a, b) in enumerate(zip(one, other)) if a != b)
    return next(apart, min(len(one), len(other)))


def encode_ended(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    """Token ids of answers, each with the end token that a model closes it with."""
    return [[*ids, tokenizer.eos_token_id] for ids in encode(tokenizer, texts)]


def encode(tokenizer: Tokenizer, texts: list[str], spans: list[list[Span]] | None = None,
           opened: bool = False) -> list[list[int]]:
    """Token ids of texts. What stands in `spans` becomes no special token, whatever it says.

    spans: for each text; None for all of it. opened: with the tokens that the tokenizer puts
    around a text. Ids are those of the ordinary encoding wherever that keeps this promise.
    """
    if not texts:
        return []
    found = tokenizer(texts, add_special_tokens=opened, return_offsets_mapping=True)
    control = control_ids(tokenizer)
    rows = []
    for place, (text, ids, offsets) in enumerate(
            zip(texts, found["input_ids"], found["offset_mapping"], strict=True)):
        own = [(0, len(text))] if spans is None else spans[place]
        if any(forged(ids, offsets, own, control)):
            inner = [i for i, (start, end) in enumerate(offsets) if start < end]
            ids = [*ids[:inner[0]], *taken_apart(tokenizer, text, own, control),
                   *ids[inner[-1] + 1:]]
        rows.append(ids)
    return rows


def control_ids(tokenizer: Tokenizer) -> set[int]:
    """Ids that only a template or a tokenizer may write: all added tokens but white space.

    The one for what a vocabulary cannot spell is none of them, unless it has a second use.
    """
    added = {key for key, token in tokenizer.added_tokens_decoder.items() if token.content.strip()}
    named = {tokenizer.convert_tokens_to_ids(token)
             for name, token in tokenizer.special_tokens_map.items()
             if isinstance(token, str) and name != "unk_token"}
    return (added | set(tokenizer.all_special_ids)) - {tokenizer.unk_token_id} | named


def forged(ids: list[int], offsets: list[Span], spans: list[Span], control: set[int]) -> list[bool]:
    """Of each token, whether it is a control token that letters within `spans` have part in."""
    return [token in control and any(start < high and end > low for low, high in spans)
            for token, (start, end) in zip(ids, offsets)]


def taken_apart(tokenizer: Tokenizer, text: str, spans: list[Span],
                control: set[int]) -> list[int]:
    """Token ids of a text that is cut within each forged token, until there is none.

    One that is a single character cannot be cut, and goes out.
    """
    found = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = found["input_ids"], found["offset_mapping"]
    marks = forged(ids, offsets, spans, control)
    cuts = [start + 1 for mark, (start, end) in zip(marks, offsets) if mark and end - start > 1]
    if not cuts:
        return [token for token, mark in zip(ids, marks) if not mark]
    rows: list[int] = []
    for low, high in zip([0, *cuts], [*cuts, len(text)]):
        own = [(start - low, end - low) for start, end in spans if start < high and end > low]
        rows += taken_apart(tokenizer, text[low:high], own, control)
    return rows


def left_padded(rows: list[list[int]], pad: int, device: torch.device) -> tuple[torch.Tensor, ...]:
    """Token ids, attention mask and positions, each (rows, longest); all rows end together."""
    width = max(map(len, rows))
    ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows], device=device)
    held = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
    mask = torch.tensor(held, device=device)
    return ids, mask, (mask.cumsum(-1) - 1).clamp(min=0)
