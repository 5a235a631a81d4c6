"""Who writes: a model that is loaded here, or one behind a server."""
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase as Tokenizer

from lib.core.records import DataError
from lib.core.rows import Completion, Prompt, Request
from lib.core.sections.preset import Preset
from lib.core.sections.servers import Endpoint as Server
from lib.endpoint.client import Endpoint
from lib.endpoint.store import Calls, Reply
from lib.models import loading
from lib.models.sampling import Writer, seed_of

SEEDS = 2**31  # servers take seeds of 31 bits


class Served(Writer):
    """A model behind a server, asked with the cache, the ledger and the budget of judging.

    name: what it is called in the ledger. model: what the server calls it.
    """

    def __init__(self, name: str, model: str, server: Server, calls: Calls):
        self.name, self.model, self.server, self.calls = name, model, server, calls
        self.notes = list[str]()

    def complete(self, prompts: list[Prompt], description: str = "", k: int = 1,
                 temperature: float = 0.0, top_p: float = 1.0, max_new_tokens: int = 256,
                 seed: int = 0, with_logps: bool = False) -> dict[str, list[Completion]]:
        """{prompt id: k completions}, each drawn by a seed of its own, where the server takes one.

        The k calls of a prompt follow each other, so that a server which keeps what it has read
        reads each prompt once. with_logps: False, a server is not asked for them. Raises DataError
        where a call has failed for good: what was answered is kept, and the next run goes on from
        there.
        """
        if with_logps:
            raise DataError(f"{self.name}: a server is not asked how sure the model is; load it.")
        settings = self.server.model_copy(
            update={"temperature": temperature, "max_tokens": max_new_tokens})
        endpoint = Endpoint(self.name, self.model, settings, self.calls, top_p=top_p)
        requests: list[Request] = [
            {"messages": prompt["messages"], "repeat": number,
             "seed": seed_of(seed, f"{prompt['id']}/{number}") % SEEDS}
            for prompt in prompts for number in range(k)]
        replies = endpoint.ask(requests, description)
        self.notes = endpoint.notes
        failed = [reply for reply in replies if reply["status"] == "failed"]
        if failed:
            raise DataError(f"{self.name}: {len(failed)} of {len(replies)} calls failed, the last "
                            f"with {failed[-1]['error']}; the others are kept. Check the server "
                            "and run again.")
        written = map(completion, replies)
        return {prompt["id"]: [next(written) for _ in range(k)] for prompt in prompts}


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
    server: Server | None = getattr(settings.servers, task, None)
    role = "base" if task == "candidates" else task
    if server is None:
        return loading.load_role(settings, role, adapter)
    calls = Calls(folder / "calls.sqlite")
    return Served(task, getattr(settings.models, role), server, calls), None


def ledger(model: Any) -> list[dict[str, Any]]:
    """What a writer behind a server was asked and what that cost, as `Calls.ledger` has it."""
    rows = model.calls.ledger() if isinstance(model, Served) else []
    return [row for row in rows if row["name"] == model.name]
