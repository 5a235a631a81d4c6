"""Judges on the pairs for review: their labels, and what they prefer of several models."""
import json

import numpy as np
from helpers.review import make, make_prompts

from lib.competencies.profiles import parse
from lib.judging.judges import Scoring
from lib.studies.experts import machines


class Longer(Scoring):
    """Prefers the profile with more competencies."""

    def score(self, prompt_id, profile):
        return len(profile["competencies"])


class Stubborn:
    """A judge that always says the same, or what it is told to by turns."""

    def __init__(self, *said):
        self.said = said

    def votes(self, comparisons):
        return [{"winner": self.said[number % len(self.said)], "status": "ok", "reason": ""}
                for number in range(len(comparisons))]


def test_a_judges_labels_have_the_items_orientation():
    items, _, _ = make()
    found = machines.labels(items, Longer())
    for item in items:
        first, second = (len(item["profiles"][name]["profile"]["competencies"])
                         for name in sorted(item["profiles"]))
        assert found[item["item"]] == ("a" if first > second else "b" if first < second else "tie")
    assert {"a", "b"} <= set(found.values())


def test_a_judge_that_contradicts_itself_has_no_preference():
    items, _, _ = make()

    def said(*winners):
        return set(machines.labels(items, Stubborn(*winners)).values())
    assert said("left", "left") == said("right", "right") == {"tie"}
    assert said("left", "right") == {"a"} and said("right", "left") == {"b"}
    assert said(None, "right") == said("left", None) == said("left", "tie") == {"a"}
    assert said(None, None) == {None}
    assert machines.labels([], Stubborn("left")) == {}


def test_what_a_judge_is_asked_is_what_experts_see():
    asked = []

    class Listening(Stubborn):
        def votes(self, comparisons):
            asked.extend(comparisons)
            return super().votes(comparisons)
    items, _, _ = make()
    machines.labels(items, Listening("left"))
    texts = machines.by_prompt(items)
    shown = {row["id"]: row["abstracts"] for row in make_prompts(6)}
    assert len(asked) == 2 * len(items)
    for item, one, turned in zip(items, asked[::2], asked[1::2]):
        assert (one["left"], one["right"]) == (turned["right"], turned["left"])
        assert {one["left"], one["right"]} <= set(texts[item["prompt"]])
        profiles = [item["profiles"][name]["profile"] for name in sorted(item["profiles"])]
        assert [parse(one[side])["domain"] for side in ("left", "right")] == [
            profile["domain"] for profile in profiles]
        assert all(abstract["text"] in one["abstracts"] for abstract in shown[item["prompt"]])


def test_a_judges_preferences_among_models():
    items, _, _ = make()
    labels = machines.labels(items, Longer())
    rows = machines.judgments(items, labels)
    for item, row in zip(items, rows, strict=True):
        counts = {shown["model"]: len(shown["profile"]["competencies"])
                  for shown in item["profiles"].values()}
        best = max(counts.values())
        assert row["winner"] == ("tie" if len(set(counts.values())) == 1 else next(
            model for model, count in counts.items() if count == best))
    found = machines.preferences(items, labels)
    shares = {model: rate["rate"] for model, rate in found["shares"].items()}
    assert set(shares) == {"base", "tuned", "larger"} and np.isclose(sum(shares.values()), 1)
    nothing = machines.preferences(items, dict.fromkeys(labels))
    assert nothing["bradley_terry"]["refused"]
    json.dumps([found, nothing])


def test_judges_that_learn_get_training_texts_alone(tmp_path):
    rows = [{"id": "a", "split": "train"}, {"id": "b", "split": "test"}]
    path = tmp_path / "candidates.jsonl"
    assert machines.learnt_from(rows, path) == ([rows[0]], {})
    path.write_text("".join(json.dumps({"id": name, "completions": [name]}) + "\n"
                            for name in "ab"))
    assert machines.learnt_from(rows, path) == ([rows[0]], {"a": ["a"]})
