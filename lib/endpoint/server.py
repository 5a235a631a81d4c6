"""One server behind an endpoint: a chat call, whatever comes back, and when to leave it alone."""
import asyncio
import json
import math
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from lib.endpoint.answers import Failure, read_answer, refused, shorten
from lib.endpoint.blotting import Blot
from lib.endpoint.store import Reply

REST = 30.0  # seconds until a server that kept failing is given one call to prove itself
LONGEST_PAUSE = 60.0  # seconds between two tries, unless the server asks for more
LARGEST = 2**21  # bytes of a reply, decompressed; an answer of 100,000 tokens has a quarter


class NoCookies(aiohttp.DummyCookieJar):
    """Cookies are not even read: aiohttp logs names that it cannot use, and they are a server's."""

    def update_cookies_from_headers(self, headers: Any, response_url: Any) -> None:
        pass


class Replica:
    """One base URL, used within one event loop.

    Its circuit opens after `breaker` failures in a row: it then gets no calls, but for one every
    REST seconds, and closes again with the first answer. timeout: seconds for a whole answer.
    """

    def __init__(self, url: str, key: str, timeout: float, breaker: int):
        self.host, self.url = urlsplit(url).netloc, f"{url.rstrip('/')}/chat/completions"
        self.timeout, self.breaker, self.blot = timeout, breaker, Blot(key)
        # Nothing but the key comes from the environment; no redirect is followed, which would
        # carry the prompt elsewhere. The gate before the servers counts connections, not the pool.
        self.session = aiohttp.ClientSession(
            headers={"Content-Type": "application/json", "Accept-Encoding": "gzip, deflate"}
            | ({"Authorization": f"Bearer {key}"} if key else {}),
            connector=aiohttp.TCPConnector(limit=0), cookie_jar=NoCookies(), trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None))
        self.clock = asyncio.get_running_loop().time
        self.in_flight, self.failures, self.in_a_row = 0, 0, 0
        self.last: Failure | None = None
        self.failed_at = self.rests_until = -math.inf

    @property
    def open(self) -> bool:
        return self.failures >= self.breaker

    async def send(self, body: dict) -> tuple[Reply, str]:
        """One call. Returns (reply, raw body); unknown token counts are None. Raises Failure.

        Whatever a server says leaves here, and nowhere else: without the key.
        """
        self.in_flight += 1
        if self.open:
            self.rests_until = self.clock() + REST  # half open: this call alone decides
        try:
            answer, raw = await self._post(body)
        except Failure as failure:
            failure.args = (self.blot(str(failure)),)
            raise
        finally:
            self.in_flight -= 1
        self.failures = self.in_a_row = 0
        # Once more: the parts of an answer may make up what each of them does not hold.
        answer["text"], answer["error"] = self.blot(answer["text"]), self.blot(answer["error"])
        return answer, raw

    def fail(self, failure: Failure, started: float) -> float:
        """Count a call sent at `started`. Being busy is no fault; who break together count once.

        Returns the longest pause before it is tried again, in seconds: it doubles with each failure
        in a row. While others are answered it stays short, for the gate sees to the load.
        """
        now, self.last = self.clock(), failure
        self.rests_until = max(self.rests_until, now + failure.wait if failure.wait else 0.0)
        if started >= self.failed_at:
            self.in_a_row, self.failed_at = self.in_a_row + 1, now
            self.failures += failure.kind != "busy"
            if self.open:
                self.rests_until = max(self.rests_until, now + REST)
        return min(LONGEST_PAUSE, 2.0**min(self.in_a_row, 20) / 4)

    async def _post(self, body):
        try:
            async with asyncio.timeout(self.timeout):
                status, headers, content = await self._exchange(json.dumps(body).encode())
        except TimeoutError:
            words = f"no whole answer within {self.timeout:g} s"
            raise Failure("timeout", words, billed=True) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            causes = list(_causes(error))
            unsent = any(isinstance(cause, aiohttp.ClientConnectorError) for cause in causes)
            # Of what is no HTTP, aiohttp quotes a part, which may hold a part of the key.
            ours = unsent or isinstance(causes[-1], OSError)
            text = shorten(self.blot((ours and str(causes[-1])) or type(causes[-1]).__name__))
            raise Failure("connection", text, billed=not unsent) from None
        raw = self.blot.body(content)
        if status < 300:
            return read_answer(raw), raw
        told = {name: self.blot(headers.get(name, "")) for name in ("retry-after", "location")}
        return refused(status, raw, told)

    async def _exchange(self, body):
        """(status, headers, body) of what a server answers. Raises Failure where it is too long."""
        content = bytearray()
        async with self.session.post(self.url, data=body, allow_redirects=False) as response:
            async for piece in response.content.iter_any():  # decompressed piece by piece
                content += piece
                if len(content) > LARGEST:
                    response.close()
                    words = f"an answer of more than {LARGEST // 2**20} MiB"
                    raise Failure("unreadable", words, billed=True)
            return response.status, response.headers, bytes(content)


def _causes(error):
    while error is not None:
        yield error
        error = error.__cause__
