"""Tuning by instruction: an adapter for one question, and models that only answer it."""
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch.nn import Module
from transformers import PreTrainedTokenizerBase as Tokenizer

from lib.core.rows import Labelled, Rate
from lib.core.sections.preset import Preset
from lib.core.sections.studies import Compared, Instruction, JobAds
from lib.core.sections.tuning import Tuning
from lib.metrics import stats
from lib.metrics.labels import label_rates
from lib.models import loading, lora
from lib.tasks import job_ads, sentiment
from lib.tasks.classification import ask, baselines, prompt
from lib.training import parallel, sft

METHODS = {"lora": ("lora", "none"), "8bit": ("lora", "8bit"), "qlora": ("lora", "4bit"),
           "full": ("full", "none")}  # what is trained, and in how many bits its base is kept


def resolve(settings: Preset, name: str) -> str:
    """A model's name, from the name of a role or from itself."""
    return getattr(settings.models, name, name)


def load(settings: Preset, item: Compared) -> tuple[tuple[Module, Tokenizer] | None, str]:
    """A model that only answers, or None and the reason why it was left out.

    Code of a model's own repository is never run, so models that need it are left out.
    """
    try:
        name, adapter = resolve(settings, item.model), item.adapter or None
        return loading.load(name, settings.models.dtype, settings.runtime.device,
                            item.quantisation, adapter), ""
    except (ValueError, OSError) as error:
        return None, " ".join(str(error).split())[:300]


def tune(settings: Preset, rows: list[Labelled], quantisation: str, tuning: Tuning, work: Path,
         ) -> dict[str, Any]:
    """Tune an adapter for `instruction.model` on some rows and leave it in work/adapter.

    work: a folder, also for checkpoints.
    Returns {"rows", "too_long", "loss": [{"step", "loss"}], "parameters"}.
    """
    template, name = settings.instruction.template, resolve(settings, settings.instruction.model)
    model, tokenizer = loading.load(name, settings.models.dtype, settings.runtime.device,
                                    quantisation)
    pairs = [(prompt(row, template), row["label"]) for row in rows]
    tuned, loss, too_long = sft.tune(model, tokenizer, pairs, tuning, work)
    made: Any = {"rows": len(rows) - len(too_long), "too_long": len(too_long), "loss": loss,
                 "parameters": lora.trainable(tuned)}
    readme = card(name, made["rows"], quantisation, tuning, template)
    lora.save_adapter(tuned, work / "adapter", name, readme, tuning.lora.stored)
    return made


def card(name: str, rows: int, quantisation: str, tuning: Tuning, template: str) -> str:
    """The README of an adapter: what it is and how it was made."""
    return f"""---
base_model: {name}
library_name: peft
pipeline_tag: text-generation
tags: [sft, lora, trl]
---
# An adapter that answers one question about a text with one of the given choices

* Base: `{name}`, quantisation while tuning: {quantisation}
* Training: {rows} rows, {tuning.epochs} epochs, batch {tuning.batch_size}, learning rate \
{tuning.learning_rate}
* Prompt: template `{template}` of `lib/tasks/classification.py`; loss on the answer only

How well it does stands in `reports/06_instruction_tuning.html`. The licence of the base and of the
training data applies.
"""


def plans(wanted: Instruction, sets: Mapping[str, Mapping[str, list[Labelled]]],
          advertisements: list[Labelled]) -> dict[str, tuple[list[Labelled], str, Tuning]]:
    """What to tune, as arguments of `tune`: on all sets, on a single one, on advertisements.

    Those that take longest come first, so that no process idles at the end.
    """
    everything = [row for parts in sets.values() for row in parts["train"]]
    single = sets[wanted.single]["train"]
    for_ads = wanted.tuning.model_copy(update={"epochs": wanted.job_ads.epochs})
    return {"tuned_all": (everything, wanted.quantisation, wanted.tuning),
            "job_bias": (advertisements, wanted.job_ads.quantisation, for_ads),
            "tuned_single": (single, wanted.quantisation, wanted.tuning)}


def tried(settings: Preset, method: str, parts: Mapping[str, list[Labelled]], work: Path,
          ) -> dict[str, Any]:
    """What tuning on one set by one of METHODS costs, and what it gives on the set's test.

    parts: {"train", "test": rows}. It needs a process of its own: memory_mb is by how much loading
    and training raised the peak of the process or, where there is one, of its GPU. seconds: of the
    training. Nothing is kept but what is returned: {"seconds", "memory_mb", "parameters", "loss",
    "answers"}.
    """
    how, quantisation = METHODS[method]
    wanted, tuning = settings.instruction, settings.instruction.tuning
    if how == "full":
        tuning = tuning.model_copy(update={"method": how,
                                           "learning_rate": wanted.full_learning_rate})
    torch.set_num_threads(settings.runtime.threads)
    torch.set_float32_matmul_precision(settings.runtime.matmul_precision)
    before = _peak_memory()
    model, tokenizer = loading.load(resolve(settings, wanted.model), settings.models.dtype,
                                    settings.runtime.device, quantisation)
    pairs = [(prompt(row, wanted.template), row["label"]) for row in parts["train"]]
    start = time.perf_counter()
    tuned, loss, _ = sft.tune(model, tokenizer, pairs, tuning, work)
    seconds = time.perf_counter() - start
    memory = _peak_memory() - before
    return {"seconds": seconds, "memory_mb": memory, "parameters": lora.trainable(tuned),
            "loss": loss, "answers": answers(wanted, (tuned, tokenizer), parts["test"])}


def _peak_memory():
    """The largest memory so far, in MB: of the GPU, or without one of the process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2 ** 20
    return parallel.peak_memory()


def answers(wanted: Instruction, loaded: tuple[Module, Tokenizer], rows: list[Labelled],
            template: str = "") -> list[str]:
    """What a model answers to each row. template: other than `instruction.template`."""
    return ask(*loaded, rows, template or wanted.template, wanted.batch_size,
               wanted.max_new_tokens)


def rules(parts: Mapping[str, list[Labelled]]) -> dict[str, dict[str, Any]]:
    """The scores of `classification.baselines` on one set."""
    truth = [row["label"] for row in parts["test"]]
    return {rule: label_rates(truth, found, sentiment.LABELS)
            for rule, found in baselines(parts["train"], parts["test"]).items()}


def ahead(ours: Mapping[str, Rate], rivals: Iterable[Mapping[str, Rate]]) -> bool:
    """Whether accuracy and weighted F1 have intervals that lie above those of all rivals."""
    return all(ours[key]["low"] > rival[key]["high"]  # type: ignore[operator]  # never unknown
               for rival in rivals for key in ("accuracy", "weighted_f1"))


def labeller_kappa(rows: list[Labelled], labels: list[str]) -> Rate:
    """Cohen's kappa of the labeller with the truth, with its bootstrap interval."""
    pairs = [[(row["truth"], label)] for row, label in zip(rows, labels, strict=True)]
    return stats.cluster_bootstrap(pairs, lambda drawn: stats.kappa(*zip(*drawn)), draws=400)


def screenings(train: list[Labelled], test: list[job_ads.Ad], wanted: JobAds) -> dict[str, Any]:
    """How those fare on advertisements who are no model: rules, a list of words, the labeller."""
    found = {**baselines(train, test), "word list": [job_ads.flagged(row["text"]) for row in test],
             "labeller": job_ads.annotate(test, wanted.missed, wanted.alarmed, wanted.seed + 1)}
    return {who: job_ads.answer_scores(test, labels) for who, labels in found.items()}
