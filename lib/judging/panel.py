"""Panels of judges: who votes, and what follows from the votes."""
import re

from lib.competencies import verdicts
from lib.core.records import Journal
from lib.endpoint.client import Endpoint
from lib.judging.chat import Chat, LocalChat, abstracts_of
from lib.judging.judges import VALUE, Likelihood, ReferenceGuided
from lib.models import loading


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
            loaded[model] = loading.load(model, settings.models.dtype, settings.runtime.device, settings.models.quantisation)
        judges.append(local_judge(member, *loaded[model], settings, prompts, calls, work))
    return Panel(judges, prompts, texts, [member.name for member in settings.judging.panel if member.screens])


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
