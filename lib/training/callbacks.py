"""What happens beside a training: a progress bar, and checkpoints from which a run that was killed goes on to the last bit."""
from pathlib import Path

from accelerate import PartialState
from tqdm import tqdm
from transformers import TrainerCallback


class Progress(TrainerCallback):
    """A plain progress bar on stderr in place of the trainer's own."""

    def __init__(self, description):
        self.description = description

    def on_train_begin(self, args, state, control, **kwargs):
        self.bar = tqdm(total=state.max_steps, initial=state.global_step, desc=self.description, unit="step", mininterval=2)

    def on_step_end(self, args, state, control, **kwargs):
        self.bar.update(state.global_step - self.bar.n)

    def on_train_end(self, args, state, control, **kwargs):
        self.bar.close()


WHOLE = "whole"  # the empty file that marks a checkpoint as complete


def last_checkpoint(work):
    """The last complete checkpoint in a folder, or None. One that was being written when the run was killed has no mark."""
    whole = [mark.parent for mark in Path(work).glob(f"checkpoint-*/{WHOLE}")]
    return str(max(whole, key=lambda place: int(place.name.rpartition("-")[2]))) if whole else None


class Checkpoints(TrainerCallback):
    """Marks the checkpoints that are complete, and logs before each, so that no half-filled mean of the curves is lost with the memory."""

    def on_step_end(self, args, state, control, **kwargs):
        control.should_log = control.should_log or control.should_save
        return control

    def on_save(self, args, state, control, **kwargs):
        PartialState().wait_for_everyone()  # trainer_state.json is rank 0's last file, but other ranks may still write theirs
        if state.is_world_process_zero:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / WHOLE).touch()
