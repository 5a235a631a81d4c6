"""Page 13: which ways to ask are compared on the same texts, and by what."""
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerBase as Tokenizer

from lib.competencies import prompts
from lib.competencies.profiles import conforms, conforms_json, render
from lib.core.rows import Example, Prompt, Written
from lib.core.sections.models import Models
from lib.core.sections.preset import Preset
from lib.core.sections.studies import Prompts
from lib.metrics import stats
from lib.metrics.competencies import compliant, names_in
from lib.metrics.words import ngrams, stems
from lib.models.chats import encode_chats
from lib.studies import novelty, references
from lib.studies.prompting import Chosen, Encode, choose, with_examples

STYLES = {"text": "full", "json": "json"}  # of the prompt, by the format that it asks for
NEAREST = "nearest"  # how the one example is chosen that formats are compared with


class Way(NamedTuple):
    """One way to ask. choose: how k examples are found, "none" for none."""
    format: str
    choose: str
    k: int


class Asked(NamedTuple):
    """The same texts asked in several ways.

    prompts: by way, in one order. lost: how many prompts of a way lost examples to the limit.
    chosen, passed_over: of `prompting.choose`, by kind of choice.
    """
    prompts: dict[Way, list[Prompt]]
    lost: dict[Way, int]
    chosen: dict[str, Chosen]
    passed_over: dict[str, Counter[str]]


def to_compare(wanted: Prompts) -> list[Way]:
    """No example, then each choice with each k; and both formats without and with one example."""
    found = [Way("text", "none", 0)]
    found += [Way("text", *both) for both in product(wanted.choose, sorted(wanted.k))]
    found += [Way(form, *both) for both in (("none", 0), (NEAREST, 1)) for form in STYLES]
    return list(dict.fromkeys(found))


def ask(ways: Sequence[Way], asked: Sequence[Prompt], known: Sequence[Example], settings: Preset,
        tokenizer: Tokenizer, encode: Encode) -> Asked:
    """Prompts for each way to ask about the abstracts of some, which show `known` examples."""
    wanted = settings.examples.model_copy(update={"k": max(way.k for way in ways)})
    found = Asked({}, {}, {}, {})
    for choice in dict.fromkeys(way.choose for way in ways if way.k):
        found.chosen[choice], found.passed_over[choice] = choose(
            asked, known, wanted.model_copy(update={"choose": choice}), settings.data, encode)
    for way in ways:
        style = STYLES[way.format]
        bare = [in_style(prompt, style) for prompt in asked]
        first = {prompt["id"]: found.chosen[way.choose][prompt["id"]][:way.k] if way.k else []
                 for prompt in asked}
        found.prompts[way], lost = with_examples(bare, first, style, tokenizer,
                                                 wanted.max_prompt_tokens)
        found.lost[way] = len(lost)
    return found


def in_style(prompt: Prompt, style: str) -> Prompt:
    """The same question in another style, without examples."""
    bare: Any = {key: value for key, value in prompt.items() if key != "examples"}
    bare["messages"] = prompts.messages(prompt["abstracts"], style)
    return bare


def described(asked: Asked, way: Way, tokenizer: Tokenizer) -> dict[str, Any]:
    """What a way shows: mean "examples" and "prompt_tokens" of a prompt, and how many "lost" some.
    """
    rows = asked.prompts[way]
    lengths = map(len, encode_chats(tokenizer, [row["messages"] for row in rows]))
    return {"examples": sum(len(row.get("examples", [])) for row in rows) / len(rows),
            "prompt_tokens": sum(lengths) / len(rows), "lost": asked.lost[way]}


def roomy(models: Models, limit: int) -> Models:
    """The settings of models with batches that hold as many tokens, of prompts up to a limit."""
    size = models.batch_size * models.max_prompt_tokens // limit
    return models.model_copy(update={"batch_size": max(1, min(models.batch_size, size))})


def outcome(measured: references.Measured, control: references.Measured) -> dict[str, Any]:
    """How good profiles are: means, and the mean differences to those of a control, text by text.

    measured, control: of `references.measure`. "format" is the share that is complete: readable,
    finished, of three to eight competencies.
    """
    found = references.means(measured)
    scores = {"f1": "f1", "format": "compliant"}
    return {**{score: found[score] for score in ("f1", "precision", "recall", "soft_f1")},
            "format": found["compliant"], "competencies": found["competencies"]["mean"],
            "n": len(measured),
            "difference": {name: references.difference(measured, control, score)
                           for name, score in scores.items()}}


def copied(asked: Sequence[Prompt], written: Sequence[Written],
           known: Iterable[Example]) -> list[float]:
    """The share of a profile's names that an example before it has and its own text has not.

    By their stems; of each profile that has names and whose prompt shows examples.
    """
    listed = {one["id"]: set(map(stems, names_in(one["profile"]))) for one in known}
    shares = []
    for prompt, row in zip(asked, written, strict=True):
        names = [stems(name) for name in names_in(row["profile"])]
        shown = {name for one in prompt.get("examples", []) for name in listed[one]}
        text = stems(" ".join(novelty.texts_of(prompt)))
        if names and shown:
            foreign = [name for name in names if name in shown
                       and name not in ngrams(text, len(name))]
            shares.append(len(foreign) / len(names))
    return shares


def repeated(asked: Sequence[Prompt], chosen: Chosen) -> list[Written]:
    """What a rule of one line writes: the profile of the example that was chosen first."""
    rows: list[Any] = []
    for prompt in asked:
        profile = next((one["profile"] for one in chosen[prompt["id"]]), None)
        text = render(profile) if profile else ""
        rows.append({"id": prompt["id"], "text": text, "tokens": len(text.split()),
                     "finished": True, "profile": profile})
    return rows


def kept(written: Sequence[Written], form: str) -> dict[str, Any]:
    """How a format is kept: the shares "parsed", "complete", "exact", "finished"; mean "tokens".

    parsed: a profile can be read out of the answer, whatever its form. complete: it is also
    finished, with three to eight competencies. exact: complete, in the form that was asked for,
    and nothing else.
    """
    keeps, n = conforms_json if form == "json" else conforms, len(written)
    exact = [row["finished"] and keeps(row["text"]) for row in written]
    return {"parsed": stats.rate(sum(row["profile"] is not None for row in written), n),
            "complete": stats.rate(sum(map(compliant, written)), n),
            "exact": stats.rate(sum(exact), n),
            "finished": stats.rate(sum(row["finished"] for row in written), n),
            "tokens": stats.quantiles([row["tokens"] for row in written])["mean"]}
