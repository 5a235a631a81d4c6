"""One server behind an endpoint: a chat call, whatever comes back, and when to leave it alone.

Nothing that a server says is trusted: texts are only shortened and passed on, numbers are checked,
and the key is blotted out.
"""
import asyncio
import json
import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from time import time
from urllib.parse import urlsplit

import aiohttp
import openai

from lib.endpoint.store import Reply, Status, reply

REST = 30.0  # seconds until a server that kept failing is given one call to prove itself
RETRIED = {408, 409, 425, 429}
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


class Replica:
    """One base URL, used within one event loop.

    Its circuit opens after `breaker` failures in a row: it then gets no calls, but for one every
    REST seconds, and closes again with the first answer. timeout: seconds for a whole answer.
    """

    def __init__(self, url: str, key: str, timeout: float, breaker: int):
        self.host, self.key = urlsplit(url).netloc, key
        self.timeout, self.breaker = timeout, breaker
        # aiohttp below the SDK takes less than half the processor time per call; its pool holds
        # the 1000 connections that settings allow. Retries and time limits are ours alone.
        self.client = openai.AsyncOpenAI(
            base_url=url, api_key=key or "none", max_retries=0, timeout=None,
            http_client=openai.DefaultAioHttpClient(timeout=None))
        self.clock = asyncio.get_running_loop().time
        self.in_flight, self.failures = 0, 0
        self.last: Failure | None = None
        self.failed_at = self.rests_until = -math.inf

    @property
    def open(self) -> bool:
        return self.failures >= self.breaker

    async def send(self, body: dict) -> tuple[Reply, str]:
        """One call. Returns (reply, raw body); unknown token counts are None. Raises Failure."""
        self.in_flight += 1
        if self.open:
            self.rests_until = self.clock() + REST  # half open: this call alone decides
        try:
            answer = await self._post(body)
        finally:
            self.in_flight -= 1
        self.failures = 0
        return answer

    def fail(self, failure: Failure, started: float) -> None:
        """Count a call sent at `started`. Being busy is no fault; who break together count once."""
        now, self.last = self.clock(), failure
        self.rests_until = max(self.rests_until, now + failure.wait if failure.wait else 0.0)
        if failure.kind != "busy" and started >= self.failed_at:
            self.failures, self.failed_at = self.failures + 1, now
            if self.open:
                self.rests_until = max(self.rests_until, now + REST)

    async def _post(self, body):
        try:
            async with asyncio.timeout(self.timeout):
                raw = await self.client.post("/chat/completions", body=body, cast_to=str)
        except TimeoutError:
            words = f"no whole answer within {self.timeout:g} s"
            raise Failure("timeout", words, billed=True) from None
        except openai.APIStatusError as error:
            raw = self._blot(error.response.text)
            return refused(error.status_code, raw, error.response.headers)
        except (openai.OpenAIError, aiohttp.ClientError, OSError, ValueError) as error:
            causes = list(_causes(error))
            unsent = any(isinstance(cause, aiohttp.ClientConnectorError) for cause in causes)
            text = _shorten(self._blot(str(causes[-1]) or type(causes[-1]).__name__))
            raise Failure("connection", text, billed=not unsent) from None
        raw = self._blot(raw)
        return read_answer(raw), raw

    def _blot(self, text):
        """A text without the key. A dummy such as EMPTY is no secret, and answers may use it."""
        return text.replace(self.key, "[key]") if len(self.key) >= 8 else text


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
    if refusal or finish == "content_filter":
        status: Status = "refused"
    elif finish == "length":
        status = "cut"
    else:
        status = "ok" if text.strip() else "empty"
    finish = _shorten(finish, 40) if isinstance(finish, str) else None
    return reply(status, text or refusal, finish, "", prompt, completion)


def refused(status: int, raw: str, headers: Mapping[str, str]) -> tuple[Reply, str]:
    """(reply, raw) where an error status is an answer, a filter's refusal; else raises Failure."""
    message, code = said(raw)
    text = f"status {status}, {message}" if message else f"status {status}"
    if code == "content_filter":
        return reply("refused", error=f"filter: {text}"), raw
    if status in HINTS:
        raise Failure("denied", f"{text}: {HINTS[status]}", "stop", raw=raw)
    if code == "insufficient_quota":
        words = f"{text}: the account's quota is used up; raise it at the provider"
        raise Failure("denied", words, "stop", raw=raw)
    if status in RETRIED or status >= 500:
        kind = "busy" if status == 429 else "server"
        raise Failure(kind, text, wait=retry_after(headers), raw=raw)
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
            return _shorten("; ".join(items)), None
        if isinstance(problem, dict):
            parameter = f" (parameter {problem['param']})" if problem.get("param") else ""
            return _shorten(f"{problem.get('message') or problem}{parameter}"), problem.get("code")
        return _shorten(str(problem)), None
    except UNREADABLE:
        return _shorten(re.sub(r"<[^<>]*>", " ", raw[:4000])), None


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
    # A lone surrogate could not be written as UTF-8.
    return (content or "").encode("utf-8", "replace").decode()


def _shorten(text, length=200):
    printable = (letter if letter.isprintable() else " " for letter in text[:4000])
    text = " ".join("".join(printable).split())
    return text if len(text) <= length else text[:length - 1] + "…"


def _causes(error):
    while error is not None:
        yield error
        error = error.__cause__
