"""The README that goes with an adapter: what it is, from what and how it was trained."""
import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.core.records import file_digest
from lib.core.rows import Preference
from lib.core.sections.preset import Preset
from lib.models.places import find

if TYPE_CHECKING:
    from lib.training.dpo import History

VERSIONS = ("torch", "transformers", "trl", "peft", "accelerate")  # named in the model card
SHOWN = ("step", "loss", "margin", "accuracy", "chosen_logp")  # of each point of validation

CARD = """---
{base_line}
library_name: peft
pipeline_tag: text-generation
tags: [dpo, lora, trl]
license: mit
---
# Competency profiles from abstracts: adapter tuned by DPO

Writes a competency profile (a domain, 3 to 8 competencies with descriptions) from the abstracts \
of one author.

* Base: `{models.base}`, {weights}, {models.dtype}, quantisation: {models.quantisation}
* Method: direct preference optimisation, beta {dpo.beta}, loss {loss}, \
LoRA r {dpo.lora.r}, alpha {dpo.lora.alpha}
* Training: {pairs} pairs, {steps} steps of {step} pairs, \
learning rate {dpo.learning_rate}, seed {dpo.seed}
* Data: {data}; labelled by the judges of the stage 02_judging
* {outcome}

Use: `python -m lib extract --model {models.base} --adapter data/adapter INPUT -o profiles.jsonl`

## Training

On validation pairs; `curves.json` has all points, of training pairs, too.

{curve}

## Every argument

{arguments}

AdamW, no dropout, adapter in float32. Versions: {versions}.

## Limits

What it was measured on, and how well it did, stands in `reports/index.html`. \
Adapters for embedded models know the synthetic world
only. No profile should decide about a person.
"""


def model_card(settings: Preset, history: "History", pairs: dict[str, list[Preference]],
               data: Path | None = None) -> str:
    """The README of an adapter. Nothing in it depends on the machine: equal training, equal text.

    data: the file of preferences. What the adapter achieves is measured later: `lib.report.card`
    adds that when the adapter is handed on.
    """
    dpo, models, points = settings.dpo, settings.models, history["validation"]
    base_line = f"base_model: {models.base}"
    if find(models.base):
        base_line = "# The base is a directory of the project, no model of the hub."
    outcome = "There were too few pairs: the adapter is untrained."
    if points:
        outcome = ("Reward accuracy on validation pairs of unseen authors: "
                   f"{points[-1]['accuracy']:.3f}; loss {points[-1]['loss']:.3f} "
                   "(ln 2 = 0.693 before training).")
    arguments = dpo.model_dump(exclude={"lora"})
    arguments |= {f"lora.{name}": value for name, value in dpo.lora.model_dump().items()}
    arguments["runtime.threads"] = settings.runtime.threads
    versions = [f"{name} {version(name).partition('+')[0]}" for name in VERSIONS]
    return CARD.format(
        base_line=base_line, models=models, dpo=dpo, weights=weights(models.base),
        loss=" + ".join(dpo.loss_type), pairs=len(pairs["train"]), steps=history["steps"],
        step=dpo.batch_size * dpo.gradient_accumulation * history.get("processes", 1),
        data=f"`{Path(data).name}`, sha256 `{file_digest(data)}`" if data else "see the report",
        outcome=outcome, versions=", ".join(versions),
        curve=markdown_table([{name: point[name] for name in SHOWN} for point in points]),
        arguments=markdown_table([{"argument": f"`{name}`", "value": f"`{json.dumps(value)}`"}
                                  for name, value in arguments.items()]))


def weights(name: str) -> str:
    """What tells a model's weights from others: their SHA-256, or the hub's revision."""
    if place := find(name):
        files = sorted(place.glob("*.safetensors"))
        return ", ".join(f"`{path.name}` sha256 `{file_digest(path)}`" for path in files)
    from huggingface_hub import try_to_load_from_cache  # a second, for hub models alone
    name, _, revision = name.partition("@")
    config = None if revision else try_to_load_from_cache(name, "config.json")
    if isinstance(config, str):
        revision = Path(config).parent.name
    return f"revision `{revision}`" if revision else "revision unknown"


def markdown_table(rows: list[dict[str, Any]]) -> str:
    """Rows (with the same keys) as a Markdown table; numbers with four decimals."""
    if not rows:
        return ""
    lines = [list(rows[0]), ["---"] * len(rows[0])]
    for row in rows:
        lines.append([f"{cell:.4f}" if isinstance(cell, float) else str(cell)
                      for cell in row.values()])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
