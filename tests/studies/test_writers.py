"""Writers behind a server: seeds, the cache, what a reply is worth, and the committed servers."""

import pytest
import yaml

from lib.benchmarks import scripted_server
from lib.core.records import DataError
from lib.core.sections.servers import Connection, Servers
from lib.core.settings import ROOT, load
from lib.models.sampling import seed_of
from lib.studies import evaluation, synthesis, writers


@pytest.fixture(scope="module")
def url():
    with scripted_server.running() as address:
        yield address


@pytest.fixture
def served(url, tmp_path):
    """A preset whose base and larger model are behind the scripted server, and their store."""
    settings = load("default")[1]
    usual = settings.judging.usual.endpoint.model_dump()
    server = {name: usual[name] for name in Connection.model_fields}
    server |= {"urls": [url], "concurrency": 2, "retries": 0, "price_in": 1e6, "price_out": 1e5}
    servers = Servers.model_validate({"candidates": server, "larger": server})
    return settings.model_copy(update={"servers": servers}), tmp_path


def prompt(name, text):
    return {"id": name, "author": name, "split": "train", "abstracts": [], "truth": None,
            "messages": [{"role": "system", "content": "Write."},
                         {"role": "user", "content": text}]}


def asked_of(url, text):
    return [call for call in scripted_server.log(url) if call["content"] == text]


def test_candidates_of_a_server_have_a_seed_each_and_are_never_paid_twice(served, url):
    settings, folder = served
    prompts = [prompt("one", "first author"), prompt("two", "second author")]
    wanted = settings.candidates.model_copy(update={"k": 3, "temperature": 0.7, "top_p": 0.9})
    writer, tokenizer = writers.load_role(settings, folder, "candidates")
    assert tokenizer is None
    rows = synthesis.sample_candidates(writer, tokenizer, prompts, wanted, settings.models)
    assert [row["id"] for row in rows] == ["one", "two"]
    assert rows[0]["status"] == ["unreadable"] * 3 and rows[0]["tokens"] == [5, 5, 5]

    sent = [call["sent"] for call in asked_of(url, "first author")]
    assert {one["seed"] for one in sent} == {
        seed_of(wanted.seed, f"one/{number}") % 2**31 for number in range(3)}
    assert {(one["temperature"], one["top_p"], one["max_tokens"]) for one in sent} == {
        (0.7, 0.9, settings.models.max_new_tokens)}
    again, _ = writers.load_role(settings, folder, "candidates")
    assert synthesis.sample_candidates(again, None, prompts, wanted, settings.models) == rows
    assert len(asked_of(url, "first author")) == 3
    told, = writers.account(writer)
    assert told == {"writer": settings.models.base, "calls": 6, "prompt tokens": 120,
                    "completion tokens": 30, "cost": 123, "the server refused": ""}
    assert writers.account(again) == [told], "what is read again costs what it cost"
    assert writers.whence([told]) == "written by a server, at a cost of 123.00 by its prices"
    spent, = again.calls.ledger()
    assert (spent["name"], spent["calls"], spent["cost"]) == ("writer: candidates", 6, 123)


def test_what_a_server_refuses_is_said_and_what_it_cuts_is_unfinished(served, url):
    settings, folder = served
    larger, _ = writers.load_role(settings, folder, "larger")
    prompts = [prompt("seed", "no seeds | refuses=seed | refuses=seed"), prompt("cut", "cut | cut"),
               prompt("no", "refuses to write | refusal")]
    sampled = settings.evaluation.settings["temperature_0.2"]
    rows = evaluation.write_profiles("larger", larger, None, prompts, settings.models, sampled, 0)
    assert [row["finished"] for row in rows] == [True, False, True]
    assert rows[2]["text"] == "" and all(row["profile"] is None for row in rows)
    told, = writers.account(larger)
    assert told["the server refused"] == ("writer: larger: the server refused seed; asked without "
                                          "it")


