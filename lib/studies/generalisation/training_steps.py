"""The steps of training before the gate: what each learns from, how it is trained and tested."""
import random
import re
from pathlib import Path
from typing import Any

from lib.competencies import profiles, prompts, world
from lib.core.rows import Message, Preference, Profile, Prompt
from lib.core.sections.preset import Preset
from lib.core.sections.studies import Gate
from lib.core.sections.tuning import Tuning
from lib.models import loading
from lib.studies.generalisation import behaviour_tests
from lib.training import sft

Lesson = tuple[str | list[Message], str]  # a chat and the answer to learn


def best(preferences: list[Preference]) -> list[Lesson]:
    """The best answer known for each training author: the chosen one of the largest margin."""
    found: dict[str, Preference] = {}
    for row in [row for row in preferences if row["split"] == "train"]:
        rival = found.setdefault(row["author"], row)
        if row["margin"] > rival["margin"]:
            found[row["author"]] = row
    return [(row["prompt"], row["chosen"][0]["content"]) for row in found.values()]


def explain(text: str, profile: Profile, rivals: list[str]) -> str:
    """Why a profile is right, as lines for the system message of its sample.

    text: the abstracts. Each competency is given with the sentence that names it; of `rivals`,
    names that others listed, it is said that they are not shown. Where no sentence holds a name, it
    is left out.
    """
    sentences = re.split(r"(?<=[.!?]) |\n+", text)
    shown = [item["name"] for item in profile["competencies"]]
    verdicts = [(name, "shown") for name in shown]
    verdicts += [(name, "not shown") for name in rivals if name not in shown]
    lines = []
    for name, verdict in verdicts:
        quoted = [sentence for sentence in sentences if name.casefold() in sentence.casefold()]
        lines += [f"{name} is {verdict}: {sentence}" for sentence in quoted[:1]]
    return "\n".join(lines)


def explainable(wanted: Gate, rows: list[Prompt], preferences: list[Preference], style: str,
                wording: str = "plain") -> list[tuple[list[Message], Profile, list[str]]]:
    """What explanation tuning learns from, of training authors and of fresh synthetic ones.

    The profile is the true one or, where nobody knows it, the best answer; the names beside it are
    those in the candidates or, for fresh authors, those merely mentioned. wording: of the latter.
    """
    candidates: dict[str, dict[str, None]] = {}
    answers = {str(messages): text for messages, text in best(preferences)}
    for pair in preferences:
        for side in ("chosen", "rejected"):
            written: Any = profiles.parse(pair[side][0]["content"])
            names = dict.fromkeys(item["name"] for item in written["competencies"])
            candidates.setdefault(pair["id"], {}).update(names)
    found = []
    for row in [row for row in rows if row["split"] == "train"]:
        profile = row["truth"] or profiles.parse(answers.get(str(row["messages"])))
        if profile:
            found.append((row["messages"], profile, list(candidates.get(row["id"], {}))))
    domains = world.seen_domains()
    for number in range(wanted.authors):
        own = world.author(f"explained-{number}", wanted.seed, domains, wanted.invented, wording)
        mentioned = [name for abstract in own for name in abstract["truth"]["mentioned"]]
        found.append((prompts.messages(own, style), world.truth(own), mentioned))
    random.Random(wanted.seed).shuffle(found)
    return found


def lessons(wanted: Gate, rows: list[Prompt], preferences: list[Preference], style: str,
            wording: str = "plain") -> dict[str, list[Lesson]]:
    """What each step learns: the best answers, profiles explained, and the same unexplained.

    Every second sample of explanation tuning has its explanation in the system message; the others
    teach to do without, as in the behaviour tests.
    """
    samples = explainable(wanted, rows, preferences, style, wording)
    plain: list[Lesson] = [(messages, profiles.render(profile)) for messages, profile, _ in samples]
    explained: list[Lesson] = []
    for number, (messages, profile, rivals) in enumerate(samples):
        system, *rest = messages
        reasons = explain(rest[-1]["content"], profile, rivals) if number % 2 == 0 else ""
        system = {**system, "content": f"{system['content']}\n{reasons}".strip()}
        explained.append(([system, *rest], plain[number][1]))
    return {"sft": best(preferences), "explained": explained, "unexplained": plain}


def sizes(given: dict[str, list[Lesson]]) -> list[dict[str, str | int]]:
    """How many samples each step has, and how many with an explanation. given: of `lessons`."""
    usual = given["sft"][0][0][0] if given["sft"] else None  # the system message of all others
    return [{"step": step, "samples": len(samples), "with an explanation":
             sum(messages[0] != usual for messages, _ in samples) if usual else 0}
            for step, samples in given.items()]


def plan(wanted: Gate, adapter: Path, given: dict[str, list[Lesson]]) -> dict[str, tuple]:
    """What `step` takes for each step: (the adapter to start from, lessons, how to tune)."""
    return {"base": (None, [], None), "sft": (None, given["sft"], wanted.sft),
            "dpo": (adapter, [], None),
            "explained": (adapter, given["explained"], wanted.explained),
            "unexplained": (adapter, given["unexplained"], wanted.explained)}


def step(settings: Preset, name: str, adapter: str | Path | None, rows: list[Lesson],
         tuning: Tuning | None, tests: list[behaviour_tests.Test]) -> list[behaviour_tests.Test]:
    """Train the base, or an adapter of it, and let the result take the behaviour tests.

    adapter: its folder. With no rows the model stays as it is, and `tuning` may be None.
    """
    model, tokenizer = loading.load_role(settings, "base", adapter, trainable=bool(rows))
    if rows:
        if adapter:  # all that can be trained is the adapter: no second one
            tuning = tuning.model_copy(update={"method": "full"})  # type: ignore[union-attr]
        model, _, _ = sft.tune(model, tokenizer, rows, tuning)  # type: ignore[arg-type]  # known
    return behaviour_tests.take(tests, name, model, tokenizer, settings.models)
