"""Benchmarks in rounds: what is compared takes turns, each measurement is kept when it is finished.

Medians stand with their spread.
"""
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from tqdm import tqdm

from lib.core.records import Journal
from lib.core.rows import Rate
from lib.core.sections.servers import Endpoint as Section
from lib.core.settings import load


def usual(**changes: Any) -> Section:
    """Settings of an endpoint: the usual ones of the default preset, with changes."""
    return Section(**{**load("default")[1].judging.usual.endpoint.model_dump(), **changes})


def measure(jobs: Mapping[str, Callable[[], Any]], journal: Journal, description: str) -> list[Any]:
    """The results of jobs, in order; those that the journal knows are not measured again.

    A key says all that distinguishes a job, its round included. Whoever compares lists every method
    of a round before the next round.
    """
    with tqdm(jobs.items(), desc=description, unit="measurement") as bar:
        for key, job in bar:
            if key not in journal:
                bar.set_postfix_str(key)
                journal.add([(key, job())])
    return [journal[key] for key in jobs]


def spread(values: Iterable[float]) -> Rate:
    """Median, smallest and largest of the rounds of one figure, under the keys of intervals."""
    known = list(values)
    return {"rate": float(np.median(known)), "low": float(min(known)), "high": float(max(known)),
            "n": len(known)}
