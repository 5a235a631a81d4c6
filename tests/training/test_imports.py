"""Starting time: what pages that do not train reach must not pull in what training takes."""
import subprocess
import sys

from lib.core.settings import ROOT

LIGHT = ("arguments", "cards", "dpo", "launch", "losses", "memory", "parallel", "sft", "tree")
HEAVY = ("accelerate", "bitsandbytes", "datasets", "peft", "scipy", "sklearn", "trl")


def test_only_training_itself_imports_trl_and_peft():
    names = ", ".join(f"lib.training.{name}" for name in LIGHT)
    code = f"import sys, {names}; print([name for name in {HEAVY} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True)
    assert found.stdout == "[]\n", found.stdout + found.stderr
