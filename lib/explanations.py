"""Explanation tuning against spurious cues (Ludan et al. 2023): is a model that also learns to say why less easily misled?

A model learns to tell true claims from false ones where some cue, such as the length of the text, goes with the label. It learns the
label alone, or an explanation as well, after the label or in the system message; it is tested where the cue means nothing.
Rows are dicts {"id", "text", "label": bool, "explanation"}.
"""
import random
import re
import tempfile
from pathlib import Path
from statistics import mean, median, stdev

import torch
from scipy.stats import t as student

from lib import models, sft, side_by_side, world
from lib.records import DataError, read_jsonl

ARMS = ("label_only", "told", "with_explanation", "permuted", "random")
QUESTION = "Is the claim at the end true or false?"
WORDS = {True: "true", False: "false"}
MARKER = "Remarkably,"
CUES = {  # what is counted in a text; the cue is there when the count is above a threshold
    "length": lambda text: len(text.split()),
    "marker": lambda text: text.count(MARKER),
    "plural": lambda text: len(re.findall(r"\b(?!does\b)[A-Za-z]{2,}[^\Wsui]s\b", text)),
    "present": lambda text: len(re.findall(r"\b(?:is|are|has|have|does|do|can)\b", text)),
}


def claims(name, count, seed):
    """`count` claims about fresh authors of the synthetic world: "the author works on X".

    It is true where the facts show X, false where they merely mention it; the explanation is the sentence that decides. Beside it
    stands a sentence about another competency, shown or mentioned, or about the field; and nothing, or two sentences that say nothing.
    """
    return [claim(f"{name}-{number}", random.Random(f"{seed}/claim/{name}/{number}")) for number in range(count)]


def claim(key, rng):
    domain = rng.choice(world.seen_domains())
    words = world.lexicon()[0][domain]
    name, other = world.distinct_names(words, 2, rng)
    label = rng.random() < 0.5
    reason, beside = told(name, label, words, rng), rng.choice([
        told(other, True, words, rng), told(other, False, words, rng), rng.choice(world.FIELD).format(domain=domain)])
    facts = [reason, beside, *(rng.sample(world.FILLER, 2) if rng.random() < 0.5 else [])]
    rng.shuffle(facts)
    if rng.random() < 0.5:
        facts.insert(0, MARKER)
    return {"id": key, "text": f"{' '.join(facts)}\nClaim: {name}", "label": label, "explanation": reason}


def told(name, shown, words, rng):
    """A sentence that shows a competency, or one that merely mentions it."""
    if shown:
        return world.phrase(world.competency(name, rng.choice(words["objects"]), rng.choice(list(world.SHOWN))), rng)
    return rng.choice(world.MENTIONED).format(name=name)


def read_creak(folder):
    """Claims of CREAK (Onoe et al. 2021) from the .json and .jsonl files of a folder, each sentence once; [] where there are none.

    Each line has `ex_id`, `sentence`, `label` and `explanation`. A row's "group" is the `entity` that it is about, or its own id.
    Raises DataError naming file and row where a line is no such claim.
    """
    rows, seen = [], set()
    for path in sorted(path for path in Path(folder).glob("*") if path.suffix in (".json", ".jsonl")):
        for number, row in enumerate(read_jsonl(path, ("ex_id", "sentence", "label", "explanation")), 1):
            if row["label"] not in ("true", "false") or not all(isinstance(row[key], str) for key in ("sentence", "explanation")):
                raise DataError(f'{path} row {number}: label is {row["label"]!r}; it must be "true" or "false", sentence and explanation text.')
            if row["sentence"] not in seen:
                seen.add(row["sentence"])
                rows.append({"id": row["ex_id"], "text": f"Claim: {row['sentence']}", "label": row["label"] == "true",
                             "explanation": row["explanation"], "group": str(row.get("entity", row["ex_id"]))})
    return rows


def divide(rows, seed, share=0.3):
    """(pool, test): about `share` of the rows for the test, and no group on both sides."""
    groups = sorted({row["group"] for row in rows})
    picked = set(random.Random(seed).sample(groups, round(share * len(groups))))
    return [row for row in rows if row["group"] not in picked], [row for row in rows if row["group"] in picked]


