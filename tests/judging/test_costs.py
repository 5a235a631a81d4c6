"""The dry run: an upper bound on what a run of the same scheme asks, calling nobody."""
import pytest
from helpers.votes import changed

from lib.benchmarks.endpoint import usual
from lib.core.sections.judging import Panelist
from lib.core.settings import load
from lib.endpoint.store import Calls
from lib.judging import costs


def test_a_dry_run_counts_calls_and_asks_nobody(tmp_path):
    default = load("default")[1]
    shared = {"model": "m", "guided": True, "prompt": "brief", "votes": True}
    server = usual(urls=["http://127.0.0.1:1/v1"], key_variable="NO_SUCH_KEY", price_in=1)
    panel = [Panelist(name="near", kind="likelihood", screens=True, **shared),
             Panelist(name="far", kind="endpoint", screens=False, endpoint=server, **shared)]
    study = default.judging.study.model_copy(update={"prompts": 1, "repeated": 2, "canaries": 1})
    judging = changed(scheme="two_pass", panel=panel, study=study)
    prompts = [{"id": key, "abstracts": [{"title": "t", "text": "about bees"}],
                "messages": [{"role": "user", "content": "write"}]} for key in "ab"]
    texts = {key: [f"profile {i} of {key}" for i in range(4)] for key in "ab"}
    calls = Calls(tmp_path / "calls.sqlite")
    players = dict.fromkeys("ab", range(4))
    near, far = costs.dry_run(judging, default.models, prompts, texts, players, calls)
    assert near["calls"] > far["calls"] - 2 > 0, "one screens; the other writes two profiles"
    assert near["cost"] == 0 < far["cost"] == pytest.approx(far["prompt_tokens"] / 1e6)
    assert calls.ledger() == []
