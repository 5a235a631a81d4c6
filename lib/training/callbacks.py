"""What happens beside a training: a progress bar, and checkpoints from which a run that was killed
goes on to the last bit.
"""
import hashlib
from pathlib import Path
from typing import Any

from accelerate import PartialState
from tqdm import tqdm
from transformers import PrinterCallback, TrainerCallback  # bring peft: import this to train only

from lib.core.records import digest, dump, write_text
from lib.models import identity
from lib.models.loading import sharded
from lib.models.lora import keep_in_float32

TOKENS = ("_ids", "_mask", "labels")  # the columns of a set that are read, by their ends
OF_A_PLACE = ("output_dir", "logging_dir", "run_name", "local_rank")  # they decide no weight


def run(trainer: Any, description: str, work: Path) -> None:
    """Train, from the last complete checkpoint of the same training in `work`, if there is one."""
    keep_in_float32(trainer.model)
    made_of = ingredients(trainer)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Progress(description))
    trainer.add_callback(Checkpoints(made_of))
    trainer.train(resume_from_checkpoint=last_checkpoint(work, made_of))


def ingredients(trainer: Any) -> str:
    """A digest of what decides a training: first weights, token ids of all rows, arguments.

    Weights that processes share (FSDP, DeepSpeed) no process has as a whole: they are left out.
    """
    content = hashlib.sha256()
    for rows in (trainer.train_dataset, trainer.eval_dataset):
        columns = [name for name in getattr(rows, "column_names", []) if name.endswith(TOKENS)]
        for row in rows.select_columns(columns) if columns else ():
            content.update(dump(row).encode())
    given = {name: str(value) for name, value in trainer.args.to_dict().items()
             if name not in OF_A_PLACE}
    model = None if sharded() else identity.of_model(trainer.model)
    return digest([model, content.hexdigest(), given])


class Progress(TrainerCallback):
    """A plain progress bar on stderr in place of the trainer's own."""

    def __init__(self, description: str):
        self.description = description

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar = tqdm(total=state.max_steps, initial=state.global_step, desc=self.description,
                        unit="step", mininterval=2)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar.update(state.global_step - self.bar.n)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar.close()


WHOLE = "whole"  # the file that marks a checkpoint as complete, and says what it is made of


def last_checkpoint(work: Path, made_of: str = "") -> str | None:
    """The last complete checkpoint in a folder. One that was being written when the run was killed
    has no mark. made_of: the `ingredients` that it must have, "" for any.
    """
    whole = [mark.parent for mark in Path(work).glob(f"checkpoint-*/{WHOLE}")
             if made_of in ("", mark.read_text(encoding="utf-8"))]
    if not whole:
        return None
    return str(max(whole, key=lambda place: int(place.name.rpartition("-")[2])))


class Checkpoints(TrainerCallback):
    """Marks the checkpoints that are complete, and logs before each, so that no half-filled mean of
    the curves is lost with the memory.
    """

    def __init__(self, made_of: str):
        self.made_of = made_of

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        control.should_log = control.should_log or control.should_save
        return control

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        # trainer_state.json is rank 0's last file, but other ranks may still write theirs.
        PartialState().wait_for_everyone()
        if state.is_world_process_zero:
            write_text(Path(args.output_dir) / f"checkpoint-{state.global_step}" / WHOLE,
                       self.made_of)
