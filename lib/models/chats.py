"""Chats as token ids, by each model's own template."""
from jinja2 import TemplateError


def chat_for(tokenizer, messages):
    """Messages as the model's template takes them: where it knows no system role, that text opens the user's turn."""
    try:
        tokenizer.apply_chat_template(messages[:2], tokenize=False)
        return messages
    except TemplateError:
        first, second, *rest = messages
        return [{"role": "user", "content": f"{first['content']}\n\n{second['content']}"}, *rest]


def encode_chats(tokenizer, chats):
    """Token ids of each chat, ready for the assistant's turn."""
    texts = [tokenizer.apply_chat_template(chat_for(tokenizer, chat), tokenize=False, add_generation_prompt=True)
             for chat in chats]
    return tokenizer(texts, add_special_tokens=False)["input_ids"]
