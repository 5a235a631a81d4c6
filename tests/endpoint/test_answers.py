"""What a server says, read with care: how long to wait, and errors in one line."""
import json
import time
from email.utils import formatdate

import pytest

from lib.endpoint import answers


def test_retry_after_is_read_with_care():
    def wait(value):
        return answers.retry_after({"retry-after": value})
    assert wait("2.5") == 2.5 and 8 < wait(formatdate(time.time() + 10, usegmt=True)) <= 10
    odd = ("", "soon", "-5", "inf", "nan", "Wed, 21 Oct 2015 07:28:00 GMT", "9" * 400)
    assert not any(wait(value) for value in odd)


def test_error_bodies_become_one_short_line():
    openai = '{"error": {"message": "no\\n\\ud800 such\\u0007 thing", "param": "n", "code": 7}}'
    assert answers.said(openai) == ("no such thing (parameter n)", 7)
    items = '{"detail": [{"loc": ["body", "temperature"], "msg": "bad", "input": "secret"}]}'
    assert answers.said(items) == ("body.temperature: bad", None)
    assert answers.said('{"detail": "Unexpected fields"}') == ("Unexpected fields", None)
    assert answers.said("<html><p>Bad <b>gateway</b></html>") == ("Bad gateway", None)
    assert len(answers.said("x" * 10**6)[0]) == 200
    assert answers.said("")[0] == "" and answers.said("[" * 10**5)[0]


def test_an_answer_made_of_nothing_has_an_unknown_cost():
    def used(prompt, completion, text="1"):
        raw = json.dumps({"choices": [{"message": {"content": text}}], "usage": {
            "prompt_tokens": prompt, "completion_tokens": completion}})
        found = answers.read_answer(raw)
        return found["prompt_tokens"], found["completion_tokens"]
    assert used(0, 0) == used(0, 3) == used(5, 0) == (None, None)
    assert used(5, 3) == (5, 3) and used(5, 0, " ") == (5, 0)


@pytest.mark.parametrize(("status", "billed"), [(504, True), (502, True), (503, False),
                                                (429, False)])
def test_what_a_gateway_gave_up_may_have_been_paid_for(status, billed):
    with pytest.raises(answers.Failure) as failure:
        answers.refused(status, "", {})
    assert failure.value.billed is billed
