"""Chats as token ids, by each model's own template, and rows of token ids as batches."""
import torch
from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase as Tokenizer

from lib.core.rows import Message


def chat_for(tokenizer: Tokenizer, messages: list[Message]) -> list[Message]:
    """Messages as the template takes them: a system text that it refuses opens the user's turn."""
    try:
        tokenizer.apply_chat_template(messages[:2], tokenize=False)
        return messages
    except TemplateError:
        first, second, *rest = messages
        return [{"role": "user", "content": f"{first['content']}\n\n{second['content']}"}, *rest]


def encode_chats(tokenizer: Tokenizer, chats: list[list[Message]]) -> list[list[int]]:
    """Token ids of each chat, ready for the assistant's turn."""
    texts = [tokenizer.apply_chat_template(chat_for(tokenizer, chat), tokenize=False,
                                           add_generation_prompt=True) for chat in chats]
    return tokenizer(texts, add_special_tokens=False)["input_ids"]


def left_padded(rows: list[list[int]], pad: int, device: torch.device) -> tuple[torch.Tensor, ...]:
    """Token ids, attention mask and positions, each (rows, longest); all rows end together."""
    width = max(map(len, rows))
    ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows], device=device)
    held = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
    mask = torch.tensor(held, device=device)
    return ids, mask, (mask.cumsum(-1) - 1).clamp(min=0)
