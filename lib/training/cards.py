"""The README that goes with an adapter: what it is, from what and how it was trained, how training went."""
import json
from importlib.metadata import version
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from lib.core.records import file_digest
from lib.models.loading import locate

VERSIONS = ("torch", "transformers", "trl", "peft", "accelerate")  # named in the model card


def model_card(settings, history, pairs, data=None):
    """The README of an adapter: what it is, from what and how it was trained, how training went, and what it is not for.

    pairs: {"train": rows, ...}. data: the file of preferences. Nothing in it depends on the machine, so equal training gives equal
    text. What the adapter achieves is measured later: `lib.card` adds that when the adapter is handed on.
    """
    dpo, points = settings.dpo, history["validation"]
    outcome = (f"Reward accuracy on validation pairs of unseen authors: {points[-1]['accuracy']:.3f}; loss {points[-1]['loss']:.3f} "
               f"(ln 2 = 0.693 before training)." if points else "There were too few pairs: the adapter is untrained.")
    known = not Path(locate(settings.models.base)).is_dir()
    step = dpo.batch_size * dpo.gradient_accumulation * history.get("processes", 1)
    arguments = {**dpo.model_dump(exclude={"lora"}), **{f"lora.{name}": value for name, value in dpo.lora.model_dump().items()},
                 "runtime.threads": settings.runtime.threads}
    return f"""---
{f"base_model: {settings.models.base}" if known else "# The base is a directory of the project, no model of the hub."}
library_name: peft
pipeline_tag: text-generation
tags: [dpo, lora, trl]
license: mit
---
# Competency profiles from abstracts: adapter tuned by DPO

Writes a competency profile (a domain, 3 to 8 competencies with descriptions) from the abstracts of one author.

* Base: `{settings.models.base}`, {weights(settings.models.base)}, {settings.models.dtype}, quantisation: {settings.models.quantisation}
* Method: direct preference optimisation, beta {dpo.beta}, loss {" + ".join(dpo.loss_type)}, LoRA r {dpo.lora.r}, alpha {dpo.lora.alpha}
* Training: {len(pairs["train"])} pairs, {history["steps"]} steps of {step} pairs, learning rate {dpo.learning_rate}, seed {dpo.seed}
* Data: {f"`{Path(data).name}`, sha256 `{file_digest(data)}`" if data else "see the report"}; labelled by the judges of the stage 02_judging
* {outcome}

Use: `python -m lib extract --model {settings.models.base} --adapter data/adapter INPUT -o profiles.jsonl`

## Training

On validation pairs; `curves.json` has all points, of training pairs, too.

{markdown_table([{name: point[name] for name in ("step", "loss", "margin", "accuracy", "chosen_logp")} for point in points])}

## Every argument

{markdown_table([{"argument": f"`{name}`", "value": f"`{json.dumps(value)}`"} for name, value in arguments.items()])}

AdamW, no dropout, adapter in float32. Versions: {", ".join(f"{name} {version(name).partition('+')[0]}" for name in VERSIONS)}.

## Limits

What it was measured on, and how well it did, stands in `reports/index.html`. Adapters for embedded models know the synthetic world
only. No profile should decide about a person.
"""


def weights(name):
    """What tells a model's weights from others: the SHA-256 of its files, or the hub's revision."""
    place = Path(locate(name))
    if place.is_dir():
        return ", ".join(f"`{path.name}` sha256 `{file_digest(path)}`" for path in sorted(place.glob("*.safetensors")))
    config = try_to_load_from_cache(name, "config.json")
    return f"revision `{Path(config).parent.name}`" if isinstance(config, str) else "revision unknown"


def markdown_table(rows):
    """Rows (dicts with the same keys) as a Markdown table; numbers with four decimals."""
    if not rows:
        return ""
    lines = [rows[0].keys(), ["---"] * len(rows[0]), *(row.values() for row in rows)]
    return "\n".join(f"| {' | '.join(f'{cell:.4f}' if isinstance(cell, float) else str(cell) for cell in line)} |" for line in lines)
