"""What the tests of the endpoint share: asking in one line, and what the server saw."""
import socket

from lib.benchmarks import scripted_server

SCHEMA = {"type": "object", "properties": {"verdict": {"enum": ["A", "B"]}},
          "required": ["verdict"], "additionalProperties": False}


def chat(content, repeat=0):
    return {"messages": [{"role": "user", "content": content}], "repeat": repeat}


def ask(endpoint, *contents):
    return endpoint.ask([chat(content) for content in contents])


def calls(url, content):
    return [call for call in scripted_server.log(url) if call["content"] == content]


def count(url, contents):
    """How many calls a server got with any of some contents."""
    log = [call["content"] for call in scripted_server.log(url)]
    return sum(log.count(content) for content in contents)


def unused_port():
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return place.getsockname()[1]