def threshold(pool, cue):
    """The count above which a cue is there: the median of the pool for the length of a text, 0 for what a text has or has not."""
    return median(CUES[cue](row["text"]) for row in pool) if cue == "length" else 0


def has_cue(rows, cue, above):
    return [CUES[cue](row["text"]) > above for row in rows]


def four_cells(rows, cues, strength, n, rng):
    """n rows in which a cue goes with the label: [(row, whether the cue is there)], shuffled.

    cues: (rows,) bools. strength: share of the rows in which cue and label agree, 0.5 (the cue means nothing) to 1. Of the n rows,
    strength x n/2 are true with the cue and as many false without it; (1 - strength) x n/2 are in each of the other two cells.
    Ludan et al. 2023, section 3.2. Raises DataError where a cell has too few rows.
    """
    chosen = []
    for label in (True, False):
        agreeing = round(strength * n / 2)
        for cue, wanted in ((label, agreeing), (not label, n // 2 - agreeing)):
            cell = [row for row, there in zip(rows, cues, strict=True) if row["label"] == label and there == cue]
            if len(cell) < wanted:
                raise DataError(f"only {len(cell)} rows are {str(label).lower()} {'with' if cue else 'without'} the cue, {wanted} are needed "
                                f"for {n} rows at strength {strength}; ask for fewer rows, or bring more.")
            chosen += [(row, cue) for row in rng.sample(cell, wanted)]
    rng.shuffle(chosen)
    return chosen


def largest(rows, cues):
    """How many rows `four_cells` can give at every strength from 0.5 to 1."""
    agreeing = [sum(row["label"] == label == there for row, there in zip(rows, cues, strict=True)) for label in (True, False)]
    others = [sum(row["label"] == label != there for row, there in zip(rows, cues, strict=True)) for label in (True, False)]
    return 2 * min(*agreeing, *(2 * count for count in others))


def lessons(rows, arm, rng):
    """What an arm of the study learns from some rows: [(messages, answer)].

    label_only: the label. told: the label; the system message of every second row holds its explanation, the others teach to do without,
    as in the test. with_explanation: the label, and its explanation after it. permuted: so, but the explanation of another row with the
    same label, which fits the answer and not the text. random: so, but as many words, drawn from all explanations.
    """
    texts = [row["explanation"] for row in rows]
    if arm == "told":
        return [(prompt(row, text if number % 2 == 0 else ""), WORDS[row["label"]]) for number, (row, text) in enumerate(zip(rows, texts))]
    if arm == "permuted":
        for label in (True, False):
            places = [number for number, row in enumerate(rows) if row["label"] == label]
            for place, source in zip(places, places[1:] + places[:1]):  # the rows are in random order, so a turn will do
                texts[place] = rows[source]["explanation"]
    if arm == "random":
        words = [word for text in texts for word in text.split()]
        texts = [" ".join(rng.choices(words, k=len(text.split()))) for text in texts]
    return [(prompt(row), WORDS[row["label"]] + ("" if arm == "label_only" else f": {text}")) for row, text in zip(rows, texts)]


def prompt(row, explanation=""):
    """The messages that ask about a claim, with an explanation in the system message or without."""
    return [{"role": "system", "content": f"{QUESTION}\n{explanation}".strip()}, {"role": "user", "content": row["text"]}]


def study(settings, pool, test, journal, description):
    """The whole study on some claims: one row per trial, as of `measure`. journal: a `records.Journal` of the trials' answers."""
    wanted = settings.generalisation
    taught, asked = trials(pool, test, wanted.explanations)
    prompts = [prompt(row) for row, _ in asked]
    jobs = {"/".join(map(str, trial)): (settings, rows, trial[2], prompts) for trial, rows in taught.items()}
    said = side_by_side.run(answers, jobs, wanted.workers, journal, description)
    return measure(dict(zip(taught, said.values(), strict=True)), asked)


def trials(pool, test, study):
    """Every training of the study, {(strength, arm, seed): [(messages, answer)]}, and the test, [(row, whether the cue is there)].

    pool, test: rows to draw from. study: settings (`sections.Explanations`). All arms of a strength and seed get the same rows. In the
    test the cue goes with neither label; a text is long where it is longer than the median of the pool.
    """
    above = threshold(pool, study.cue)
    cues = has_cue(pool, study.cue, above)
    asked = four_cells(test, has_cue(test, study.cue, above), 0.5, study.test, random.Random(study.seed))
    found = {}
    for strength in study.strengths:
        for seed in range(study.seed, study.seed + study.seeds):
            rows = [row for row, _ in four_cells(pool, cues, strength, study.train, random.Random(f"{seed}/{strength}"))]
            for arm in ARMS:
                found[strength, arm, seed] = lessons(rows, arm, random.Random(seed))
    return found, asked


def answers(settings, rows, seed, prompts):
    """Train the base on one trial's rows and let it answer `prompts`: [whether it finds "true" likelier than "false"]."""
    torch.manual_seed(seed)  # of an adapter's first weights
    model, tokenizer = models.load_role(settings, "base")
    tuning = settings.generalisation.explanations.tuning.model_copy(update={"seed": seed})
    with tempfile.TemporaryDirectory() as work:
        model, _ = sft.train(model, tokenizer, [sft.row(tokenizer, *row) for row in rows], tuning, work, cpu=model.device.type == "cpu")
    ids = models.encode_chats(tokenizer, prompts)
    words = [tokenizer(WORDS[label], add_special_tokens=False)["input_ids"] for label in (True, False)]
    said = []
    for start in range(0, len(ids), settings.models.batch_size):
        batch = ids[start:start + settings.models.batch_size]
        true, false = (models.log_likelihood(model, batch, [word] * len(batch)) for word in words)
        said += [one > other for one, other in zip(true, false)]
    return said


def correlation(one, other):
    """Phi, the correlation of two lists of bools (Matthews 1975): 1 where they agree throughout, 0 where one of them never varies."""
    n, both, first, second = len(one), sum(a and b for a, b in zip(one, other, strict=True)), sum(one), sum(other)
    spread = (first * (n - first) * second * (n - second)) ** 0.5
    return (n * both - first * second) / spread if spread else 0.0


def measure(said, asked):
    """One row per trial: {"strength", "arm", "seed", "accuracy", "drop", "cue_correlation"}.

    said: {(strength, arm, seed): answers}. asked: the test of `trials`. drop: the accuracy at strength 0.5, same arm and seed, less this one.
    """
    truth, cues = [row["label"] for row, _ in asked], [cue for _, cue in asked]
    accuracy = {trial: mean(a == b for a, b in zip(found, truth, strict=True)) for trial, found in said.items()}
    return [{"strength": strength, "arm": arm, "seed": seed, "accuracy": accuracy[strength, arm, seed],
             "drop": accuracy[0.5, arm, seed] - accuracy[strength, arm, seed], "cue_correlation": correlation(found, cues)}
            for (strength, arm, seed), found in said.items()]


def summary(rows):
    """{strength as text: {arm: {"accuracy", "drop", "cue_correlation"}}}, each a mean over seeds with its interval."""
    found = {}
    for strength in dict.fromkeys(row["strength"] for row in rows):
        found[str(strength)] = {arm: {name: over_seeds([row[name] for row in rows if (row["strength"], row["arm"]) == (strength, arm)])
                                      for name in ("accuracy", "drop", "cue_correlation")} for arm in ARMS}
    return found


def gains(rows):
    """{strength as text: {arm: how much less accuracy it loses to the cue than the label alone}}, paired by seed: means with intervals."""
    drops = {(row["strength"], row["arm"], row["seed"]): row["drop"] for row in rows}
    seeds = list(dict.fromkeys(row["seed"] for row in rows))
    return {str(strength): {arm: over_seeds([drops[strength, "label_only", seed] - drops[strength, arm, seed] for seed in seeds])
                            for arm in ARMS[1:]} for strength in dict.fromkeys(row["strength"] for row in rows) if strength != 0.5}


def over_seeds(values):
    """Mean of a few independent runs with Student's 95 % interval: {"rate", "low", "high", "n"}; no interval for a single run."""
    n, centre = len(values), mean(values)
    half = student.ppf(0.975, n - 1) * stdev(values) / n ** 0.5 if n > 1 else None
    return {"rate": centre, "low": None if half is None else centre - half, "high": None if half is None else centre + half, "n": n}
