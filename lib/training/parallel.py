"""Many small trainings at once: a model of a million weights leaves the second core of a processor idle, a second training does not."""
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

import torch
from tqdm import tqdm


def run_jobs(function, jobs, workers, journal, description):
    """{key: function(*arguments)} for jobs {key: arguments}, in the order of the jobs.

    function: of a module, with arguments that can be pickled and a result that JSON can hold. journal: a `records.Journal`; jobs found
    in it are not run again. workers: processes, each on one thread, so that no number depends on how many there are; 1 runs the jobs
    in this process, on all its threads, or on its GPU.
    """
    todo = {key: arguments for key, arguments in jobs.items() if key not in journal}
    with tqdm(total=len(jobs), initial=len(jobs) - len(todo), desc=description, unit="job") as bar:
        if workers == 1:
            for key, arguments in todo.items():
                journal.add([(key, function(*arguments))])
                bar.update()
        elif todo:
            with ProcessPoolExecutor(workers, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
                running = {pool.submit(function, *arguments): key for key, arguments in todo.items()}
                for one in as_completed(running):
                    journal.add([(running[one], one.result())])
                    bar.update()
    return {key: journal[key] for key in jobs}
