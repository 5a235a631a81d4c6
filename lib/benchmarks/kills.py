"""A process that judges is killed at random moments and started again: nothing lost, none twice.

Each time until it ends by itself. The server's log says what was asked; see `judging` for the sum.
"""
import json
import multiprocessing
import random
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lib.benchmarks import scripted_server
from lib.benchmarks.measuring import usual
from lib.core.records import DataError, dump, read_json, write_json
from lib.core.terminal import silence
from lib.endpoint.client import Endpoint
from lib.endpoint.store import Calls
from lib.training.parallel import apart

PRICE = 1e6 / scripted_server.USAGE["total_tokens"]  # of a million tokens: a call costs 1
TURN = 4  # calls in flight, one after the other, for which a process lives before it is killed


def judging(times: int, seed: int = 0) -> dict[str, Any]:
    """Kill judges, half of them on a tight budget.

    Returns {"count": kills; what has to be 0: "asked_again": calls whose answer had been kept,
    "rows_lost": preferences missing or doubled, "beyond_budget": calls; and "identical": whether
    the preferences are those of a judge that nobody disturbed}.
    """
    judged, spent = kills(times - times // 2, seed=seed), spending(times // 2, seed=seed)
    return {"count": judged["kills"] + spent["kills"],
            "asked_again": judged["repeated"] + spent["repeated"],
            "rows_lost": judged["rows_lost"], "beyond_budget": spent["beyond_budget"],
            "identical": judged["identical"]}


def kills(times: int, prompts: int = 20, in_flight: int = 8, latency: float = 0.02,
          seed: int = 0) -> dict[str, Any]:
    """Kill a process that judges; compare what it ends with to an undisturbed one.

    repeated: calls that were asked again although their answer had been kept; has to be 0.
    in_flight_repeated: calls that the kill (SIGKILL) caught between server and disk, at most
    in_flight each. rows_lost: preferences that are missing or there twice. identical: whether it
    ended with the same preferences.
    """
    with scripted_server.running(latency) as url, tempfile.TemporaryDirectory() as folder:
        disturbed, whole = Path(folder) / "disturbed", Path(folder) / "whole"
        arguments = url, prompts, in_flight
        longest = 27 * prompts * latency / in_flight / max(times, 1)
        found = disturb(judge, disturbed, arguments, times, longest, latency, seed)
        made = len(scripted_server.log(url))
        apart(judge, whole, *arguments)
        needed = len(scripted_server.log(url)) - made
        one, other = (read_json(place / "preferences.json") for place in (disturbed, whole))
    ours, theirs = Counter(map(dump, one)), Counter(map(dump, other))
    return {"kills": found["kills"], "calls_needed": needed, "calls_made": made,
            "repeated": found["repeated"], "preferences": len(other),
            "in_flight_repeated": made - needed - found["repeated"],
            "rows_lost": ((ours - theirs) + (theirs - ours)).total(), "identical": one == other}


def spending(times: int, in_flight: int = 8, latency: float = 0.02,
             seed: int = 0) -> dict[str, int]:
    """Kill a process that asks until its budget is spent. beyond_budget: calls that it made too
    many, over all its lives; has to be 0. See `kills` for the others.
    """
    budget = 2 * TURN * in_flight * max(times, 1)
    with scripted_server.running(latency) as url, tempfile.TemporaryDirectory() as folder:
        arguments = url, budget, in_flight
        found = disturb(spend, Path(folder), arguments, times, TURN * latency, latency, seed)
        made = len(scripted_server.log(url))
    return {**found, "calls_made": made, "budget": budget, "beyond_budget": max(0, made - budget)}


def disturb(work: Callable[..., None], folder: Path, arguments: tuple, times: int, longest: float,
            latency: float, seed: int) -> dict[str, int]:
    """Run work(folder, *arguments), killed up to `longest` seconds after its first call, `times`
    times, and then to its end. arguments: the server's URL first. Raises RuntimeError where it
    fails.
    """
    dice, url, repeated, killed = random.Random(seed), arguments[0], 0, 0
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["lib.judging.panel"])  # seconds, once for all processes
    while True:
        known, kept = len(scripted_server.log(url)), answered(folder / "calls.sqlite")
        process = processes.Process(target=silently, args=(work, folder, *arguments))
        process.start()
        while killed < times and process.is_alive() and len(scripted_server.log(url)) == known:
            time.sleep(0.01)
        if killed < times and process.is_alive():
            time.sleep(dice.uniform(0, longest))
            process.kill()
        process.join()
        time.sleep(2 * latency + 0.1)  # until the server has ended what the dead process began
        repeated += sum(call["content"] in kept for call in scripted_server.log(url)[known:])
        if process.exitcode == 0:
            return {"kills": killed, "repeated": repeated}
        if process.exitcode != -9:
            raise RuntimeError(f"the process failed by itself, with {process.exitcode}")
        killed += 1


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


def silently(work: Callable[..., None], *arguments: Any) -> None:
    silence()
    work(*arguments)


def spend(folder: Path, url: str, budget: int, in_flight: int) -> None:
    """Ask more than a budget pays; a call costs 1."""
    settings = usual(urls=[url], concurrency=in_flight, price_in=PRICE, price_out=PRICE,
                     budget=budget, max_tokens=scripted_server.USAGE["completion_tokens"])
    endpoint = Endpoint("judge", "m", settings, Calls(folder / "calls.sqlite"))
    with suppress(DataError):  # the budget is spent
        endpoint.ask([{"messages": [{"role": "user", "content": f"question {index}"}]}
                      for index in range(2 * budget)])


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
