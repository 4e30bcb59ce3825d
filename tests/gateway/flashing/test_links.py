"""Which nodes `tender flash` can reach by itself."""

from pathlib import Path

import pytest

from gateway.flashing.bench import Wish, flash
from transports.errors import BadLink


async def test_a_zigbee_node_is_left_to_the_service_that_has_its_coordinator(tmp_path: Path) -> None:
    link = "zigbee:hall#00:12:4b:00:1c:aa:bb:cc"
    wish = Wish(image=tmp_path / "lamp.ota", profile="lamp", link=link, state=tmp_path / "state")
    with pytest.raises(BadLink, match="through the service"):
        await flash(wish)
    assert not (tmp_path / "state").exists(), "no network is formed beside the one that there is"
