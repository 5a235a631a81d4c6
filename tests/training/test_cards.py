"""The card of an adapter, beside what test_dpo.py reads of it."""
from helpers.tunings import small_settings, with_models

from lib.training import cards


def test_a_hub_model_is_named_by_its_revision(monkeypatch):
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda name, file: (
        f"/cache/models--me--base/snapshots/abc123/{file}"))
    settings = with_models(small_settings(), base="me/base")
    text = cards.model_card(settings, {"validation": [], "steps": 0}, {"train": []})
    assert text.startswith("---\nbase_model: me/base\n")
    assert "`me/base`, revision `abc123`" in text and "the adapter is untrained" in text


def test_a_model_that_is_nowhere_has_no_revision(monkeypatch):
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda name, file: None)
    assert cards.weights("me/base") == "revision unknown"


def test_a_markdown_table_has_four_decimals():
    rows = [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}]
    assert cards.markdown_table(rows) == (
        "| step | loss |\n| --- | --- |\n| 1 | 0.5000 |\n| 2 | 0.2500 |")
    assert cards.markdown_table([]) == ""
