"""Catastrophic forgetting: what a model can do before and after it is tuned on one task, or on all.

Four things are measured: writing profiles, the sentiment of financial messages, bias in job
advertisements, and general language modelling. Single-task tuning is on one of the first three,
multi-task tuning on all of them.
"""
from typing import Any

from torch.nn import Module
from transformers import PreTrainedTokenizerBase as Tokenizer

from lib.competencies import profiles
from lib.core.rows import Labelled, Message, Prompt, Rate, Written
from lib.core.sections.models import Models
from lib.core.sections.preset import Preset
from lib.core.sections.studies import Decoding, Forgetting
from lib.metrics import stats
from lib.metrics.competencies import names_in
from lib.metrics.keyphrases import stem_f1
from lib.models import loading, scoring
from lib.studies import evaluation
from lib.tasks import classification, job_ads, sentiment_synthetic
from lib.training import sft

LEARNT = ("profiles", "sentiment", "job_bias")  # what can be trained on
TASKS = (*LEARNT, "language")
MEASURES = {"profiles": "F1", "sentiment": "share right", "job_bias": "share right",
            "language": "nats per token"}
LABELS = {"sentiment": sentiment_synthetic.LABELS, "job_bias": job_ads.LABELS}
SET, SOURCE = "tweets", "tweet"  # of our own financial sets
ANSWER = 8  # tokens that a label takes, at most
Lesson = tuple[str | list[Message], str]  # a prompt and the answer to learn


def tasks(study: Forgetting, prompts: list[Prompt], answers: list[Lesson],
          ) -> dict[str, dict[str, list[Any]]]:
    """What each task is learnt from and measured on: {task: {"train": lessons, "test": rows}}.

    Of prompts, test authors are measured on. answers: of training authors. The rows of "language"
    are lessons, too: abstracts after nothing, or, for models that were never trained to go on with
    abstracts, the true profiles of authors of held-out domains after their prompts.
    """
    question = classification.instruction(f"What is the sentiment of this {SOURCE}?",
                                          LABELS["sentiment"])
    messages: dict[str, list[Any]] = {}
    ads: dict[str, list[Any]] = {}
    for part in ("train", "test"):
        size = getattr(study, part)
        messages[part] = [{**row, "instruction": question}
                          for row in sentiment_synthetic.rows(SET, part, size, study.seed)]
        ads[part] = [{**row, "label": row["truth"]} for row in job_ads.ads(part, size, study.seed)]
    written = [row for row in prompts if row["split"] == "test"][:study.profiles]
    texts: list[Lesson] = [("", row["messages"][-1]["content"]) for row in written]
    if study.language == "profiles":
        held_out: list[Any] = [row for row in prompts if row["split"] == "held_out"]
        texts = [(row["messages"], profiles.render(row["truth"])) for row in held_out]
    return {
        "sentiment": {"train": [asked(row) for row in messages["train"]], "test": messages["test"]},
        "profiles": {"train": answers[:study.train], "test": written},
        "job_bias": {"train": [asked(row) for row in ads["train"]], "test": ads["test"]},
        "language": {"train": [], "test": texts[:study.profiles]},
    }


def asked(row: Labelled) -> Lesson:
    return classification.prompt(row, "plain"), row["label"]


def measure(model: Module, tokenizer: Tokenizer, tests: dict[str, list[Any]], models: Models,
            ) -> dict[str, Rate]:
    """{task: a number with its interval}, in the units of MEASURES.

    tests: {task: rows} as in `tasks`. A task without rows has rate None.
    """
    greedy = Decoding(temperature=0, top_p=1)
    prompts = tests["profiles"]
    written = evaluation.write_profiles("profiles", model, tokenizer, prompts, models, greedy, 0)
    found = {"profiles": stats.mean(name_scores(prompts, written))}
    for task, labels in LABELS.items():
        said = classification.ask(model, tokenizer, tests[task], "plain", models.batch_size,
                                  ANSWER, task)
        found[task] = stats.win_rate(classification.strict(answer, labels) == row["label"]
                                     for answer, row in zip(said, tests[task]))
    found["language"] = text_loss(model, tokenizer, tests["language"], models.batch_size)
    return found


def name_scores(prompts: list[Prompt], written: list[Written]) -> list[float]:
    """F1 of each profile's names: against the true ones, or else stem-exact against references."""
    scores = []
    for prompt, row, one in zip(prompts, written, evaluation.measure(prompts, written)):
        known = prompt.get("references")
        scores.append(stem_f1(names_in(row["profile"]), known) if known else one["f1"])
    return [score for score in scores if score is not None]


def text_loss(model: Module, tokenizer: Tokenizer, pairs: list[Lesson], batch_size: int) -> Rate:
    """Nats per token of a text after its prompt: a mean over `pairs` of the two, with its interval.

    The first token of a text without a prompt is given.
    """
    rows = []
    for pair in pairs:
        row = sft.encode(tokenizer, *pair)
        ids, mask = row["input_ids"], row["completion_mask"]
        cut = max(1, len(mask) - sum(mask))
        rows.append((ids[:cut], ids[cut:]))
    losses = []
    for start in range(0, len(rows), batch_size):
        prompts, texts = zip(*rows[start:start + batch_size])
        totals = scoring.log_likelihood(model, list(prompts), list(texts))
        losses += [-total / len(text) for total, text in zip(totals, texts, strict=True)]
    return stats.mean(losses)


def trial(settings: Preset, method: str, given: dict[str, dict[str, list[Any]]]) -> dict[str, Rate]:
    """Tune the base by one method and measure every task. given: the result of `tasks`.

    method: "before" leaves the base as it is; "full" and "lora" tune it on the single task,
    "multi_task" on all that can be learnt. The method's settings say whether all weights or an
    adapter are trained.
    """
    model, tokenizer = loading.load_role(settings, "base")
    if method != "before":
        study: Any = settings.generalisation.forgetting
        learnt = LEARNT if method == "multi_task" else [study.task]
        rows = [row for task in learnt for row in given[task]["train"]]
        model, _, _ = sft.tune(model, tokenizer, rows, study.methods[method])
    tests = {task: part["test"] for task, part in given.items()}
    return measure(model, tokenizer, tests, settings.models)


def methods(study: Forgetting) -> list[str]:
    """The methods of tuning that take part: settings leave one out by null."""
    return [method for method, tuning in study.methods.items() if tuning is not None]


def changes(before: dict[str, Rate], after: dict[str, Rate]) -> dict[str, float | None]:
    """What each task won or lost; None where it was not measured."""
    return {task: None if after[task]["rate"] is None
            else after[task]["rate"] - before[task]["rate"]  # type: ignore[operator]  # both known
            for task in TASKS}
