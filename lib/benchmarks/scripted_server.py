"""A chat endpoint on loopback that misbehaves as it is told, for tests and benchmarks.

The last message tells it what to do: "question | 503 | 429 retry=1 | ok" fails twice and then
answers; the n-th call with one content takes the n-th step, and the last step repeats. Without
steps it answers. See STEPS and `Script.act` for what it knows. Started as a program it prints its
port. GET /log lists every call as it ended; it needs nothing but the standard library.
"""
import argparse
import asyncio
import base64
import html
import json
import socket
import struct
import subprocess
import sys
import time
import urllib.parse
import urllib.request
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from typing import Any

USAGE = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}
HTML = b"<!DOCTYPE html><html><title>Bad gateway</title><body>The proxy is tired.</body></html>"


def chat(content: Any = "Verdict: A", finish: str = "stop", usage: Any = USAGE,
         **message: Any) -> bytes:
    """The body of an ordinary answer."""
    said = {"role": "assistant", "content": content, **message}
    choice = {"index": 0, "message": said, "finish_reason": finish}
    answer = {"id": "x", "object": "chat.completion", "created": 0, "model": "m",
              "choices": [choice], "usage": usage}
    return json.dumps(answer).encode()


def error(message: str, **fields: Any) -> bytes:
    return json.dumps({"error": {"message": message, **fields}}).encode()


ANSWER = chat()


def answer(content: str) -> bytes:
    """An answer that depends on the question alone, so that two runs can be compared."""
    verdict = zlib.crc32(content.encode()) % 2
    return chat(f'Verdict: {"AB"[verdict]}. {{"winner": "{1 + verdict}"}}')


STEPS: dict[str, Any] = {  # name: (HTTP status, body)
    "json": (200, chat('{"verdict": "B"}')),
    "refusal": (200, chat(None, refusal="I cannot judge this.")),
    "filter": (200, chat("", "content_filter")),
    "empty": (200, chat("  \n")),
    "none": (200, chat(None)),
    "cut": (200, chat("Verdi", "length")),
    "parts": (200, chat([{"type": "text", "text": "Verdict: "}, {"type": "text", "text": "B"}])),
    "surrogate": (200, chat("Verdict: \ud800 A")),
    "no_usage": (200, chat(usage=None)),
    "odd_usage": (200, chat(usage={"prompt_tokens": "many", "completion_tokens": -3})),
    "no_choices": (200, b'{"choices": []}'),
    "error_in_200": (200, error("the provider went away")),
    "list": (200, b'["not", "a", "completion"]'),
    "truncated_json": (200, ANSWER[:60]),
    "html": (200, HTML),
    "400": (400, error("this request makes no sense")),
    "400_filter": (400, error("filtered", code="content_filter")),
    "401": (401, None),  # echoes the key, as careless servers do
    "403": (403, error("not for you")),
    "404": (404, error("no model of that name")),
    "408": (408, error("too slow")),
    "422": (422, error("unprocessable")),
    "429": (429, error("slow down")),
    "quota": (429, error("You exceeded your current quota", code="insufficient_quota")),
    "500": (500, b"Internal Server Error"),
    "503": (503, HTML),
}
# Ways to write down a key in a body of JSON.
WRITTEN: dict[str, Callable[[str], bytes]] = {
    "plain": lambda key: json.dumps(key)[1:-1].encode(),
    "solidus": lambda key: json.dumps(key)[1:-1].replace("/", r"\/").encode(),
    "escapes": lambda key: "".join(f"\\u{ord(letter):04X}" for letter in key).encode(),
    "nested": lambda key: "".join(f"\\\\u{ord(letter):04x}" for letter in key).encode(),
    "percent": lambda key: urllib.parse.quote(key, safe="").encode(),
    "every percent": lambda key: "".join(f"%{ord(letter):02x}" for letter in key).encode(),
    "html": lambda key: json.dumps(html.escape(key))[1:-1].encode(),
    "numeric html": lambda key: "".join(f"&#{ord(letter)};" for letter in key).encode(),
    "hex": lambda key: key.encode().hex().encode(),
    "HEX": lambda key: key.encode().hex(":").upper().encode(),
    "url base64": lambda key: base64.urlsafe_b64encode(key.encode()),
    **{f"base64 at {offset}": lambda key, offset=offset: base64.b64encode(  # type: ignore[misc]
        b"u:"[:offset] + key.encode() + b" and more") for offset in range(3)},
}
# Steps with a behaviour of their own: reset, garbage (no HTTP), longline (a header too long, with
# the key at its beginning), short (a body shorter than announced), hang, drip, plain (wrong content
# type), refuses=NAME and no_system (400 while the parameter or a system message is there, else ok),
# limit=N (429 while more than N
# calls are in flight), redirect=URL, huge=BYTES, bomb=MIB (so many once decompressed), echo
# WAY=STATUS (the key, in a way of WRITTEN).


