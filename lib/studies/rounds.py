"""Iterative DPO: sample from the current model, judge, tune, compare with the model before.

Round 1 is what 03_dpo made. Every `data` is the project's data folder.
"""
import shutil
from pathlib import Path
from typing import Any

from torch.nn import Module
from transformers import PreTrainedTokenizerBase as Tokenizer

from lib.core.records import Journal, read_json
from lib.core.rows import Candidates, Preference, Prompt, Rate
from lib.core.sections.preset import Preset
from lib.endpoint.store import Calls
from lib.judging import ranking, schemes
from lib.judging.panel import Training, assemble, only
from lib.studies.synthesis import sample_candidates
from lib.training import launch


def adapter_of(data: Path, number: int) -> Path:
    return (data if number == 1 else data / "rounds" / str(number)) / "adapter"


def preferences_of(data: Path, number: int) -> Path:
    return adapter_of(data, number).with_name("preferences.jsonl")


def state(data: Path, number: int) -> dict[str, Any]:
    """What a round left: {"round", "ran", "best", "goes_on", ...}.

    best: the round whose model is kept so far. goes_on: whether the next round is begun.
    """
    if number == 1:
        return {"round": 1, "ran": True, "best": 1, "goes_on": True}
    return read_json(data / "rounds" / str(number) / "round.json")


def decide(before: dict[str, Any], number: int, share: Rate) -> dict[str, Any]:
    """The state after a round. share: of wins of the new model over the one before.

    The thesis's rule: the rounds stop when it is not above one half; the model before is then kept.
    """
    better = share["rate"] is not None and share["rate"] > 0.5
    best = number if better else before["best"]
    return {"round": number, "ran": True, "best": best, "goes_on": better, "share": share}


def stopped(before: dict[str, Any], number: int) -> dict[str, Any]:
    """The state after a round that was not begun, because the rounds had stopped before."""
    return {"round": number, "ran": False, "best": before["best"], "goes_on": False}


def fresh_pairs(model: Module, tokenizer: Tokenizer, prompts: list[Prompt], settings: Preset,
                number: int, calls: Calls, work: Path, journal: Journal,
                ) -> tuple[list[Candidates], list[Preference]]:
    """Candidates of the current model, and the pairs that judges of `rounds.judges` make of them.

    Like 01 and 02, with a seed of the round's own.
    """
    seed = settings.candidates.seed + 1000 * number
    sampling = settings.candidates.model_copy(update={"seed": seed})
    candidates = sample_candidates(model, tokenizer, prompts, sampling, settings.models, journal)
    return candidates, judged(candidates, prompts, settings, calls, work)


def judged(candidates: list[Candidates], prompts: list[Prompt], settings: Preset, calls: Calls,
           work: Path) -> list[Preference]:
    """The pairs that judges of `rounds.judges` make of some candidates, as 02 does."""
    judging = only(settings.judging, settings.rounds.judges)
    texts = {row["id"]: row["completions"] for row in candidates}
    panel = assemble(settings.model_copy(update={"judging": judging}), prompts, texts, calls, work,
                     Training(prompts, texts))
    entrants = ranking.entrants(candidates)
    emitted, results = schemes.play(entrants, judging.scheme, panel.ask, judging)
    pairs = []
    for prompt in prompts:
        key = prompt["id"]
        pairs += ranking.preferences(prompt, texts[key], emitted[key], results[key])
    return pairs


def tune_on(settings: Preset, start: Path | None, pairs: list[Preference], changes: dict[str, Any],
            work: Path, references: Path) -> tuple[Module, "launch.History"]:
    """DPO from an adapter, which is also the reference, or from the base, as dpo.launch says.

    start: the adapter's folder. changes: settings of dpo that differ here, such as the learning
    rate. work, references: as in `launch.train`. Returns (tuned model, history).
    """
    settings = settings.model_copy(update={"dpo": settings.dpo.model_copy(update=changes)})
    split = {name: [row for row in pairs if row["split"] == name]
             for name in ("train", "validation")}
    return launch.train(settings, split, work, references, start)


def clear(data: Path, number: int) -> Path:
    """The folder of one round, empty."""
    place = data / "rounds" / str(number)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    return place


def chosen_once(pairs: list[Preference]) -> list[Preference]:
    """Training pairs with distinct chosen answers: what supervised tuning learns from."""
    train = [row for row in pairs if row["split"] == "train"]
    return list({(row["id"], row["chosen"][0]["content"]): row for row in train}.values())


def beyond_chance(share: Rate | None) -> int | None:
    """1 where a share of wins lies above one half with its interval, -1 below, 0 neither."""
    if share is None or share["rate"] is None:
        return None
    return (share["low"] > 0.5) - (share["high"] < 0.5)  # type: ignore[operator]  # known
