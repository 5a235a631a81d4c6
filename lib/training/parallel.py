"""Many small trainings at once: a model of a million weights leaves the second core of a processor
idle, a second training does not.
"""
import json
import resource
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from lib.core.records import Journal, digest
from lib.core.sections.preset import Preset
from lib.core.sections.section import Section
from lib.core.terminal import silence
from lib.models import places

# With all that they import: ten seconds that no process needs again.
PRELOADED = ["datasets", "lib.models.loading", "lib.training.tree_trainer"]


def run_jobs(function: Callable[..., Any], jobs: dict[str, tuple], workers: int, journal: Journal,
             description: str, alone: bool = False) -> dict[str, Any]:
    """{key: function(*arguments)} for jobs {key: arguments}, in the order of the jobs.

    function: of a module, with arguments that can be pickled and a result that JSON can hold.
    journal: jobs found in it are not run again, if all that they are made of is the same: rows,
    settings, and the files of the models that these name. workers: processes, each on one thread,
    so that no number depends on how many there are; 1 runs the jobs in this process, on all its
    threads, or on its GPU. alone: with one worker, each job has a process of its own, see `apart`.
    """
    rows = {key: digest([key, made_of(arguments)]) for key, arguments in jobs.items()}
    todo = {key: arguments for key, arguments in jobs.items() if rows[key] not in journal}
    done = len(jobs) - len(todo)
    with tqdm(total=len(jobs), initial=done, desc=description, unit="job") as bar:
        if workers == 1:
            for key, arguments in todo.items():
                result = apart(function, *arguments) if alone else function(*arguments)
                journal.add([(rows[key], result)])
                bar.update()
        elif todo:
            spawn, one_thread = get_context("spawn"), (1,)
            with ProcessPoolExecutor(workers, spawn, torch.set_num_threads, one_thread) as pool:
                running = {pool.submit(function, *arguments): key
                           for key, arguments in todo.items()}
                for one in as_completed(running):
                    journal.add([(rows[running[one]], one.result())])
                    bar.update()
    return {key: journal[rows[key]] for key in jobs}


def apart(function: Callable, *arguments: Any) -> Any:
    """The result of a function in a process of its own, so that its peak memory is its own.

    Exceptions come through. Such processes are forked from a server that has only imported the
    large libraries: they start at once and know nothing of each other. The function must belong
    to a module, not to a notebook.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    with ProcessPoolExecutor(1, mp_context=context, initializer=silence) as pool:
        return pool.submit(function, *arguments).result()


def peak_memory() -> float:
    """The largest memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB on Linux


def made_of(arguments: tuple) -> str:
    """All that a job gets, as JSON; a path stands for the model there, or else for nothing."""
    def plain(value: Any) -> Any:
        if isinstance(value, Preset):
            return [value.model_dump(), places.identities(value)]
        if isinstance(value, Section):
            return value.model_dump()
        if isinstance(value, Path):
            place = places.find(value)
            return places.identity(value) if place and any(place.glob("*config.json")) else None
        raise TypeError(f"no job can hang on {value!r}")
    return json.dumps(arguments, default=plain, sort_keys=True)
