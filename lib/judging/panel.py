"""Panels of judges: who votes, and what follows from the votes."""
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lib.competencies import verdicts
from lib.competencies.profiles import parse
from lib.core.records import DataError, Journal
from lib.core.rows import Prompt, Verdict, Vote
from lib.core.sections.judging import Judging, Panelist
from lib.core.sections.preset import Preset
from lib.core.sections.servers import Endpoint as Server
from lib.endpoint.client import Endpoint
from lib.endpoint.store import Calls
from lib.judging.chat import Chat, LocalChat, abstracts_of
from lib.judging.humans import HumanReferences
from lib.judging.judges import VALUE, Likelihood, ReferenceGuided, Scoring
from lib.judging.ranking import Asked, Outcomes
from lib.judging.reconstruction import ReconstructionJudge
from lib.judging.reward import RewardModel
from lib.judging.standardised import Standardised
from lib.judging.texts import Brevity, EncoderJudge, LexicalJudge
from lib.models import loading
from lib.models.encoder import Encoder

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Panel:
    """Judges who vote on the candidates of many prompts; `verdicts` keeps every vote.

    judges: each has a `name` and `votes(comparisons) -> votes`. texts: {prompt id: candidate
    texts}. screening: names of the judges who also vote where comparisons only screen. known: also
    those who do not vote, by name.
    """

    def __init__(self, judges: list[Any], prompts: Iterable[Prompt], texts: dict[str, list[str]],
                 screening: Iterable[str] = (), known: dict[str, Any] | None = None):
        self.judges, self.known = judges, known or {judge.name: judge for judge in judges}
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


class Training(NamedTuple):
    """What judges may learn from: training prompts, and texts of candidates by their ids."""
    prompts: list[Prompt]
    texts: dict[str, list[str]]


def assemble(settings: Preset, prompts: list[Prompt], texts: dict[str, list[str]], calls: Calls,
             work: Path, training: Training | None = None,
             loaded: dict[str, Any] | None = None) -> Panel:
    """The panel of settings.judging; each model is loaded once. work: for work in progress.

    loaded: models by name, for who assembles several. Raises DataError where a judge of kind
    lexical or reward has nothing to learn from.
    """
    judges, models = list[Any](), settings.models
    loaded = {} if loaded is None else loaded
    for member in settings.judging.panel:
        if member.kind == "standardised":
            continue  # once all that it may be made of are there
        model = member.of(models)
        if member.kind == "endpoint":
            judges.append(endpoint_judge(member, model, member.endpoint,  # type: ignore[arg-type]
                                         prompts, calls))  # a judge of kind endpoint has one
            continue
        if member.kind == "brevity":
            judges.append(Brevity(member.name))
            continue
        if member.kind in ("encoder", "lexical", "reward"):
            if member.kind != "lexical" and model not in loaded:
                loaded[model] = load_encoder(member, model, settings)
            judges.append(text_judge(member, loaded.get(model), settings, prompts,
                                     training or Training([], {})))
            continue
        if model not in loaded:
            loaded[model] = loading.load(model, models.dtype, settings.runtime.device,
                                         models.quantisation)
        reader, tokenizer = loaded[model]
        judges.append(local_judge(member, reader, tokenizer, settings, prompts, calls, work))
    found, used = combined(settings.judging, judges, texts)
    voting = [member for member in settings.judging.panel
              if member.votes and member.name not in used]
    screening = [member.name for member in voting if member.screens]
    return Panel([found[member.name] for member in voting], prompts, texts, screening, found)


def named(settings: Preset, name: str, prompts: list[Prompt], texts: dict[str, list[str]],
          calls: Calls, work: Path, training: Training | None = None) -> Any:
    """One judge of settings.judging.panel, as `assemble` makes it."""
    chosen = settings.model_copy(update={"judging": only(settings.judging, [name])})
    return assemble(chosen, prompts, texts, calls, work, training).known[name]


