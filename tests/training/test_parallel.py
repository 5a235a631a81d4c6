"""Trainings side by side."""
import math

from lib.core.records import Journal
from lib.training import parallel


def test_jobs_side_by_side_resume_and_do_not_depend_on_the_workers(tmp_path):
    jobs = {str(n): (n, 4) for n in range(4)}
    alone = parallel.run_jobs(math.hypot, jobs, 1, Journal(tmp_path / "one.jsonl"), "test")
    assert alone == {str(n): math.hypot(n, 4) for n in range(4)} and list(alone) == list(jobs)
    journal = Journal(tmp_path / "two.jsonl")
    journal.add([("0", "kept from before")])
    together = parallel.run_jobs(math.hypot, jobs, 2, journal, "test")
    assert together == {**alone, "0": "kept from before"} and list(together) == list(jobs)
    again = parallel.run_jobs(None, jobs, 2, Journal(tmp_path / "two.jsonl"), "test")
    assert again == together, "nothing is left to run"
