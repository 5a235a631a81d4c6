"""Controls of preference tuning."""
from lib.judging.judges import Scoring
from lib.studies import controls

ANSWERS = [{"role": "assistant", "content": "better"}], [{"role": "assistant", "content": "worse"}]


def pair(number):
    chosen, rejected = ANSWERS
    return {"id": str(number), "author": "a", "split": "train", "prompt": [], "chosen": chosen,
            "rejected": rejected, "margin": 1.5}


def test_a_coin_turns_about_half_of_the_pairs_and_the_same_ones_every_time():
    rows = [pair(number) for number in range(400)]
    mixed = controls.shuffled(rows, 3)
    turned = [row for row in mixed if row["chosen"][0]["content"] == "worse"]
    assert 160 < len(turned) < 240
    assert all(row["rejected"] == ANSWERS[0] and row["margin"] == -1.5 for row in turned)
    assert mixed == controls.shuffled(rows, 3) != controls.shuffled(rows, 4)
    assert [row["id"] for row in mixed] == [row["id"] for row in rows]


class Counting(Scoring):
    """Prefers more competencies; knows nothing of the prompt "unknown"."""

    def score(self, prompt_id, profile):
        if prompt_id == "unknown":
            return None
        return len(profile["competencies"]) if profile else -float("inf")


def test_the_best_of_k_is_the_judges_favourite():
    def profile(count):
        item = {"name": "tides", "description": "Models them."}
        return {"domain": "d", "competencies": [item] * count}
    profiles = [profile(1), None, profile(3), profile(3)]
    row = {"completions": ["one", "none", "three", "also three"], "profiles": profiles,
           "tokens": [1, 2, 3, 4], "status": ["ok", "unreadable", "unfinished", "ok"]}
    rows = [{"id": name, **row} for name in ("a", "unknown")]
    known, unknown = controls.best_of(rows, Counting())
    assert known["text"] == "three" and known["tokens"] == 3 and not known["finished"]
    assert unknown["text"] == "one" and unknown["finished"]
