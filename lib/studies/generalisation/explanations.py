"""Explanation tuning against spurious cues (Ludan et al. 2023).

Is a model that also learns to say why less easily misled? It learns to tell true claims from false
ones where some cue, such as the length of the text, goes with the label. It learns the label alone,
or an explanation as well, after the label or in the system message; it is tested where the cue
means nothing.
"""
import random
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from lib.core.records import Journal, digest
from lib.core.rows import Message, Rate
from lib.core.sections.preset import Preset
from lib.core.sections.studies import Explanations
from lib.metrics.stats import correlation, over_seeds
from lib.models import chats, loading, scoring
from lib.tasks.claims import WORDS, Claim, divide, four_cells, largest, presence, prompt
from lib.training import parallel, sft

ARMS = ("label_only", "told", "with_explanation", "permuted", "random")
MEASURES = {"accuracy": "share", "drop": "difference", "cue_correlation": "correlation"}
Lesson = tuple[str | list[Message], str]  # a chat and the answer to learn
Trial = tuple[float, str, int]  # strength, arm, seed
Encode = Callable[[list[str]], np.ndarray]
Asked = list[tuple[Claim, bool]]  # of the test: a claim, and whether the cue is there


def lessons(rows: list[Claim], arm: str, rng: random.Random) -> list[Lesson]:
    """What an arm of the study learns from some rows.

    label_only: the label. told: the label; the system message of every second row holds its
    explanation, the others teach to do without, as in the test. with_explanation: the label, and
    its explanation after it. permuted: so, but the explanation of another row with the same label,
    which fits the answer and not the text. random: so, but as many words, drawn from all of them.
    """
    texts = [row["explanation"] for row in rows]
    labels = [WORDS[row["label"]] for row in rows]
    if arm == "told":
        told = [text if number % 2 == 0 else "" for number, text in enumerate(texts)]
        return [(prompt(row, text), label) for row, text, label in zip(rows, told, labels)]
    if arm == "permuted":
        for label in (True, False):
            places = [number for number, row in enumerate(rows) if row["label"] == label]
            # The rows are in random order, so a turn will do.
            for place, source in zip(places, places[1:] + places[:1]):
                texts[place] = rows[source]["explanation"]
    if arm == "random":
        words = [word for text in texts for word in text.split()]
        texts = [" ".join(rng.choices(words, k=len(text.split()))) for text in texts]
    if arm != "label_only":
        labels = [f"{label}: {text}" for label, text in zip(labels, texts)]
    return [(prompt(row), label) for row, label in zip(rows, labels)]


def study(settings: Preset, pool: list[Claim], test: list[Claim], journal: Journal,
          description: str, encode: Encode | None = None) -> list[dict[str, Any]]:
    """The whole study on some claims: one row per trial, as of `measure`."""
    wanted = settings.generalisation
    taught, asked = trials(pool, test, wanted.explanations, encode)
    prompts = [prompt(row) for row, _ in asked]
    jobs = {"/".join(map(str, trial)): (settings, rows, trial[2], prompts)
            for trial, rows in taught.items()}
    said = parallel.run_jobs(answers, jobs, wanted.workers, journal, description)
    return measure(dict(zip(taught, said.values(), strict=True)), asked)


def trials(pool: list[Claim], test: list[Claim], study: Explanations,
           encode: Encode | None = None) -> tuple[dict[Trial, list[Lesson]], Asked]:
    """What every training of the study learns, and its test.

    pool, test: claims to draw from. All arms of a strength and seed get the same rows. In the test
    the cue goes with neither label; a text is long where it is longer than the median of the pool.
    encode: as of `claims.presence`.
    """
    cues, in_test = presence(pool, test, study.cue, encode)
    asked = four_cells(test, in_test, 0.5, study.test, random.Random(study.seed))
    found: dict[Trial, list[Lesson]] = {}
    for strength in study.strengths:
        for seed in range(study.seed, study.seed + study.seeds):
            rng = random.Random(f"{seed}/{strength}")
            rows = [row for row, _ in four_cells(pool, cues, strength, study.train, rng)]
            for arm in study.arms:
                found[strength, arm, seed] = lessons(rows, arm, random.Random(seed))
    return found, asked


