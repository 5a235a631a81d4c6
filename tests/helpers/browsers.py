"""A real browser for tests: where the machine has none, they are skipped."""
import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((path for name in NAMES if (path := shutil.which(name))), None)
OPTIONS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync"]
in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
