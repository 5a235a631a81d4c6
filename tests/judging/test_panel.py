"""Panels: who votes, what is kept, and replies that may not win."""
import json

import pytest
from helpers.checkpoints import write_encoder
from helpers.texts import prompt
from helpers.tunings import save_tiny

from lib.core.records import DataError
from lib.core.sections.judging import Judging
from lib.core.settings import load
from lib.endpoint.store import reply
from lib.judging.chat import Chat
from lib.judging.panel import Panel, Training, assemble

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


TEXTS = {"p": ["- bees: a\n- stars: b", "- law: c", "nothing"], "q": ["- law: a", "- bees: c"]}
PROMPTS = [prompt("p", "Bees dance.", references=["bees"]),
           prompt("q", "Law is law.", references=["law"])]
MEMBERS = [
    {"name": "near", "kind": "encoder", "model": "encoder"},
    {"name": "words", "kind": "lexical", "model": "", "lexical": {"foreign": 0.5}},
    {"name": "both", "kind": "standardised", "model": "",
     "standardised": {"near": 2.0, "words": 1.0}},
    {"name": "guess", "kind": "reconstruction", "model": "label_judge", "screens": False},
    {"name": "reward", "kind": "reward", "model": "encoder"}]


@pytest.fixture
def with_members(tmp_path):
    """From lines of a panel to settings, with a tiny encoder and a tiny label judge."""
    (tmp_path / "encoder").mkdir()
    encoder = write_encoder(tmp_path / "encoder", ["bees", "law", "stars"])
    save_tiny(tmp_path / "judge")
    usual = load("default")[1]

    def settings(members, **models):
        given = usual.judging.model_dump() | {"panel": members}
        models = {"encoder": encoder, "label_judge": str(tmp_path / "judge")} | models
        return usual.model_copy(update={
            "judging": Judging.model_validate(given),
            "models": usual.models.model_copy(update=models)})
    return settings


def test_a_panel_is_assembled_of_all_kinds(with_members, tmp_path):
    settings = with_members(MEMBERS)
    panel = assemble(settings, PROMPTS, TEXTS, None, tmp_path, Training(PROMPTS, TEXTS))
    assert [judge.name for judge in panel.judges] == ["both", "guess", "reward"]
    both, guess, reward = panel.judges
    assert [judge.family for judge in panel.judges] == ["sentence encoder, lexical",
                                                        "language model", "humans"]
    near, words = both.judges
    assert near.rules == settings.judging.usual.encoder and words.rules.foreign == 0.5
    assert words.rules.words == settings.judging.usual.lexical.words
    assert {name.split()[0] for name in reward.weights} >= {"name:", "competency:", "words:"}
    assert panel.ask([("p", 0, 2), ("p", 1, 2), ("p", 2, 0)]) == [1, 1, -1]
    assert panel.ask([("q", 0, 1)], screening=True) != [None]
    assert {vote["judge"] for vote in panel.verdicts if vote["id"] == "q"} == {"both", "reward"}
    assert (tmp_path / "guess.jsonl").stat().st_size and guess.sums
    assert reward.readers[0].encoder is near.encoder, "loaded once"


def test_what_a_judge_lacks_is_said(with_members, tmp_path):
    def assembled(settings, training=None):
        return assemble(settings, PROMPTS, TEXTS, None, tmp_path, training)

    with pytest.raises(DataError, match="'near' needs a sentence encoder; name one"):
        assembled(with_members(MEMBERS[:1], encoder=""))
    with pytest.raises(DataError, match="no training text"):
        assembled(with_members(MEMBERS[1:2]))
    with pytest.raises(DataError, match="learns from training texts with references"):
        assembled(with_members(MEMBERS[4:]), Training(PROMPTS, {}))
    whole = with_members(MEMBERS[:3])
    chosen = whole.judging.model_copy(update={"panel": whole.judging.panel[1:]})
    with pytest.raises(DataError, match="'both' is made of 'near', which is not among the judges"):
        assembled(whole.model_copy(update={"judging": chosen}), Training(PROMPTS, TEXTS))
