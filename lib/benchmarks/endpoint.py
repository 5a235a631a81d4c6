"""How fast, and how safe, the endpoint client is: throughput at a known latency, and kills.

`python -m lib.benchmarks.endpoint results.json` prints both tables and writes them; the server is a
scripted one on loopback, in a process of its own. For a notebook: `jobs` lists what is measured,
`throughput` and `kills` return rows, `summary` makes numbers of them.
"""
import argparse
import asyncio
import multiprocessing
import random
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from lib.benchmarks import scripted_server
from lib.benchmarks.kills import kills
from lib.benchmarks.measuring import spread, usual
from lib.core.records import write_json
from lib.core.rows import Request
from lib.core.terminal import say, silence
from lib.endpoint.answers import read_answer
from lib.endpoint.client import Endpoint
from lib.endpoint.store import Calls

WORDS = "x" * 2000  # about the length of a judge's prompt with two profiles
CLIENTS = {"lib.endpoint": "endpoint", "SDK alone": "sdk_alone"}
FAULTS = {"429": 0.10, "500": 0.05, "reset": 0.02}  # steps of the server, and their share
MEASURED = ("ratio_to_ideal", "requests_per_second", "processor_ms")


def questions(number: int) -> list[Request]:
    return [{"messages": [{"role": "user", "content": f"question {index} {WORDS}"}]}
            for index in range(number)]


def throughput(requests: int, in_flight: int = 200, latency: float = 0.05,
               alone: bool = False) -> dict[str, Any]:
    """Requests per second of one `ask` where the server takes `latency` seconds for each.

    The ideal is whole waves of `in_flight` calls and no time for anything else. The clock runs from
    before the clients are made until every answer is on disk. `processor_ms` is this process's time
    per request. alone: the OpenAI SDK, without cache, ledger, gate and retries, to compare with.
    """
    with scripted_server.running(latency) as url, tempfile.TemporaryDirectory() as folder:
        calls = Calls(Path(folder) / "calls.sqlite")
        endpoint = Endpoint("judge", "m", usual(urls=[url], concurrency=in_flight), calls)
        start, processor = time.perf_counter(), time.process_time()
        asked = questions(requests)
        replies = in_thread(sdk_alone(endpoint, asked)) if alone else endpoint.ask(asked)
        seconds, processor = time.perf_counter() - start, time.process_time() - processor
        calls.close()
    assert [reply["status"] for reply in replies] == ["ok"] * requests
    ideal = -(-requests // in_flight) * latency
    return {"client": "SDK alone" if alone else "lib.endpoint", "requests": requests,
            "in_flight": in_flight, "latency_ms": 1000 * latency, "seconds": seconds,
            "requests_per_second": requests / seconds, "ratio_to_ideal": ideal / seconds,
            "processor_ms": 1000 * processor / requests}


def in_thread(coroutine: Coroutine) -> Any:
    """Run a coroutine where no event loop runs yet; in a notebook the main thread has one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


async def sdk_alone(endpoint: Endpoint, requests: list[Request]) -> list[Any]:
    """Answers to requests by the SDK, as many at once as the settings of the endpoint allow."""
    import openai  # for this comparison alone; over aiohttp, where it takes half the time
    client = openai.AsyncOpenAI(
        base_url=endpoint.settings.urls[0], api_key="none", max_retries=0, timeout=None,
        http_client=openai.DefaultAioHttpClient(timeout=None))
    todo, replies = iter(requests), []

    async def work() -> None:
        for request in todo:
            answer = await client.post(
                "/chat/completions", body=endpoint.body(request), cast_to=str)
            replies.append(read_answer(answer))

    async with client:
        await asyncio.gather(*(work() for _ in range(endpoint.settings.concurrency)))
    return replies


def under_load(requests: int = 10_000, in_flight: int = 200, latency: float = 1.0,
               seed: int = 0) -> dict[str, Any]:
    """One `ask`, on a budget, of a server that is busy, breaks and cuts connections: see FAULTS.

    share: of the throughput that the attempts made would allow, each `latency` seconds long and
    `in_flight` of them at once. peak_memory_mb: of the process that asks, alone; growth_mb: what
    of it came after all questions were there.
    """
    processes = multiprocessing.get_context("spawn")  # nothing loaded that asking does not need
    with scripted_server.running(latency) as url, ProcessPoolExecutor(
            1, mp_context=processes, initializer=silence) as pool:
        return pool.submit(asked_under_load, url, requests, in_flight, latency, seed).result()


def asked_under_load(url: str, requests: int, in_flight: int, latency: float,
                     seed: int) -> dict[str, Any]:
    dice, asked = random.Random(seed), questions(requests)
    for request in asked:
        while fault := dice.choices([*FAULTS, ""], [*FAULTS.values(), 1 - sum(FAULTS.values())])[0]:
            request["messages"][0]["content"] += f" | {fault}"
        request["messages"][0]["content"] += " | ok"
    with tempfile.TemporaryDirectory() as folder, closing(Calls(f"{folder}/calls.sqlite")) as calls:
        settings = usual(urls=[url], concurrency=in_flight, price_in=1, price_out=1, budget=1e6)
        endpoint, memory = Endpoint("judge", "m", settings, calls), peak()
        start = time.perf_counter()
        replies = endpoint.ask(asked)
        seconds, attempts = time.perf_counter() - start, calls.ledger()[0]["calls"]
    assert [reply["status"] for reply in replies] == ["ok"] * requests
    return {"share": attempts * latency / in_flight / seconds, "attempts": attempts,
            "seconds": seconds, "peak_memory_mb": peak(), "growth_mb": peak() - memory}


def peak() -> float:
    """The largest memory of this process so far, in MB; what its parent needed counts not."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def jobs(latencies: Sequence[float], requests: Sequence[int],
         rounds: int) -> dict[str, Callable[[], dict[str, Any]]]:
    """For `measuring.measure`: the throughput of both clients, round after round.

    latencies: in seconds. requests: numbers of requests.
    """
    found: dict[str, Callable[[], dict[str, Any]]] = {}
    for turn in range(1, rounds + 1):
        for latency in latencies:
            for number in requests:
                for alone, client in ((False, "client"), (True, "alone")):
                    key = f"throughput {1000 * latency:.0f}ms {number} {client} round {turn}"
                    found[key] = partial(throughput, number, 200, latency, alone)
    return found


def summary(rows: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Medians with spread: {"50ms": {"2000": {"endpoint" | "sdk_alone": {see MEASURED}}}}."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    cases: dict[tuple, list[dict[str, Any]]] = {}
    for row in rows:
        cases.setdefault((row["latency_ms"], row["requests"], row["client"]), []).append(row)
    for (latency, requests, client), mine in cases.items():
        by_client = found.setdefault(f"{latency:.0f}ms", {}).setdefault(str(requests), {})
        by_client[CLIENTS[client]] = {name: spread(row[name] for row in mine) for name in MEASURED}
    return found


def show(rows: list[dict[str, Any]]) -> None:
    say("  ".join(f"{column:>20}" for column in rows[0]))
    for row in rows:
        cells = (f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row.values())
        say("  ".join(f"{cell:>20}" for cell in cells))
    say("")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="?", default="", help="JSON file to write")
    parser.add_argument("--kills", type=int, default=20)
    options = parser.parse_args()
    speed = [job() for job in jobs((0.05, 0.5, 1.0), (200, 2000, 4000), 1).values()]
    show(speed)
    safety = [kills(options.kills)] if options.kills else []
    if safety:
        show(safety)
    if options.results:
        write_json(options.results, {"throughput": speed, "kills": safety})


if __name__ == "__main__":
    main()
