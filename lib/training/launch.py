"""DPO in processes of their own, which accelerate starts as processes/<name>.yaml says. All that passes is files in the work folder.

    python -m accelerate.commands.launch --config_file lib/training/processes/fsdp2.yaml -m lib.training.launch WORK

WORK holds job.json and the pairs, see `prepare`; the first process leaves adapter/ and history.json there.
"""
import os
import re
import signal
import subprocess
import sys
import threading
import traceback
from pathlib import Path

import yaml

from lib.core.records import DataError, read_json, read_jsonl, write_json, write_jsonl
from lib.core.sections.models import Models, Runtime
from lib.core.sections.preset import Preset
from lib.core.sections.tuning import Dpo
from lib.core.settings import ROOT

PROCESSES = Path(__file__).parent / "processes"  # how accelerate starts them, a file for each value of dpo.launch
OWNED = "TRAINING_ENDS_WITH_STDIN"  # set for processes that are to end with the one that started them


def configuration(name):
    """What processes/<name>.yaml says, as a dict; empty for "none"."""
    return yaml.safe_load((PROCESSES / f"{name}.yaml").read_text(encoding="utf-8")) if name != "none" else {}


def train(settings, pairs, work, references, start=None):
    """Tune the base model where dpo.launch says, here or in other processes, and return (tuned model, history) as `dpo.train` does.

    pairs: {"train": rows, "validation": rows}. work, references: as in `dpo.train`; a run that was ended goes on from its checkpoints.
    start: the folder of an adapter to go on with, which is then the reference; without one, a new adapter on the base.
    """
    from lib.models import loading
    from lib.training import dpo
    if settings.dpo.launch == "none":
        base, tokenizer = loading.load_role(settings, "base", start, trainable=True)
        return dpo.train(base, tokenizer, pairs["train"], pairs["validation"], settings, work, references)
    prepare(settings, pairs, work, references, start)
    run_processes(settings.dpo.launch, work, settings.runtime.threads)
    tuned, _ = loading.load_role(settings, "base", work / "adapter", trainable=True)
    return tuned, read_json(work / "history.json")


def prepare(settings, pairs, work, references, start=None):
    """Write what the processes need: job.json, train.jsonl, validation.jsonl."""
    Path(work).mkdir(parents=True, exist_ok=True)
    for part, rows in pairs.items():
        write_jsonl(work / f"{part}.jsonl", rows)
    write_json(work / "job.json", {"references": str(references), "start": start and str(start), "settings": {
        name: getattr(settings, name).model_dump() for name in ("runtime", "models", "dpo")}})


def run_processes(name, work, threads):
    """Start the processes of processes/<name>.yaml on a prepared folder, show what they print on stderr, and wait.

    threads: of the CPU, for each process. Raises DataError, which says how the training ended, unless all went well.
    """
    promised = configuration(name)
    if not promised["use_cpu"]:
        import torch
        if torch.cuda.device_count() < promised["num_processes"]:
            raise DataError(f"{name}.yaml starts {promised['num_processes']} processes, one per GPU, but {torch.cuda.device_count()} "
                            "GPUs are visible here; set num_processes there, or dpo.launch to none.")
    for left in [*work.glob("error-*.json"), work / "history.json"]:
        left.unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(PROCESSES / f"{name}.yaml"),
         "--num_cpu_threads_per_process", str(threads), "-m", "lib.training.launch", str(Path(work).resolve())],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, OWNED: "1", "PYTHONWARNINGS": "ignore::FutureWarning"})
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


def reason(name, work, said):
    """One sentence on why a training ended, and how to go on. said: the end of what was printed."""
    from lib.training.callbacks import last_checkpoint
    if errors := sorted(work.glob("error-*.json")):
        return read_json(errors[0])["error"]
    # How torch's launcher, and accelerate's for one process, report an end. Of a killed process the others lose hold, with an exit code
    # of their own, or are sent SIGTERM by the launcher.
    ends = re.findall(r"\brank\s*: (\d+) .*\n\s*exitcode\s*: (-?\d+)", said)
    ends += [("0", f"-{number}") for number in re.findall(r"died with <Signals\.\w+: (\d+)>", said)]
    rank, code = min(ends, key=lambda end: (int(end[1]) == -signal.SIGTERM, int(end[1]) >= 0), default=("unknown", "unknown"))
    how = f"by {signal.Signals(-int(code)).name}" if code.startswith("-") else f"with exit code {code}"
    last = last_checkpoint(work)
    return (f"{name}.yaml: the process of rank {rank} ended {how} (SIGKILL often means that memory ran out), and the training with it. "
            + (f"{Path(last).name} is kept in {work}: run the same again to go on from there." if last else "Run the same again."))


def check_started(name, state, split):
    """Raise DataError unless what runs is what processes/<name>.yaml promises. state: accelerate's; split: whether the weights are."""
    promised = configuration(name)
    wanted = (promised["num_processes"], "cpu" if promised["use_cpu"] else "cuda", promised["distributed_type"] in ("FSDP", "DEEPSPEED"))
    found = (state.num_processes, state.device.type, split)
    if found != wanted:
        words = [f"{count} on {device} with {'split' if parts else 'whole'} weights" for count, device, parts in (wanted, found)]
        raise DataError(f"{name}.yaml promises processes as follows: {words[0]}; started: {words[1]}. Start them with "
                        f"accelerate launch --config_file lib/training/processes/{name}.yaml.")


def work_on(work):
    """What each process does: train on the folder's pairs. The first writes adapter and history."""
    job = read_json(work / "job.json")
    settings = Preset.model_construct(**{name: kind(**job["settings"][name]) for name, kind in (
        ("runtime", Runtime), ("models", Models), ("dpo", Dpo))})
    import torch

    from lib.models import loading
    from lib.training import dpo
    torch.set_num_threads(settings.runtime.threads)
    # Arguments come first and stay: they open the process group, and DeepSpeed has to be known before a model is read.
    arguments = dpo.training_arguments(settings, 1, work)
    check_started(settings.dpo.launch, arguments.distributed_state, loading.sharded())
    base, tokenizer = loading.load_role(settings, "base", job["start"], trainable=True)
    pairs = [read_jsonl(work / f"{part}.jsonl", ("prompt", "chosen", "rejected")) for part in ("train", "validation")]
    trainer = dpo.tune(base, tokenizer, *pairs, settings, work, job["references"])
    if trainer.is_fsdp_enabled:
        trainer.accelerator.state.fsdp_plugin.set_state_dict_type("FULL_STATE_DICT")
    trainer.save_model(str(work / "adapter"))  # together: the weights may be in parts
    if trainer.is_world_process_zero():
        write_json(work / "history.json", dpo.history_of(trainer))


def main():
    work, rank = Path(sys.argv[1]), int(os.environ.get("RANK", 0))
    if OWNED in os.environ:
        threading.Thread(target=lambda: os.read(0, 1) or os._exit(1), daemon=True).start()
    if rank:
        os.environ.update({"TQDM_DISABLE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"})  # one progress bar, not one per process
    code = 1
    try:
        work_on(work)
        code = 0
    except DataError as error:
        write_json(work / f"error-{rank}.json", {"error": str(error)})
        print(f"error: {error}", file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    sys.stderr.flush()
    os._exit(code)  # at once: while Python clears up, torch 2.13's gloo thread may wait for the interpreter and the interpreter for it


if __name__ == "__main__":
    main()
