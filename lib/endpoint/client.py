"""A judge behind an OpenAI-compatible chat endpoint: many calls at once, none paid twice, none lost, within a budget.

`Endpoint.ask` is all that a notebook needs. Failures of single calls are replies with a status; what no further call can cure
stops the run with a DataError. In both cases everything answered is kept (lib.calls), and the next `ask` goes on from there.
"""
import math
import os
import re

from tqdm import tqdm

from lib.core.records import DataError
from lib.endpoint.run import Run
from lib.endpoint.store import call_key

FORMATS = ["json_schema", "json_object", "text"]  # from the strictest answer to the freest
FORMAT_WORDS = r"response_format|json_schema|json_object|guided|grammar|structured"
BYTES_PER_TOKEN = 3  # English prose has over 4; names, code and other scripts have fewer
TEMPLATE_TOKENS = 32  # per message: the chat template's, and what it may add on its own


class Endpoint:
    """One model under one name. settings: lib.sections.Endpoint. calls: the lib.calls.Calls that keeps its answers.

    schema: the JSON schema of an answer, or None for free text. What the server turns out to refuse (a way to ask for JSON, a
    parameter) is left out from then on and said in `notes`. Raises DataError where the key is not in the environment.
    """

    def __init__(self, name, model, settings, calls, schema=None):
        self.name, self.model, self.settings, self.calls, self.schema = name, model, settings, calls, schema
        self.key = os.environ.get(settings.key_variable, "").strip() if settings.key_variable else ""
        if settings.key_variable and not (self.key.isascii() and self.key.isprintable() and self.key):
            raise DataError(f"{name}: the environment variable {settings.key_variable} holds no usable key; set it to the server's key.")
        self.formats = ["text"] if schema is None else FORMATS if settings.structured == "auto" else [settings.structured]
        self.parameters = {"temperature": settings.temperature, "max_tokens": settings.max_tokens}
        self.notes, self.longer = [], 1.0

    def ask(self, requests, description=""):
        """One reply (lib.calls.reply) per request, in order. requests: [{"messages": [...], "repeat": 0}].

        Known answers come from the store, equal requests share one call. Works from scripts and notebooks alike. An interrupt
        gives the calls in flight a few seconds and keeps what they answer. Raises DataError when the run has to stop.
        """
        keys = [self._key(request) for request in requests]
        with self.calls.alone():
            replies = {key: answer for key in set(keys) if (answer := self.calls.get(key))}
            todo = {key: request["messages"] for key, request in zip(keys, requests) if key not in replies}
            if todo:
                with tqdm(total=len(replies) + len(todo), initial=len(replies), desc=description or self.name, unit="call") as bar:
                    replies |= Run(self, todo, bar).in_thread()
        return [dict(replies[key]) for key in keys]

    def estimate(self, requests):
        """What `ask` would cost at most, asking nobody: {"calls", "cached", "prompt_tokens", "completion_tokens", "cost"}."""
        keys = {self._key(request): request["messages"] for request in requests}
        todo = [messages for key, messages in keys.items() if key not in self.calls]
        prompt, completion = sum(map(self.prompt_tokens, todo)), self.settings.max_tokens * len(todo)
        return {"calls": len(todo), "cached": len(requests) - len(todo), "prompt_tokens": prompt, "completion_tokens": completion,
                "cost": self.cost(prompt, completion)}

    def prompt_tokens(self, messages):
        """An estimate on the high side; the first answers correct it where it was not."""
        size = sum(len(message["content"].encode("utf-8", "replace")) for message in messages)
        return math.ceil(self.longer * (size / BYTES_PER_TOKEN + TEMPLATE_TOKENS * len(messages)))

    def learn(self, messages, tokens):
        """Take note of what a prompt really had."""
        self.longer = max(self.longer, tokens * self.longer / self.prompt_tokens(messages))

    def cost(self, prompt_tokens, completion_tokens):
        return (prompt_tokens * self.settings.price_in + completion_tokens * self.settings.price_out) / 1e6

    def body(self, messages):
        """The request as the server is known to take it."""
        clean = [{**message, "content": message["content"].encode("utf-8", "replace").decode()} for message in messages]
        wanted = {"json_schema": {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": self.schema}},
                  "json_object": {"type": "json_object"}}.get(self.formats[0])
        return {"model": self.model, "messages": clean, **self.parameters, **({"response_format": wanted} if wanted else {})}

    def adapt(self, body, message):
        """Leave out what the server refused in a request. Returns whether that made the next request another one."""
        if "response_format" in body and re.search(FORMAT_WORDS, message) and len(self.formats) > 1:
            if body == self.body(body["messages"]):  # else a call in flight beside this one has stepped down already
                self.notes.append(f"{self.name}: the server refused {self.formats[0]}; asked for {self.formats[1]}")
                self.formats = self.formats[1:]
        elif re.search(r"\btemperature\b", message) and self.parameters.pop("temperature", None) is not None:
            self.notes.append(f"{self.name}: the server refused temperature; asked without it")
        elif re.search(r"\bmax_completion_tokens\b", message) and "max_tokens" in self.parameters:
            self.parameters["max_completion_tokens"] = self.parameters.pop("max_tokens")
            self.notes.append(f"{self.name}: the server refused max_tokens; asked with max_completion_tokens")
        return body != self.body(body["messages"])

    def _key(self, request):
        parts = {"name": self.name, "model": self.model, "schema": self.schema, "structured": self.settings.structured,
                 "temperature": self.settings.temperature, "max_tokens": self.settings.max_tokens}
        return call_key(parts, request["messages"], request.get("repeat", 0))
