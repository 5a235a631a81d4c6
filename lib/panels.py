"""Panels of judges: who votes, by which conversation, and what follows from the votes.

`Chat` puts both profiles before a language model, in this process (`LocalChat`) or behind an endpoint, and reads its verdict.
`Panel` asks several judges, of this kind or of `judges`, and keeps every vote.
"""
import re

from lib import models, verdicts
from lib.calls import call_key, reply
from lib.endpoint import Endpoint
from lib.judges import VALUE, WINNER, Likelihood, ReferenceGuided
from lib.models import encode_chats
from lib.prompts import REMINDER
from lib.ranking import bradley_terry
from lib.records import Journal
from lib.sampling import complete_all


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
        self.identity = {"name": name, "model": models.fingerprint(model), **self.decoding}

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


class Panel:
    """Judges who vote on the candidates of many prompts; every vote is kept.

    prompts: rows of the prompts contract. texts: {prompt id: candidate texts}. screening: names of the judges who also vote
    where comparisons only screen. After some calls of `ask`, `verdicts` holds one row of the verdicts contract per judge and
    comparison: left and right are indices into the texts, order is 1 where the smaller index stands left, else 2. `results`
    holds the outcomes, {prompt id: [((left, right), outcome)]}.
    """

    def __init__(self, judges, prompts, texts, screening=()):
        self.judges, self.screening = judges, set(screening) or {judge.name for judge in judges}
        self.abstracts = {prompt["id"]: abstracts_of(prompt) for prompt in prompts}
        self.texts, self.verdicts, self.results = texts, [], {key: [] for key in texts}

    def ask(self, batch, screening=False, repeat=0):
        """The mean vote, from -1 to 1, on each (prompt id, left, right); None where no judge gave a valid one.

        Equal texts are a tie without any call. repeat: a number that makes a judge answer the same question anew.
        """
        asked = [one for one in batch if self.texts[one[0]][one[1]] != self.texts[one[0]][one[2]]]
        comparisons = [{"id": key, "abstracts": self.abstracts[key], "left": self.texts[key][left], "right": self.texts[key][right],
                        "repeat": repeat} for key, left, right in asked]
        winners = {one: [] for one in asked}
        for judge in self.judges:
            if asked and (not screening or judge.name in self.screening):
                for one, vote in zip(asked, judge.votes(comparisons), strict=True):
                    winners[one].append(vote["winner"])
                    self.keep(one, judge.name, vote, repeat)
        outcomes = [mean_vote(winners[one]) if one in winners else 0 for one in batch]
        for (key, left, right), outcome in zip(batch, outcomes):
            self.results[key].append(((left, right), outcome))
        return outcomes

    def keep(self, one, judge, vote, repeat):
        key, left, right = one
        self.verdicts.append({"id": key, "left": left, "right": right, "order": 1 if left < right else 2, "judge": judge, **vote}
                             | ({"repeat": repeat} if repeat else {}))


def mean_vote(winners):
    """The mean of some votes, left 1, right -1, tie 0; None where none is valid."""
    values = [VALUE[winner] for winner in winners if winner is not None]
    return sum(values) / len(values) if values else None


def assemble(settings, prompts, texts, calls, work):
    """The panel that settings.judging.panel describes. Each model is loaded once, whatever it does.

    calls: a `calls.Calls`. work: a directory for work in progress.
    """
    loaded, judges = {}, []
    for member in settings.judging.panel:
        model = getattr(settings.models, member.model, member.model)  # a role, or a model's own name
        if member.kind == "endpoint":
            judges.append(endpoint_judge(member, model, member.endpoint, prompts, calls))
            continue
        if model not in loaded:
            loaded[model] = models.load(model, settings.models.dtype, settings.runtime.device, settings.models.quantisation)
        judges.append(local_judge(member, *loaded[model], settings, prompts, calls, work))
    return Panel(judges, prompts, texts, [member.name for member in settings.judging.panel if member.screens])


def preferences(prompt, completions, pairs, results):
    """Pairs of one prompt as rows of the preferences contract.

    completions: its candidate texts. pairs: [(better, worse)] of indices. results: [((left, right), outcome)] of its comparisons.
    The margin is the difference in Bradley-Terry strength, in logits.
    """
    strength = bradley_terry(range(len(completions)), results)
    return [{"id": prompt["id"], "author": prompt["author"], "split": prompt["split"], "prompt": prompt["messages"],
             "chosen": [{"role": "assistant", "content": completions[better]}],
             "rejected": [{"role": "assistant", "content": completions[worse]}],
             "margin": strength[better] - strength[worse]} for better, worse in pairs]


def endpoint_judge(member, model, server, prompts, calls):
    writer = Endpoint(member.name, model, server, calls) if member.guided else None
    return Chat(member.name, Endpoint(member.name, model, server, calls, verdicts.SCHEMA), member.prompt, prompts, writer)


def local_judge(member, model, tokenizer, settings, prompts, calls, work):
    size, margin = settings.models.batch_size, settings.judging.tie_margin
    if member.kind == "reference":
        return ReferenceGuided(member.name, model, tokenizer, prompts, size, settings.models.max_new_tokens,
                               Journal(work / f"{member.name}.jsonl"), margin)
    if member.kind == "likelihood":
        return Likelihood(member.name, model, tokenizer, prompts, size, margin)
    # One reply per prompt, where sampling writes K: so more prompts fit into a batch.
    backend = LocalChat(member.name, model, tokenizer, calls, member.temperature, member.max_tokens, 4 * size)
    return Chat(member.name, backend, member.prompt, prompts, backend if member.guided else None)


FAMILIES = {"llama": "llama", "mixtral": "mistral", "mistral": "mistral", "qwen": "qwen", "gemma": "gemma", "phi": "phi", "gpt": "gpt",
            "claude": "claude", "deepseek": "deepseek", "smollm": "smollm"}


def family(name):
    """The family of a model, as far as its name tells; judges are said to favour their own. Models in a folder: the folder above."""
    known = next((maker for stem, maker in FAMILIES.items() if stem in name.casefold()), None)
    return known or re.split(r"[/:]", name.removeprefix("data/models/"))[0]
