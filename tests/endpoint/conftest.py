import pytest

from lib.benchmarks import scripted_server
from lib.benchmarks.endpoint import usual
from lib.endpoint import run, server
from lib.endpoint.client import Endpoint
from lib.endpoint.store import Calls


@pytest.fixture(scope="session")
def url():
    """A scripted server; it remembers every content, so each test asks with contents of its own."""
    with scripted_server.running() as address:
        yield address


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Pauses are short here, unless the server asks for them."""
    monkeypatch.setattr(server, "LONGEST_PAUSE", 0.01)
    monkeypatch.setattr(run, "GRACE", 0.5)


@pytest.fixture
def make(url, tmp_path):
    """An endpoint with a store of its own."""
    stores = []

    def endpoint(schema=None, store="calls.sqlite", **given):
        stores.append(Calls(tmp_path / store))
        chosen = {"urls": [url], "concurrency": 4, "retries": 2, "timeout": 5, "deadline": 60}
        return Endpoint("judge", "m", usual(**chosen | given), stores[-1], schema)

    yield endpoint
    for store in stores:
        store.close()