def attack(name: str, option: str, value: str, key: str) -> tuple[int, bytes, str] | None:
    """(status, body, headers) of a step that would do harm; None for the others."""
    if name == "401":
        return 401, error(f"Incorrect API key provided: {key}"), ""
    if name == "redirect":
        return 307, b"", f"location: {value}?{key}\r\n"
    if name == "huge":
        return 200, bytes(int(value)), ""
    if name == "bomb":
        press = zlib.compressobj(wbits=31)
        body = b"".join(press.compress(bytes(2**20)) for _ in range(int(value))) + press.flush()
        return 200, body, "content-encoding: gzip\r\n"
    if name == "echo":
        body = chat("Verdict: A KEY") if value == "200" else error("Incorrect API key: KEY")
        said = f"set-cookie: {key}@=1\r\nx-key: {key}\r\n"
        return int(value), body.replace(b"KEY", WRITTEN[option](key)), said
    return None


class Connection(asyncio.Protocol):
    """One connection; `Script` decides, this class only speaks HTTP/1.1."""

    def __init__(self, script: "Script"):
        self.script, self.buffer = script, b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].decode("latin-1").split("\r\n")
            pairs = (line.split(": ", 1) for line in head[1:])
            fields = {name.lower(): value for name, value in pairs}
            size = end + 4 + int(fields.get("content-length", 0))
            if len(self.buffer) < size:
                return
            body, self.buffer = self.buffer[end + 4:size], self.buffer[size:]
            if head[0].startswith("GET"):
                self.answer(200, json.dumps(self.script.log).encode())
            else:
                self.script.call(self, json.loads(body), fields)

    def answer(self, status: int, body: bytes, headers: str = "", kind: str = "application/json",
               size: int | None = None) -> None:
        """Send an answer. size: the length to announce where it is not the body's."""
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\n"
        head += f"content-length: {size or len(body)}\r\n{headers}\r\n"
        self.write(head.encode() + body)

    def write(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def reset(self) -> None:
        raw = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


class Script:
    """What is answered to whom, after `latency` seconds, and the log of it."""

    def __init__(self, latency: float):
        self.latency, self.loop, self.busy = latency, asyncio.get_running_loop(), 0
        self.log: list[dict[str, Any]] = []
        self.seen: Counter[str] = Counter()

    def call(self, connection: Connection, request: dict[str, Any],
             headers: dict[str, str]) -> None:
        """Take up a call."""
        content = request["messages"][-1]["content"]
        steps = [step.strip() for step in content.split("|")[1:]] or ["ok"]
        step = steps[min(self.seen[content], len(steps) - 1)]
        self.seen[content] += 1
        self.busy += 1
        self.loop.call_later(self.latency, self.act, connection, request, step, headers,
                             self.busy)

    def act(self, connection: Connection, request: dict[str, Any], step: str,
            headers: dict[str, str], busy: int) -> None:
        """Do what a step says. busy: calls in flight when this one arrived."""
        self.busy -= 1
        name, _, value = step.partition("=")
        name, _, option = name.partition(" ")
        content = request["messages"][-1]["content"]
        sent = {field: request[field] for field in request if field != "messages"}
        key = headers.get("authorization", "").removeprefix("Bearer ")
        self.log.append({"content": content, "step": step, "busy": busy, "time": time.time(),
                         "sent": sent, "headers": sorted(headers)})
        if connection.transport.is_closing():
            return
        usual = 200, answer(content)
        if name == "reset":
            connection.reset()
        elif name == "short":
            connection.answer(200, ANSWER[:60], size=len(ANSWER))
            connection.transport.close()
        elif name == "garbage":
            connection.write(f"I am no web server, {key}.\r\n\r\n".encode())
            connection.transport.close()
        elif name == "longline":
            connection.write(f"HTTP/1.1 200 OK\r\nX: {'a' * 60}{key}{'b' * 9000}\r\n\r\n".encode())
        elif name == "hang":
            pass
        elif name == "drip":
            connection.answer(200, b"", size=len(ANSWER))
            for place in range(len(ANSWER)):
                self.loop.call_later(0.1 * place, connection.write, ANSWER[place:place + 1])
        elif name == "plain":
            connection.answer(*usual, kind="text/plain")
        elif name == "refuses" and value in request:
            words = f"Unsupported parameter: '{value}' is not supported with this model."
            connection.answer(400, error(words, param=value))
        elif name == "no_system" and request["messages"][0]["role"] == "system":
            connection.answer(400, error("System role not supported"))
        elif name == "limit" and busy > int(value):
            connection.answer(*STEPS["429"])
        elif hostile := attack(name, option, value, key):
            connection.answer(*hostile)
        else:
            if option == "date":
                value = formatdate(time.time() + float(value), usegmt=True)
            status, body = STEPS.get(name, usual)
            connection.answer(status, body, f"retry-after: {value}\r\n" if option else "")


async def serve(port: int, latency: float) -> None:
    """Print the port and answer until the process ends."""
    script = Script(latency)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(script), "127.0.0.1", port, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def running(latency: float = 0.0) -> Iterator[str]:
    """Start the server as a process of its own; yields its base URL and ends it."""
    program = [sys.executable, __file__, "--latency", str(latency)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f"http://127.0.0.1:{int(next(iter(process.stdout or ())))}/v1"
        finally:
            process.kill()


def log(url: str) -> list[dict[str, Any]]:
    """Every call so far: "content", "step", "busy" (calls in flight then), "time", "sent"."""
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url) as answer:
        return json.load(answer)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    options = parser.parse_args()
    asyncio.run(serve(options.port, options.latency))
