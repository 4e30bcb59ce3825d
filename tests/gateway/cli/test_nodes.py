"""The commands about nodes, against a real gateway with virtual nodes behind its real socket."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.api.client import Client, Refused
from gateway.api.server import ApiServer
from tests.gateway.cli.conftest import Tender
from tests.gateway.service.site import OLD, RELAY, Bench, Running


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    """Two sensors in the file, and a relay whose look restarts it."""
    folder = tmp_path / "site"
    folder.mkdir()
    bench = Bench(folder)
    bench.node("s1", labels={"hall": "3"})
    bench.node("s2")
    bench.node("r1", RELAY)
    return bench


@pytest.fixture
async def running(bench: Bench, socket_path: Path, tmp_path: Path) -> AsyncIterator[Running]:
    """The service, and its local API."""
    async with bench.gateway() as running:
        server = ApiServer(running.gateway, socket_path, spool=tmp_path / "spool")
        await server.start()
        try:
            yield running
        finally:
            await server.stop()


@pytest.mark.usefixtures("running")
async def test_many_nodes_are_looked_at_and_it_is_said_who_was_left_out(tender: Tender) -> None:
    said = await tender("probe", "--all", "--stale", "24h")
    assert said.code == 0, said.err
    rows = {line.split()[0]: line for line in said.lines}
    assert "probe-costs" in rows["r1"]
    assert rows["s1"].split() == ["s1", "seen", OLD]
    assert "2 seen, 0 of them changed; 0 failed; 1 left out; 0 verified lately enough." in said.out
    assert "--allow-restart" in said.lines[-1]
    listed = (await tender("nodes", "--on", OLD, "--json")).json
    assert [node["name"] for node in listed] == ["s1", "s2"]
    assert [line.split()[0] for line in (await tender("nodes", "--on", f"not:{OLD}")).lines[1:]] == ["r1"]
    assert all(0 <= node["age_s"] < 600 for node in listed)
    assert (await tender("node", "r1", "--json")).json["age_s"] is None
    table = (await tender("nodes", "--where", "hall=3")).lines
    assert len(table) == 2
    assert " ago" in table[1]
    ended = (await tender("probe", "--all", "--profile", "sensor", "--json")).json
    assert [each["result"] for each in ended["results"]] == ["seen", "seen"]


async def test_a_look_that_fails_is_an_exit_code(tender: Tender, running: Running, bench: Bench) -> None:
    assert running.gateway.roster.rounds is not None
    bench.lines.lines["s2"].unplug()
    said = await tender("probe", "--all", "--profile", "sensor")
    assert said.code == 1
    assert "link-not-found" in said.out
    for wrong in (("probe",), ("probe", "s1", "--all"), ("probe", "s1", "--stale", "1h")):
        assert (await tender(*wrong)).code == 2


@pytest.mark.usefixtures("running")
async def test_a_node_comes_is_named_and_goes(tender: Tender, bench: Bench) -> None:
    bench.node("other")
    bench.tables.pop("other")
    said = await tender(
        "node", "adopt", "s9", "--profile", "sensor", "--link", "memory:other", "--label", "hall=7"
    )
    assert said.code == 0, said.err
    assert "s9 is a node of this gateway" in said.out
    shown = (await tender("probe", "s9")).out
    assert "adopted by" in shown
    assert "verified 0 s ago" in shown
    assert "hall=8, spare=yes" in (await tender("node", "label", "s9", "hall=8", "spare=yes")).out
    assert "hall=8\n" in (await tender("node", "label", "s9", "spare-")).out
    assert "s9 is north now" in (await tender("node", "rename", "s9", "north")).out
    assert "number 2 of that name" in (await tender("node", "replace", "north")).out
    assert "board 2 of that name" in (await tender("node", "north")).out
    assert (await tender("node", "forget", "north", "--json")).json == {"forgotten": "north"}
    assert (await tender("node", "north")).code == 2
    for wrong, code in (
        (("node", "adopt", "s1", "--profile", "sensor", "--link", "memory:x"), "node-exists"),
        (("node", "adopt", "x", "--profile", "sensor", "--link", "memory:s1"), "link-taken"),
        (("node", "forget", "s1"), "node-in-file"),
        (("node", "rename", "s1", "x"), "node-in-file"),
        (("node", "label", "s1", "nothing"), "usage"),
    ):
        failed = await tender(*wrong)
        assert (failed.code, code in failed.err) == (2, True), failed.err


@pytest.mark.usefixtures("running")
async def test_what_others_did_is_said_and_accepted(tender: Tender, bench: Bench) -> None:
    await tender("probe", "s1")
    bench.node("s1", version="7.7.7")
    assert "changed" in (await tender("probe", "--all", "--profile", "sensor")).out
    explained = (await tender("explain", "s1")).out
    assert "nobody here brought" in explained
    assert "tender node accept" in explained
    assert [
        line.split()[0] for line in (await tender("nodes", "--state", "changed-by-others")).lines[1:]
    ] == ["s1"]
    assert "s1 is ok: it runs 7.7.7" in (await tender("node", "accept", "s1")).out


async def test_the_configuration_tells_who_adopted_and_labelled(
    tender: Tender, running: Running, bench: Bench, tmp_path: Path
) -> None:
    assert running.gateway.site.config.state == bench.folder / "state"
    await tender("node", "adopt", "s9", "--profile", "sensor", "--link", "memory:other")
    await tender("node", "label", "s1", "hall=4")
    file = tmp_path / "gateway.toml"
    file.write_text(
        f'state = "{bench.folder}/state"\n[nodes.s1]\nprofile = "sensor"\nlink = "uart:/dev/x"\n'
        'labels = { hall = "3" }\n'
    )
    values = (await tender("config", "--json")).json["values"]
    assert values["nodes.s9.link"]["value"] == "memory:other"
    assert values["nodes.s9.link"]["origin"].startswith("journal: adopted by ")
    assert values["nodes.s1.labels.hall"]["value"] == "4"
    assert values["nodes.s1.labels.hall"]["origin"].startswith("journal: labelled by ")
    assert values["nodes.s1.link"]["origin"] == f"{file}:4"


@pytest.mark.usefixtures("running")
async def test_a_question_that_is_none_is_refused(tender: Tender, socket_path: Path) -> None:
    for query in ([("wher", "x=y")], [("where", "x")], [("stale", "soon")], [("stale", "-1")]):
        with pytest.raises(Refused, match=query[0][0]):
            await asyncio.to_thread(Client(socket_path).find, "nodes", query)
    assert (await tender("nodes", "--where", "nothing")).code == 2
