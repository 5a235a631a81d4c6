"""A judge behind an OpenAI-compatible chat endpoint: many calls at once, within a budget.

`Endpoint.ask` is all that a notebook needs. Failures of single calls are replies with a status;
what no further call can cure stops the run with a DataError. In both cases everything answered is
kept (lib.endpoint.store), and the next `ask` goes on from there.
"""
import math
import os
import re
from collections.abc import Collection

from tqdm import tqdm

from lib.core.records import DataError, well_formed
from lib.core.rows import Message, Request
from lib.core.sections.servers import Endpoint as Settings
from lib.endpoint.run import Run
from lib.endpoint.store import Calls, Reply, call_key

FORMATS = ["json_schema", "json_object", "text"]  # from the strictest answer to the freest
SYSTEM_WORDS = r"system (role|message|prompt)|roles must alternate"  # Gemma; early Mistrals
FORMAT_WORDS = r"response_format|json_schema|json_object|guided|grammar|structured"
BYTES_PER_TOKEN = 3  # English prose has over 4; names, code and other scripts have fewer
TEMPLATE_TOKENS = 32  # per message: the chat template's, and what it may add on its own


class Endpoint:
    """One model under one name.

    calls: keeps its answers. schema: the JSON schema of an answer, or None for free text. optional:
    parameters that a request can do without. What the server turns out to refuse (a way to ask for
    JSON, a system message, an optional parameter) is left out from then on and said in `notes`.
    Raises DataError where the key is not in the environment.
    """

    def __init__(self, name: str, model: str, settings: Settings, calls: Calls,
                 schema: dict | None = None, top_p: float | None = None,
                 optional: Collection[str] = ("temperature", "seed")):
        self.name, self.model, self.settings = name, model, settings
        self.calls, self.schema = calls, schema
        self.key = read_key(name, settings.key_variable)
        chosen = FORMATS if settings.structured == "auto" else [settings.structured]
        self.formats = ["text"] if schema is None else chosen
        self.sampling = {} if top_p is None else {"top_p": top_p}
        self.parameters = {"temperature": settings.temperature, "max_tokens": settings.max_tokens,
                           **self.sampling}
        self.optional, self.left_out, self.folds = optional, set[str](), False
        self.notes, self.longer = list[str](), 1.0

    def ask(self, requests: list[Request], description: str = "") -> list[Reply]:
        """One reply per request, in order.

        Known answers come from the store, equal requests share one call. Works from scripts and
        notebooks alike. An interrupt gives the calls in flight a few seconds and keeps what they
        answer. Raises DataError when the run has to stop.
        """
        keys = [self._key(request) for request in requests]
        with self.calls.alone():
            replies = {key: answer for key in set(keys) if (answer := self.calls.get(key))}
            todo = {key: request for key, request in zip(keys, requests) if key not in replies}
            if todo:
                with tqdm(total=len(replies) + len(todo), initial=len(replies),
                          desc=description or self.name, unit="call") as bar:
                    replies |= Run(self, todo, bar).in_thread()
        return [dict(replies[key]) for key in keys]  # type: ignore[misc]  # a copy is a Reply too

    def estimate(self, requests: list[Request]) -> dict[str, float]:
        """What `ask` would take at most, by the names below; nobody is asked."""
        keys = {self._key(request): request["messages"] for request in requests}
        todo = [messages for key, messages in keys.items() if key not in self.calls]
        prompt = sum(map(self.prompt_tokens, todo))
        completion = self.settings.max_tokens * len(todo)
        return {"calls": len(todo), "cached": len(requests) - len(todo), "prompt_tokens": prompt,
                "completion_tokens": completion, "cost": self.cost(prompt, completion)}

    def prompt_tokens(self, messages: list[Message]) -> int:
        """An estimate on the high side; the first answers correct it where it was not."""
        size = sum(len(message["content"].encode("utf-8", "replace")) for message in messages)
        return math.ceil(self.longer * (size / BYTES_PER_TOKEN + TEMPLATE_TOKENS * len(messages)))

    def learn(self, messages: list[Message], tokens: int) -> None:
        """Take note of how many tokens a prompt really had."""
        self.longer = max(self.longer, tokens * self.longer / self.prompt_tokens(messages))

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        """In the currency of the prices, which are per million tokens."""
        settings = self.settings
        return (prompt_tokens * settings.price_in + completion_tokens * settings.price_out) / 1e6

    def body(self, request: Request) -> dict:
        """The request as the server is known to take it."""
        clean = [{**message, "content": well_formed(message["content"])}
                 for message in request["messages"]]
        seed = {"seed": request["seed"]} if "seed" in request else {}
        body: dict = {"model": self.model, "messages": folded(clean) if self.folds else clean,
                      **self.parameters, **seed}
        body = {name: value for name, value in body.items() if name not in self.left_out}
        if self.formats[0] == "json_object":
            body["response_format"] = {"type": "json_object"}
        elif self.formats[0] == "json_schema":
            wanted = {"name": "answer", "strict": True, "schema": self.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": wanted}
        return body

    def adapt(self, request: Request, body: dict, message: str) -> bool:
        """Leave out what the server refused in a body: whether the next one will differ."""
        if body != self.body(request):
            return True  # a call in flight beside this one has stepped down already
        refused = f"{self.name}: the server refused"
        formed = "response_format" in body and len(self.formats) > 1
        without = [name for name in self.optional
                   if name in body and re.search(rf"\b{name}\b", message)]
        if formed and re.search(FORMAT_WORDS, message):
            self.notes.append(f"{refused} {self.formats[0]}; asked for {self.formats[1]}")
            self.formats = self.formats[1:]
        elif re.search(SYSTEM_WORDS, message, re.IGNORECASE) and not self.folds:
            self.notes.append(f"{refused} a system message; it opens the user's turn")
            self.folds = True
        elif without:
            self.left_out.add(without[0])
            self.notes.append(f"{refused} {without[0]}; asked without it")
        elif "max_tokens" in self.parameters and re.search(r"\bmax_completion_tokens\b", message):
            self.parameters["max_completion_tokens"] = self.parameters.pop("max_tokens")
            self.notes.append(f"{refused} max_tokens; asked with max_completion_tokens")
        return body != self.body(request)

    def _key(self, request):
        deciding = ("structured", "temperature", "max_tokens")
        parts = {"name": self.name, "model": self.model, "schema": self.schema,
                 **{field: getattr(self.settings, field) for field in deciding}, **self.sampling}
        if "seed" in request:
            parts["seed"] = request["seed"]
        return call_key(parts, request["messages"], request.get("repeat", 0))


def read_key(name: str, variable: str) -> str:
    """A server's key, from the environment; "" where none is needed. name: whose, for the error."""
    key = os.environ.get(variable, "").strip() if variable else ""
    if variable and not (key.isascii() and key.isprintable() and key):
        raise DataError(f"{name}: the environment variable {variable} holds no usable "
                        "key; set it to the server's key.")
    return key


def folded(messages: list[dict]) -> list[dict]:
    """Messages without a system turn: its text opens the user's, as chats.chat_for has it."""
    if [message["role"] for message in messages[:2]] != ["system", "user"]:
        return messages
    first, second, *rest = messages
    return [{**second, "content": f"{first['content']}\n\n{second['content']}"}, *rest]
