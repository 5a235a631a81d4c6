"""Iterative DPO: sample from the current model, judge, tune, compare with the model before. Round 1 is what 03_dpo made."""
import shutil

from lib.core.records import read_json
from lib.judging import ranking
from lib.judging.panel import assemble
from lib.studies.synthesis import sample_candidates
from lib.training import launch


def adapter_of(data, number):
    """Where the adapter of one round lies. data: the project's data folder."""
    return data / "adapter" if number == 1 else data / "rounds" / str(number) / "adapter"


def preferences_of(data, number):
    return data / "preferences.jsonl" if number == 1 else data / "rounds" / str(number) / "preferences.jsonl"


def state(data, number):
    """What a round left: {"round", "ran", "best", "goes_on", ...}. best: the round whose model is kept so far."""
    return {"round": 1, "ran": True, "best": 1, "goes_on": True} if number == 1 else read_json(data / "rounds" / str(number) / "round.json")


def decide(before, number, share):
    """The state after a round. before: the state after the round before. share: win share of the new model against the one before.

    The thesis's rule: the rounds stop when that share is not above one half; the model before is then kept.
    """
    better = share["rate"] is not None and share["rate"] > 0.5
    return {"round": number, "ran": True, "best": number if better else before["best"], "goes_on": better, "share": share}


def stopped(before, number):
    """The state after a round that was not begun, because the rounds had stopped before."""
    return {"round": number, "ran": False, "best": before["best"], "goes_on": False}


def fresh_pairs(model, tokenizer, prompts, settings, number, calls, work, journal):
    """Candidates of the current model, judged: (candidate rows, rows of the preferences contract).

    Like 01 and 02, with a seed of the round's own and with the judges that `rounds.judges` names.
    """
    wanted = settings.candidates.model_copy(update={"seed": settings.candidates.seed + 1000 * number})
    panel_of = [judge for judge in settings.judging.panel if judge.name in settings.rounds.judges]
    settings = settings.model_copy(update={"candidates": wanted, "judging": settings.judging.model_copy(update={"panel": panel_of})})
    candidates = sample_candidates(model, tokenizer, prompts, settings, journal)
    texts = {row["id"]: row["completions"] for row in candidates}
    entrants = {row["id"]: [i for i, status in enumerate(row["status"]) if status == "ok"] for row in candidates}
    panel = assemble(settings, prompts, texts, calls, work)
    emitted = ranking.play(entrants, settings.judging.scheme, panel.ask, settings.judging)
    return candidates, [row for prompt in prompts for row in ranking.preferences(
        prompt, texts[prompt["id"]], emitted[prompt["id"]], panel.results[prompt["id"]])]


def tune_on(settings, start, pairs, changes, work, references):
    """DPO from an adapter, which is also the reference, or from the base, in as many processes as dpo.launch says.

    start: the folder of the adapter, or None. changes: settings of dpo that differ here, such as the learning rate.
    Returns (tuned model, history).
    """
    settings = settings.model_copy(update={"dpo": settings.dpo.model_copy(update=changes)})
    split = {name: [row for row in pairs if row["split"] == name] for name in ("train", "validation")}
    return launch.train(settings, split, work, references, start)


def clear(data, number):
    """The folder of one round, empty."""
    place = data / "rounds" / str(number)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    return place


def chosen_once(pairs):
    """Training pairs with distinct chosen answers: what supervised tuning learns from."""
    return list({(row["id"], row["chosen"][0]["content"]): row for row in pairs if row["split"] == "train"}.values())
