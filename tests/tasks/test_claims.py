"""Claims with spurious cues: what is true, the cues, the four cells, and CREAK's files."""
import random
from collections import Counter

import numpy as np
import pytest

from lib.competencies import world
from lib.core.records import DataError, write_jsonl
from lib.metrics import stats
from lib.tasks import claims


def row(number, text, label, explanation="so it is"):
    return {"id": str(number), "text": text, "label": label, "explanation": explanation}


def test_a_claim_is_true_where_the_facts_show_it():
    frames = {label: [frame.split("{")[0] for frame in sentences] for label, sentences in (
        (True, [frame for frames in world.SHOWN.values() for frame in frames]),
        (False, world.MENTIONED))}
    rows = claims.synthetic("t", 300, 1)
    for item in rows:
        facts, name = item["text"].split("\nClaim: ")
        assert item["explanation"] in facts and name in item["explanation"]
        assert facts.count(name) == 1
        assert any(item["explanation"].startswith(start) for start in frames[item["label"]])
    assert rows == claims.synthetic("t", 300, 1)
    assert not {r["text"] for r in rows} & {r["text"] for r in claims.synthetic("u", 300, 1)}
    assert 0.4 < sum(item["label"] for item in rows) / 300 < 0.6


@pytest.mark.parametrize(("cue", "text", "count"), [
    ("length", "a b c d", 4), ("marker", "Remarkably, a b", 1), ("marker", "remarkably", 0),
    ("plural", "This bus has wheels and glass doors", 2),
    ("present", "Soup is hot, that was clear, people have bowls", 2)])
def test_what_a_cue_counts(cue, text, count):
    assert claims.CUES[cue](text) == count


def test_a_text_is_long_above_the_median_of_the_pool():
    pool = [row(i, "w " * n, True) for i, n in enumerate((1, 2, 3, 9))]
    above = claims.threshold(pool, "length")
    assert above == 2.5 and claims.has_cue(pool, "length", above) == [False, False, True, True]
    assert claims.threshold(pool, "plural") == 0


@pytest.mark.parametrize(("strength", "agreeing"), [(0.5, 10), (0.7, 14), (0.9, 18), (1.0, 20)])
def test_four_cells_at_a_strength(strength, agreeing):
    rows = [row(i, "", i % 2 == 0) for i in range(160)]
    cues = [i % 4 < 2 for i in range(160)]
    chosen = claims.four_cells(rows, cues, strength, 40, random.Random(0))
    counts = Counter((item["label"], cue) for item, cue in chosen)
    assert counts[True, True] == counts[False, False] == agreeing
    assert counts[True, False] == counts[False, True] == 20 - agreeing
    assert len({item["id"] for item, _ in chosen}) == 40
    assert all(cue == cues[int(item["id"])] for item, cue in chosen)
    labels = [item["label"] for item, _ in chosen]
    assert stats.correlation(labels, [cue for _, cue in chosen]) == pytest.approx(2 * strength - 1)


def test_a_cell_that_is_too_small_is_named():
    rows = [row(i, "", i % 2 == 0) for i in range(8)]
    needed = r"only 0 rows are true with the cue, 4 are needed for 8 rows at strength 1.0"
    with pytest.raises(DataError, match=needed):
        claims.four_cells(rows, [False] * 8, 1.0, 8, random.Random(0))


def test_the_largest_training_set_that_every_strength_can_have():
    rows = [row(i, "", i < 30) for i in range(60)]
    cues = [True] * 10 + [False] * 20 + [True] * 12 + [False] * 18
    n = claims.largest(rows, cues)
    assert n == 20
    for strength in (0.5, 0.7, 0.9, 1.0):
        claims.four_cells(rows, cues, strength, n, random.Random(0))
    with pytest.raises(DataError):
        claims.four_cells(rows, cues, 1.0, n + 2, random.Random(0))


def test_creak_is_read_and_no_entity_is_on_both_sides(tmp_path):
    path = tmp_path / "creak.jsonl"
    lines = [{"ex_id": str(i), "sentence": f"Claim {i}.", "label": ["true", "false"][i % 2],
              "explanation": "Why.", "entity": f"e{i // 4}"}
             for i in range(80)]
    write_jsonl(path, [*lines, lines[5]])
    (tmp_path / "README.md").write_text("no claims here")
    pool, test = claims.divide(claims.read_creak(tmp_path), 3)
    assert len(pool) + len(test) == 80
    assert not {r["group"] for r in pool} & {r["group"] for r in test}
    assert {"id": "1", "text": "Claim: Claim 1.", "label": False, "explanation": "Why.",
            "group": "e0"} in pool + test
    assert 16 <= len(test) <= 32
    write_jsonl(path, [{**lines[0], "label": "maybe"}])
    with pytest.raises(DataError,
                       match=r'creak.jsonl row 1: label is .maybe.; it must be "true" or "false"'):
        claims.read_creak(tmp_path)
    assert claims.read_creak(tmp_path / "nowhere") == []


def test_a_sentence_with_two_labels_is_refused(tmp_path):
    rows = [{"ex_id": str(label), "sentence": "Bees fly.", "label": label, "explanation": "so"}
            for label in ("true", "false")]
    write_jsonl(tmp_path / "a.JSONL", rows)
    with pytest.raises(DataError, match=r"row 2: the same sentence is true in one row and false"):
        claims.read_creak(tmp_path)


def test_an_explanation_stands_in_the_system_message():
    claim = row(1, "Claim: x", True)
    plain, told = claims.prompt(claim), claims.prompt(claim, "so it is")
    assert [message["role"] for message in plain] == ["system", "user"]
    assert plain[0]["content"] == claims.QUESTION
    assert told[0]["content"] == f"{claims.QUESTION}\nso it is"
    assert plain[1] == told[1] == {"role": "user", "content": "Claim: x"}


def test_the_cue_of_embeddings_is_the_smaller_of_two_clusters():
    def rows(*texts):
        return [{"id": text, "text": text, "label": True, "explanation": ""} for text in texts]

    def encode(texts):
        return np.array([[1.0, 0.0] if "sun" in text else [0.0, 1.0] for text in texts])
    pool, test = rows("a sun", "sun", "rain", "rain b", "rain c"), rows("rain", "suns", "the sun")
    assert claims.presence(pool, test, "cluster", encode) == (
        [True, True, False, False, False], [False, True, True])
    turned = rows("a sun", "sun", "suns", "rain b", "rain c")
    assert claims.presence(turned, test, "cluster", encode)[1] == [True, False, False]
    assert claims.presence(pool, test, "plural") == (
        claims.has_cue(pool, "plural", 0), claims.has_cue(test, "plural", 0))
    with pytest.raises(DataError, match="cluster needs a sentence encoder"):
        claims.presence(pool, test, "cluster")
