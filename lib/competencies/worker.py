"""Functions carried out in a process of their own, with a limit on time and memory for each call.

Formats such as PDF can be written so that reading a few kilobytes takes minutes or all memory.
"""
import contextlib
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from lib.core.records import DataError

SECONDS, MEGABYTES = 15, 2048  # for one call


class Stopped(DataError):
    """A call that ran into a limit, or ended its process."""


class Worker:
    """One process for many calls: started with the first, and again after one that was stopped.

    `with Worker() as worker: worker.call(function, path)`. seconds and megabytes are for each call.
    """

    def __init__(self, seconds: float = SECONDS, megabytes: int = MEGABYTES):
        self.limits = seconds, megabytes
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """function(*arguments); it belongs to a module, and all values are such as JSON has.

        Raises DataError with the reason where it raises anything, and Stopped.
        """
        process = self.process = self.process or self._start()
        request = json.dumps([function.__module__, function.__name__, arguments])
        assert process.stdin and process.stdout
        try:
            process.stdin.write(f"{request}\n".encode())
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = b""
        except BaseException:  # such as Ctrl-C: the answer to come would be taken for the next one
            self.close()
            raise
        if not answer.endswith(b"\n"):
            self.close()
            if process.returncode == -signal.SIGALRM:
                raise Stopped(f"reading it takes more than {self.limits[0]:g} seconds")
            raise Stopped("reading it crashes; the file may be damaged")
        outcome = json.loads(answer)
        if outcome["memory"]:
            self.close()  # what is left of it may be short of memory
            raise Stopped(f"reading it takes more than {self.limits[1]} MB of memory")
        if outcome["reason"]:
            raise DataError(outcome["reason"])
        return outcome["value"]

    def close(self) -> None:
        """End the process."""
        process, self.process = self.process, None
        if process:
            for stream in (process.stdin, process.stdout):
                with contextlib.suppress(BrokenPipeError):
                    stream.close()  # type: ignore[union-attr]
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=1)
            process.kill()
            process.wait()

    def _start(self):
        command = [sys.executable, "-m", __name__, *map(str, self.limits)]
        return subprocess.Popen(command, cwd=Path(__file__).resolve().parents[2],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL)


def answered(module: str, function: str, arguments: list[Any]) -> dict[str, Any]:
    """What a call gave: {"value", "reason" why there is none, "memory": it was all taken}."""
    value, reason, memory = None, "", False
    try:
        value = getattr(importlib.import_module(module), function)(*arguments)
    except MemoryError:
        memory = True
    except (DataError, OSError) as error:
        reason = str(error)
    except Exception as error:  # a parser fails in any way on a file that was made for it
        reason = f"it cannot be read ({type(error).__name__}: {error})"
    return {"value": value, "reason": reason, "memory": memory}


def serve(requests: IO[bytes], answers: IO[bytes], seconds: float) -> None:
    """Answer one call a line until there are no more; its alarm ends a process that stalls."""
    for request in requests:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        answer = json.dumps(answered(*json.loads(request))).encode()
        signal.setitimer(signal.ITIMER_REAL, 0)
        answers.write(answer + b"\n")
        answers.flush()


def main(seconds: float, megabytes: int) -> None:
    """Serve calls from standard input."""
    with contextlib.suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a parser prints is no answer
    serve(sys.stdin.buffer, answers, seconds)


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
