"""What judges have in common: families, by the origin of what a judge is made of.

Judges of one family err alike, and a language model is said to favour what its kin wrote. So a
judge that measures may be akin neither to the model that is tuned nor to a judge that labelled.

Language models are of one family where their weights come from the same ones, or from one maker's
series, whose members share data and recipe whatever their size: that is told by the name, of the
model or of what it was tuned from. A model that was trained from scratch, as the embedded ones are,
descends from nobody: its folder is a family of its own. Those were drawn from other seeds and read
other authors; that they all read one world makes them alike in what that world does not hold, which
no name can tell and the truth beside their judgments measures. Of other judges each kind is a
family. Where a name tells nothing, as that of a server's alias, `family` in the judge's line does.
"""
import re
from collections.abc import Callable, Iterable
from pathlib import PurePath

from lib.core.sections.judging import Panelist
from lib.core.sections.models import Models

# Of one name that holds several, the first: DeepSeek-R1-Distill-Qwen has the weights of a Qwen.
SERIES = {"llama": "llama", "codellama": "llama", "vicuna": "llama", "mixtral": "mistral",
          "mistral": "mistral", "zephyr": "mistral", "qwen": "qwen", "gemma": "gemma",
          "phi": "phi", "gpt": "gpt", "claude": "claude", "deepseek": "deepseek",
          "smollm": "smollm", "olmo": "olmo", "granite": "granite", "minilm": "minilm"}
KINDS = {"encoder": ("sentence encoder",), "lexical": ("lexical",), "brevity": ("rule",),
         "reward": ("humans", "sentence encoder", "lexical")}  # of what it is fitted to, and reads
Origin = Callable[[str], str]  # from a model to the one that it was tuned from, if any


def of_model(name: str) -> str:
    """A language model's family: its series, else its maker on a hub, else its folder."""
    known = [maker for stem, maker in SERIES.items()
             if re.search(rf"(?<![a-z]){stem}{'(?![a-z])' if len(stem) < 4 else ''}",
                          name.casefold())]
    if known:
        return known[0]
    parts = PurePath(name).parts
    on_hub = len(parts) == 2 and parts[0] not in (".", "..", "/", "data")
    return parts[0] if on_hub else "/".join(parts[-2:]).split(":")[0]


def of_judge_model(name: str) -> str:
    """The family of a judge that is this language model."""
    return f"language model: {of_model(name)}"


def of_judge(member: Panelist, panel: Iterable[Panelist], models: Models,
             origin: Origin = str) -> list[str]:
    """The families of a judge, those of its parts if it is made of several from the panel."""
    if member.family:
        kind = "" if member.kind in KINDS or member.kind == "standardised" else "language model: "
        return [f"{kind}{member.family}"]
    if member.standardised:
        parts = [one for one in panel if one.name in member.standardised]
        found = [family for one in parts for family in of_judge(one, (), models, origin)]
        return list(dict.fromkeys(found))
    if member.kind in KINDS:
        return list(KINDS[member.kind])
    return [of_judge_model(origin(member.of(models)))]
