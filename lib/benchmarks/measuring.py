"""Benchmarks in rounds: what is compared takes turns, each measurement is kept when it is finished, and medians stand with their spread."""
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from tqdm import tqdm

PRELOADED = ["datasets", "lib.models", "lib.tree_trainer"]  # with all that they import: ten seconds that no process needs again


def apart(function, *arguments):
    """The result of a function in a process of its own, so that its peak memory is its own. Exceptions come through.

    Such processes are forked from a server that has only imported the large libraries: they start at once and know nothing of
    each other. The function must belong to a module, not to a notebook.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    with ProcessPoolExecutor(1, mp_context=context, initializer=silence) as pool:
        return pool.submit(function, *arguments).result()


def silence():
    """Progress bars and warnings of libraries go nowhere; what goes wrong is raised."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)


def measure(jobs, journal, description):
    """The results of jobs, in order; those that the journal knows are not measured again.

    jobs: {key: function without arguments}; a key says all that distinguishes a job, its round included. Whoever compares lists
    every method of a round before the next round. journal: a `records.Journal`.
    """
    with tqdm(jobs.items(), desc=description, unit="measurement") as bar:
        for key, job in bar:
            if key not in journal:
                bar.set_postfix_str(key)
                journal.add([(key, job())])
    return [journal[key] for key in jobs]


def spread(values):
    """{"rate": median, "low": smallest, "high": largest, "n"} of the rounds of one figure, under the keys that intervals have."""
    values = list(values)
    return {"rate": float(np.median(values)), "low": float(min(values)), "high": float(max(values)), "n": len(values)}
