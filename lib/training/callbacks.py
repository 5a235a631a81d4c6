"""What happens beside a training: a progress bar, and checkpoints from which a run that was killed
goes on to the last bit.
"""
from pathlib import Path
from typing import Any

from accelerate import PartialState
from tqdm import tqdm
from transformers import PrinterCallback, TrainerCallback  # bring peft: import this to train only

from lib.models.lora import keep_in_float32


def run(trainer: Any, description: str, work: Path) -> None:
    """Train, from the last complete checkpoint in `work` where there is one."""
    keep_in_float32(trainer.model)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Progress(description))
    trainer.add_callback(Checkpoints())
    trainer.train(resume_from_checkpoint=last_checkpoint(work))


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


WHOLE = "whole"  # the empty file that marks a checkpoint as complete


def last_checkpoint(work: Path) -> str | None:
    """The last complete checkpoint in a folder. One that was being written when the run was killed
    has no mark.
    """
    whole = [mark.parent for mark in Path(work).glob(f"checkpoint-*/{WHOLE}")]
    if not whole:
        return None
    return str(max(whole, key=lambda place: int(place.name.rpartition("-")[2])))


class Checkpoints(TrainerCallback):
    """Marks the checkpoints that are complete, and logs before each, so that no half-filled mean of
    the curves is lost with the memory.
    """

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        control.should_log = control.should_log or control.should_save
        return control

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        # trainer_state.json is rank 0's last file, but other ranks may still write theirs.
        PartialState().wait_for_everyone()
        if state.is_world_process_zero:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / WHOLE).touch()
