"""Panels: who votes, what is kept, and replies that may not win."""
import json

import pytest

from lib.endpoint.store import reply
from lib.judging.chat import Chat
from lib.judging.panel import Panel, family

PROMPT = {"id": "p", "abstracts": [{"title": "bees", "text": ""}], "messages": []}


class Scripted:
    """A backend with one answer."""

    def __init__(self, answer):
        self.answer = answer

    def ask(self, requests, description=""):
        return [self.answer for _ in requests]


def says(name, winner):
    return Chat(name, Scripted(reply("ok", json.dumps({"winner": winner}))), "brief")


@pytest.mark.parametrize("answer", [
    reply("cut", '{"winner": "1"}', "length"), reply("refused", "I cannot."), reply("empty"),
    reply("failed", error="timeout"), reply("ok", "no idea"), reply("ok", '{"winner": "C"}')])
def test_what_is_not_a_clear_verdict_never_wins(answer):
    panel = Panel([Chat("chat", Scripted(answer), "full")], [PROMPT], {"p": ["one", "two"]})
    assert panel.ask([("p", 0, 1)]) == [None]
    vote, = panel.verdicts
    assert vote["winner"] is None and vote["status"] == "invalid" and vote["reason"]


def test_a_panel_votes_and_keeps_every_vote():
    judges = [says("a", "1"), says("b", "1"), says("c", "2"), says("d", "?")]
    panel = Panel(judges, [PROMPT], {"p": ["one", "two", "one"]})
    third = pytest.approx(1 / 3)
    assert panel.ask([("p", 0, 1), ("p", 0, 2), ("p", 1, 0)]) == [third, 0, third]
    assert len(panel.verdicts) == 8  # equal texts are a tie that nobody is asked about
    turned = [vote for vote in panel.verdicts if (vote["left"], vote["right"]) == (1, 0)]
    assert [(vote["judge"], vote["winner"], vote["order"]) for vote in turned] == [
        ("a", "left", 2), ("b", "left", 2), ("c", "right", 2), ("d", None, 2)]
    assert panel.ask([]) == []


def test_only_some_judges_screen():
    panel = Panel([says("cheap", "1"), says("dear", "2")], [PROMPT], {"p": ["one", "two"]},
                  ["cheap"])
    assert panel.ask([("p", 0, 1)], screening=True) == [1] and panel.ask([("p", 1, 0)]) == [0]
    assert [vote["judge"] for vote in panel.verdicts] == ["cheap", "cheap", "dear"]


def test_families():
    assert family("mistralai/Mixtral-8x7B-Instruct-v0.1") == family("mistral-large") == "mistral"
    assert family("meta-llama/Meta-Llama-3-70B-Instruct") == "llama"
    assert family("qwen2.5:7b") == "qwen" and family("acme/new-model") == "acme"
    ours = [f"data/models/embedded/{role}" for role in ("label_judge", "base")]
    assert {family(name) for name in ours} == {"embedded"}
