"""Explanation tuning against spurious cues (Ludan et al. 2023): is a model that also learns to say why less easily misled?

A model learns to tell true claims from false ones where some cue, such as the length of the text, goes with the label. It learns the
label alone, or an explanation as well, after the label or in the system message; it is tested where the cue means nothing.
Rows are dicts {"id", "text", "label": bool, "explanation"}.
"""
import random
import tempfile
from statistics import mean

import torch

from lib.metrics.stats import correlation, over_seeds
from lib.models import chats, loading, scoring
from lib.tasks.claims import WORDS, four_cells, has_cue, prompt, threshold
from lib.training import parallel, sft

ARMS = ("label_only", "told", "with_explanation", "permuted", "random")


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


def study(settings, pool, test, journal, description):
    """The whole study on some claims: one row per trial, as of `measure`. journal: a `records.Journal` of the trials' answers."""
    wanted = settings.generalisation
    taught, asked = trials(pool, test, wanted.explanations)
    prompts = [prompt(row) for row, _ in asked]
    jobs = {"/".join(map(str, trial)): (settings, rows, trial[2], prompts) for trial, rows in taught.items()}
    said = parallel.run_jobs(answers, jobs, wanted.workers, journal, description)
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
    model, tokenizer = loading.load_role(settings, "base")
    tuning = settings.generalisation.explanations.tuning.model_copy(update={"seed": seed})
    with tempfile.TemporaryDirectory() as work:
        model, _ = sft.train(model, tokenizer, [sft.row(tokenizer, *row) for row in rows], tuning, work, cpu=model.device.type == "cpu")
    ids = chats.encode_chats(tokenizer, prompts)
    words = [tokenizer(WORDS[label], add_special_tokens=False)["input_ids"] for label in (True, False)]
    said = []
    for start in range(0, len(ids), settings.models.batch_size):
        batch = ids[start:start + settings.models.batch_size]
        true, false = (scoring.log_likelihood(model, batch, [word] * len(batch)) for word in words)
        said += [one > other for one, other in zip(true, false)]
    return said


def measure(said, asked):
    """One row per trial: {"strength", "arm", "seed", "accuracy", "drop", "cue_correlation"}.

    said: {(strength, arm, seed): answers}. asked: the test of `trials`. drop: the accuracy at strength 0.5, same arm and seed, less this one.
    """
    truth, cues = [row["label"] for row, _ in asked], [cue for _, cue in asked]
    accuracy = {trial: mean(a == b for a, b in zip(found, truth, strict=True)) for trial, found in said.items()}
    return [{"strength": strength, "arm": arm, "seed": seed, "accuracy": accuracy[strength, arm, seed],
             "drop": accuracy[0.5, arm, seed] - accuracy[strength, arm, seed], "cue_correlation": correlation(found, cues)}
            for (strength, arm, seed), found in said.items()]


def means_over_seeds(rows):
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
