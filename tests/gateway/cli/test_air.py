"""``tender virtual air`` as a process of its own, and a host that is in another one."""

import asyncio
from pathlib import Path

import pytest

from tests.gateway.cli.conftest import Tender
from tests.gateway.cli.test_virtual import virtual
from transports.ble.adapter import Adapter
from transports.ble.errors import AdapterMissing
from transports.ble.hci_socket import HciSocketBackend

PATIENCE = 30.0


@pytest.fixture
def air(tmp_path: Path) -> Path:
    """Two nodes, one adapter, and a place for orders."""
    file = tmp_path / "air.toml"
    file.write_text(
        f'control = "unix:{tmp_path}/control"\n'
        f'[adapters.main]\nlisten = "unix:{tmp_path}/air"\naddress = "00:1A:7D:00:00:01"\n'
        '[nodes.th]\nprofile = "demo-ble-sensor"\naddress = "C0:00:00:00:00:01"\ncount = 2\n'
    )
    return file


async def test_another_process_hears_the_nodes_of_an_air_and_orders_are_obeyed(
    air: Path, tender: Tender
) -> None:
    async with virtual("air", str(air)) as (process, said):
        assert said == {"adapters": {"main": f"unix:{air.parent}/air"}, "nodes": ["th-1", "th-2"]}
        backend = HciSocketBackend(said["adapters"]["main"], "main")
        adapter = Adapter(backend, "main")
        async with asyncio.timeout(PATIENCE):
            link = await adapter.connect("C0:00:00:00:00:03", within=10.0)
            told = await tender("virtual", "air", str(air), "--tell", "th-2 truth")
            assert told.json["connected"] is True
            await link.aclose()
        await adapter.aclose()
        await backend.aclose()
        with pytest.raises(AdapterMissing):
            await HciSocketBackend(f"unix:{air.parent}/no", "main").power_on()
        assert process.returncode is None


async def test_orders_need_an_air_that_runs(tender: Tender, air: Path) -> None:
    told = await tender("virtual", "air", str(air), "--tell", "nodes")
    assert told.code == 2
    assert "the air does not run" in told.err


async def test_an_air_needs_a_file(tender: Tender) -> None:
    told = await tender("virtual", "air")
    assert told.code == 2
    assert "no air was given" in told.err


async def test_a_node_on_a_line_has_no_air(tender: Tender, air: Path) -> None:
    told = await tender("virtual", "demo-relay", str(air))
    assert told.code == 2
    assert "tender virtual air FILE" in told.err
