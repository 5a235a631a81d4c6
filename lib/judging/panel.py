"""Panels of judges: who votes, and what follows from the votes."""
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.competencies import verdicts
from lib.core.records import Journal
from lib.core.rows import Prompt, Verdict, Vote
from lib.core.sections.judging import Endpoint as Server
from lib.core.sections.judging import Panelist
from lib.core.sections.preset import Preset
from lib.endpoint.client import Endpoint
from lib.endpoint.store import Calls
from lib.judging.chat import Chat, LocalChat, abstracts_of
from lib.judging.judges import VALUE, Likelihood, ReferenceGuided
from lib.judging.ranking import Asked, Outcomes
from lib.models import loading

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Panel:
    """Judges who vote on the candidates of many prompts; `verdicts` keeps every vote.

    judges: each has a `name` and `votes(comparisons) -> votes`. texts: {prompt id: candidate
    texts}. screening: names of the judges who also vote where comparisons only screen.
    """

    def __init__(self, judges: list[Any], prompts: Iterable[Prompt], texts: dict[str, list[str]],
                 screening: Iterable[str] = ()):
        self.judges = judges
        self.screening = set(screening) or {judge.name for judge in judges}
        self.abstracts = {prompt["id"]: abstracts_of(prompt) for prompt in prompts}
        self.texts, self.verdicts = texts, list[Verdict]()

    def ask(self, batch: list[Asked], screening: bool = False, repeat: int = 0) -> Outcomes:
        """The mean vote, from -1 to 1, on each comparison; None where no judge gave a valid one.

        Equal texts are a tie without any call. repeat: a number that makes a judge answer anew.
        """
        asked, comparisons = [], []
        for key, left, right in batch:
            first, second = self.texts[key][left], self.texts[key][right]
            if first != second:
                asked.append((key, left, right))
                comparisons.append({"id": key, "abstracts": self.abstracts[key], "left": first,
                                    "right": second, "repeat": repeat})
        winners: dict[Asked, list[Any]] = {one: [] for one in asked}
        for judge in self.judges:
            if asked and (not screening or judge.name in self.screening):
                for one, vote in zip(asked, judge.votes(comparisons), strict=True):
                    winners[one].append(vote["winner"])
                    self.keep(one, judge.name, vote, repeat)
        return [mean_vote(winners[one]) if one in winners else 0 for one in batch]

    def keep(self, one: Asked, judge: str, vote: Vote, repeat: int) -> None:
        key, left, right = one
        row: Verdict = {"id": key, "left": left, "right": right, "order": 1 if left < right else 2,
                        "judge": judge, **vote}
        self.verdicts.append({**row, "repeat": repeat} if repeat else row)


def mean_vote(winners: Iterable[str | None]) -> float | None:
    """The mean of some votes, left 1, right -1, tie 0; None where none is valid."""
    values = [VALUE[winner] for winner in winners if winner is not None]
    return sum(values) / len(values) if values else None


def assemble(settings: Preset, prompts: list[Prompt], texts: dict[str, list[str]], calls: Calls,
             work: Path) -> Panel:
    """The panel of settings.judging; each model is loaded once. work: for work in progress."""
    loaded, judges, models = {}, list[Any](), settings.models
    for member in settings.judging.panel:
        model = getattr(models, member.model, member.model)  # a role, or a model's own name
        if member.kind == "endpoint":
            judges.append(endpoint_judge(member, model, member.endpoint,  # type: ignore[arg-type]
                                         prompts, calls))  # a judge of kind endpoint has one
            continue
        if model not in loaded:
            loaded[model] = loading.load(model, models.dtype, settings.runtime.device,
                                         models.quantisation)
        judges.append(local_judge(member, *loaded[model], settings, prompts, calls, work))
    screening = [member.name for member in settings.judging.panel if member.screens]
    return Panel(judges, prompts, texts, screening)


def endpoint_judge(member: Panelist, model: str, server: Server, prompts: list[Prompt],
                   calls: Calls) -> Chat:
    backend = Endpoint(member.name, model, server, calls, verdicts.SCHEMA)
    writer = Endpoint(member.name, model, server, calls) if member.guided else None
    return Chat(member.name, backend, member.prompt, prompts, writer)


def local_judge(member: Panelist, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase",
                settings: Preset, prompts: list[Prompt], calls: Calls,
                work: Path) -> ReferenceGuided | Likelihood | Chat:
    size, margin = settings.models.batch_size, settings.judging.tie_margin
    if member.kind == "reference":
        journal, longest = Journal(work / f"{member.name}.jsonl"), settings.models.max_new_tokens
        return ReferenceGuided(member.name, model, tokenizer, prompts, size, longest, journal,
                               margin)
    if member.kind == "likelihood":
        return Likelihood(member.name, model, tokenizer, prompts, size, margin)
    # One reply per prompt, where sampling writes K: so more prompts fit into a batch.
    backend = LocalChat(
        member.name, model, tokenizer, calls, member.temperature,  # type: ignore[arg-type]
        member.max_tokens, 4 * size)  # type: ignore[arg-type]  # a judge of kind chat has both
    return Chat(member.name, backend, member.prompt, prompts, backend if member.guided else None)


FAMILIES = {"llama": "llama", "mixtral": "mistral", "mistral": "mistral", "qwen": "qwen",
            "gemma": "gemma", "phi": "phi", "gpt": "gpt", "claude": "claude",
            "deepseek": "deepseek", "smollm": "smollm"}


def family(name: str) -> str:
    """A model's family by its name, or its folder's; judges are said to favour their own."""
    known = next((maker for stem, maker in FAMILIES.items() if stem in name.casefold()), None)
    return known or re.split(r"[/:]", name.removeprefix("data/models/"))[0]
