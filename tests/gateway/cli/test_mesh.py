"""``tender virtual zigbee`` as a process of its own, and a host that is in another one."""

from pathlib import Path

import pytest

from tests.gateway.cli.conftest import Tender
from tests.gateway.cli.test_virtual import virtual


@pytest.fixture
def mesh(tmp_path: Path) -> Path:
    """Two nodes, a coordinator at a PTY, and a place for orders."""
    file = tmp_path / "hall.toml"
    file.write_text(
        f'control = "unix:{tmp_path}/control"\n[coordinator]\nlisten = "pty:{tmp_path}/tty"\n'
        '[nodes.plug]\nprofile = "demo-zigbee-plug"\nieee = "00:12:4b:00:00:00:01:01"\ncount = 2\n'
    )
    return file


async def test_a_network_is_plugged_in_and_obeys_orders(mesh: Path, tender: Tender) -> None:
    async with virtual("zigbee", str(mesh)) as (process, said):
        assert said == {"path": f"{mesh.parent}/tty", "nodes": ["plug-1", "plug-2"]}
        assert (mesh.parent / "tty").exists()
        told = await tender("virtual", "zigbee", str(mesh), "--tell", "plug-2 truth")
        assert told.code == 0, told.err
        assert told.json["profile"] == "demo-zigbee-plug"
        assert (await tender("virtual", "zigbee", str(mesh), "--tell", "nobody truth")).code == 1
        assert process.returncode is None


async def test_orders_need_a_network_that_runs_and_a_network_a_file(mesh: Path, tender: Tender) -> None:
    told = await tender("virtual", "zigbee", str(mesh), "--tell", "nodes")
    assert told.code == 2
    assert "the network does not run" in told.err
    assert "no network was given" in (await tender("virtual", "zigbee")).err