def only(judging: Judging, names: Iterable[str]) -> Judging:
    """The settings with some judges of the panel, and those that these are made of."""
    wanted = set(names)
    for member in judging.panel:
        wanted |= (member.standardised or {}).keys() if member.name in wanted else set()
    members = [member for member in judging.panel if member.name in wanted]
    return judging.model_copy(update={"panel": members})


def combined(judging: Judging, judges: list[Any],
             texts: dict[str, list[str]]) -> tuple[dict[str, Any], set[str]]:
    """All judges by name, with those made of several; and the names of these several.

    Raises DataError where one of the several is missing.
    """
    by_name, used = {judge.name: judge for judge in judges}, set[str]()
    for member in judging.panel:
        if weights := member.standardised:
            if missing := weights.keys() - by_name.keys():
                raise DataError(f"the judge {member.name!r} is made of {min(missing)!r}, which is "
                                "not among the judges chosen; name it there, too.")
            parts = [by_name[name] for name in weights]
            candidates = {key: list(map(parse, found)) for key, found in texts.items()}
            by_name[member.name] = Standardised(member.name, parts, weights, candidates,
                                                judging.tie_margin)
            used |= weights.keys()
    return by_name, used


def endpoint_judge(member: Panelist, model: str, server: Server, prompts: list[Prompt],
                   calls: Calls) -> Chat:
    backend = Endpoint(member.name, model, server, calls, verdicts.SCHEMA)
    writer = Endpoint(member.name, model, server, calls) if member.guided else None
    return Chat(member.name, backend, member.prompt, prompts, writer)


def load_encoder(member: Panelist, model: str, settings: Preset) -> Encoder:
    if not model:
        raise DataError(f"the judge {member.name!r} needs a sentence encoder; name one in "
                        "models.encoder.")
    return Encoder(model, settings.runtime.device)


def text_judge(member: Panelist, encoder: Any, settings: Preset, prompts: list[Prompt],
               training: Training) -> EncoderJudge | LexicalJudge | RewardModel:
    """A judge that reads a text without a language model; encoder: None for kind lexical."""
    name, margin, usual = member.name, settings.judging.tie_margin, settings.judging.usual
    if member.encoder:
        return EncoderJudge(name, encoder, prompts, member.encoder, margin)
    if member.lexical:
        return LexicalJudge(name, training.prompts, prompts, member.lexical, margin)
    known = list({prompt["id"]: prompt for prompt in [*training.prompts, *prompts]}.values())
    readers = [EncoderJudge(f"{reads}:", encoder, known,
                            usual.encoder.model_copy(update={"reads": reads}))
               for reads in ("name", "competency")]
    words = LexicalJudge("words:", training.prompts, known, usual.lexical)
    candidates = {key: list(map(parse, found)) for key, found in training.texts.items()}
    model = RewardModel(name, [*readers, words], known, margin)
    return model.fit(HumanReferences(training.prompts, encoder), candidates)


def local_judge(member: Panelist, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase",
                settings: Preset, prompts: list[Prompt], calls: Calls,
                work: Path) -> Scoring | Chat:
    size, margin = settings.models.batch_size, settings.judging.tie_margin
    if member.kind == "reference":
        journal, longest = Journal(work / f"{member.name}.jsonl"), settings.models.max_new_tokens
        return ReferenceGuided(member.name, model, tokenizer, prompts, size, longest, journal,
                               margin)
    if member.kind == "likelihood":
        return Likelihood(member.name, model, tokenizer, prompts, size, margin)
    if member.kind == "reconstruction":
        journal = Journal(work / f"{member.name}.jsonl")
        return ReconstructionJudge(member.name, model, tokenizer, prompts, journal, margin)
    # One reply per prompt, where sampling writes K: so more prompts fit into a batch.
    backend = LocalChat(
        member.name, model, tokenizer, calls, member.temperature,  # type: ignore[arg-type]
        member.max_tokens, 4 * size)  # type: ignore[arg-type]  # a judge of kind chat has both
    return Chat(member.name, backend, member.prompt, prompts, backend if member.guided else None)