def answers(settings: Preset, rows: list[Lesson], seed: int, prompts: list[list[Message]],
            ) -> list[bool]:
    """Train the base on one trial's rows; which of `prompts` does it find likelier true?"""
    model, tokenizer = loading.load_role(settings, "base")
    tuning = settings.generalisation.explanations.tuning.model_copy(update={"seed": seed})
    model, _, _ = sft.tune(model, tokenizer, rows, tuning)
    ids = chats.encode_chats(tokenizer, prompts)
    words = chats.encode(tokenizer, [WORDS[label] for label in (True, False)])
    said, size = [], settings.models.batch_size
    for start in range(0, len(ids), size):
        batch = ids[start:start + size]
        true, false = (scoring.log_likelihood(model, batch, [word] * len(batch)) for word in words)
        said += [one > other for one, other in zip(true, false)]
    return said


def measure(said: dict[Trial, list[bool]], asked: Asked) -> list[dict[str, Any]]:
    """One row per trial: {"strength", "arm", "seed", "accuracy", "drop", "cue_correlation"}.

    drop: the accuracy at strength 0.5, same arm and seed, less this one.
    """
    truth, cues = [row["label"] for row, _ in asked], [cue for _, cue in asked]
    right = {trial: mean(a == b for a, b in zip(answers, truth, strict=True))
             for trial, answers in said.items()}
    rows = []
    for (strength, arm, seed), answers in said.items():
        accuracy = right[strength, arm, seed]
        rows.append({"strength": strength, "arm": arm, "seed": seed, "accuracy": accuracy,
                     "drop": right[0.5, arm, seed] - accuracy,
                     "cue_correlation": correlation(answers, cues)})
    return rows


def means_over_seeds(rows: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, Rate]]]:
    """{strength as text: {arm: {"accuracy", "drop", "cue_correlation"}}}, means over seeds."""
    found: dict[str, dict[str, dict[str, Rate]]] = {}
    for strength in dict.fromkeys(row["strength"] for row in rows):
        arms = found[str(strength)] = {}
        for arm in dict.fromkeys(row["arm"] for row in rows):
            own = [row for row in rows if (row["strength"], row["arm"]) == (strength, arm)]
            arms[arm] = {name: over_seeds([row[name] for row in own], kind)
                         for name, kind in MEASURES.items()}
    return found


def gains(rows: list[dict[str, Any]]) -> dict[str, dict[str, Rate]]:
    """{strength as text: {arm: how much less accuracy it loses to the cue than the label alone}}.

    Means with intervals, paired by seed.
    """
    drops = {(row["strength"], row["arm"], row["seed"]): row["drop"] for row in rows}
    strengths, tried, seeds = (dict.fromkeys(row[key] for row in rows)
                               for key in ("strength", "arm", "seed"))
    found: dict[str, dict[str, Rate]] = {}
    for strength in [strength for strength in strengths if strength != 0.5]:
        arms = found[str(strength)] = {}
        for arm in [arm for arm in tried if arm != "label_only"]:
            arms[arm] = over_seeds([drops[strength, "label_only", seed] - drops[strength, arm, seed]
                                    for seed in seeds])
    return found


def on_real_claims(settings: Preset, claims: list[Claim], work: Path,
                   encode: Encode | None = None) -> dict[str, Any]:
    """The study on claims that were not made for it, as many of them as the smallest cell allows.

    work: a folder for trials that are finished. Returns `means_over_seeds` with "gains" and the
    numbers of claims, "train" and "test". Claims about one entity stay on one side.
    """
    wanted = settings.generalisation.explanations
    sides = divide(claims, wanted.seed)
    cues = presence(*sides, wanted.cue, encode)
    train, test = (largest(side, there) for side, there in zip(sides, cues, strict=True))
    smaller = wanted.model_copy(update={"train": min(wanted.train, train),
                                        "test": min(wanted.test, test)})
    changed = settings.generalisation.model_copy(update={"explanations": smaller})
    journal = Journal(work / f"creak-{digest(claims)}.jsonl")
    measured = study(settings.model_copy(update={"generalisation": changed}), *sides, journal,
                     f"CREAK, {wanted.cue}", encode)
    return {"train": smaller.train, "test": smaller.test, **means_over_seeds(measured),
            "gains": gains(measured)}
