"""`tender links` and `tender lease`, typed against a real gateway with virtual nodes."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.api.client import Client
from gateway.api.server import ApiServer
from tests.gateway.cli.conftest import Tender
from tests.gateway.service.site import Bench, Running


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    """A node that answers and one without power."""
    (tmp_path / "bench").mkdir()
    bench = Bench(tmp_path / "bench")
    bench.node("th-1", options={"boot-time": "0.05"})
    bench.node("th-2").power_off()
    return bench


@pytest.fixture
async def running(bench: Bench, socket_path: Path, tmp_path: Path) -> AsyncIterator[Running]:
    """The service, as it is asked."""
    async with bench.gateway(first_look_s=0.1) as running:
        server = ApiServer(running.gateway, socket_path, spool=tmp_path / "spool")
        await server.start()
        yield running
        await server.stop()


async def test_links_tell_what_passed_and_whose_fault_it_is(tender: Tender, running: Running) -> None:
    await tender("probe", "th-1", "--allow-restart")
    await tender("probe", "th-2", "--allow-restart")
    said = await tender("links")
    assert said.code == 0
    heading, one, two, *rest = said.lines
    assert heading.split()[:2] == ["LINK", "PORT"]
    assert one.startswith("memory://th-1")
    assert one.endswith("-")
    assert two.endswith("cable")
    assert any("not one byte ever came" in line for line in rest)
    said = await tender("links", "th-2")
    assert any(line.startswith("at fault: cable.") for line in said.lines)
    said = await tender("links", "--json")
    assert [each["finding"]["culprit"] for each in said.json] == ["nothing", "cable"]
    said = await tender("explain", "th-2")
    assert any(line.startswith("at fault: cable.") for line in said.lines)


async def test_a_lease_is_taken_shown_refused_to_others_and_given_back(
    tender: Tender, running: Running
) -> None:
    said = await tender("lease", "th-1", "--for", "10m", "--why", "a look of my own")
    assert said.out.startswith("memory://th-1 is yours for 10 min (lease 1).")
    said = await tender("links")
    assert "10 min left (a look of my own)" in said.out
    said = await tender("probe", "th-1", "--allow-restart")
    assert said.code == 1
    assert "leased to" in said.err
    said = await tender("lease", "th-1")
    assert said.err.startswith("tender: link-leased: memory://th-1 is leased to ")
    assert said.code == 1
    said = await tender("lease", "--give-back", "th-1")
    assert (said.code, said.lines) == (0, ["memory://th-1 is given back."])
    said = await tender("lease", "--give-back", "th-1")
    assert (said.code, said.err.split(":")[1].strip()) == (2, "lease-unknown")


async def test_a_lease_ends_with_its_command_and_has_its_exit_code(
    tender: Tender, running: Running, socket_path: Path, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from gateway.api.client import Client\n"
        f"(lease,) = Client(Path({str(socket_path)!r})).get('leases')\n"
        f"Path({str(seen)!r}).write_text(lease['why'])\n"
        "sys.exit(7)\n"
    )
    said = await tender("lease", "th-1", "--why", "mine", "--", sys.executable, "-c", program)
    assert (said.code, seen.read_text()) == (7, "mine")
    assert await running.gateway.links.leases() == []
    said = await tender("lease", "th-1", "--", str(tmp_path / "nowhere"))
    assert said.code == 2
    assert await running.gateway.links.leases() == [], "also if it could not be started"


async def test_a_command_is_ended_when_the_time_is_over(tender: Tender, running: Running) -> None:
    said = await tender("lease", "th-1", "--for", "1s", "--", "sleep", "60")
    assert said.code == 124
    assert await running.gateway.links.leases() == []


async def test_who_waits_gets_the_link_after_the_others(
    tender: Tender, running: Running, socket_path: Path
) -> None:
    client = Client(socket_path)
    await tender("lease", "th-1", "--for", "10m")
    waiting = asyncio.create_task(
        asyncio.to_thread(
            client.post, "leases", body={"link": "th-1", "seconds": 60.0, "why": "next", "wait_s": 30.0}
        )
    )
    while not await running.gateway.links.leases():  # noqa: ASYNC110 - asked from outside
        await asyncio.sleep(0.01)
    await asyncio.to_thread(client.post, "leases", "give-back", body={"target": "th-1"})
    lease = await waiting
    assert lease["why"] == "next"
    renewed = await asyncio.to_thread(client.post, "leases", str(lease["id"]), "renew", body={"seconds": 900})
    assert renewed["left_s"] > 800


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("lease",), "usage"),
        (("lease", "nowhere", "--for", "1m"), "link-unknown"),
        (("links", "nowhere"), "link-unknown"),
        (("lease", "th-1", "--for", "soon"), "usage"),
        (("lease", "--give-back", "99"), "lease-unknown"),
    ],
)
async def test_what_cannot_be_is_told(
    tender: Tender, running: Running, words: tuple[str, ...], code: str
) -> None:
    said = await tender(*words)
    assert said.code == 2
    assert said.err.startswith(f"tender: {code}: ")
