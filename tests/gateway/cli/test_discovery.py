"""The commands about nodes on the air, against a real gateway with an adapter on the virtual air."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.api.server import ApiServer
from tests.gateway.cli.conftest import Tender
from tests.gateway.service.airsite import MAIN, AirRunning, RadioBench
from tests.gateway.service.site import THERMO

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[RadioBench]:
    """One node in the file, and one that nobody knows; the adapter listens when it is asked to."""
    folder = tmp_path / "site"
    folder.mkdir()
    bench = RadioBench(folder)
    bench.profile(swap={"[params]": '[discovery]\nname = "n.*"\n[params]'})
    bench.settings["adapters"] = {MAIN: {"hci": "tcp:127.0.0.1:9", "scan": "on-demand"}}
    bench.on_air("n1")
    bench.on_air("n2")
    del bench.tables["n2"]
    yield bench
    await bench.aclose()


@pytest.fixture
async def running(bench: RadioBench, socket_path: Path, tmp_path: Path) -> AsyncIterator[AirRunning]:
    """The service, and its local API."""
    async with bench.gateway() as running:
        server = ApiServer(running.gateway, socket_path, spool=tmp_path / "spool")
        await server.start()
        try:
            yield running
        finally:
            await server.stop()


async def test_a_node_is_discovered_adopted_and_handed_over(
    tender: Tender, bench: RadioBench, running: AirRunning
) -> None:
    said = await tender("discover")
    assert said.code == 0, said.err
    assert "tender discover --for 20s" in said.out
    said = await tender("discover", "--for", "1s")
    assert said.code == 0, said.err
    assert said.lines[1].startswith(bench.address("n2"))
    assert {THERMO, "n2"} <= set(said.lines[1].replace(",", " ").split())
    assert "dBm" in said.lines[1]
    (command,) = (line for line in said.lines if line.startswith(f"  tender node adopt {THERMO}-"))
    listed = (await tender("discover", "--json")).json
    (candidate,) = listed["candidates"]
    assert command.strip() in candidate["adopt"]
    link = f"ble:{MAIN}#{bench.address('n2')}"
    assert link in command

    said = await tender("node", "adopt", "n2", "--profile", THERMO, "--link", link)
    assert said.code == 0, said.err
    assert (await tender("discover", "--json")).json["candidates"] == []
    await running.until(lambda: running.gateway.site.not_ours("n2") is None, within=5.0)
    owned = await tender("node", "owner", "n2", "--json")
    assert (owned.code, owned.json["owner"]) == (0, "gw")
    said = await tender("node", "handover", "n2", "--to", "gw-2")
    assert said.code == 0, said.err
    assert "only gw-2 can take it" in said.out
    assert "seen" in (await tender("node", "show", "n2")).out
    said = await tender("probe", "n2")
    assert said.code != 0
    assert "not-owner" in said.err
    said = await tender("node", "claim", "n2")
    assert (said.code, "not-owner" in said.err) == (2, True)
    said = await tender("node", "claim", "n2", "--take-over")
    assert said.code == 0, said.err
    assert "gw" in said.out


@pytest.mark.usefixtures("running")
async def test_what_cannot_be_is_said_with_a_code(tender: Tender) -> None:
    for wrong, code in (
        (("node", "owner", "nobody"), "node-unknown"),
        (("node", "handover", "nobody", "--to", "gw-2"), "node-unknown"),
        (("node", "handover", "n1", "--to", "gw"), "bad-gateway"),
        (("node", "handover", "n1", "--to", "a/b"), "bad-gateway"),
        (("discover", "--for", "10m"), "usage"),
    ):
        said = await tender(*wrong)
        assert said.code == 2, wrong
        assert f"tender: {code}:" in said.err, (wrong, said.err)


@pytest.mark.usefixtures("socket_path")
async def test_the_commands_say_so_if_there_is_no_service(tender: Tender) -> None:
    for command in (("discover",), ("node", "owner", "n1"), ("node", "claim", "n1")):
        assert (await tender(*command)).code == 10
