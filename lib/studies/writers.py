"""Who writes: a model that is loaded here, or one behind a server."""
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase as Tokenizer

from lib.core.records import DataError
from lib.core.rows import Completion, Prompt, Request
from lib.core.sections.preset import Preset
from lib.core.sections.servers import Endpoint as Settings
from lib.core.sections.servers import Placed
from lib.endpoint.client import Endpoint, read_key
from lib.endpoint.store import Calls, Reply
from lib.models import loading
from lib.models.sampling import Writer, seed_of

SEEDS = 2**31  # servers take seeds of 31 bits


class Served(Writer):
    """A model behind a server, asked with the cache, the ledger and the budget of judging.

    task: what it writes. model: what the server calls it. Raises DataError where the key is not in
    the environment.
    """

    def __init__(self, task: str, model: str, server: Placed, calls: Calls):
        self.name, self.model, self.server, self.calls = f"writer: {task}", model, server, calls
        self.notes, self.replies = list[str](), list[Reply]()
        read_key(self.name, server.key_variable)

    def complete(self, prompts: list[Prompt], description: str = "", k: int = 1,
                 temperature: float = 0.0, top_p: float = 1.0, max_new_tokens: int = 256,
                 seed: int = 0, with_logps: bool = False) -> dict[str, list[Completion]]:
        """{prompt id: k completions}, each drawn by a seed of its own, where the server takes one.

        The k calls of a prompt follow each other, for servers that keep what they have read.
        with_logps: False, a server is not asked for them. Raises DataError where a call has failed
        for good, as all do where a server refuses the temperature: what was answered is kept, and
        the next run goes on from there.
        """
        if with_logps:
            raise DataError(f"{self.name}: a server is not asked how sure the model is; load it.")
        endpoint = self.endpoint(temperature, top_p, max_new_tokens)
        requests = [request(prompt, number, temperature, seed)
                    for prompt in prompts for number in range(k)]
        replies = endpoint.ask(requests, description)
        self.notes += [note for note in endpoint.notes if note not in self.notes]
        failed = [(prompts[place // k]["id"], reply["error"])
                  for place, reply in enumerate(replies) if reply["status"] == "failed"]
        if failed:
            raise DataError(f"{self.name}: {len(failed)} of {len(replies)} calls failed, the first "
                            f"for the prompt {failed[0][0]!r} with {failed[0][1]}. The others are "
                            "kept: see to what the server says, and run again.")
        self.replies += replies
        written = map(completion, replies)
        return {prompt["id"]: [next(written) for _ in range(k)] for prompt in prompts}

    def endpoint(self, temperature: float, top_p: float, max_tokens: int) -> Endpoint:
        """The client for one way of sampling, without which nothing is asked."""
        settings = Settings.model_construct(**self.server.model_dump(), temperature=temperature,
                                            max_tokens=max_tokens, structured="text")
        return Endpoint(self.name, self.model, settings, self.calls,
                        top_p=top_p if top_p < 1 else None, optional=("seed",))


def request(prompt: Prompt, number: int, temperature: float, seed: int) -> Request:
    """One call for the completion of a prompt with a number. Greedy ones need no seed."""
    asked: Request = {"messages": prompt["messages"], "repeat": number}
    if temperature:
        asked["seed"] = seed_of(seed, f"{prompt['id']}/{number}") % SEEDS
    return asked


def completion(reply: Reply) -> Completion:
    """A server's reply as what a model wrote. What it refused to write is empty."""
    text = reply["text"].strip() if reply["status"] in ("ok", "cut") else ""
    return {"text": text, "tokens": reply["completion_tokens"] or 0,
            "finished": reply["status"] != "cut"}


def load_role(settings: Preset, folder: Path, task: str,
              adapter: str | Path | None = None) -> tuple[Any, Tokenizer | None]:
    """Who writes the "candidates" (the base) or plays another role, and the tokenizer, which nobody
    needs for a model behind a server.

    folder: where a server's answers are kept, as the judges' are, in calls.sqlite.
    """
    server: Placed | None = getattr(settings.servers, task, None)
    role = "base" if task == "candidates" else task
    if server is None:
        return loading.load_role(settings, role, adapter)
    calls = Calls(folder / "calls.sqlite")
    return Served(task, getattr(settings.models, role), server, calls), None


def account(model: Any) -> list[dict[str, Any]]:
    """What a writer behind a server was asked, what that cost in the currency of its prices, and
    what the server refused; of a model that is loaded nothing.

    Of the answers that were used, whenever they were paid; `Calls.ledger` has all calls, also those
    that failed.
    """
    if not isinstance(model, Served):
        return []
    read = sum(reply["prompt_tokens"] or 0 for reply in model.replies)
    written = sum(reply["completion_tokens"] or 0 for reply in model.replies)
    return [{"writer": model.model, "calls": len(model.replies), "prompt tokens": read,
             "completion tokens": written, "cost": model.endpoint(0.0, 1.0, 1).cost(read, written),
             "the server refused": "; ".join(model.notes)}]


def whence(rows: list[dict[str, Any]]) -> str:
    """The `account` of one writer in words."""
    if not rows:
        return "written here, at no cost in money"
    row, = rows
    refused = f" ({row['the server refused']})" if row["the server refused"] else ""
    return f"written by a server, at a cost of {row['cost']:.2f} by its prices{refused}"
