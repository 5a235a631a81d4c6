"""One server: every kind of answer, every way to fail, and what goes nowhere else."""
import asyncio
import tracemalloc

import pytest
from helpers.endpoints import ask, calls

from lib.benchmarks import scripted_server
from lib.core.records import DataError
from lib.endpoint import server
from lib.endpoint.answers import Failure
from lib.endpoint.store import reply


@pytest.mark.parametrize("step, status, text, finish", [
    ("ok", "ok", "Verdict: ", "stop"),
    ("json", "ok", '{"verdict": "B"}', "stop"),
    ("parts", "ok", "Verdict: B", "stop"),
    ("plain", "ok", "Verdict: ", "stop"),
    ("surrogate", "ok", "Verdict: \ufffd A", "stop"),
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
    assert again == {**first, "cached": True}, "an answer is paid for, and never asked for again"
    assert len(calls(url, content)) == 1


@pytest.mark.parametrize("step, kind", [
    ("html", "unreadable"), ("truncated_json", "unreadable"), ("no_choices", "unreadable"),
    ("error_in_200", "unreadable"), ("list", "unreadable"), ("500", "server"), ("503", "server"),
    ("408", "server"), ("429", "busy"), ("reset", "connection"), ("short", "connection"),
    ("garbage", "connection"),
])
def test_passing_failures_are_tried_again_and_never_become_answers(make, url, step, kind):
    endpoint = make(price_in=1, price_out=1)
    content = f"passing {step} | {step} | {step} | ok"
    assert ask(endpoint, content)[0]["status"] == "ok" and len(calls(url, content)) == 3
    lasting = f"lasting {step} | {step}"
    failed, = ask(endpoint, lasting)
    assert failed["status"] == "failed" and failed["text"] == ""
    assert failed["error"].startswith(f"{kind}: ")
    assert "<" not in failed["error"] and len(failed["error"]) < 300
    assert len(calls(url, lasting)) == 3, "one call and two retries"
    assert endpoint.calls.ledger()[0]["failed"] == 5


@pytest.mark.parametrize("step", ["hang", "drip"])
def test_a_slow_body_is_given_up(make, step):
    failed, = ask(make(timeout=0.3, retries=0), f"slow | {step}")
    assert failed["status"] == "failed"
    assert failed["error"] == "timeout: no whole answer within 0.3 s"


@pytest.mark.parametrize("step, words", [("401", "key_variable"), ("403", "forbids"),
                                         ("404", "urls"), ("quota", "quota")])
def test_what_no_retry_can_cure_stops_the_run_at_once(make, url, step, words):
    content = f"stop | {step}"
    with pytest.raises(DataError, match=words) as stop:
        ask(make(concurrency=1), content, "never asked " + step)
    assert "run again" in str(stop.value) and str(stop.value).startswith("judge: 127.0.0.1:")
    assert len(calls(url, content)) == 1 and not calls(url, "never asked " + step)


def test_a_key_that_is_not_there_is_named(make, monkeypatch):
    monkeypatch.delenv("JUDGE_KEY", raising=False)
    with pytest.raises(DataError, match="JUDGE_KEY"):
        make(key_variable="JUDGE_KEY")


def test_no_redirect_is_followed(make, url):
    with scripted_server.running() as other:
        for target in (f"{other}/chat/completions", f"{url}/chat/completions"):
            content = f"elsewhere {target} | redirect={target}"
            with pytest.raises(DataError, match=r"status 307, a redirect to http://127\.0\.0\.1:"):
                ask(make(), content)
            assert not scripted_server.log(other) and len(calls(url, content)) == 1


def test_nothing_of_the_environment_is_sent_but_the_named_key(make, url, monkeypatch):
    for name in ("API_KEY", "ORG_ID", "PROJECT_ID", "BASE_URL", "CUSTOM_HEADERS"):
        monkeypatch.setenv(f"OPENAI_{name}", "X-Secret: secret")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("JUDGE_KEY", "sk-0123456789")
    ask(make(), "without a key")
    ask(make(key_variable="JUDGE_KEY"), "with a key")
    usual = ["accept", "accept-encoding", "content-length", "content-type", "host", "user-agent"]
    assert calls(url, "without a key")[0]["headers"] == usual
    assert calls(url, "with a key")[0]["headers"] == sorted([*usual, "authorization"])


@pytest.mark.parametrize("step", ["huge=50000000", "bomb=50"])
def test_a_reply_without_end_is_given_up_at_its_limit(make, step):
    endpoint, content = make(retries=1), f"large | {step} | ok"
    tracemalloc.start()
    failed, = ask(make(retries=0), f"too large | {step}")
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()
    assert failed["error"] == "unreadable: an answer of more than 2 MiB"
    assert ask(endpoint, content)[0]["status"] == "ok", "and it is tried again"


def test_retry_after_is_honoured_as_seconds_and_as_a_date(make, url):
    contents = [f"wait | 429 {wait} | ok" for wait in ("retry=1", "date=2")]
    # An HTTP date has whole seconds, so that two of them may be little more than one.
    assert {answer["status"] for answer in ask(make(), *contents)} == {"ok"}
    for content in contents:
        first, second = calls(url, content)
        assert second["time"] - first["time"] >= 1.0


def test_a_circuit_half_opens_and_one_call_decides():
    async def story():
        replica = server.Replica("http://127.0.0.1:1/v1", "", 1, breaker=2)
        now = 100.0
        replica.clock = lambda: now
        failure = Failure("server", "down")
        replica.fail(failure, started=90)
        replica.fail(failure, started=95)
        assert not replica.open, "calls that break together count once"
        replica.fail(Failure("busy", "slow down"), started=100)
        assert not replica.open, "a busy server is no broken one"
        now = 101.0
        replica.fail(failure, started=100.5)
        assert replica.open and replica.rests_until == 101 + server.REST
        now = 200.0

        async def post(body):
            assert replica.rests_until == 200 + server.REST, "while one call tries, others stay"
            return reply("ok"), ""
        replica._post = post
        await replica.send({})
        assert not replica.open
        await replica.session.close()
    asyncio.run(story())
