"""What a command works with: its options, else what a preset says, else what is usual."""
import os
from argparse import Namespace
from pathlib import Path
from typing import Any

from lib.core.records import DataError
from lib.core.sections.preset import Preset
from lib.core.settings import ROOT, load
from lib.models.places import base_of, find, hub

# Below, rooms that load torch are imported where they are used, so that --help is quick.
USUAL: dict[str, Any] = {
    "group_size": 4, "max_prompt_tokens": 1536, "max_new_tokens": 400, "batch_size": 8,
    "template": "plain", "dtype": "float32", "quantisation": "none",
    "extraction": "abstracts", "document": "paper", "personal": "kept", "chunks": 0,
    "encoder": "", "summariser": ""}
# The adapter of each task of `classify`, by its name in lib/studies/instruction.py. For sentiment
# it is the one tuned on a single set, since one that read Financial PhraseBank stays private.
TASKS = {"sentiment": "tuned_single", "job_bias": "job_bias"}


def complete(given: Namespace, task: str = "") -> Namespace:
    """A copy of a command's options with none of those left open that decide its work.

    task: of TASKS, "" to extract profiles. Who gives another model than the preset's gets no
    adapter with it but what `given.adapter` names, and the prompt made for that model. What is
    complete stays as it is. Raises DataError where the preset's adapter is missing, or none of its
    model, and SettingsError.
    """
    name, preset = load(given.preset)  # without one, the selected one says if the hub may be asked
    usual = USUAL | {"reading": preset.reading}
    os.environ.update(hub(preset.runtime))
    if given.preset:
        usual |= asking(preset, task) if task else extracting(preset)
        if not given.model:
            usual |= tuned(name, preset, task, given.adapter)
    left = {key: value for key, value in usual.items()
            if getattr(given, key, None) in (None, "auto")}
    return Namespace(**{"training_texts": None, **vars(given), **left})


def extracting(preset: Preset) -> dict[str, Any]:
    """A preset's settings for writing profiles."""
    names = ("max_prompt_tokens", "max_new_tokens", "batch_size", "dtype", "quantisation")
    read = preset.reading.model_dump(include={"extraction", "document", "personal", "chunks"})
    return {"group_size": preset.data.group_size, "encoder": preset.models.encoder, **read,
            "summariser": preset.warm_start.model, **preset.models.model_dump(include=set(names))}


def asking(preset: Preset, task: str) -> dict[str, Any]:
    """A preset's settings for labelling texts."""
    wanted, models = preset.instruction, preset.models
    bits = wanted.job_ads.quantisation if task == "job_bias" else wanted.quantisation
    return {"template": wanted.template, "batch_size": wanted.batch_size, "dtype": models.dtype,
            "quantisation": bits, "max_prompt_tokens": models.max_prompt_tokens}


def tuned(name: str, preset: Preset, task: str, adapter: str | None) -> dict[str, Any]:
    """A preset's model, and the adapter for it. adapter: what is taken instead, not looked for."""
    from lib.studies.instruction import resolve
    from lib.studies.novelty import FILE
    folder = Path("data") / preset.runtime.folder
    base = resolve(preset, preset.instruction.model) if task else preset.models.base
    if base.startswith(f"{folder}/"):
        present(base, name, preset, "00_warm_start")
    if adapter is None and task:
        adapter = present(folder / "instruction" / TASKS[task], name, preset,
                          "06_instruction_tuning", base)
    elif adapter is None:
        place, stage = best_adapter(folder)
        adapter = present(place, name, preset, stage, base)
    asked = {} if task else {"prompt": preset.models.prompt, "training_texts": ROOT / folder / FILE}
    return {"model": base, "adapter": adapter, **asked}


def best_adapter(folder: Path) -> tuple[Path, str]:
    """The adapter of the best round so far, and the stage that makes it. folder: below ROOT."""
    from lib.studies import rounds
    found = [int(place.parent.name) for place in (ROOT / folder).glob("rounds/*/round.json")
             if place.parent.name.isdigit()]
    best = rounds.state(ROOT / folder, max(found, default=1))["best"]
    return rounds.adapter_of(folder, best), "03_dpo" if best == 1 else "09_round"


def present(place: str | Path, name: str, preset: Preset, stage: str, base: str = "") -> str:
    """The place of a preset's adapter, if it is there. Raises DataError with what makes it.

    base: the model that it must have been tuned on, "" for any.
    """
    folder = preset.runtime.folder
    made = f"`make repro` with `preset: {name}` in params.yaml"
    if folder:
        made = "`make real QUICK=1`" if folder == "quick" else f"`make real PART={stage}`"
    if not find(place):
        raise DataError(f"{place} of the preset {name} is missing; {made} makes it. To do without, "
                        "name a model with --model.")
    if base and base_of(place) not in (None, base):
        raise DataError(f"{place} was tuned on {base_of(place)}, not on {base} as the preset "
                        f"{name} has it; {made} makes one that was, or name one with --adapter.")
    return str(place)
