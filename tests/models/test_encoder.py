"""The sentence encoder: mean pooling, length 1, each text read once."""
import numpy as np
import pytest
import torch
from helpers.checkpoints import write_encoder

from lib.core.records import DataError
from lib.core.settings import ROOT
from lib.models.encoder import MAX_TOKENS, Encoder

MINILM = ROOT / "data/models/minilm"
TEXTS = ["bees dance", "stars", "the bees dance far from the stars", "bees dance"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return write_encoder(tmp_path_factory.mktemp("bert"), " ".join(TEXTS).split())


def test_a_vector_is_the_mean_of_the_last_states_at_length_1(place):
    encoder = Encoder(place, "cpu", batch_size=2)
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (4, 16) and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert (vectors[0] == vectors[3]).all()
    for text, vector in zip(TEXTS, vectors):
        with torch.no_grad():
            states = encoder.model(**encoder.tokenizer(text, return_tensors="pt"))
        mean = states.last_hidden_state[0].mean(0)
        assert vector == pytest.approx((mean / mean.norm()).numpy(), abs=1e-5)


def test_a_text_is_read_once(place, monkeypatch):
    encoder = Encoder(place, "cpu")
    first, read = encoder.encode(TEXTS), []
    ones = np.ones((1, 16))
    monkeypatch.setattr(encoder, "_read", lambda rows: read.extend(rows) or ones)
    assert (encoder.encode(TEXTS[::-1]) == first[::-1]).all() and not read
    assert encoder.encode([]).shape == (0, 16)
    encoder.encode(["dance", *TEXTS])
    assert len(read) == 1


def test_what_is_too_long_is_cut_off(place):
    encoder = Encoder(place, "cpu")
    long = "bees " * (MAX_TOKENS - 2)  # and two marks around them
    one, other = encoder.encode([long, f"{long} stars stars"])
    assert one == pytest.approx(other, abs=1e-6)


def test_no_text_closes_itself(place):
    encoder = Encoder(place, "cpu")
    row, = encoder._tokens(["bees [SEP] dance [CLS]"])
    own = {encoder.tokenizer.cls_token_id, encoder.tokenizer.sep_token_id}
    assert [token in own for token in row] == [True, *[False] * (len(row) - 2), True]


def test_a_folder_without_a_model_is_bad_data(tmp_path):
    with pytest.raises(DataError, match="cannot load the model"):
        Encoder(tmp_path / "nothing", "cpu")


@pytest.mark.skipif(not MINILM.is_dir(), reason="data/models/minilm is absent: run `make models`")
def test_the_real_encoder_knows_what_is_near():
    encoder = Encoder(MINILM, "cpu")
    bees, hives, law = encoder.encode(["honey bees", "beehives and beekeeping", "tax law"])
    assert bees @ hives > 0.5 > bees @ law
