"""The steps of training that pass the gate one after the other: what each learns from, and how it is trained and tested."""
import random
import re
import tempfile

import torch

from lib.competencies import profiles, prompts, world
from lib.models import loading
from lib.studies.generalisation import behaviour_tests
from lib.training import sft


def best(preferences):
    """The best answer that is known for each training author, the chosen one of the largest margin: [(messages, text)]."""
    found = {}
    for row in preferences:
        if row["split"] == "train" and (row["author"] not in found or row["margin"] > found[row["author"]]["margin"]):
            found[row["author"]] = row
    return [(row["prompt"], row["chosen"][0]["content"]) for row in found.values()]


def explain(text, profile, rivals):
    """Why a profile is right, as lines for the system message of its sample.

    text: the abstracts. Each competency is given with the sentence that names it; of `rivals`, names that others listed, it is said
    that they are not shown. Where no sentence holds a name, it is left out.
    """
    sentences = re.split(r"(?<=[.!?]) |\n+", text)
    shown = [item["name"] for item in profile["competencies"]]
    verdicts = [(name, "shown") for name in shown] + [(name, "not shown") for name in rivals if name not in shown]
    quoted = [(name, verdict, next((line for line in sentences if name.casefold() in line.casefold()), None)) for name, verdict in verdicts]
    return "\n".join(f"{name} is {verdict}: {line}" for name, verdict, line in quoted if line)


def explainable(wanted, rows, preferences, style):
    """What explanation tuning learns from: [(messages, profile, rivals)] of the training authors and of fresh synthetic ones.

    wanted: settings (`sections.Gate`). rows: of the prompts contract. The profile is the true one or, where nobody knows it, the best
    answer; rivals are the names in the candidates, or, for fresh authors, those that are merely mentioned.
    """
    candidates, answers = {}, {str(messages): text for messages, text in best(preferences)}
    for row in preferences:
        for side in ("chosen", "rejected"):
            names = [item["name"] for item in profiles.parse(row[side][0]["content"])["competencies"]]
            candidates.setdefault(row["id"], {}).update(dict.fromkeys(names))
    found = []
    for row in [row for row in rows if row["split"] == "train"]:
        profile = row["truth"] or profiles.parse(answers.get(str(row["messages"])))
        if profile:
            found.append((row["messages"], profile, list(candidates.get(row["id"], {}))))
    for number in range(wanted.authors):
        abstracts = world.author(f"explained-{number}", wanted.seed, world.seen_domains(), wanted.invented)
        mentioned = [name for abstract in abstracts for name in abstract["truth"]["mentioned"]]
        found.append((prompts.messages(abstracts, style), world.truth(abstracts), mentioned))
    random.Random(wanted.seed).shuffle(found)
    return found


def lessons(wanted, rows, preferences, style):
    """{step: [(messages, answer)]}: supervised tuning on the best answers, explanation tuning, and the same without explanations.

    Every second sample of explanation tuning has its explanation in the system message; the others teach to do without, as at the gate.
    """
    samples = explainable(wanted, rows, preferences, style)
    plain = [(messages, profiles.render(profile)) for messages, profile, _ in samples]
    explained = []
    for number, (messages, profile, rivals) in enumerate(samples):
        system, *rest = messages
        reasons = explain(rest[-1]["content"], profile, rivals) if number % 2 == 0 else ""
        explained.append(([{**system, "content": f"{system['content']}\n{reasons}".strip()}, *rest], plain[number][1]))
    return {"sft": best(preferences), "explained": explained, "unexplained": plain}


def step(settings, name, adapter, rows, tuning, tests):
    """Take one step of training from the base, or from an adapter of it, and let the result through the gate: the rows of `gate.run`.

    adapter: a folder or None. rows: (prompt, answer) pairs; with none the model stays as it is. tuning: `sections.Tuning`.
    """
    model, tokenizer = loading.load_role(settings, "base", adapter, trainable=bool(rows))
    if rows:
        torch.manual_seed(tuning.seed)
        if adapter:
            tuning = tuning.model_copy(update={"method": "full"})  # all that can be trained, that is, the adapter: no second one
        examples, _ = sft.fitting([sft.row(tokenizer, *row) for row in rows], tokenizer, tuning.max_length)
        with tempfile.TemporaryDirectory() as work:
            model, _ = sft.train(model, tokenizer, examples, tuning, work, cpu=model.device.type == "cpu")
    return behaviour_tests.take(tests, name, model, tokenizer, settings.models)
