"""Many calls at once: retries, several servers, the budget, the deadline, interrupts and kills."""
import signal
import sqlite3
import threading

import pytest
from helpers.endpoints import ask, calls, chat, count, unused_port

from lib.benchmarks import scripted_server
from lib.benchmarks.kills import kills, spending
from lib.core.records import DataError
from lib.endpoint import run


def test_a_failure_is_asked_again_by_the_next_run(make, url):
    content = "later | 500 | 500 | ok"
    assert ask(make(retries=1), content)[0]["status"] == "failed"
    assert ask(make(retries=1), content)[0]["status"] == "ok"
    assert ask(make(retries=1), content)[0]["cached"] and len(calls(url, content)) == 3


def test_unknown_usage_counts_as_the_worst_case(make):
    endpoint = make(price_in=1e6, price_out=1e6, max_tokens=10)
    for step in ("no_usage", "odd_usage", "truncated_json"):
        before = endpoint.calls.spent("judge")
        content = f"usage | {step} | ok"
        ask(endpoint, content)
        worst = endpoint.estimate([chat(content, 1)])["cost"]
        assert endpoint.calls.spent("judge") - before >= worst


def test_the_budget_stops_before_the_call_that_could_exceed_it(make, url):
    contents = [f"budget {i}" for i in range(50)]
    given = {"price_in": 1e6, "price_out": 1e6, "max_tokens": 5}  # a call costs 25, 20 + 5 tokens
    endpoint = make(**given, budget=110, concurrency=8)
    words = r"spent and the next call may cost .* raise budget. [1-4] of 50 .* run again"
    with pytest.raises(DataError, match=words):
        ask(endpoint, *contents)
    made = count(url, contents)
    assert endpoint.calls.spent("judge") == 25 * made <= 110
    with pytest.raises(DataError, match="budget"):
        ask(make(**given, budget=110), *contents)
    assert count(url, contents) == made, "the spending outlives the process"
    more = ask(make(**given, budget=5000), *contents)
    assert all(answer["status"] == "ok" for answer in more)
    assert sum(answer["cached"] for answer in more) == made


def test_several_servers_share_the_load_and_the_answers(make, url):
    with scripted_server.running(0.01) as other:
        contents = [f"shared {i}" for i in range(40)]
        ask(make(urls=[url, other], concurrency=8), *contents)
        assert all(count(url, [one]) + count(other, [one]) == 1 for one in contents)
        assert count(url, contents) and count(other, contents)
        assert all(answer["cached"] for answer in ask(make(urls=[other]), *contents))


def test_a_dead_server_is_left_alone_while_another_works(make, url):
    dead = f"http://127.0.0.1:{unused_port()}/v1"
    endpoint = make(urls=[dead, url], breaker=3, concurrency=4)
    answers = ask(endpoint, *(f"takes over {i}" for i in range(40)))
    assert {answer["status"] for answer in answers} == {"ok"}
    assert endpoint.calls.ledger()[0]["failed"] < 40


def test_the_run_stops_when_every_server_keeps_failing(make, url):
    dead = [f"http://127.0.0.1:{unused_port()}/v1" for _ in range(2)]
    words = (r"judge: 3 calls in a row failed at 127.0.0.1:\d+, the last with connection: .*; "
             "check the server")
    with pytest.raises(DataError, match=words):
        ask(make(urls=dead, breaker=3), *(f"dead {i}" for i in range(40)))
    contents = [f"broken {i} | 500" for i in range(40)]
    words = r"5 calls in a row failed .* server: status 500, Internal Server Error"
    with pytest.raises(DataError, match=words):
        ask(make(breaker=5, concurrency=1), *contents)
    assert count(url, contents) == 5


def test_concurrency_follows_a_busy_server(make):
    contents = [f"crowd {i} | limit=3" for i in range(60)]
    answers = ask(make(concurrency=32, retries=20), *contents)
    assert {answer["status"] for answer in answers} == {"ok"}


def test_the_deadline_ends_the_run_and_keeps_what_was_answered(make):
    contents = ["in time 1", "in time 2", "never | hang"]
    with pytest.raises(DataError, match=r"deadline of 1 s; raise it. 2 of 3 .* run again"):
        ask(make(deadline=1, timeout=60), *contents)
    with sqlite3.connect(make().calls.path) as db:
        statuses = sorted(row[0] for row in db.execute("SELECT status FROM calls"))
    db.close()
    assert statuses == ["failed", "ok", "ok"], "a call that was given up is a row too"


def test_an_interrupt_stops_cleanly_and_keeps_what_was_answered(make):
    endpoint, contents = make(timeout=60), [f"before {i}" for i in range(3)]
    # A shell may have started the tests with interrupts ignored.
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupt = threading.main_thread().ident, signal.SIGINT
    try:
        threading.Timer(1.0, signal.pthread_kill, interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            ask(endpoint, *contents, "never answered | hang")
    finally:
        signal.signal(signal.SIGINT, usual)
    assert [answer["cached"] for answer in ask(endpoint, *contents)] == [True] * 3


def test_what_a_call_may_cost_is_on_disk_before_it_is_sent(make):
    given = {"price_in": 1e6, "price_out": 1e6, "max_tokens": 5, "timeout": 60, "deadline": 60}
    endpoint, seen = make(**given), []
    worst = endpoint.estimate([chat("looked at | hang")])["cost"]

    def look():
        with sqlite3.connect(endpoint.calls.path) as db:
            seen.extend(db.execute("SELECT status, error, cost FROM calls"))
        db.close()
        signal.pthread_kill(*interrupt)
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupt = threading.main_thread().ident, signal.SIGINT
    try:
        threading.Timer(1.0, look).start()
        with pytest.raises(KeyboardInterrupt):
            ask(endpoint, "looked at | hang")
    finally:
        signal.signal(signal.SIGINT, usual)
    assert seen == [("failed", run.UNSETTLED, worst)]
    assert endpoint.calls.ledger()[0]["calls"] == 1, "the row of its end has taken its place"
    assert endpoint.calls.spent("judge") == worst
    for step in ("503", "429"):
        ask(endpoint, f"free of charge | {step}")
    assert endpoint.calls.spent("judge") == worst


def test_the_budget_holds_across_kills():
    row = spending(3)
    assert row["kills"] == 3 and row["beyond_budget"] == row["repeated"] == 0
    assert row["calls_made"] > row["budget"] / 2


def test_killed_at_random_moments_nothing_is_paid_twice():
    row = kills(3, prompts=4, in_flight=4, latency=0.02, seed=1)
    assert row["kills"] == 3 and row["repeated"] == 0
    assert row["identical"] and row["rows_lost"] == 0 and row["preferences"] > 8
    assert row["calls_made"] - row["calls_needed"] == row["in_flight_repeated"] <= 3 * 4
