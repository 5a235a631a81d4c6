"""DPO in processes of their own, which accelerate starts as processes/<name>.yaml says. All that
passes is files in the work folder.

    python -m accelerate.commands.launch \
        --config_file lib/training/processes/fsdp2.yaml -m lib.training.launch WORK

WORK holds job.json and the pairs; the first process leaves adapter/ and history.json there.
"""
import os
import re
import signal
import subprocess
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from lib.core.records import DataError, read_json, read_jsonl, write_json, write_jsonl
from lib.core.rows import Preference
from lib.core.sections.models import Models, Runtime
from lib.core.sections.preset import Preset
from lib.core.sections.tuning import Dpo
from lib.core.settings import ROOT
from lib.core.terminal import say

# What trains imports trl, peft and accelerate (15 seconds): inside functions, once needed.
if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from lib.training.dpo import History

PROCESSES = Path(__file__).parent / "processes"  # a file for each value of dpo.launch
SECTIONS = {"runtime": Runtime, "models": Models, "dpo": Dpo}  # of the settings, that pass
OWNED = "TRAINING_ENDS_WITH_STDIN"  # set for processes that end with the one that started them

Pairs = dict[str, list[Preference]]  # {"train": rows, "validation": rows}


def configuration(name: str) -> dict[str, Any]:
    """What processes/<name>.yaml says; empty for "none"."""
    if name == "none":
        return {}
    return yaml.safe_load((PROCESSES / f"{name}.yaml").read_text(encoding="utf-8"))


def train(settings: Preset, pairs: Pairs, work: Path, references: Path, start: Path | None = None,
          ) -> tuple["PreTrainedModel", "History"]:
    """Tune the base model where dpo.launch says, here or in other processes: as `dpo.train`.

    A run that was ended goes on from its checkpoints in `work`. start: the folder of an adapter to
    go on with, which is then the reference; without one, a new adapter on the base.
    """
    from lib.models import loading
    from lib.training import dpo
    if settings.dpo.launch == "none":
        base, tokenizer = loading.load_role(settings, "base", start, trainable=True)
        return dpo.train(base, tokenizer, pairs["train"], pairs["validation"], settings, work,
                         references)
    prepare(settings, pairs, work, references, start)
    run_processes(settings.dpo.launch, work, settings.runtime.threads)
    tuned, _ = loading.load_role(settings, "base", work / "adapter", trainable=True)
    return tuned, read_json(work / "history.json")


def prepare(settings: Preset, pairs: Pairs, work: Path, references: Path,
            start: Path | None = None) -> None:
    """Write what the processes need: job.json, train.jsonl, validation.jsonl."""
    for part, rows in pairs.items():
        write_jsonl(work / f"{part}.jsonl", rows)
    sections = {name: getattr(settings, name).model_dump() for name in SECTIONS}
    write_json(work / "job.json", {"references": str(references), "start": start and str(start),
                                   "settings": sections})


def run_processes(name: str, work: Path, threads: int) -> None:
    """Start the processes of processes/<name>.yaml on a prepared folder, show what they print on
    stderr, and wait.

    threads: of the CPU, for each process. Raises DataError, which says how the training ended,
    unless all went well.
    """
    promised = configuration(name)
    if not promised["use_cpu"]:
        import torch
        wanted, found = promised["num_processes"], torch.cuda.device_count()
        if found < wanted:
            raise DataError(f"{name}.yaml starts {wanted} processes, one per GPU, but {found} GPUs "
                            "are visible here; set num_processes there, or dpo.launch to none.")
    for left in [*work.glob("error-*.json"), work / "history.json"]:
        left.unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "accelerate.commands.launch",
         "--config_file", str(PROCESSES / f"{name}.yaml"),
         "--num_cpu_threads_per_process", str(threads),
         "-m", "lib.training.launch", str(Path(work).resolve())],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, OWNED: "1", "PYTHONWARNINGS": "ignore::FutureWarning"})
    assert process.stdin and process.stdout
    said = b""
    try:
        while piece := os.read(process.stdout.fileno(), 65536):
            sys.stderr.write(piece.decode(errors="replace"))
            sys.stderr.flush()
            said = (said + piece)[-20_000:]
    finally:  # also where somebody interrupts: the processes see their stdin close
        process.stdin.close()
        process.stdout.close()
        code = process.wait()
    if code:
        raise DataError(reason(name, work, said.decode(errors="replace")))


