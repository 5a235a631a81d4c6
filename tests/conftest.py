import os

# Before torch and the Hugging Face libraries are imported: offline, quiet, one thread, so that tests are repeatable.
os.environ.update({"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1",
                   "TRANSFORMERS_VERBOSITY": "error", "CUDA_VISIBLE_DEVICES": ""})

import pytest
import torch

from lib.core.settings import ROOT
from lib.models import loading

torch.set_num_threads(1)
LONGEST = ["test_pipeline.py", "test_own_files.py", "test_launch.py"]  # these first, so that no core idles at the end


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture(scope="session")
def base():
    """The committed base model and its tokenizer."""
    return loading.load(str(ROOT / "data/models/embedded/base"), device="cpu")


@pytest.fixture
def tiny():
    """A fresh model of a few thousand weights, with the base's tokenizer."""
    from types import SimpleNamespace

    from lib.embedded import induction
    tokenizer = loading.load_tokenizer(str(ROOT / "data/models/embedded/base"))
    return induction.new_model(tokenizer, SimpleNamespace(hidden=32, layers=2, heads=2, matched=1, seed=0)), tokenizer
