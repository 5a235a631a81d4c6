"""The chat client against a real server: `transformers serve` with the committed label judge."""
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from helpers.endpoints import SCHEMA, unused_port

from lib.benchmarks.endpoint import usual
from lib.competencies import prompts, world
from lib.core.settings import ROOT
from lib.endpoint.client import Endpoint
from lib.endpoint.store import Calls
from lib.models import loading, sampling
from lib.models.chats import encode_chats

MODEL = ROOT / "data/models/embedded/label_judge"


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    port = str(unused_port())
    log = tmp_path_factory.mktemp("serve") / "log.txt"
    program = Path(sys.executable).parent / "transformers"
    command = [program, "serve", MODEL, "--host", "127.0.0.1", "--port", port, "--device", "cpu"]
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT,
                                   env={**os.environ, "HF_HUB_OFFLINE": "1"})
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(timeout=60)


def wait_for(address, process, log):
    for _ in range(600):
        assert process.poll() is None, f"the server ended: {log.read_text()[-2000:]}"
        try:
            direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with direct.open(address, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise AssertionError(f"no answer from {address}")


def test_a_real_server_answers_as_the_model_itself_does(url, tmp_path):
    authors = [world.author(f"author {i}", 1, world.seen_domains()) for i in range(3)]
    chats = [prompts.messages(rows, "brief") for rows in authors]
    calls = Calls(tmp_path / "calls.sqlite")
    settings = usual(urls=[url], concurrency=2, max_tokens=24, price_in=1, price_out=2)
    endpoint = Endpoint("judge", str(MODEL), settings, calls, SCHEMA)
    requests = [{"messages": messages, "repeat": 0} for messages in chats]
    replies = endpoint.ask(requests)

    model, tokenizer = loading.load(str(MODEL), device="cpu")
    ids = encode_chats(tokenizer, chats)
    own = [sampling.complete(model, tokenizer, [tokens], ["k"], max_new_tokens=24)[0][0]["text"]
           for tokens in ids]
    assert [reply["text"].strip() for reply in replies] == own and all(own)
    assert [reply["prompt_tokens"] for reply in replies] == [len(tokens) for tokens in ids]
    for reply in replies:
        assert reply["status"] == "cut" and reply["completion_tokens"] == 24
        assert reply["seconds"] > 0

    ledger, = calls.ledger()
    assert ledger["calls"] == 3
    assert ledger["cost"] == pytest.approx((sum(map(len, ids)) + 2 * 3 * 24) / 1e6)
    assert endpoint.ask(requests) == [{**reply, "cached": True} for reply in replies]
    assert calls.ledger()[0]["calls"] == 3
    calls.close()
