"""What tests of pages share: one browser for all of them."""
import pytest
from helpers.browsers import CHROMIUM, OPTIONS


@pytest.fixture(scope="package")
def browser():
    from playwright.sync_api import sync_playwright
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield chromium
        chromium.close()
