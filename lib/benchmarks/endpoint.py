"""How fast, and how safe, the endpoint client is: throughput at a known latency, and kills.

`python -m lib.benchmarks.endpoint results.json` prints both tables and writes them; the server is a
scripted one on loopback, in a process of its own. For a notebook: `jobs` lists what is measured,
`throughput` and `kills` return rows, `summary` makes numbers of them.
"""
import argparse
import asyncio
import json
import multiprocessing
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lib.benchmarks import scripted_server
from lib.benchmarks.measuring import apart, silence, spread
from lib.core.records import read_json, write_json
from lib.core.rows import Request
from lib.core.sections.judging import Endpoint as Section
from lib.core.settings import load
from lib.endpoint.client import Endpoint
from lib.endpoint.server import Replica, read_answer
from lib.endpoint.store import Calls

WORDS = "x" * 2000  # about the length of a judge's prompt with two profiles
CLIENTS = {"lib.endpoint": "endpoint", "SDK alone": "sdk_alone"}
MEASURED = ("ratio_to_ideal", "requests_per_second", "processor_ms")


def usual(**changes: Any) -> Section:
    """Settings of an endpoint: the usual ones of the default preset, with changes."""
    return Section(**{**load("default")[1].judging.usual.endpoint.model_dump(), **changes})


def questions(number: int) -> list[Request]:
    return [{"messages": [{"role": "user", "content": f"question {index} {WORDS}"}]}
            for index in range(number)]


def throughput(requests: int, in_flight: int = 200, latency: float = 0.05,
               alone: bool = False) -> dict[str, Any]:
    """Requests per second of one `ask` where the server takes `latency` seconds for each.

    The ideal is whole waves of `in_flight` calls and no time for anything else. The clock runs from
    before the clients are made until every answer is on disk. `processor_ms` is this process's time
    per request. alone: the SDK without the cache, ledger, gate and retries that lib.endpoint puts
    around it, to see where the time goes.
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
    replica, todo, replies = Replica(endpoint.settings.urls[0], "", 60, 1), iter(requests), []

    async def work() -> None:
        for request in todo:
            answer = await replica.client.post(
                "/chat/completions", body=endpoint.body(request["messages"]), cast_to=str)
            replies.append(read_answer(answer))

    async with replica.client:
        await asyncio.gather(*(work() for _ in range(endpoint.settings.concurrency)))
    return replies


def kills(times: int, prompts: int = 20, in_flight: int = 8, latency: float = 0.02,
          seed: int = 0) -> dict[str, Any]:
    """Kill a process that judges at random moments, each time start it again; compare the outcome.

    repeated: calls that were asked again although their answer had been kept; has to be 0.
    in_flight_repeated: calls that the kill (SIGKILL) caught between server and disk, at most
    in_flight each. identical: whether it ended with the same preferences as an undisturbed process.
    """
    moments, repeated, killed = random.Random(seed), 0, 0
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["lib.judging.panel"])  # seconds, once for all processes
    with scripted_server.running(latency) as url, tempfile.TemporaryDirectory() as folder:
        disturbed, whole = Path(folder) / "disturbed", Path(folder) / "whole"
        arguments = url, prompts, in_flight
        while True:
            known, kept = len(scripted_server.log(url)), answered(disturbed / "calls.sqlite")
            process = processes.Process(target=judge_silently, args=(disturbed, *arguments))
            process.start()
            while (killed < times and process.is_alive()
                   and len(scripted_server.log(url)) == known):
                time.sleep(0.01)
            if killed < times:
                time.sleep(moments.uniform(0, 27 * prompts * latency / in_flight / times))
                process.kill()
                killed += 1
            process.join()
            time.sleep(2 * latency + 0.1)  # until the server has ended what the dead process began
            repeated += sum(call["content"] in kept for call in scripted_server.log(url)[known:])
            if process.exitcode != -9:
                break
        made = len(scripted_server.log(url))
        apart(judge, whole, *arguments)
        needed = len(scripted_server.log(url)) - made
        one, other = (read_json(place / "preferences.json") for place in (disturbed, whole))
    return {"kills": killed, "calls_needed": needed, "calls_made": made, "repeated": repeated,
            "in_flight_repeated": made - needed - repeated, "preferences": len(other),
            "identical": process.exitcode == 0 and one == other}


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


def answered(store: Path) -> set[str]:
    """The questions whose answers a store holds."""
    if not store.exists():
        return set()
    with closing(sqlite3.connect(store)) as db:
        try:
            rows = db.execute("SELECT request FROM calls WHERE status != 'failed'").fetchall()
        except sqlite3.OperationalError:  # killed before its table was made
            return set()
    return {json.loads(row[0])["messages"][-1]["content"] for row in rows}


def judge_silently(folder: Path, url: str, prompts: int, in_flight: int) -> None:
    silence()
    judge(folder, url, prompts, in_flight)


def judge(folder: Path, url: str, prompts: int, in_flight: int) -> None:
    """Judge eight candidates of each prompt in two passes; write down the preferences."""
    from lib.judging import chat, ranking, schemes  # torch, which throughput does without
    from lib.judging.panel import Panel
    settings = usual(urls=[url], concurrency=in_flight)
    endpoint = Endpoint("judge", "m", settings, Calls(folder / "calls.sqlite"))
    rows: list[Any] = [{"id": str(i), "author": str(i), "split": "train", "messages": [],
                        "abstracts": [{"title": "", "text": f"abstract {i}"}]}
                       for i in range(prompts)]
    texts = {row["id"]: [f"candidate {k} of {row['id']}" for k in range(8)] for row in rows}
    panel = Panel([chat.Chat("judge", endpoint, "full")], rows, texts)
    rules: Any = SimpleNamespace(seed=0, rounds=4, pairs=12, threshold=0.5, min_margin=0.0,
                                 drop_cycles=False)
    players: Any = {key: range(8) for key in texts}
    emitted, results = schemes.play(players, "two_pass", panel.ask, rules)
    found = [ranking.preferences(row, texts[row["id"]], emitted[row["id"]], results[row["id"]])
             for row in rows]
    write_json(folder / "preferences.json", [pair for pairs in found for pair in pairs])


def show(rows: list[dict[str, Any]]) -> None:
    print("  ".join(f"{column:>20}" for column in rows[0]))
    for row in rows:
        cells = (f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row.values())
        print("  ".join(f"{cell:>20}" for cell in cells))
    print()


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
