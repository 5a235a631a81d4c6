"""What is unlike the training texts: by hand, and with an encoder of a few words."""
import numpy as np
import pytest
from helpers.checkpoints import write_encoder
from helpers.texts import prompt

from lib.core.records import DataError
from lib.core.settings import ROOT
from lib.models.encoder import Encoder
from lib.studies import novelty

WORDS = ["bees", "dance", "far", "from", "the", "hive", "and", "swarm", "in", "summer", "stars"]
MINILM = ROOT / "data/models/minilm"


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return write_encoder(tmp_path_factory.mktemp("bert"), WORDS)


@pytest.fixture(scope="module")
def prompts():
    made = [prompt(str(i), " ".join(WORDS[i % 4:i % 4 + 5] + WORDS[:i]), "bees")
            for i in range(12)]
    return [*made, {**prompt("test", "stars", "stars"), "split": "test"}]


def test_nearness_is_the_mean_cosine_to_the_nearest_five():
    angles = np.radians([0, 10, 20, 30, 40, 50, 90])
    training = np.stack([np.cos(angles), np.sin(angles)], 1)
    near = novelty.nearness(training[:1], training)
    assert near == pytest.approx(np.cos(angles[:5]).mean(), abs=1e-6)
    apart = novelty.nearness(training, training, leave_one_out=True)
    assert apart[0] == pytest.approx(np.cos(angles[1:6]).mean(), abs=1e-6)
    assert apart.shape == (7,)


def test_the_threshold_is_the_first_percentile_of_the_training_texts(encoder, prompts, tmp_path):
    place = tmp_path / "new" / novelty.FILE
    said = novelty.remember(prompts, encoder, place, "cpu")
    texts = [text for row in prompts[:12] for text in novelty.texts_of(row)]
    vectors = Encoder(encoder, "cpu").encode(texts)
    with np.load(place) as file:
        assert file["vectors"].dtype == np.float16
        assert np.allclose(file["vectors"], vectors, atol=1e-3)
        cosines = vectors @ vectors.T
    near = [sorted(np.delete(row, i))[-5:] for i, row in enumerate(cosines)]
    assert said["texts"] == 12 and said["bytes"] == place.stat().st_size
    assert said["threshold"] == pytest.approx(np.quantile(np.mean(near, axis=1), 0.01), abs=1e-3)
    first = place.read_bytes()
    novelty.remember(prompts, encoder, place, "cpu")
    assert place.read_bytes() == first and [path.name for path in place.parent.iterdir()] == [
        novelty.FILE]


def test_a_text_below_the_threshold_is_flagged(encoder, prompts, tmp_path):
    place = tmp_path / novelty.FILE
    novelty.remember(prompts, encoder, place, "cpu")
    with np.load(place) as file:
        kept = dict(file)
    asked = [prompts[0], prompts[-1], {**prompts[0], "abstracts": [
        *prompts[0]["abstracts"], *prompts[-1]["abstracts"]]}]
    for threshold, flags in ((-1.0, [False] * 3), (1.1, [True] * 3)):
        np.savez(place, **kept | {"threshold": np.float64(threshold)})
        assert novelty.unlike_training(asked, place, "cpu") == flags
    near = novelty.nearness(Encoder(encoder, "cpu").encode(["stars\nstars"]), kept["vectors"])
    np.savez(place, **kept | {"threshold": np.float64(near[0] + 1e-4)})
    flags = novelty.unlike_training(asked, place, "cpu")
    assert flags == [False, True, True]  # one strange text of two is enough


def test_nothing_is_said_without_the_file_or_the_encoder(encoder, prompts, tmp_path):
    place = tmp_path / novelty.FILE
    assert novelty.unlike_training(prompts[:2], None) == [None, None]
    assert novelty.unlike_training(prompts[:2], place) == [None, None]
    novelty.remember(prompts, encoder, place, "cpu")
    with np.load(place) as file:
        np.savez(place, **dict(file) | {"encoder": np.str_(str(tmp_path / "gone"))})
    assert novelty.unlike_training(prompts[:2], place) == [None, None]
    place.write_bytes(b"something else")
    with pytest.raises(DataError, match="no vectors of training texts"):
        novelty.unlike_training(prompts, place)


def test_vectors_of_another_encoder_are_not_compared(encoder, prompts, tmp_path):
    place, other = tmp_path / novelty.FILE, tmp_path / "other"
    other.mkdir()
    novelty.remember(prompts, write_encoder(other, [*WORDS, "new"]), place, "cpu")
    with np.load(place) as file:
        kept = dict(file)
    np.savez(place, **kept | {"encoder": np.str_(encoder)})
    with pytest.raises(DataError, match="its vectors are of another encoder"):
        novelty.unlike_training(prompts[:2], place)
    del kept["made_by"]
    np.savez(place, **kept)
    assert novelty.unlike_training(prompts[:2], place) == [None, None]


def test_too_few_training_texts_are_refused(encoder, prompts, tmp_path):
    with pytest.raises(DataError, match="5 training texts"):
        novelty.remember(prompts[:5], encoder, tmp_path / novelty.FILE)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not MINILM.is_dir(), reason="data/models/minilm is absent: run `make models`")
def test_the_real_encoder_flags_another_subject(tmp_path):
    subjects = ("honey bees", "bumble bees", "bee colonies", "wild bees", "queen bees", "drones",
                "worker bees", "bee hives", "swarms of bees", "wax and honey")
    made = [prompt(str(i), f"We study how {it} find flowers and feed their brood in spring.")
            for i, it in enumerate(subjects)]
    place = tmp_path / novelty.FILE
    novelty.remember(made, str(MINILM), place, "cpu")
    law = prompt("law", "The court held that a tax on imported steel breaks the treaty.")
    assert novelty.unlike_training([made[0], law], place, "cpu") == [False, True]
