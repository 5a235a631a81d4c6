"""What a server's words come to: an answer, a refusal, or a failure and what cures it.

Nothing that a server says is trusted: texts are only shortened and passed on, numbers are checked.
"""
import json
import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from time import time

from lib.core.records import well_formed
from lib.endpoint.store import Reply, Status, reply

RETRIED = {408, 409, 425, 429}
ANSWERED = {502, 504, 524}  # by a gateway: the server behind it may have worked all the same
HINTS = {401: "it refuses the key; check the environment variable that key_variable names",
         403: "it forbids the call; check what the key may do",
         404: "it knows no such address or model; check urls (they usually end in /v1) and the "
              "model's name"}
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, RecursionError)


class Failure(Exception):
    """A call without a usable answer.

    kind: one word for it. cure: retry | adapt (the request's form is refused) | stop (no call can
    succeed). wait: seconds that the server asks for. billed: whether it may cost money anyway.
    """

    def __init__(self, kind: str, message: str, cure: str = "retry", wait: float = 0.0,
                 billed: bool = False, raw: str = ""):
        super().__init__(f"{kind}: {message}")
        self.kind, self.cure, self.wait, self.billed, self.raw = kind, cure, wait, billed, raw


def read_answer(raw: str) -> Reply:
    """The reply in a body, unknown token counts None. Raises Failure where there is none in it."""
    try:
        document = json.loads(raw)
        choice = document["choices"][0]
        message, finish = choice["message"], choice.get("finish_reason")
        text, refusal = _text(message.get("content")), _text(message.get("refusal"))
    except UNREADABLE:
        words = f"not a chat completion but {said(raw)[0] or 'nothing'!r}"
        raise Failure("unreadable", words, billed=True, raw=raw) from None
    usage = document.get("usage")
    prompt, completion = (_count(usage, name) for name in ("prompt_tokens", "completion_tokens"))
    if not prompt or (not completion and text.strip()):  # no answer is made of nothing
        prompt = completion = None
    if refusal or finish == "content_filter":
        status: Status = "refused"
    elif finish == "length":
        status = "cut"
    else:
        status = "ok" if text.strip() else "empty"
    finish = shorten(finish, 40) if isinstance(finish, str) else None
    return reply(status, text or refusal, finish, "", prompt, completion)


def refused(status: int, raw: str, headers: Mapping[str, str]) -> tuple[Reply, str]:
    """(reply, raw) where an error status is an answer, a filter's refusal; else raises Failure."""
    message, code = said(raw)
    text = f"status {status}, {message}" if message else f"status {status}"
    if code == "content_filter":
        return reply("refused", error=f"filter: {text}"), raw
    if 300 <= status < 400:
        target = shorten(headers.get("location") or "nowhere")
        words = f"status {status}, a redirect to {target}; put the address that answers into urls"
        raise Failure("denied", words, "stop", raw=raw)
    if status in HINTS:
        raise Failure("denied", f"{text}: {HINTS[status]}", "stop", raw=raw)
    if code == "insufficient_quota":
        words = f"{text}: the account's quota is used up; raise it at the provider"
        raise Failure("denied", words, "stop", raw=raw)
    if status in RETRIED or status >= 500:
        kind = "busy" if status == 429 else "server"
        raise Failure(kind, text, wait=retry_after(headers), billed=status in ANSWERED, raw=raw)
    raise Failure("request", text, "adapt", raw=raw)


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds in Retry-After, a number or an HTTP date (RFC 9110, 10.2.3); 0 for none to read."""
    value = headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time()
        except (ValueError, TypeError, OverflowError):
            return 0.0
    return max(seconds, 0.0) if math.isfinite(seconds) else 0.0


def said(raw: str) -> tuple[str, str | None]:
    """(one short line, code) of an error body: OpenAI's, FastAPI's, or text without mark-up."""
    try:
        document = json.loads(raw)
        problem = document.get("error") or document.get("detail") or document
        if isinstance(problem, list):  # FastAPI: one item a field; its echo of the input stays out
            items = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in problem]
            return shorten("; ".join(items)), None
        if isinstance(problem, dict):
            parameter = f" (parameter {problem['param']})" if problem.get("param") else ""
            return shorten(f"{problem.get('message') or problem}{parameter}"), problem.get("code")
        return shorten(str(problem)), None
    except UNREADABLE:
        return shorten(re.sub(r"<[^<>]*>", " ", raw[:4000])), None


def shorten(text: str, length: int = 200) -> str:
    """One line of printable characters, at most `length` of them."""
    printable = (letter if letter.isprintable() else " " for letter in text[:4000])
    text = " ".join("".join(printable).split())
    return text if len(text) <= length else text[:length - 1] + "…"


def _count(usage, name):
    """A number of tokens, where the server gives one that can be true; else None."""
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if type(count) is int and 0 <= count < 2**31 else None


def _text(content):
    """A message's text: a string, None, or a list of parts."""
    if isinstance(content, list):
        content = "".join(part.get("text") or "" for part in content)
    if content is not None and not isinstance(content, str):
        raise TypeError(content)
    return well_formed(content or "")
