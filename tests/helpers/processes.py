"""What processes do that tests of training start, and kill."""
import contextlib
import multiprocessing
import os
import signal
import socket
import time

from lib.core.records import DataError, read_json, write_json

# They come from one that has everything imported: they start at once, and are as mortal as any.
STARTED = multiprocessing.get_context("forkserver")
STARTED.set_forkserver_preload(["lib.training.callbacks", "lib.training.tree_trainer"])


def start(target, *arguments):
    process = STARTED.Process(target=target, args=arguments)
    process.start()
    return process


def ends(processes):
    """Exit codes of processes, minus the signal where one was killed."""
    for process in processes:
        process.join(120)
    return [process.exitcode for process in processes]


def ranks():
    """The environment of two processes that are to find each other."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [{"RANK": rank, "LOCAL_RANK": rank, **shared} for rank in ("0", "1")]


def arrange(death):
    """See to it that this process is killed: (moment, n), in the n-th step, while it writes its
    n-th checkpoint, or after its n-th. None: it lives.
    """
    from trl import DPOTrainer

    from lib.training import callbacks
    if not death:
        return
    moment, count = death
    owner, name = {"step": (callbacks.Progress, "on_step_end"),
                   "writing": (DPOTrainer, "_save_rng_state"),
                   "written": (callbacks.Checkpoints, "on_save")}[moment]
    done, plain = [], getattr(owner, name)

    def counted(*args, **kwargs):
        result = plain(*args, **kwargs)
        done.append(args[2].global_step if moment == "step" else len(done) + 1)
        if done[-1] == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    setattr(owner, name, counted)


def alone(work, death):
    """One process that trains as 03_dpo does and leaves the adapter in `work`."""
    import torch

    from lib.core.records import read_jsonl
    from lib.core.sections.preset import Preset
    from lib.models import lora
    from lib.training import launch
    torch.set_num_threads(1)
    arrange(death)
    job = read_json(work / "job.json")
    settings = Preset.model_construct(**{
        name: kind(**job["settings"][name]) for name, kind in launch.SECTIONS.items()})
    pairs = {part: read_jsonl(work / f"{part}.jsonl") for part in ("train", "validation")}
    tuned, history = launch.train(settings, pairs, work, job["references"])
    lora.save_adapter(tuned, work / "adapter", "base", "card")
    write_json(work / "history.json", history)


def one_of_two(work, environment):
    """One of several processes, as accelerate starts them."""
    os.environ.update(environment)
    from lib.training import launch
    launch.work_on(work)


def together(work):
    return [start(one_of_two, work, environment) for environment in ranks()]


def sleeping(work, reading):
    """`launch.main` with nothing to do but wait, and its stdin at `reading`."""
    from lib.training import launch
    os.dup2(reading.detach(), 0)
    os.environ[launch.OWNED], launch.sys.argv = "1", ["launch", str(work)]
    launch.work_on = lambda work: time.sleep(60)
    launch.main()


def failing(work, environment):
    from lib.training import launch

    def fail(work):
        raise DataError("the pairs are bad")
    os.environ.update(environment)
    launch.sys.argv, launch.work_on = ["launch", str(work)], fail
    launch.main()


def sharing(out, environment):
    """One of two processes that hold a half of every weight (FSDP2, on the CPU): loss and gradients
    of a step, against whole weights.
    """
    import torch
    from helpers.trainers import awaken, new_model, new_trainer
    from helpers.tunings import tokenizer_of_base
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    from lib.training import tree_trainer
    os.environ.update(environment)
    torch.set_num_threads(1)
    tokenizer, steps = tokenizer_of_base(), []
    for shard in (False, True):
        tree_trainer.sharded = lambda shard=shard: shard
        trainer = new_trainer(tree_trainer.TreeTrainer, new_model(tokenizer), tokenizer, out,
                              gradient_checkpointing=True, trees={"token_budget": 100})
        awaken(trainer.model)
        trainer.state.global_step = trainer.current_gradient_accumulation_steps = 1
        trainer.model.activation_checkpointing_enable()
        if shard:
            mesh, base = init_device_mesh("cpu", (2,)), trainer.model.get_base_model()
            last = [base.model.norm, base.lm_head]
            for part in (*base.model.layers, base.model.embed_tokens, last, trainer.model):
                fully_shard(part, mesh=mesh)
            trainer.accelerator.no_sync = lambda model: contextlib.nullcontext()
        batch = next(iter(trainer.get_train_dataloader()))
        loss = trainer.training_step(trainer.model.train(), batch)
        gradients = []
        for parameter in trainer.model.parameters():
            if parameter.requires_grad:
                gradient = parameter.grad
                gradient = (gradient.full_tensor() if shard
                            else trainer.accelerator.reduce(gradient, "mean"))
                gradients.append(gradient.flatten())
        steps.append((trainer.accelerator.reduce(loss, "mean").item(), torch.cat(gradients)))
    if environment["RANK"] == "0":
        (one, whole), (other, parts) = steps
        error = (whole - parts).norm() / whole.norm()
        write_json(out / "result.json", {"loss": [one, other], "error": error.item()})
    torch.distributed.destroy_process_group()