def reason(name: str, work: Path, said: str) -> str:
    """Why a training ended, and how to go on. said: the end of what was printed."""
    from lib.training.callbacks import last_checkpoint
    if errors := sorted(work.glob("error-*.json")):
        return read_json(errors[0])["error"]
    # How torch's launcher, and accelerate's for one process, report an end. Of a killed process the
    # others lose hold, with an exit code of their own, or are sent SIGTERM by the launcher.
    ends = re.findall(r"\brank\s*: (\d+) .*\n\s*exitcode\s*: (-?\d+)", said)
    ends += [("0", f"-{number}") for number in re.findall(r"died with <Signals\.\w+: (\d+)>", said)]
    rank, code = min(ends, key=_consequence, default=("unknown", "unknown"))
    how = f"with exit code {code}"
    if code.startswith("-"):
        how = f"by {signal.Signals(-int(code)).name}"
    cause = (f"{name}.yaml: the process of rank {rank} ended {how} (SIGKILL often means that "
             "memory ran out), and the training with it.")
    last = last_checkpoint(work)
    if not last:
        return f"{cause} Run the same again."
    return f"{cause} {Path(last).name} is kept in {work}: run the same again to go on from there."


def _consequence(end):
    """Sorts (rank, exit code) by how much an end looks like the consequence of another."""
    code = int(end[1])
    return code == -signal.SIGTERM, code >= 0


def check_started(name: str, state: Any, split: bool) -> None:
    """Raise DataError unless what runs is what processes/<name>.yaml promises.

    state: accelerate's; split: whether the weights are.
    """
    promised = configuration(name)
    wanted = (promised["num_processes"], "cpu" if promised["use_cpu"] else "cuda",
              promised["distributed_type"] in ("FSDP", "DEEPSPEED"))
    found = (state.num_processes, state.device.type, split)
    if found != wanted:
        words = [f"{count} on {device} with {'split' if parts else 'whole'} weights"
                 for count, device, parts in (wanted, found)]
        raise DataError(f"{name}.yaml promises processes as follows: {words[0]}; started: "
                        f"{words[1]}. Start them with accelerate launch --config_file "
                        f"lib/training/processes/{name}.yaml.")


def work_on(work: Path) -> None:
    """What each process does: train on the folder's pairs. The first writes adapter and history."""
    job = read_json(work / "job.json")
    sections = {name: kind(**job["settings"][name]) for name, kind in SECTIONS.items()}
    settings = Preset.model_construct(**sections)
    import torch

    from lib.models import loading
    from lib.training import dpo
    torch.set_num_threads(settings.runtime.threads)
    torch.set_float32_matmul_precision(settings.runtime.matmul_precision)
    # Arguments come first and stay: they open the process group, and DeepSpeed has to be known
    # before a model is read.
    arguments = dpo.training_arguments(settings, 1, work)
    check_started(settings.dpo.launch, arguments.distributed_state, loading.sharded())
    base, tokenizer = loading.load_role(settings, "base", job["start"], trainable=True)
    pairs: Any = {part: read_jsonl(work / f"{part}.jsonl", ("prompt", "chosen", "rejected"))
                  for part in ("train", "validation")}
    trainer = dpo.tune(base, tokenizer, pairs["train"], pairs["validation"], settings, work,
                       job["references"])
    if trainer.is_fsdp_enabled:
        trainer.accelerator.state.fsdp_plugin.set_state_dict_type("FULL_STATE_DICT")
    trainer.save_model(str(work / "adapter"))  # together: the weights may be in parts
    if trainer.is_world_process_zero():
        write_json(work / "history.json", dpo.history_of(trainer))


def main() -> None:
    """One process of a training, as accelerate starts it on the folder that argv[1] names."""
    work, rank = Path(sys.argv[1]), int(os.environ.get("RANK", 0))
    if OWNED in os.environ:
        threading.Thread(target=lambda: os.read(0, 1) or os._exit(1), daemon=True).start()
    if rank:  # one progress bar, not one per process
        os.environ.update({"TQDM_DISABLE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"})
    code = 1
    try:
        work_on(work)
        code = 0
    except DataError as error:
        write_json(work / f"error-{rank}.json", {"error": str(error)})
        say(f"error: {error}", error=True)
    except BaseException:
        traceback.print_exc()
    sys.stderr.flush()
    # At once: while Python clears up, torch 2.13's gloo thread may wait for the interpreter and the
    # interpreter for it.
    os._exit(code)


if __name__ == "__main__":
    main()
