"""The chat client against a real server: `transformers serve` with the committed label judge."""
import json
import os
import shutil
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
from lib.core.sections.servers import Connection, Servers
from lib.core.settings import ROOT, load
from lib.endpoint.client import Endpoint
from lib.endpoint.store import Calls
from lib.models import loading, sampling
from lib.models.chats import encode_chats
from lib.studies import evaluation, writers

MODEL = ROOT / "data/models/embedded/label_judge"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The label judge, said to sample: this server is greedy at any temperature with others."""
    place = shutil.copytree(MODEL, tmp_path_factory.mktemp("model") / "label_judge")
    config = json.loads((place / "generation_config.json").read_text())
    config |= {"do_sample": True, "_from_model_config": False}
    (place / "generation_config.json").write_text(json.dumps(config))
    return str(place)


@pytest.fixture(scope="module")
def url(model, tmp_path_factory):
    port = str(unused_port())
    log = tmp_path_factory.mktemp("serve") / "log.txt"
    program = Path(sys.executable).parent / "transformers"
    command = [program, "serve", model, "--host", "127.0.0.1", "--port", port, "--device", "cpu"]
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


def test_a_real_server_answers_as_the_model_itself_does(url, model, tmp_path):
    authors = [world.author(f"author {i}", 1, world.seen_domains()) for i in range(3)]
    chats = [prompts.messages(rows, "brief") for rows in authors]
    calls = Calls(tmp_path / "calls.sqlite")
    settings = usual(urls=[url], concurrency=2, max_tokens=24, price_in=1, price_out=2)
    endpoint = Endpoint("judge", model, settings, calls, SCHEMA)
    requests = [{"messages": messages, "repeat": 0} for messages in chats]
    replies = endpoint.ask(requests)

    own_model, tokenizer = loading.load(model, device="cpu")
    ids = encode_chats(tokenizer, chats)
    own = [sampling.complete(own_model, tokenizer, [tokens], ["k"], max_new_tokens=24)[0][0]["text"]
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


def test_a_real_server_writes_profiles_as_the_model_itself_does(url, model, tmp_path):
    settings = load("default")[1]
    usual = settings.judging.usual.endpoint.model_dump()
    server = {**{name: usual[name] for name in Connection.model_fields}, "urls": [url]}
    models = settings.models.model_copy(update={"base": model, "max_new_tokens": 48})
    served = settings.model_copy(update={
        "models": models, "servers": Servers.model_validate({"candidates": server})})
    authors = [world.author(f"author {i}", 1, world.seen_domains()) for i in range(2)]
    asked = [{"id": f"author {i}", "messages": prompts.messages(rows, "brief")}
             for i, rows in enumerate(authors)]

    writer, _ = writers.load_role(served, tmp_path, "candidates")
    greedy = settings.evaluation.settings["greedy"]
    written = evaluation.write_profiles("base", writer, None, asked, models, greedy, 0)
    own = evaluation.write_profiles("base", *loading.load(model, device="cpu"), asked, models,
                                    greedy, 0)
    assert written == own and all(row["text"] for row in own)

    drawn = writer.complete(asked, k=4, temperature=5.0, max_new_tokens=24, seed=1)
    assert all(len({row["text"] for row in drawn[prompt["id"]]}) > 1 for prompt in asked)
    assert writer.complete(asked, k=4, temperature=5.0, max_new_tokens=24, seed=1) == drawn
    ledger, = writer.calls.ledger()
    assert ledger["calls"] == 2 + 2 * 4 and ledger["failed"] == 0 and ledger["cached"] == 8
