"""What a server says, read with care: how long to wait, and errors in one line."""
import time
from email.utils import formatdate

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
