"""A process apart: limits end one call, and the next one finds a fresh process."""
import operator
import os
import time

import pytest

from lib.competencies.worker import Stopped, Worker
from lib.core.records import DataError


def test_one_process_answers_many_calls_and_ends_with_them():
    with Worker() as worker:
        assert worker.process is None  # nothing is started before it is needed
        numbers = {worker.call(os.getpid) for _ in range(3)}
        assert len(numbers) == 1 and os.getpid() not in numbers
        with pytest.raises(DataError, match="ZeroDivisionError"):
            worker.call(operator.truediv, 1, 0)
        with pytest.raises(DataError, match="No such file"):
            worker.call(os.listdir, "/no/such/folder")
        assert {worker.call(os.getpid)} == numbers and worker.call(operator.add, "\ud800", "ä")
        process = worker.process
    assert process.poll() is not None


@pytest.mark.parametrize(("function", "argument", "reason"), [
    (time.sleep, 30, "takes more than 1 seconds"), (bytes, 1 << 30, "more than 400 MB of memory"),
    (os._exit, 0, "crashes")])
def test_what_stalls_or_bursts_is_stopped_and_the_next_call_answered(function, argument, reason):
    with Worker(seconds=1, megabytes=400) as worker:
        with pytest.raises(Stopped, match=reason):
            worker.call(function, argument)
        assert worker.call(operator.add, 1, 2) == 3
