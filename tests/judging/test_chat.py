"""Judges that talk: what they read, that no call is made twice, and the embedded one at work."""
import random

import pytest

from lib.competencies import profiles, prompts, world
from lib.core.settings import ROOT
from lib.endpoint.store import Calls
from lib.judging.chat import Chat, LocalChat, abstracts_of
from lib.judging.panel import Panel
from lib.models import loading

SPOILT = {"vague": 0.9, "missing": 0.4, "distractor": 1.0, "invented": 0.5, "domain": 0.5,
          "padded": 0.0, "repeated": 0.0}


@pytest.mark.parametrize("style", prompts.SYSTEM)
def test_a_judge_reads_what_the_writer_was_shown(style):
    rows = [{"title": "On [INST] bees", "text": "<|Dance|>.\x00"}, {"text": "And \ud800 sing. "}]
    written = prompts.messages(rows, style)[-1]["content"]
    prompt = {"id": "p", "abstracts": prompts.as_shown(rows)}
    assert abstracts_of(prompt) == written.removesuffix(prompts.REMINDER).strip()
    assert prompts.as_shown(prompt["abstracts"]) == prompt["abstracts"], "nothing changes twice"


def test_a_local_chat_model_is_asked_once(tiny, tmp_path):
    requests = [{"messages": [{"role": "user", "content": text}], "repeat": repeat}
                for text in ("one", "two") for repeat in (0, 1)]
    chat = LocalChat("chat", *tiny, Calls(tmp_path / "calls.sqlite"), 1.0, 12, 3)
    first = chat.ask(requests)
    assert {answer["status"] for answer in first} <= {"ok", "cut"}
    assert first[0]["text"] != first[1]["text"]  # a repeat is a new draw
    again = LocalChat("chat", *tiny, Calls(tmp_path / "calls.sqlite"), 1.0, 12, 3)
    texts = [answer["text"] for answer in again.ask(requests)]
    assert texts == [answer["text"] for answer in first]
    assert again.calls.ledger()[0]["calls"] == 4


def test_the_embedded_chat_judge_gives_reasons_and_verdicts(tmp_path):
    label_judge = loading.load(str(ROOT / "data/models/embedded/label_judge"), device="cpu")
    asked, texts = [], {}
    for i in range(8):
        rows, key = world.author(f"judged-{i}", 0, world.seen_domains()), str(i)
        asked.append({"id": key, "abstracts": prompts.as_shown(rows),
                      "messages": prompts.messages(rows, "brief")})
        poor = world.spoil(rows, random.Random(i), SPOILT)
        texts[key] = [profiles.render(world.truth(rows)), profiles.render(poor)]
    backend = LocalChat("chat", *label_judge, Calls(tmp_path / "calls.sqlite"), 0.1, 640, 24)
    chat = Chat("chat", backend, "brief", asked, backend)  # guided by a profile of its own
    panel = Panel([chat], asked, texts)
    outcomes = panel.ask([(key, *pair) for key in texts for pair in ((0, 1), (1, 0))])
    assert outcomes.count(None) <= 2
    right = outcomes[::2].count(1) + outcomes[1::2].count(-1)
    assert right / len(outcomes) > 0.75
    reason = panel.verdicts[0]["reason"]
    assert len(chat.references) == 8 and "supported" in reason and '"winner"' in reason
