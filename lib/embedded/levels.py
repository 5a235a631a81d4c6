"""The levels of the base's faults that a result is tried at, set before any was measured.

A level is the share of competencies described by empty words, of competencies left out, and of
mentioned names that are listed all the same.
"""
from lib.core.sections.models import Pretraining

LEVELS = {"none": 0.0, "middle": 0.2, "high": 0.55}
VARIED = ("vague", "missing", "distractor")


def bases(settings: Pretraining, folder: str) -> Pretraining:
    """The same settings for bases alone, one for each level that is not the settings' own.

    folder: where they go. Each role is called base_<level>.
    """
    base, roles = settings.roles["base"], {}
    for name, level in LEVELS.items():
        if any(getattr(base.faults, fault) != level for fault in VARIED):
            faults = base.faults.model_copy(update=dict.fromkeys(VARIED, level))
            roles[f"base_{name}"] = base.model_copy(update={"faults": faults})
    return settings.model_copy(update={"folder": folder, "roles": roles})