def test_a_greedy_answer_has_no_seed_and_no_other_confidence_is_made_up(served, url):
    settings, folder = served
    larger, _ = writers.load_role(settings, folder, "larger")
    greedy = settings.evaluation.settings["greedy"]
    asked = [prompt("g", "greedy one")]
    evaluation.write_profiles("larger", larger, None, asked, settings.models, greedy, 0)
    sent, = [call["sent"] for call in asked_of(url, "greedy one")]
    assert sent["temperature"] == 0 and not {"seed", "top_p"} & set(sent)
    with pytest.raises(DataError, match="how sure"):
        evaluation.write_profiles("larger", larger, None, asked, settings.models, greedy, 0,
                                  sure=True)


def test_a_writer_without_its_temperature_would_be_another_one(served):
    settings, folder = served
    writer, _ = writers.load_role(settings, folder, "candidates")
    with pytest.raises(DataError, match=r"for the prompt 'hot'.*'temperature' is not supported"):
        writer.complete([prompt("hot", "hot | refuses=temperature")], temperature=0.9)


def test_a_missing_key_is_missed_before_anything_is_written(served, monkeypatch):
    settings, folder = served
    monkeypatch.delenv("NO_KEY", raising=False)
    larger = settings.servers.larger.model_copy(update={"key_variable": "NO_KEY"})
    servers = settings.servers.model_copy(update={"larger": larger})
    with pytest.raises(DataError, match=r"writer: larger: the environment variable NO_KEY"):
        writers.load_role(settings.model_copy(update={"servers": servers}), folder, "larger")


def test_calls_that_fail_for_good_stop_the_stage_and_lose_nothing(served, url):
    settings, folder = served
    writer, _ = writers.load_role(settings, folder, "candidates")
    prompts = [prompt("good", "works well"), prompt("bad", "breaks twice | 500 | ok")]
    with pytest.raises(DataError, match=r"candidates: 1 of 2 calls failed, .* prompt 'bad'"):
        writer.complete(prompts)
    found = writer.complete(prompts)
    assert [rows[0]["finished"] for rows in found.values()] == [True, True]
    assert len(asked_of(url, "works well")) == 1


def test_no_server_means_a_model_of_this_process(monkeypatch, tmp_path):
    settings = load("default")[1]
    monkeypatch.setattr(writers.loading, "load_role", lambda *given: given[1:])
    assert writers.load_role(settings, tmp_path, "candidates") == ("base", None)
    assert writers.load_role(settings, tmp_path, "base", "adapter") == ("base", "adapter")
    assert not list(tmp_path.iterdir())


def test_the_committed_servers_are_those_of_the_preset():
    """lib/endpoint/compose.yaml: every address of the preset paper, with its model, on loopback."""
    settings = load("paper")[1]
    wanted = {(url, settings.models.base if task == "candidates" else settings.models.larger)
              for task, server in settings.servers if server for url in server.urls}
    wanted |= {(url, judge.of(settings.models)) for judge in settings.judging.panel
               for url in judge.endpoint.urls}
    services = yaml.safe_load((ROOT / "lib/endpoint/compose.yaml").read_text())["services"]
    started, taken = set(), ["0"]  # the first GPU is the workbook's own
    for service in services.values():
        host, port, inside = service["ports"][0].split(":")
        words = service["command"]
        started.add((f"http://{host}:{port}/v1", words[words.index("--model") + 1]))
        assert inside == "8000" and words[words.index("--generation-config") + 1] == "vllm"
        gpus = service["deploy"]["resources"]["reservations"]["devices"][0]["device_ids"]
        assert len(gpus) == int(words[words.index("--tensor-parallel-size") + 1])
        taken += gpus
        longest = settings.models.max_prompt_tokens + 2 * settings.models.max_new_tokens
        assert int(words[words.index("--max-model-len") + 1]) >= longest
    assert started == wanted and sorted(taken) == list("01234567")
