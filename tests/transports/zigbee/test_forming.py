"""Forming a network, going on with it, and keeping hands off others: zigpy over a virtual coordinator."""

import json
from pathlib import Path

import pytest

from tests.transports.zigbee.rig import CHANNEL, Node, asked, ieee, until, world
from transports.zigbee.backups import load
from transports.zigbee.errors import NetworkTrouble


@pytest.mark.parametrize(
    "tcp", [pytest.param(False, id="pty"), pytest.param(True, id="tcp", marks=pytest.mark.slow)]
)
async def test_a_network_is_formed_once_and_resumed_with_keys_and_nodes(tcp: bool, tmp_path: Path) -> None:
    async with world(tmp_path, tcp=tcp) as here:
        network = await here.host()
        formed = network.state
        assert formed.channel == CHANNEL
        assert formed.coordinator == "00:12:4b:00:2a:00:00:01"
        assert "CC" in formed.firmware or "Z-Stack" in formed.firmware
        node = Node(ieee(1))
        here.virtual.add(node, joined=False)
        await network.permit(60)
        await until(network, lambda: ieee(1) in network.nodes() and network.nodes()[ieee(1)].interviewed)
        first = load(await network.backup())
        await here.stop()

        again = await here.host()
        assert vars_of(again.state) == vars_of(formed)
        facts = again.nodes()[ieee(1)]
        assert (facts.manufacturer, facts.model, facts.manufacturer_code) == ("Acme", "lamp-1", 0x1234)
        assert facts.servers == {1: (0x0000,)}
        assert facts.clients == {1: (0x0019,)}
        assert facts.last_seen_unix is not None
        assert not facts.sleepy
        assert await asked(again.node(ieee(1))) == 0x01020304
        second = load(await again.backup())
        for same in ("extended_pan_id", "pan_id", "coordinator_ieee", "channel"):
            assert second[same] == first[same]
        assert second["network_key"]["key"] == first["network_key"]["key"]
        assert second["network_key"]["frame_counter"] >= first["network_key"]["frame_counter"]


def vars_of(state: object) -> dict[str, object]:
    return {name: getattr(state, name) for name in ("channel", "pan_id", "extended_pan_id", "coordinator")}


@pytest.mark.slow
async def test_a_coordinator_of_another_network_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    async with world(tmp_path / "ours") as here:
        network = await here.host()
        ours = network.state.extended_pan_id
    async with world(tmp_path / "other", seed=2) as other:
        theirs = await other.host("theirs")
        held = theirs.state.extended_pan_id
        await other.stop()
        other.folder = tmp_path / "ours"
        swapped = await other.host("home", up=False)
        await until(swapped, lambda: "another network" in swapped.state.trouble)
        assert not swapped.state.up
        assert str(ours) in swapped.state.trouble
        assert str(held) in swapped.state.trouble
        assert "restore home" in swapped.state.remedy
        await other.stop()
        other.folder = tmp_path / "other"
        assert (await other.host("theirs")).state.extended_pan_id == held


@pytest.mark.slow
async def test_a_coordinator_that_forgot_the_network_gets_it_back_from_a_backup(tmp_path: Path) -> None:
    """Its nodes never notice: keys, address and counters are as they were, and none joins again."""
    async with world(tmp_path) as here:
        network = await here.host()
        formed = network.state
        node = Node(ieee(1))
        here.virtual.add(node, joined=False)
        await network.permit(60)
        await until(network, lambda: ieee(1) in network.nodes() and network.nodes()[ieee(1)].interviewed)
        kept = await network.backup()
        counter = load(kept)["network_key"]["frame_counter"]
        await here.stop()

    async with world(tmp_path, seed=3) as blank:
        network = await blank.host(up=False)
        await until(network, lambda: "holds no network" in network.state.trouble)
        assert ieee(1) in network.nodes(), "what is known stays known"
        assert "restore home" in network.state.remedy
        newest, *_ = await network.backups()
        assert newest.path == kept
        await network.restore(newest.path)
        await until(network, lambda: network.state.up)
        assert vars_of(network.state) == vars_of(formed)
        now = load(await network.backup())
        assert now["network_key"]["key"] == load(kept)["network_key"]["key"]
        assert now["network_key"]["frame_counter"] > counter, "no node takes a counter for the second time"


async def test_what_is_no_backup_is_refused_and_the_network_goes_on(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        network = await here.host()
        path = tmp_path / "wrong.json"
        path.write_text(json.dumps({"metadata": {"format": "zigpy/open-coordinator-backup"}}))
        with pytest.raises(NetworkTrouble):
            await network.restore(path)
        await until(network, lambda: network.state.up)


async def test_a_network_that_its_coordinator_holds_is_taken_over_where_none_is_known(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        held = (await here.host("before")).state
        await here.stop()
        network = await here.host("after")
        assert vars_of(network.state) == vars_of(held)
        node = Node(ieee(1))
        here.virtual.add(node, nwk=0x1234)
        node.block_request()
        await until(network, lambda: ieee(1) in network.nodes() and network.nodes()[ieee(1)].interviewed)
        await until(network, lambda: any((tmp_path / "after" / "backups").glob("*.json")))


@pytest.mark.slow
async def test_several_coordinators_have_networks_of_their_own(tmp_path: Path) -> None:
    async with world(tmp_path / "a", seed=1) as one, world(tmp_path / "b", seed=2) as two:
        first, second = await one.host("one"), await two.host("two")
        one.virtual.add(Node(ieee(1)), joined=False)
        two.virtual.add(Node(ieee(2)), joined=False)
        await first.permit(60)
        await until(first, lambda: any(each.interviewed for each in first.nodes().values()))
        assert set(first.nodes()) == {ieee(1)}
        assert second.nodes() == {}
        assert first.state.extended_pan_id != second.state.extended_pan_id
