"""Tuning by instruction: an adapter for one question, and models that only answer it."""
import torch

from lib.models import loading, lora
from lib.tasks.classification import prompt
from lib.training import sft


def resolve(settings, name):
    """A model's name, from the name of a role or from itself."""
    return getattr(settings.models, name, name)


def load(settings, item):
    """A model that only answers: ((model, tokenizer), "") or (None, the reason why it was left out).

    item: `sections.Compared`. Code of a model's own repository is never run, so models that need it are left out.
    """
    try:
        return loading.load(resolve(settings, item.model), settings.models.dtype, settings.runtime.device, item.quantisation,
                           item.adapter or None), ""
    except (ValueError, OSError) as error:
        return None, " ".join(str(error).split())[:300]


def tune(settings, rows, quantisation, tuning, work):
    """Tune an adapter for `instruction.model` on some rows, leave it in work/adapter, and return a report.

    settings: of the preset. tuning: `sections.Tuning`. work: a folder, also for checkpoints.
    Returns {"rows", "too_long", "loss": [{"step", "loss"}], "parameters"}.
    """
    wanted = settings.instruction
    torch.manual_seed(tuning.seed)
    name = resolve(settings, wanted.model)
    model, tokenizer = loading.load(name, settings.models.dtype, settings.runtime.device, quantisation)
    examples = [sft.row(tokenizer, prompt(row, wanted.template), row["label"]) for row in rows]
    examples, too_long = sft.fitting(examples, tokenizer, tuning.max_length)
    tuned, loss = sft.train(model, tokenizer, examples, tuning, work, cpu=loading.pick_device(settings.runtime.device) == "cpu")
    report = {"rows": len(examples), "too_long": len(too_long), "loss": loss, "parameters": lora.trainable(tuned)}
    lora.save_adapter(tuned, work / "adapter", name, card(name, report, quantisation, tuning, wanted.template))
    return report


def card(name, report, quantisation, tuning, template):
    """The README of an adapter: what it is and how it was made."""
    return f"""---
base_model: {name}
library_name: peft
pipeline_tag: text-generation
tags: [sft, lora, trl]
---
# An adapter that answers one question about a text with one of the given choices

* Base: `{name}`, quantisation while tuning: {quantisation}
* Training: {report["rows"]} rows, {tuning.epochs} epochs, batch {tuning.batch_size}, learning rate {tuning.learning_rate}
* Prompt: template `{template}` of `lib/instructions.py`; loss on the answer only

How well it does stands in `reports/06_instruction_tuning.html`. The licence of the base and of the training data applies.
"""
