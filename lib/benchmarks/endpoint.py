"""How fast, and how safe, the endpoint client is: throughput at a known latency, and kills at random moments.

`python -m lib.benchmarks.endpoint results.json` prints both tables and writes them; the server is a scripted one on loopback, in a process
of its own. For a notebook: `jobs` lists what is measured, `throughput` and `kills` return rows, `summary` makes numbers of them.
"""
import argparse
import asyncio
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from types import SimpleNamespace

from lib.benchmarks import scripted_server
from lib.benchmarks.measuring import spread
from lib.core.records import read_json, write_json
from lib.core.sections.judging import Endpoint as Section
from lib.core.settings import load
from lib.endpoint.client import Endpoint
from lib.endpoint.server import Replica, read_answer
from lib.endpoint.store import Calls

WORDS = "x" * 2000  # about the length of a judge's prompt with two profiles


def usual(**changes):
    """Settings of an endpoint: the usual ones of the default preset, with changes."""
    return Section(**{**load("default")[1].judging.usual.endpoint.model_dump(), **changes})


def questions(number):
    return [{"messages": [{"role": "user", "content": f"question {index} {WORDS}"}]} for index in range(number)]


def throughput(requests, in_flight=200, latency=0.05, alone=False):
    """Requests per second of one `ask` against a server that takes `latency` seconds for each, and their ratio to the ideal.

    The ideal is whole waves of `in_flight` calls and no time for anything else. The clock runs from before the clients are made
    until every answer is on disk. `processor_ms` is this process's time per request. alone: the SDK without the cache, ledger,
    gate and retries that lib.endpoint puts around it, to see where the time goes.
    """
    with scripted_server.running(latency) as url, tempfile.TemporaryDirectory() as folder:
        settings, calls = usual(urls=[url], concurrency=in_flight), Calls(Path(folder) / "calls.sqlite")
        endpoint = Endpoint("judge", "m", settings, calls)
        start, processor = time.perf_counter(), time.process_time()
        replies = in_thread(sdk_alone(endpoint, questions(requests))) if alone else endpoint.ask(questions(requests))
        seconds, processor = time.perf_counter() - start, time.process_time() - processor
        calls.close()
    assert [reply["status"] for reply in replies] == ["ok"] * requests
    ideal = -(-requests // in_flight) * latency
    return {"client": "SDK alone" if alone else "lib.endpoint", "requests": requests, "in_flight": in_flight, "latency_ms": 1000 * latency,
            "seconds": seconds, "requests_per_second": requests / seconds, "ratio_to_ideal": ideal / seconds,
            "processor_ms": 1000 * processor / requests}


def in_thread(coroutine):
    """Run a coroutine where no event loop runs yet; in a notebook the main thread has one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


async def sdk_alone(endpoint, requests):
    replica, todo, replies = Replica(endpoint.settings.urls[0], "", 60, 1), iter(requests), []

    async def work():
        for request in todo:
            replies.append(read_answer(await replica.client.post("/chat/completions", body=endpoint.body(request["messages"]), cast_to=str)))

    async with replica.client:
        await asyncio.gather(*(work() for _ in range(endpoint.settings.concurrency)))
    return replies


def kills(times, prompts=20, in_flight=8, latency=0.02, seed=0):
    """Kill (SIGKILL) a process that judges, at random moments, start it again each time, and compare with an undisturbed one.

    repeated: calls that were asked again although their answer had been kept; has to be 0. in_flight_repeated: calls that the kill
    caught between server and disk, at most in_flight each. identical: whether both processes ended with the same preferences.
    """
    moments, repeated, killed = random.Random(seed), 0, 0
    with scripted_server.running(latency) as url, tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        arguments = [url, str(prompts), str(in_flight)]
        while True:
            known, kept = len(scripted_server.log(url)), answered(folder / "killed" / "calls.sqlite")
            process = subprocess.Popen([sys.executable, "-m", "lib.benchmarks.endpoint", "--judge", str(folder / "killed"), *arguments], stderr=subprocess.DEVNULL)
            while killed < times and process.poll() is None and len(scripted_server.log(url)) == known:
                time.sleep(0.01)
            if killed < times:
                time.sleep(moments.uniform(0, 27 * prompts * latency / in_flight / times))
                process.kill()
                killed += 1
            code = process.wait()
            time.sleep(2 * latency + 0.1)  # until the server has ended what the dead process began
            repeated += sum(call["content"] in kept for call in scripted_server.log(url)[known:])
            if code != -9:
                break
        disturbed = len(scripted_server.log(url))
        subprocess.run([sys.executable, "-m", "lib.benchmarks.endpoint", "--judge", str(folder / "whole"), *arguments], stderr=subprocess.DEVNULL, check=True)
        needed = len(scripted_server.log(url)) - disturbed
        one, other = (read_json(folder / name / "preferences.json") for name in ("killed", "whole"))
    return {"kills": killed, "calls_needed": needed, "calls_made": disturbed, "repeated": repeated,
            "in_flight_repeated": disturbed - needed - repeated, "preferences": len(other), "identical": code == 0 and one == other}


def jobs(latencies, requests, rounds):
    """For `measuring.measure`: the throughput of both clients at each latency (seconds) and number of requests, round after round."""
    return {f"throughput {1000 * latency:.0f}ms {number} {'alone' if alone else 'client'} round {turn}":
            partial(throughput, number, 200, latency, alone)
            for turn in range(1, rounds + 1) for latency in latencies for number in requests for alone in (False, True)}


def summary(rows):
    """{"50ms": {"2000": {"endpoint" | "sdk_alone": {"ratio_to_ideal", "requests_per_second", "processor_ms"}}}}, medians with spread."""
    found, names = {}, {"lib.endpoint": "endpoint", "SDK alone": "sdk_alone"}
    for latency, requests, client in dict.fromkeys((row["latency_ms"], row["requests"], row["client"]) for row in rows):
        mine = [row for row in rows if (row["latency_ms"], row["requests"], row["client"]) == (latency, requests, client)]
        found.setdefault(f"{latency:.0f}ms", {}).setdefault(str(requests), {})[names[client]] = {
            field: spread(row[field] for row in mine) for field in ("ratio_to_ideal", "requests_per_second", "processor_ms")}
    return found


def answered(store):
    """The questions whose answers a store holds."""
    if not store.exists():
        return set()
    with closing(sqlite3.connect(store)) as db:
        try:
            rows = db.execute("SELECT request FROM calls WHERE status != 'failed'").fetchall()
        except sqlite3.OperationalError:  # killed before its table was made
            return set()
    return {json.loads(row[0])["messages"][-1]["content"] for row in rows}


def judge(folder, url, prompts, in_flight):
    """The process that `kills` kills: judges eight candidates of each prompt in two passes, then writes down the preferences."""
    from lib.judging import chat, ranking
    from lib.judging.panel import Panel
    endpoint = Endpoint("judge", "m", usual(urls=[url], concurrency=int(in_flight)), Calls(Path(folder) / "calls.sqlite"))
    rows = [{"id": str(i), "author": str(i), "split": "train", "messages": [{"role": "user", "content": f"abstract {i}"}]}
            for i in range(int(prompts))]
    texts = {row["id"]: [f"candidate {k} of {row['id']}" for k in range(8)] for row in rows}
    panel = Panel([chat.Chat("judge", endpoint, "full")], rows, texts)
    rules = SimpleNamespace(seed=0, rounds=4, pairs=12, threshold=0.5, min_margin=0.0, drop_cycles=False)
    emitted = ranking.play({key: range(8) for key in texts}, "two_pass", panel.ask, rules)
    write_json(Path(folder) / "preferences.json", [pair for row in rows for pair in ranking.preferences(
        row, texts[row["id"]], emitted[row["id"]], panel.results[row["id"]])])


def show(rows):
    columns = list(rows[0])
    print("  ".join(f"{column:>20}" for column in columns))
    for row in rows:
        print("  ".join(f"{row[column]:>20.3f}" if isinstance(row[column], float) else f"{row[column]!s:>20}" for column in columns))
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="?", default="", help="JSON file to write")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--judge", nargs=4, metavar=("FOLDER", "URL", "PROMPTS", "IN_FLIGHT"), help="used by the kill benchmark itself")
    options = parser.parse_args()
    if options.judge:
        return judge(*options.judge)
    speed = [throughput(requests, 200, latency, alone)
             for latency in (0.05, 0.5, 1.0) for requests in (200, 2000, 4000) for alone in (False, True)]
    show(speed)
    safety = [kills(options.kills)] if options.kills else []
    if safety:
        show(safety)
    if options.results:
        write_json(options.results, {"throughput": speed, "kills": safety})


if __name__ == "__main__":
    main()
