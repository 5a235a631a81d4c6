import pytest
from helpers.checkpoints import KINDS, write_checkpoint


@pytest.fixture(scope="session")
def places(tmp_path_factory):
    """Checkpoints of a dense model and of a mixture of experts."""
    return {kind: write_checkpoint(tmp_path_factory.mktemp(kind), kind) for kind in KINDS}
