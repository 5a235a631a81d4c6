"""Many small trainings at once: a model of a million weights leaves the second core of a processor
idle, a second training does not.
"""
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any

import torch
from tqdm import tqdm

from lib.core.records import Journal


def run_jobs(function: Callable[..., Any], jobs: dict[str, tuple], workers: int, journal: Journal,
             description: str) -> dict[str, Any]:
    """{key: function(*arguments)} for jobs {key: arguments}, in the order of the jobs.

    function: of a module, with arguments that can be pickled and a result that JSON can hold.
    journal: jobs found in it are not run again. workers: processes, each on one thread, so that no
    number depends on how many there are; 1 runs the jobs in this process, on all its threads, or on
    its GPU.
    """
    todo = {key: arguments for key, arguments in jobs.items() if key not in journal}
    done = len(jobs) - len(todo)
    with tqdm(total=len(jobs), initial=done, desc=description, unit="job") as bar:
        if workers == 1:
            for key, arguments in todo.items():
                journal.add([(key, function(*arguments))])
                bar.update()
        elif todo:
            spawn, one_thread = get_context("spawn"), (1,)
            with ProcessPoolExecutor(workers, spawn, torch.set_num_threads, one_thread) as pool:
                running = {pool.submit(function, *arguments): key
                           for key, arguments in todo.items()}
                for one in as_completed(running):
                    journal.add([(running[one], one.result())])
                    bar.update()
    return {key: journal[key] for key in jobs}
