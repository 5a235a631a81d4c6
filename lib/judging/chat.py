"""Judges that talk: both profiles before a language model, in this process or behind an endpoint, and its verdict read."""
from lib.competencies import verdicts
from lib.competencies.prompts import REMINDER
from lib.endpoint.store import call_key, reply
from lib.judging.judges import WINNER
from lib.models import parts
from lib.models.chats import encode_chats
from lib.models.sampling import complete_all


def abstracts_of(prompt):
    """The text of the abstracts in a prompt, without the request to write a profile."""
    return prompt["messages"][-1]["content"].removesuffix(REMINDER).strip()


class Chat:
    """A language model that reads abstracts and both profiles and answers in words, with a verdict at the end.

    backend: has `ask(requests, description) -> replies`, such as `LocalChat` or `endpoint.Endpoint`. writer: another one, of the
    same model, that first writes a profile of its own for each prompt; the judge is then guided by it. Without, it is not.
    """

    def __init__(self, name, backend, style, prompts=(), writer=None):
        self.name, self.backend, self.style, self.writer = name, backend, style, writer
        self.prompts = {prompt["id"]: prompt["messages"] for prompt in prompts}
        self.references = {}

    def requests(self, comparisons):
        return [{"messages": verdicts.messages(c["abstracts"], c["left"], c["right"], self.style, self.references.get(c["id"])),
                 "repeat": c.get("repeat", 0)} for c in comparisons]

    def votes(self, comparisons):
        """One vote {"winner", "status", "reason"} per comparison {"id", "abstracts", "left", "right", "repeat"}."""
        if self.writer:
            self.write(sorted({c["id"] for c in comparisons} - set(self.references)))
        return [self.vote(answer) for answer in self.backend.ask(self.requests(comparisons), f"{self.name} judges")]

    def write(self, keys):
        """The judge's own profiles of some prompts; where it writes none, it is not guided."""
        answers = self.writer.ask([{"messages": self.prompts[key]} for key in keys], f"{self.name} writes") if keys else []
        self.references.update((key, answer["text"] if answer["status"] == "ok" else None) for key, answer in zip(keys, answers))

    @staticmethod
    def vote(answer):
        """A reply as a vote, its words as the reason. What is cut off, refused, empty, failed or unclear is invalid and wins nothing."""
        result = verdicts.read(answer["text"]) if answer["status"] == "ok" else None
        if result is None:
            reason = "no verdict in the reply" if answer["status"] == "ok" else f"{answer['status']}: {answer['error']}".rstrip(": ")
            return {"winner": None, "status": "invalid", "reason": reason}
        return {"winner": WINNER[result], "status": "ok", "reason": answer["text"]}


class LocalChat:
    """A chat model in this process, with the same interface, cache and ledger as an endpoint.

    calls: a `calls.Calls`.
    """

    def __init__(self, name, model, tokenizer, calls, temperature, max_tokens, batch_size):
        self.model, self.tokenizer, self.calls, self.batch_size = model, tokenizer, calls, batch_size
        self.decoding = {"temperature": temperature, "max_new_tokens": max_tokens}
        self.identity = {"name": name, "model": parts.fingerprint(model), **self.decoding}

    def ask(self, requests, description=""):
        """A reply for each request {"messages", "repeat"}, in order; each batch is kept as soon as it is finished."""
        keys = [call_key(self.identity, request["messages"], request.get("repeat", 0)) for request in requests]
        chats = dict(zip(keys, encode_chats(self.tokenizer, [request["messages"] for request in requests])))
        answers = Answers(self.calls, self.identity, {key: len(ids) for key, ids in chats.items()})
        complete_all(self.model, self.tokenizer, list(chats.items()), self.batch_size, answers, description, **self.decoding)
        return [self.calls.get(key) for key in keys]


class Answers:
    """The calls store as the journal that `complete_all` writes to and resumes from."""

    def __init__(self, calls, identity, prompt_tokens):
        self.calls, self.identity, self.prompt_tokens = calls, identity, prompt_tokens

    def __contains__(self, key):
        return key in self.calls

    def __getitem__(self, key):
        return self.calls.get(key)

    def add(self, rows):
        for key, (completion, *_) in rows:
            status, finish = ("ok", "stop") if completion["finished"] else ("cut", "length")
            self.calls.put(key, self.identity, reply(status, completion["text"], finish, prompt_tokens=self.prompt_tokens[key],
                                                     completion_tokens=completion["tokens"]))
