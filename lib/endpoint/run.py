"""The event loop of one `Endpoint.ask`: workers, retries, a writer."""
import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from typing import Any

from tqdm import tqdm

from lib.core.records import DataError
from lib.core.rows import Request
from lib.endpoint.answers import Failure
from lib.endpoint.gate import Gate
from lib.endpoint.server import Replica
from lib.endpoint.store import Reply, reply

GRACE = 10.0  # seconds for calls in flight to end once the run has to stop
UNSETTLED = "unsettled: sent, and no answer was kept"
JITTER = random.Random()  # its own generator: pauses must not use up a notebook's seed


class Run:
    """One `ask` at work. endpoint: the `client.Endpoint` that asks. todo: {key: request}."""

    def __init__(self, endpoint: Any, todo: dict[str, Request], bar: tqdm):
        self.endpoint, self.settings, self.calls = endpoint, endpoint.settings, endpoint.calls
        self.bar, self.todo, self.total = bar, iter(todo.items()), len(todo)
        self.replies: dict[str, Reply] = {}
        self.reason: Exception | str | None = None
        self.stopped, self.rows, self.flying = asyncio.Event(), asyncio.Queue[Any](), set[Any]()

    def in_thread(self) -> dict[str, Reply]:
        """All replies. Notebooks run an event loop in the main thread; this one gets its own."""
        loop = asyncio.new_event_loop()

        def work():
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                return runner.run(self.all())

        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(work)
            try:
                return future.result()
            except KeyboardInterrupt:
                with suppress(RuntimeError):  # the loop may just have ended
                    loop.call_soon_threadsafe(self.stop, "interrupted")
                future.exception()  # waits for the end; the interrupt itself goes on up
                raise

    async def all(self) -> dict[str, Reply]:
        settings, self.clock = self.settings, asyncio.get_running_loop().time
        spent = self.calls.spent(self.endpoint.name)
        self.gate = Gate(settings.concurrency, settings.budget, spent)
        self.replicas = [Replica(url, self.endpoint.key, settings.timeout, settings.breaker)
                         for url in settings.urls]
        async with AsyncExitStack() as stack:
            for replica in self.replicas:
                await stack.enter_async_context(replica.session)
            writer = asyncio.create_task(self.write())
            # A few more than may be in flight, in place of those that pause before a retry.
            workers = min(settings.concurrency * 5 // 4 + 1, self.total)
            tasks = [asyncio.create_task(self.work()) for _ in range(workers)]
            await self.until_done_or_stopped(tasks)
            self.rows.put_nowait(None)
            await writer
        if isinstance(self.reason, str):
            answered = f"{self.bar.n} of {self.bar.total} calls are answered and kept"
            raise DataError(f"{self.endpoint.name}: {self.reason}. {answered}; run again to go on "
                            "from there.")
        if self.reason:
            raise self.reason
        return self.replies

    async def until_done_or_stopped(self, workers: list[asyncio.Task]) -> None:
        """Wait for the workers. Once the run has to stop, only calls in flight go on, for GRACE."""
        done = asyncio.gather(*workers, return_exceptions=True)
        stopped: asyncio.Future = asyncio.create_task(self.stopped.wait())
        await asyncio.wait([done, stopped], timeout=self.settings.deadline,
                           return_when=asyncio.FIRST_COMPLETED)
        if not done.done():
            self.stop(f"not done within the deadline of {self.settings.deadline:g} s; raise it")
            for worker in set(workers) - self.flying:
                worker.cancel()
            await asyncio.wait([done], timeout=GRACE)
            for worker in workers:
                worker.cancel()
        await done
        stopped.cancel()

    def stop(self, reason: Exception | str) -> None:
        """Begin no further call. reason: an exception, or a sentence for a DataError; the first
        one stands."""
        self.reason = self.reason or reason
        self.stopped.set()

    async def work(self) -> None:
        try:
            for key, request in self.todo:
                answer = await self.settle(key, request)
                if answer is None:
                    return
                self.replies[key] = answer
        except Exception as error:  # a mistake of ours may not pass for a failed call
            self.stop(error)

    async def settle(self, key: str, request: Request) -> Reply | None:
        """Ask until there is an answer or no retry is left. None where the run stops first."""
        tries, replica = 0, None
        while not self.reason:
            body, cost = self.endpoint.body(request), 0.0
            tokens = self.endpoint.prompt_tokens(request["messages"])
            worst = self.endpoint.cost(tokens, self.settings.max_tokens)
            if not await self.gate.enter(worst):
                self.stop(f"{self.gate.spent:.6g} of the budget of {self.settings.budget:g} is "
                          f"spent and the next call may cost {worst:.3g}; raise budget")
                return None
            try:
                replica = await self.pick(replica)
                if replica is None or self.reason:
                    return None
                started = self.clock()
                answer, cost, failure = await self.call(replica, key, body, worst)
            finally:
                await self.gate.leave(worst, cost)
            busy = failure is not None and failure.kind == "busy"
            self.gate.note(busy, started, self.clock())
            if failure is None:
                return answer
            if failure.cure == "stop":
                self.stop(f"{replica.host} says {failure}")
                return None
            if failure.cure == "adapt" and self.endpoint.adapt(request, body, str(failure)):
                continue
            pause = replica.fail(failure, started)
            if failure.cure == "adapt" or tries == self.settings.retries:
                return answer
            if not self.reason and not self.all_open:
                await asyncio.sleep(failure.wait + JITTER.uniform(0, pause))  # full jitter
            tries += 1
        return None

    @property
    def all_open(self) -> bool:
        return all(replica.open for replica in self.replicas)

    async def pick(self, last: Replica | None) -> Replica | None:
        """The least busy replica that is not resting, rather another than `last`, which failed.

        None where the run has to stop.
        """
        while not self.all_open:
            ready = [replica for replica in self.replicas if replica.rests_until <= self.clock()]
            if ready:
                return min(ready, key=lambda replica: (replica is last, replica.in_flight))
            soonest = min(replica.rests_until for replica in self.replicas)
            await asyncio.sleep(soonest - self.clock())
        failures = [f"{replica.failures} calls in a row failed at {replica.host}, "
                    f"the last with {replica.last}" for replica in self.replicas]
        self.stop("; ".join(failures) + "; check the server")
        return None

    async def call(self, replica: Replica, key: str, body: dict,
                   worst: float) -> tuple[Reply, float, Failure | None]:
        """One call, on disk before it counts. Returns (reply, cost, failure or None).

        What it may cost is on disk before it is sent: it counts as spent, also after a kill, until
        the answer's own row takes its place.
        """
        who = {"name": self.endpoint.name, "model": self.endpoint.model}
        request, started, failure, held = {**who, **body}, self.clock(), None, None
        self.flying.add(asyncio.current_task())
        if worst:
            held = await self.keep(key, who, reply("failed", error=UNSETTLED), "", worst)
        try:
            if self.reason:
                raise Failure("stopped", "not sent, the run had to stop")
            answer, raw = await replica.send(body)
            answer["seconds"] = self.clock() - started
            cost = worst  # where the server does not say what it used
            used = answer["prompt_tokens"], answer["completion_tokens"]
            if None not in used:
                cost = self.endpoint.cost(*used)
                self.endpoint.learn(body["messages"], answer["prompt_tokens"])
            answer |= {name: answer[name] or 0  # type: ignore[typeddict-item]  # both are its keys
                       for name in ("prompt_tokens", "completion_tokens")}
        except Failure as error:
            failure, raw, cost = error, error.raw[:4000], worst if error.billed else 0.0
            answer = reply("failed", error=str(error), seconds=self.clock() - started)
        except asyncio.CancelledError:
            words = "stopped: given up in flight when the run had to stop"
            answer = reply("failed", error=words, seconds=self.clock() - started)
            self.keep(key, request, answer, "", worst, held)
            raise
        # Waited for, so that a kill costs no worker more than one answer.
        await self.keep(key, request, answer, raw, cost, held)
        self.flying.discard(asyncio.current_task())
        return answer, cost, failure

    def keep(self, key: str, request: dict, answer: Reply, raw: str, cost: float,
             held: int | None = None) -> asyncio.Future:
        """Hand a row to the writer, in place of the row `held`.

        Returns a future of its number, done once it is on disk; None where it could not be kept.
        """
        kept = asyncio.get_running_loop().create_future()
        self.rows.put_nowait(((key, request, answer, raw, cost, held), kept))
        return kept

    async def write(self) -> None:
        """Commit what has come in, batch by batch, until a None. Progress is what is on disk."""
        last = False
        while not last:
            batch = [await self.rows.get()]
            while not self.rows.empty():
                batch.append(self.rows.get_nowait())
            last = None in batch
            batch = [item for item in batch if item is not None]
            numbers: list[int | None] = [None] * len(batch)
            try:
                numbers = await asyncio.to_thread(self.calls.put_all, [row for row, _ in batch])
                self.bar.update(sum(row[2]["status"] != "failed" for row, _ in batch))
            except Exception as error:  # nothing more is asked once answers cannot be kept
                self.stop(error)
            for (_, kept), number in zip(batch, numbers):
                if not kept.done():  # its worker may have been given up
                    kept.set_result(number)
