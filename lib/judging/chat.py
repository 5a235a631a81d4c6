"""Judges that talk: a language model, here or behind an endpoint, compares two profiles."""
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lib.competencies import verdicts
from lib.competencies.prompts import document
from lib.core.rows import Comparison, Completion, Prompt, Request, Vote
from lib.endpoint.store import Calls, Reply, call_key, reply
from lib.judging.judges import WINNER
from lib.models import identity, parts
from lib.models.chats import encode_chats
from lib.models.sampling import complete_all, row_keys

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def abstracts_of(prompt: Prompt) -> str:
    """The text of the abstracts in a prompt, without the request to write a profile."""
    return document(prompt["abstracts"]).strip()


class Chat:
    """A language model that reads abstracts and both profiles and answers with a verdict.

    backend: has `ask(requests, description) -> replies`, as `LocalChat` and `client.Endpoint` do.
    writer: another one, of the same model, whose own profile of each prompt guides the judge.
    """

    family = "language model"

    def __init__(self, name: str, backend: Any, style: str, prompts: Iterable[Prompt] = (),
                 writer: Any = None):
        self.name, self.backend, self.style, self.writer = name, backend, style, writer
        self.prompts = {prompt["id"]: prompt["messages"] for prompt in prompts}
        self.references: dict[str, str | None] = {}

    def requests(self, comparisons: list[Comparison]) -> list[Request]:
        return [{"messages": verdicts.messages(c["abstracts"], c["left"], c["right"], self.style,
                                               self.references.get(c["id"])),
                 "repeat": c.get("repeat", 0)} for c in comparisons]

    def votes(self, comparisons: list[Comparison]) -> list[Vote]:
        if self.writer:
            self.write(sorted({c["id"] for c in comparisons} - set(self.references)))
        answers = self.backend.ask(self.requests(comparisons), f"{self.name} judges")
        return [self.vote(answer) for answer in answers]

    def write(self, keys: list[str]) -> None:
        """The judge's own profiles of some prompts; where it writes none, it is not guided."""
        if keys:
            asked = [{"messages": self.prompts[key]} for key in keys]
            for key, answer in zip(keys, self.writer.ask(asked, f"{self.name} writes")):
                self.references[key] = answer["text"] if answer["status"] == "ok" else None

    @staticmethod
    def vote(answer: Reply) -> Vote:
        """A reply as a vote. What is cut off, refused, empty, failed or unclear wins nothing."""
        reason = f"{answer['status']}: {answer['error']}".rstrip(": ")
        if answer["status"] == "ok":
            result, reason = verdicts.read(answer["text"]), "no verdict in the reply"
            if result is not None:
                return {"winner": WINNER[result], "status": "ok", "reason": answer["text"]}
        return {"winner": None, "status": "invalid", "reason": reason}


class LocalChat:
    """A chat model in this process, with the same interface, cache and ledger as an endpoint."""

    def __init__(self, name: str, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase",
                 calls: Calls, temperature: float, max_tokens: int, batch_size: int):
        self.model, self.tokenizer = model, tokenizer
        self.calls, self.batch_size = calls, batch_size
        self.decoding = {"temperature": temperature, "max_new_tokens": max_tokens}
        # Randomness hangs on the first, what is asked again on the other.
        self.identity = {"name": name, "model": parts.fingerprint(model), **self.decoding}
        self.made_by = identity.of_model(model, tokenizer)

    def ask(self, requests: list[Request], description: str = "") -> list[Reply]:
        """A reply for each request, in order; each batch is kept as soon as it is finished."""
        keys = [call_key(self.identity, request["messages"], request.get("repeat", 0))
                for request in requests]
        asked = [request["messages"] for request in requests]
        chats = dict(zip(keys, encode_chats(self.tokenizer, asked)))
        rows = row_keys(self.made_by, chats.items(), self.decoding)
        lengths = {rows[key]: len(ids) for key, ids in chats.items()}
        answers: Any = Answers(self.calls, self.identity, lengths)
        complete_all(self.model, self.tokenizer, list(chats.items()), self.batch_size, answers,
                     description, self.made_by, **self.decoding)
        return [self.calls.get(rows[key]) for key in keys]  # type: ignore[misc]  # all kept above


class Answers:
    """The calls store as the journal that `complete_all` writes to and resumes from."""

    def __init__(self, calls: Calls, identity: dict[str, Any], prompt_tokens: dict[str, int]):
        self.calls, self.identity, self.prompt_tokens = calls, identity, prompt_tokens

    def __contains__(self, key: str) -> bool:
        return key in self.calls

    def __getitem__(self, key: str) -> Reply | None:
        return self.calls.get(key)

    def add(self, rows: Iterable[tuple[str, list[Completion]]]) -> None:
        for key, (completion, *_) in rows:
            ending: Any = ("ok", "stop") if completion["finished"] else ("cut", "length")
            answer = reply(ending[0], completion["text"], ending[1], "", self.prompt_tokens[key],
                           completion["tokens"])
            self.calls.put(key, self.identity, answer)
