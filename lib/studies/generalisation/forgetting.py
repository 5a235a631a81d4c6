"""Catastrophic forgetting: what a model can do before and after it is tuned on one task, or on several at once.

Four things are measured: writing profiles, the sentiment of financial messages, bias in job advertisements, and general language
modelling. Single-task tuning is on one of the first three, multi-task tuning on all of them.
"""
import tempfile

import torch

from lib.competencies import profiles
from lib.core.sections.studies import Decoding
from lib.metrics import stats
from lib.models import loading, scoring
from lib.studies.evaluation import measure as measure_profiles
from lib.studies.evaluation import write_profiles
from lib.tasks import classification, job_ads, sentiment_synthetic
from lib.training import sft

LEARNT = ("profiles", "sentiment", "job_bias")  # what can be trained on
TASKS = (*LEARNT, "language")
MEASURES = {"profiles": "F1", "sentiment": "share right", "job_bias": "share right", "language": "nats per token"}
LABELS = {"sentiment": sentiment_synthetic.LABELS, "job_bias": job_ads.LABELS}
SET, SOURCE = "tweets", "tweet"  # of our own financial sets
ANSWER = 8  # tokens that a label takes, at most


def tasks(study, prompts, answers):
    """What each task is learnt from and measured on: {task: {"train": [(prompt, answer)], "test": rows}}.

    study: settings (`sections.Forgetting`). prompts: rows of the prompts contract, of which test authors are measured on. answers:
    (messages, profile as text) of training authors. The rows of "language" are (prompt, text): abstracts after nothing, or, for models
    that were never trained to go on with abstracts, the true profiles of authors of held-out domains after their prompts.
    """
    question = classification.instruction(f"What is the sentiment of this {SOURCE}?", sentiment_synthetic.LABELS)
    messages = {part: [{**row, "instruction": question} for row in sentiment_synthetic.rows(SET, part, getattr(study, part), study.seed)]
                for part in ("train", "test")}
    ads = {part: [{**row, "label": row["truth"]} for row in job_ads.ads(part, getattr(study, part), study.seed)] for part in ("train", "test")}
    written = [row for row in prompts if row["split"] == "test"][:study.profiles]
    if study.language == "profiles":
        texts = [(row["messages"], profiles.render(row["truth"])) for row in prompts if row["split"] == "held_out"]
    else:
        texts = [("", row["messages"][-1]["content"]) for row in written]
    return {
        "sentiment": {"train": [asked(row) for row in messages["train"]], "test": messages["test"]},
        "profiles": {"train": answers[:study.train], "test": written},
        "job_bias": {"train": [asked(row) for row in ads["train"]], "test": ads["test"]},
        "language": {"train": [], "test": texts[:study.profiles]},
    }


def asked(row):
    return classification.prompt(row, "plain"), row["label"]


def measure(model, tokenizer, tests, settings):
    """{task: a number with its interval}: F1 of competencies, share of right answers twice, and nats per token of running text.

    tests: {task: rows} as in `tasks`. settings: `sections.Models`. A task without rows has rate None.
    """
    written = write_profiles("profiles", model, tokenizer, tests["profiles"], settings, Decoding(temperature=0, top_p=1), 0)
    known = [row["f1"] for row in measure_profiles(tests["profiles"], written) if row["f1"] is not None]
    found = {"profiles": stats.mean(known)}
    for task, labels in LABELS.items():
        said = classification.ask(model, tokenizer, tests[task], "plain", settings.batch_size, ANSWER, task)
        found[task] = stats.win_rate(classification.strict(answer, labels) == row["label"] for answer, row in zip(said, tests[task]))
    return {**found, "language": text_loss(model, tokenizer, tests["language"], settings.batch_size)}


def text_loss(model, tokenizer, pairs, batch_size):
    """Nats per token of a text after its prompt, from `pairs` of the two: a mean over texts with its interval.

    The first token of a text without a prompt is given.
    """
    rows = [sft.encode(tokenizer, sft.row(tokenizer, *pair)) for pair in pairs]
    split = [max(1, len(row["completion_mask"]) - sum(row["completion_mask"])) for row in rows]
    losses = []
    for start in range(0, len(rows), batch_size):
        batch = [(row["input_ids"][:cut], row["input_ids"][cut:])
                 for row, cut in zip(rows[start:start + batch_size], split[start:start + batch_size])]
        totals = scoring.log_likelihood(model, [prompt for prompt, _ in batch], [text for _, text in batch])
        losses += [-total / len(text) for total, (_, text) in zip(totals, batch, strict=True)]
    return stats.mean(losses)


def trial(settings, method, given):
    """Tune the base by one method and measure every task: the result of `measure`.

    method: "before" leaves the base as it is; "full" and "lora" tune it on the single task, "multi_task" on all that can be learnt. The
    method's settings say whether all weights or an adapter are trained. given: the result of `tasks`.
    """
    model, tokenizer = loading.load_role(settings, "base")
    if method != "before":
        study = settings.generalisation.forgetting
        tuning = study.methods[method]
        torch.manual_seed(tuning.seed)  # of an adapter's first weights
        rows = [row for task in (LEARNT if method == "multi_task" else [study.task]) for row in given[task]["train"]]
        examples, _ = sft.fitting([sft.row(tokenizer, *row) for row in rows], tokenizer, tuning.max_length)
        with tempfile.TemporaryDirectory() as work:
            model, _ = sft.train(model, tokenizer, examples, tuning, work, cpu=model.device.type == "cpu")
    return measure(model, tokenizer, {task: part["test"] for task, part in given.items()}, settings.models)
