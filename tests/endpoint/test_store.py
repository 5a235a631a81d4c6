"""The store of calls: first answers stay, one process at a time asks, and a full disk is said."""
import subprocess
import sys

import pytest
from helpers.endpoints import ask

from lib.core.records import DataError
from lib.core.settings import ROOT
from lib.endpoint.store import Calls, reply


def test_a_store_that_cannot_be_written_stops_the_run(make, monkeypatch):
    def full(*_):
        raise DataError("the disk is full")

    endpoint = make(concurrency=1)
    monkeypatch.setattr(Calls, "put_all", full)
    with pytest.raises(DataError, match="disk is full"):
        ask(endpoint, *(f"full {i}" for i in range(20)))


def test_the_store_by_itself(tmp_path):
    store = Calls(tmp_path / "new" / "calls.sqlite")
    request = {"name": "local", "model": "tiny", "messages": []}
    assert store.get("k") is None
    store.put("k", request, reply("failed", error="memory"))
    assert store.get("k") is None and "k" not in store
    answer = reply("ok", "A", "stop", "", 7, 2, 0.5)
    store.put("k", request, answer)
    store.put("k", request, reply("ok", "B"))
    assert store.get("k") == {**answer, "cached": True}, "a first answer is never replaced"
    assert store.ledger() == [
        {"name": "local", "model": "tiny", "calls": 2, "failed": 1, "cached": 1,
         "prompt_tokens": 7, "completion_tokens": 2, "cost": 0.0}]
    file = tmp_path / "no.sqlite"
    file.write_text("this is no database, but it is long enough to look like one " * 20)
    with pytest.raises(DataError, match=r"no.sqlite: the store"):
        Calls(file)


def test_an_unsettled_call_counts_until_its_answer_takes_its_place(tmp_path):
    path, request = tmp_path / "calls.sqlite", {"name": "n", "model": "m"}
    store = Calls(path)
    rows = [(key, request, reply("failed", error="unsettled"), "", 5.0, None) for key in "ab"]
    one, other = store.put_all(rows)
    assert Calls(path).spent("n") == 10 and "a" not in store
    store.put_all([("a", request, reply("ok", "A"), "{}", 1.0, one)])
    assert Calls(path).spent("n") == 6 and store.get("a")["text"] == "A"
    row, = store.ledger()
    assert (row["calls"], row["failed"]) == (2, 1) and one != other


def test_a_second_process_does_not_pay_for_the_same_calls(tmp_path):
    store = Calls(tmp_path / "calls.sqlite")
    program = ("from lib.endpoint.store import Calls\n"
               f"with Calls({str(store.path)!r}).alone(): print('alone')")

    def other():
        return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                              cwd=ROOT)
    with store.alone():
        with store.alone():
            pass
        assert "another run is asking with this store" in other().stderr
    assert other().stdout == "alone\n"
