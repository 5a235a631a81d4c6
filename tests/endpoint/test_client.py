"""The chat client: its settings, what it asks for, what it would cost, which calls are the same."""
import asyncio
import json

import pytest
from helpers.endpoints import SCHEMA, ask, calls, chat
from pydantic import ValidationError

from lib.benchmarks import scripted_server
from lib.benchmarks.endpoint import usual
from lib.endpoint.store import call_key

SERVER = {"urls": ["http://host/v1"]}


@pytest.mark.parametrize("given", [
    {"urls": []}, {"urls": ["ftp://host/v1"]}, {"urls": ["http://user:word@host/v1"]},
    {"urls": ["host:8000"]}, {**SERVER, "key_variable": "sk-a-key-that-nobody-may-see"},
    {**SERVER, "budget": 0}, {**SERVER, "concurrency": 0},
])
def test_settings_are_checked(given):
    with pytest.raises(ValidationError):
        usual(**given)


def test_the_form_of_an_answer_steps_down_and_is_remembered(make, url):
    endpoint = make(SCHEMA)
    assert ask(endpoint, "schema")[0]["status"] == "ok"
    sent = calls(url, "schema")[0]["sent"]
    assert sent["response_format"]["json_schema"]["schema"] == SCHEMA
    strict = "strict | refuses=response_format"
    assert ask(endpoint, strict)[0]["status"] == "ok"
    forms = [call["sent"].get("response_format", {}).get("type") for call in calls(url, strict)]
    assert forms == ["json_schema", "json_object", None]
    assert ask(endpoint, "afterwards")[0]["status"] == "ok"
    assert "response_format" not in calls(url, "afterwards")[0]["sent"]
    assert endpoint.notes == ["judge: the server refused json_schema; asked for json_object",
                              "judge: the server refused json_object; asked for text"]


def test_many_calls_at_once_step_down_once(make):
    endpoint = make(SCHEMA, retries=0, breaker=1)
    answers = ask(endpoint, *(f"{i} | refuses=response_format" for i in range(20)))
    assert {answer["status"] for answer in answers} == {"ok"}
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
    assert ask(endpoint, content)[0]["status"] == ask(endpoint, "next")[0]["status"] == "ok"
    assert "temperature" not in calls(url, "next")[0]["sent"]
    assert endpoint.notes == ["judge: the server refused temperature; asked without it"]
    refusal = "'max_tokens' is not supported, use 'max_completion_tokens'"
    nothing = {"messages": []}
    assert endpoint.adapt(nothing, endpoint.body(nothing), refusal)
    assert endpoint.body(nothing)["max_completion_tokens"] == 400
    assert not endpoint.adapt(nothing, endpoint.body(nothing), "max_completion_tokens is wrong")


def test_one_refusal_leaves_one_parameter_out_also_of_calls_in_flight(make):
    endpoint, asked = make(), {"messages": [], "seed": 1}
    body = endpoint.body(asked)
    assert endpoint.adapt(asked, body, "'seed' is not supported; use temperature 0")
    assert endpoint.adapt(asked, body, "'seed' is not supported; use temperature 0")
    assert set(body) - set(endpoint.body(asked)) == {"temperature"}
    assert not make().adapt({"messages": []}, make().body({"messages": []}), "'seed' is wrong")


def test_a_model_that_knows_no_system_message_gets_it_in_the_users_turn(make, url):
    endpoint = make(retries=0)
    request = {"messages": [{"role": "system", "content": "Be neutral."},
                            {"role": "user", "content": "who wins | no_system | no_system"}]}
    reply, = endpoint.ask([request])
    assert reply["status"] == "ok"
    assert endpoint.notes == ["judge: the server refused a system message; it opens the user's "
                              "turn"]
    assert endpoint.body(request)["messages"] == [
        {"role": "user", "content": "Be neutral.\n\nwho wins | no_system | no_system"}]


@pytest.mark.parametrize("step", ["400", "422"])
def test_a_request_that_is_refused_fails_alone(make, url, step):
    content = f"bad | {step}"
    bad, good = ask(make(), content, f"good beside {step}")
    assert bad["status"] == "failed" and bad["error"].startswith(f"request: status {step}")
    assert good["status"] == "ok" and len(calls(url, content)) == 1


def test_the_estimate_is_an_upper_bound_and_asks_nobody(make, url):
    endpoint = make(price_in=3, price_out=15)
    requests = [chat(f"estimate {i} " + "a word " * 40) for i in range(6)]
    before = len(scripted_server.log(url))
    estimate = endpoint.estimate([*requests, requests[0]])
    found = estimate["calls"], estimate["cached"], estimate["completion_tokens"]
    assert found == (6, 1, 2400) and len(scripted_server.log(url)) == before
    assert estimate["cost"] == pytest.approx((estimate["prompt_tokens"] * 3 + 2400 * 15) / 1e6)
    endpoint.ask(requests)
    assert endpoint.calls.ledger() == [
        {"name": "judge", "model": "m", "calls": 6, "failed": 0, "cached": 0, "prompt_tokens": 120,
         "completion_tokens": 30, "cost": pytest.approx((120 * 3 + 30 * 15) / 1e6)}]
    assert endpoint.calls.spent("judge") < estimate["cost"]
    assert endpoint.estimate(requests)["calls"] == 0
    endpoint.ask(requests)
    assert endpoint.calls.ledger()[0]["cached"] == 6


def test_replies_come_in_order_and_equal_requests_share_a_call(make, url):
    contents = [f"order {i % 30}" for i in range(60)]
    texts = [answer["text"] for answer in ask(make(concurrency=16), *contents)]
    expected = [json.loads(scripted_server.answer(content)) for content in contents]
    assert texts == [answer["choices"][0]["message"]["content"] for answer in expected]
    assert all(len(calls(url, content)) == 1 for content in contents)


def test_repeats_are_calls_of_their_own(make, url):
    make().ask([chat("repeated", repeat) for repeat in range(3)])
    assert len(calls(url, "repeated")) == 3


def test_keys_hold_what_decides_the_answer_and_no_address(make):
    def key(**given):
        return make(**given)._key(chat("k"))
    assert key() == key(urls=["http://elsewhere/v1"], concurrency=2, retries=9, price_in=4)
    others = key(temperature=0.5), key(max_tokens=9), key(schema=SCHEMA), key(structured="text")
    assert len({key(), *others}) == 5
    one = call_key({"a": 1, "b": 2}, ["\ud800"], 0)
    assert one == call_key({"b": 2, "a": 1}, ["\ud800"], 0)
    assert one != call_key({"a": 1, "b": 2}, ["\ud800"], 1)


def test_odd_characters_reach_the_server_or_fail_alone(make):
    odd = ["NUL \x00", "lone \ud800 surrogate", "braces {} %s $x", "zero\u200bwidth", "",
           "</s><|im_end|>", "long " + "x" * 200_000]
    assert {answer["status"] for answer in ask(make(), *odd)} == {"ok"}


def test_it_works_where_an_event_loop_runs_already(make):
    async def notebook():
        return ask(make(), "in a notebook")
    assert asyncio.run(notebook())[0]["status"] == "ok"
