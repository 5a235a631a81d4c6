"""The chat client against a scripted server on loopback: every way to fail, nothing paid twice, budget, retries, several servers."""
import asyncio
import json
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from email.utils import formatdate
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from lib.benchmarks import scripted_server
from lib.benchmarks.endpoint import usual
from lib.core.records import DataError
from lib.core.settings import ROOT
from lib.endpoint import run, server
from lib.endpoint.client import Endpoint
from lib.endpoint.store import Calls, call_key, reply

SCHEMA = {"type": "object", "properties": {"verdict": {"enum": ["A", "B"]}}, "required": ["verdict"], "additionalProperties": False}
KEY = "sk-a-key-that-nobody-may-see"


@pytest.fixture(scope="module")
def url():
    with scripted_server.running() as address:
        yield address


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Pauses are short here, unless the server asks for them."""
    monkeypatch.setattr(run, "LONGEST_PAUSE", 0.01)
    monkeypatch.setattr(run, "GRACE", 0.5)


@pytest.fixture
def make(url, tmp_path):
    """An endpoint with a store of its own."""
    stores = []

    def endpoint(schema=None, store="calls.sqlite", **given):
        stores.append(Calls(tmp_path / store))
        chosen = {"urls": [url], "concurrency": 4, "retries": 2, "timeout": 5, "deadline": 60, **given}
        return Endpoint("judge", "m", usual(**chosen), stores[-1], schema)

    yield endpoint
    for store in stores:
        store.close()


def ask(endpoint, *contents):
    return endpoint.ask([{"messages": [{"role": "user", "content": content}], "repeat": 0} for content in contents])


def calls(url, content):
    return [call for call in scripted_server.log(url) if call["content"] == content]


def unused_port():
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return place.getsockname()[1]


@pytest.mark.parametrize("step, status, text, finish", [
    ("ok", "ok", "Verdict: ", "stop"),
    ("json", "ok", '{"verdict": "B"}', "stop"),
    ("parts", "ok", "Verdict: B", "stop"),
    ("plain", "ok", "Verdict: ", "stop"),
    ("surrogate", "ok", "Verdict: ? A", "stop"),
    ("refusal", "refused", "I cannot judge this.", "stop"),
    ("filter", "refused", "", "content_filter"),
    ("400_filter", "refused", "", None),
    ("empty", "empty", "  \n", "stop"),
    ("none", "empty", "", "stop"),
    ("cut", "cut", "Verdi", "length"),
])
def test_answers_keep_their_text_and_say_what_they_are(make, url, step, status, text, finish):
    content = f"{step}? | {step}"
    first, = ask(make(), content)
    assert (first["status"], first["finish"], first["cached"]) == (status, finish, False)
    assert first["text"].startswith(text) and set(first) == set(reply("ok"))
    again, = ask(make(), content)
    assert again == {**first, "cached": True}, "every answer is paid for, and so is never asked for again"
    assert len(calls(url, content)) == 1


@pytest.mark.parametrize("step, kind", [
    ("html", "unreadable"), ("truncated_json", "unreadable"), ("no_choices", "unreadable"), ("error_in_200", "unreadable"),
    ("list", "unreadable"), ("500", "server"), ("503", "server"), ("408", "server"), ("429", "busy"), ("reset", "connection"),
    ("short", "connection"), ("garbage", "connection"),
])
def test_passing_failures_are_tried_again_and_never_become_answers(make, url, step, kind):
    endpoint = make(price_in=1, price_out=1)
    content = f"passing {step} | {step} | {step} | ok"
    assert ask(endpoint, content)[0]["status"] == "ok" and len(calls(url, content)) == 3
    lasting = f"lasting {step} | {step}"
    failed, = ask(endpoint, lasting)
    assert failed["status"] == "failed" and failed["error"].startswith(f"{kind}: ") and failed["text"] == ""
    assert "<" not in failed["error"] and len(failed["error"]) < 300
    assert len(calls(url, lasting)) == 3, "one call and two retries"
    assert endpoint.calls.ledger()[0]["failed"] == 5


def test_a_failure_is_asked_again_by_the_next_run(make, url):
    content = "later | 500 | 500 | ok"
    assert ask(make(retries=1), content)[0]["status"] == "failed"
    assert ask(make(retries=1), content)[0]["status"] == "ok"
    assert ask(make(retries=1), content)[0]["cached"] and len(calls(url, content)) == 3


@pytest.mark.parametrize("step", ["hang", "drip"])
def test_a_slow_body_is_given_up(make, step):
    failed, = ask(make(timeout=0.3, retries=0), f"slow | {step}")
    assert failed["status"] == "failed" and failed["error"] == "timeout: no whole answer within 0.3 s"


@pytest.mark.parametrize("step, words", [("401", "key_variable"), ("403", "forbids"), ("404", "urls"), ("quota", "quota")])
def test_what_no_retry_can_cure_stops_the_run_at_once(make, url, step, words):
    content = f"stop | {step}"
    with pytest.raises(DataError, match=words) as stop:
        ask(make(concurrency=1), content, "never asked " + step)
    assert "run again" in str(stop.value) and str(stop.value).startswith("judge: 127.0.0.1:")
    assert len(calls(url, content)) == 1 and not calls(url, "never asked " + step)


def test_the_key_is_never_shown_nor_stored(make, url, monkeypatch, tmp_path, caplog, capfd):
    monkeypatch.setenv("JUDGE_KEY", KEY)
    caplog.set_level("DEBUG")
    endpoint = make(key_variable="JUDGE_KEY")
    assert ask(endpoint, "with a key")[0]["status"] == "ok"
    with pytest.raises(DataError, match=r"Incorrect API key provided: bearer \[key\]") as stop:
        ask(endpoint, "wrong key | 401")
    endpoint.calls.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert KEY not in str(stop.value) + caplog.text + "".join(capfd.readouterr()) and KEY.encode() not in stored
    assert server.Replica._blot(SimpleNamespace(key="EMPTY"), "the slot is EMPTY") == "the slot is EMPTY"
    monkeypatch.delenv("JUDGE_KEY")
    with pytest.raises(DataError, match="JUDGE_KEY"):
        make(key_variable="JUDGE_KEY")


@pytest.mark.parametrize("given", [
    {"urls": []}, {"urls": ["ftp://host/v1"]}, {"urls": ["http://user:word@host/v1"]}, {"urls": ["host:8000"]},
    {"urls": ["http://host/v1"], "key_variable": KEY}, {"urls": ["http://host/v1"], "budget": 0}, {"urls": ["http://host/v1"], "concurrency": 0},
])
def test_settings_are_checked(given):
    with pytest.raises(ValidationError):
        usual(**given)


def test_retry_after_is_honoured_as_seconds_and_as_a_date(make, url):
    for wait, least in (("retry=1", 1.0), ("date=2", 1.0)):  # an HTTP date has whole seconds
        content = f"wait | 429 {wait} | ok"
        assert ask(make(), content)[0]["status"] == "ok"
        first, second = calls(url, content)
        assert second["time"] - first["time"] >= least


def test_retry_after_is_read_with_care():
    def wait(value):
        return server.retry_after({"retry-after": value})
    assert wait("2.5") == 2.5 and 8 < wait(formatdate(time.time() + 10, usegmt=True)) <= 10
    assert not any(wait(value) for value in ("", "soon", "-5", "inf", "nan", "Wed, 21 Oct 2015 07:28:00 GMT", "9" * 400))


def test_the_form_of_an_answer_steps_down_and_is_remembered(make, url):
    endpoint = make(SCHEMA)
    assert ask(endpoint, "schema")[0]["status"] == "ok"
    assert calls(url, "schema")[0]["sent"]["response_format"]["json_schema"]["schema"] == SCHEMA
    assert ask(endpoint, "strict | refuses=response_format")[0]["status"] == "ok"
    assert [call["sent"].get("response_format", {}).get("type") for call in calls(url, "strict | refuses=response_format")] == \
        ["json_schema", "json_object", None]
    assert ask(endpoint, "afterwards")[0]["status"] == "ok" and "response_format" not in calls(url, "afterwards")[0]["sent"]
    assert endpoint.notes == ["judge: the server refused json_schema; asked for json_object", "judge: the server refused json_object; asked for text"]


def test_many_calls_at_once_step_down_once(make):
    endpoint = make(SCHEMA, retries=0, breaker=1)
    assert {answer["status"] for answer in ask(endpoint, *(f"{i} | refuses=response_format" for i in range(20)))} == {"ok"}
    assert len(endpoint.notes) == 2


def test_a_chosen_form_does_not_step_down(make):
    failed, = ask(make(SCHEMA, structured="json_object"), "fixed | refuses=response_format")
    assert failed["status"] == "failed" and failed["error"].startswith("request: status 400")


def test_a_server_that_ignores_the_form_is_taken_as_it_is(make):
    endpoint = make(SCHEMA)
    assert ask(endpoint, "ignores it")[0]["text"].startswith("Verdict: ") and not endpoint.notes


def test_a_refused_parameter_is_left_out_once_and_for_all(make, url):
    endpoint = make(retries=0)
    content = "new model | refuses=temperature | refuses=temperature"
    assert ask(endpoint, content)[0]["status"] == "ok"
    assert ask(endpoint, "next")[0]["status"] == "ok" and "temperature" not in calls(url, "next")[0]["sent"]
    assert endpoint.notes == ["judge: the server refused temperature; asked without it"]
    assert endpoint.adapt(endpoint.body([]), "'max_tokens' is not supported, use 'max_completion_tokens'")
    assert endpoint.body([])["max_completion_tokens"] == 400 and not endpoint.adapt(endpoint.body([]), "max_completion_tokens is wrong")


@pytest.mark.parametrize("step", ["400", "422"])
def test_a_request_that_is_refused_fails_alone(make, url, step):
    content = f"bad | {step}"
    bad, good = ask(make(), content, f"good beside {step}")
    assert bad["status"] == "failed" and bad["error"].startswith(f"request: status {step}") and good["status"] == "ok"
    assert len(calls(url, content)) == 1


def test_error_bodies_become_one_short_line():
    assert server.said('{"error": {"message": "no\\n\\ud800 such\\u0007 thing", "param": "n", "code": 7}}') == ("no such thing (parameter n)", 7)
    assert server.said('{"detail": [{"loc": ["body", "temperature"], "msg": "bad", "input": "secret"}]}') == ("body.temperature: bad", None)
    assert server.said('{"detail": "Unexpected fields"}') == ("Unexpected fields", None)
    assert server.said("<html><p>Bad <b>gateway</b></html>") == ("Bad gateway", None)
    assert len(server.said("x" * 10**6)[0]) == 200 and server.said("")[0] == "" and server.said("[" * 10**5)[0]


def test_unknown_usage_counts_as_the_worst_case(make):
    endpoint = make(price_in=1e6, price_out=1e6, max_tokens=10)
    for step in ("no_usage", "odd_usage", "truncated_json"):
        before = endpoint.calls.spent("judge")
        ask(endpoint, f"usage | {step} | ok")
        worst = endpoint.estimate([{"messages": [{"role": "user", "content": f"usage | {step} | ok"}], "repeat": 1}])["cost"]
        assert endpoint.calls.spent("judge") - before >= worst


def test_the_budget_stops_before_the_call_that_could_exceed_it(make, url):
    contents = [f"budget {i}" for i in range(50)]
    endpoint = make(price_in=1e6, price_out=1e6, max_tokens=5, budget=110, concurrency=8)  # a call costs 25, 20 + 5 tokens
    with pytest.raises(DataError, match=r"spent and the next call may cost .* raise budget. [1-4] of 50 .* run again"):
        ask(endpoint, *contents)
    made = sum(len(calls(url, content)) for content in contents)
    assert endpoint.calls.spent("judge") == 25 * made <= 110
    with pytest.raises(DataError, match="budget"):
        ask(make(price_in=1e6, price_out=1e6, max_tokens=5, budget=110), *contents)
    assert sum(len(calls(url, content)) for content in contents) == made, "the spending outlives the process"
    more = ask(make(price_in=1e6, price_out=1e6, max_tokens=5, budget=5000), *contents)
    assert all(answer["status"] == "ok" for answer in more) and sum(answer["cached"] for answer in more) == made


def test_the_estimate_is_an_upper_bound_and_asks_nobody(make, url):
    endpoint = make(price_in=3, price_out=15)
    requests = [{"messages": [{"role": "user", "content": f"estimate {i} " + "a word " * 40}], "repeat": 0} for i in range(6)]
    before = len(scripted_server.log(url))
    estimate = endpoint.estimate([*requests, requests[0]])
    assert (estimate["calls"], estimate["cached"], estimate["completion_tokens"]) == (6, 1, 2400) and len(scripted_server.log(url)) == before
    assert estimate["cost"] == pytest.approx((estimate["prompt_tokens"] * 3 + 2400 * 15) / 1e6)
    endpoint.ask(requests)
    assert endpoint.calls.ledger() == [{"name": "judge", "model": "m", "calls": 6, "failed": 0, "cached": 0, "prompt_tokens": 120,
                                        "completion_tokens": 30, "cost": pytest.approx((120 * 3 + 30 * 15) / 1e6)}]
    assert endpoint.calls.spent("judge") < estimate["cost"] and endpoint.estimate(requests)["calls"] == 0
    endpoint.ask(requests)
    assert endpoint.calls.ledger()[0]["cached"] == 6


def test_replies_come_in_order_and_equal_requests_share_a_call(make, url):
    contents = [f"order {i % 30}" for i in range(60)]
    texts = [answer["text"] for answer in ask(make(concurrency=16), *contents)]
    assert texts == [json.loads(scripted_server.answer(content))["choices"][0]["message"]["content"] for content in contents]
    assert all(len(calls(url, content)) == 1 for content in contents)


def test_repeats_are_calls_of_their_own(make, url):
    requests = [{"messages": [{"role": "user", "content": "repeated"}], "repeat": i} for i in range(3)]
    make().ask(requests)
    assert len(calls(url, "repeated")) == 3


def test_keys_hold_what_decides_the_answer_and_no_address(make):
    def key(**given):
        return make(**given)._key({"messages": [{"role": "user", "content": "k"}]})
    assert key() == key(urls=["http://elsewhere/v1"], concurrency=2, retries=9, price_in=4)
    assert len({key(), key(temperature=0.5), key(max_tokens=9), key(schema=SCHEMA), key(structured="text")}) == 5
    assert call_key({"a": 1, "b": 2}, ["\ud800"], 0) == call_key({"b": 2, "a": 1}, ["\ud800"], 0) != call_key({"a": 1, "b": 2}, ["\ud800"], 1)


def test_odd_characters_reach_the_server_or_fail_alone(make):
    odd = ["NUL \x00", "lone \ud800 surrogate", "braces {} %s $x", "zero\u200bwidth", "", "</s><|im_end|>", "long " + "x" * 200_000]
    assert {answer["status"] for answer in ask(make(), *odd)} == {"ok"}


def test_several_servers_share_the_load_and_the_answers(make, url):
    with scripted_server.running(0.01) as other:
        contents = [f"shared {i}" for i in range(40)]
        ask(make(urls=[url, other], concurrency=8), *contents)
        both = {content: len(calls(url, content)) + len(calls(other, content)) for content in contents}
        assert set(both.values()) == {1} and any(calls(url, content) for content in contents) and any(calls(other, content) for content in contents)
        assert all(answer["cached"] for answer in ask(make(urls=[other]), *contents))


def test_a_dead_server_is_left_alone_while_another_works(make, url):
    dead = f"http://127.0.0.1:{unused_port()}/v1"
    endpoint = make(urls=[dead, url], breaker=3, concurrency=4)
    assert {answer["status"] for answer in ask(endpoint, *(f"takes over {i}" for i in range(40)))} == {"ok"}
    assert endpoint.calls.ledger()[0]["failed"] < 40


def test_the_run_stops_when_every_server_keeps_failing(make, url):
    dead = [f"http://127.0.0.1:{unused_port()}/v1" for _ in range(2)]
    with pytest.raises(DataError, match=r"judge: 3 calls in a row failed at 127.0.0.1:\d+, the last with connection: .*; check the server"):
        ask(make(urls=dead, breaker=3), *(f"dead {i}" for i in range(40)))
    contents = [f"broken {i} | 500" for i in range(40)]
    with pytest.raises(DataError, match=r"5 calls in a row failed .* server: status 500, Internal Server Error"):
        ask(make(breaker=5, concurrency=1), *contents)
    assert sum(len(calls(url, content)) for content in contents) == 5


def test_a_circuit_half_opens_and_one_call_decides():
    async def story():
        replica = server.Replica("http://127.0.0.1:1/v1", "", 1, breaker=2)
        now = 100.0
        replica.clock = lambda: now
        failure = server.Failure("server", "down")
        replica.fail(failure, started=90)
        replica.fail(failure, started=95)
        assert not replica.open, "calls that break together count once"
        replica.fail(server.Failure("busy", "slow down"), started=100)
        assert not replica.open, "a busy server is no broken one"
        now = 101.0
        replica.fail(failure, started=100.5)
        assert replica.open and replica.rests_until == 101 + server.REST
        now = 200.0

        async def post(body):
            assert replica.rests_until == 200 + server.REST, "while one call tries, others stay away"
            return reply("ok"), ""
        replica._post = post
        await replica.send({})
        assert not replica.open
        await replica.client.close()
    asyncio.run(story())


def test_concurrency_follows_a_busy_server(make, url):
    contents = [f"crowd {i} | limit=3" for i in range(60)]
    assert {answer["status"] for answer in ask(make(concurrency=32, retries=20), *contents)} == {"ok"}


def test_the_gate_halves_once_per_burst_and_grows_again():
    gate = run.Gate(16, None, 0.0)
    gate.cut(started=1, now=2)
    gate.cut(started=1.5, now=2.5)
    assert gate.limit == 8
    for _ in range(8):
        gate.grow()
    assert 8.5 < gate.limit <= 9.1
    for now in range(3, 20):
        gate.cut(started=now, now=now)
    assert gate.limit == 1


def test_the_deadline_ends_the_run_and_keeps_what_was_answered(make, url):
    contents = ["in time 1", "in time 2", "never | hang"]
    with pytest.raises(DataError, match=r"deadline of 1 s; raise it. 2 of 3 .* run again"):
        ask(make(deadline=1, timeout=60), *contents)
    with sqlite3.connect(make().calls.path) as db:
        statuses = sorted(row[0] for row in db.execute("SELECT status FROM calls"))
    db.close()
    assert statuses == ["failed", "ok", "ok"], "a call that was given up is a row too"


def test_an_interrupt_stops_cleanly_and_keeps_what_was_answered(make, url):
    endpoint = make(timeout=60)
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have started the tests with interrupts ignored
    try:
        threading.Timer(1.0, signal.pthread_kill, [threading.main_thread().ident, signal.SIGINT]).start()
        with pytest.raises(KeyboardInterrupt):
            ask(endpoint, "before 1", "before 2", "before 3", "never answered | hang")
    finally:
        signal.signal(signal.SIGINT, usual)
    assert [answer["cached"] for answer in ask(endpoint, "before 1", "before 2", "before 3")] == [True] * 3


def test_it_works_where_an_event_loop_runs_already(make):
    async def notebook():
        return ask(make(), "in a notebook")
    assert asyncio.run(notebook())[0]["status"] == "ok"


def test_a_store_that_cannot_be_written_stops_the_run(make, monkeypatch):
    endpoint = make(concurrency=1)
    monkeypatch.setattr(Calls, "put_all", lambda *_: (_ for _ in ()).throw(DataError("the disk is full")))
    with pytest.raises(DataError, match="disk is full"):
        ask(endpoint, *(f"full {i}" for i in range(20)))


def test_the_store_by_itself(tmp_path):
    store = Calls(tmp_path / "new" / "calls.sqlite")
    request = {"name": "local", "model": "tiny", "messages": []}
    assert store.get("k") is None
    store.put("k", request, reply("failed", error="memory"))
    assert store.get("k") is None and "k" not in store
    store.put("k", request, reply("ok", "A", "stop", "", 7, 2, 0.5))
    store.put("k", request, reply("ok", "B"))
    assert store.get("k") == {**reply("ok", "A", "stop", "", 7, 2, 0.5), "cached": True}, "a first answer is never replaced"
    assert store.ledger() == [{"name": "local", "model": "tiny", "calls": 2, "failed": 1, "cached": 1, "prompt_tokens": 7, "completion_tokens": 2, "cost": 0.0}]
    (tmp_path / "no.sqlite").write_text("this is no database, but it is long enough to look like a file of some kind " * 20)
    with pytest.raises(DataError, match=r"no.sqlite: the store"):
        Calls(tmp_path / "no.sqlite")


def test_a_second_process_does_not_pay_for_the_same_calls(tmp_path):
    store = Calls(tmp_path / "calls.sqlite")
    program = f"from lib.calls import Calls\nwith Calls({str(store.path)!r}).alone(): print('alone')"

    def other():
        return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    with store.alone():
        with store.alone():
            pass
        assert "another run is asking with this store" in other().stderr
    assert other().stdout == "alone\n"


def test_killed_at_random_moments_nothing_is_paid_twice(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    from lib.benchmarks.endpoint import kills
    row = kills(3, prompts=8, in_flight=8, latency=0.02, seed=1)
    assert row["kills"] == 3 and row["repeated"] == 0 and row["identical"] and row["preferences"] > 8
    assert row["calls_made"] - row["calls_needed"] == row["in_flight_repeated"] <= 3 * 8
