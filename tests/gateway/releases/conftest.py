from pathlib import Path

import pytest

from tests.gateway.releases.world import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A folder with firmware and its description."""
    return Bench(tmp_path / "bench")
