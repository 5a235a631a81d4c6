"""What all tests share: a quiet, offline, repeatable process, and two small models."""
import os
import sys
from types import SimpleNamespace

# Before torch and Hugging Face libraries are imported. One thread: tests are repeatable.
os.environ.update({"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1",
                   "TRANSFORMERS_VERBOSITY": "error", "CUDA_VISIBLE_DEVICES": "",
                   "DVC_NO_ANALYTICS": "1"})

import hypothesis
import pytest
from helpers.browsers import CHROMIUM, OPTIONS

from lib.core.settings import ROOT

BASE = ROOT / "data/models/embedded/base"
# These first, so that no core idles at the end.
LONGEST = ("runs/test_pipeline.py", "runs/test_own_files.py", "test_launch*.py")

# The same cases every time; `make fuzz` draws fresh ones, and many.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.register_profile("fuzz", max_examples=5000, deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture(scope="module")
def browser():
    """A Chromium for the tests of one module: its loop may not outlive it, for those of others."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    from playwright.sync_api import sync_playwright
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield chromium
        chromium.close()


def pytest_collection_modifyitems(items):
    def rank(item):
        matches = [item.path.match(pattern) for pattern in LONGEST]
        return matches.index(True) if any(matches) else len(LONGEST)
    items.sort(key=rank)


@pytest.fixture(autouse=True)
def one_thread():
    """A test that runs a command in this process may set other threads; the next one has one."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(scope="session")
def base():
    """The committed base model and its tokenizer."""
    from lib.models import loading  # torch: only where a test needs a model
    return loading.load(BASE, device="cpu")


@pytest.fixture
def tiny():
    """A fresh model of a few thousand weights, with the base's tokenizer."""
    from lib.embedded import induction
    from lib.models import loading
    tokenizer = loading.load_tokenizer(BASE)
    size = SimpleNamespace(hidden=32, layers=2, heads=2, matched=1, seed=0)
    return induction.new_model(tokenizer, size), tokenizer
