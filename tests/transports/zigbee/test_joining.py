"""Who is let in, who is asked, who leaves, and what happens without the coordinator."""

import asyncio
from pathlib import Path

import pytest

from tests.transports.zigbee.rig import Node, asked, ieee, until, world
from transports.errors import LinkLost, NodeUnreachable
from transports.virtual.zigbee.descriptors import Binding
from transports.zcl import Zcl
from transports.zigbee.errors import CoordinatorLost, NetworkTrouble
from transports.zigbee.zigpy_network import ZigpyNetwork


def known(network: ZigpyNetwork, address: str) -> bool:
    facts = network.nodes().get(address)
    return facts is not None and facts.interviewed


async def test_a_node_joins_while_that_is_permitted_and_not_before(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        network = await here.host()
        here.virtual.add(Node(ieee(1)), joined=False)
        with pytest.raises(TimeoutError):
            await until(network, lambda: bool(network.nodes()), within=2.0)
        assert network.state.joining_for == 0
        with pytest.raises(NodeUnreachable) as caught:
            network.node(ieee(1))
        assert "permit" in caught.value.what_to_do
        with pytest.raises(NetworkTrouble):
            await network.permit(255)
        await network.permit(120)
        assert 110 < network.state.joining_for <= 120
        await until(network, lambda: known(network, ieee(1)))
        await network.permit(0)
        assert network.state.joining_for == 0
        assert not here.virtual.coordinator.permits


async def test_nodes_are_let_in_through_one_router_alone(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        network = await here.host()
        here.virtual.add(Node(ieee(1), router=True), nwk=0x2001)
        await heard_of(network, here.virtual.nodes[ieee(1)].peer)
        with pytest.raises(NodeUnreachable):
            await network.permit(60, through=ieee(7))
        await network.permit(60, through=ieee(1))
        assert network.state.joining_for > 0


async def heard_of(network: ZigpyNetwork, *nodes: object) -> None:
    """Have nodes of long ago be known to a host with an empty database: they speak, and are asked."""
    for node in nodes:
        assert isinstance(node, Node)
        node.block_request()
        await until(network, lambda node=node: known(network, node.ieee))  # type: ignore[misc]


async def test_a_node_is_asked_anew_and_one_that_does_not_answer_stays_as_it_was(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        network = await here.host()
        node = Node(ieee(1))
        here.virtual.add(node, nwk=0x2001)
        await heard_of(network, node)
        node.attributes[0x0000, 0x0005] = b"\x42\x06lamp-2"
        both = await asyncio.gather(network.interview(node.ieee), network.interview(node.ieee))
        assert [facts.model for facts in both] == ["lamp-2", "lamp-2"]
        assert await asked(network.node(node.ieee)) == 0x01020304
        with pytest.raises(NodeUnreachable):
            await network.interview(ieee(9))


async def test_a_node_that_is_removed_leaves_and_is_forgotten(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        network = await here.host()
        node = Node(ieee(1))
        here.virtual.add(node, nwk=0x2001)
        await heard_of(network, node)
        await network.remove(node.ieee)
        assert network.nodes() == {}
        await until(network, lambda: not here.virtual.truth(node.ieee).joined)
        await here.stop()
        again = await here.host()
        assert again.nodes() == {}


@pytest.mark.parametrize(
    "tcp", [pytest.param(False, id="pty"), pytest.param(True, id="tcp", marks=pytest.mark.slow)]
)
async def test_links_of_a_coordinator_that_is_pulled_out_are_lost_and_it_comes_again(
    tcp: bool, tmp_path: Path
) -> None:
    async with world(tmp_path, tcp=tcp) as here:
        network = await here.host()
        node = Node(ieee(1))
        here.virtual.add(node, nwk=0x2001)
        await heard_of(network, node)
        link = network.node(node.ieee)
        link.listen(0x0019)
        node.mute = True
        waiting = asyncio.ensure_future(link.heard())
        asking = asyncio.ensure_future(link.ask(Zcl(0, 0, b"\0\0", general=True), within=30))
        await asyncio.sleep(0)
        here.virtual.unplug()
        for each in (waiting, asking):
            with pytest.raises(LinkLost):
                await each
        await until(network, lambda: not network.state.up)
        assert network.state.trouble
        with pytest.raises(LinkLost):
            await link.send(Zcl(0x0019, 0, b"\x03\x64"), acknowledged=True)
        with pytest.raises(CoordinatorLost):
            await network.permit(10)
        assert known(network, node.ieee), "what is known stays known"
        lost = network.node(node.ieee)
        with pytest.raises(LinkLost):
            await lost.send(Zcl(0x0019, 0, b"\x03\x64"), acknowledged=True)

        node.mute = False
        here.virtual.replug()
        await until(network, lambda: network.state.up)
        assert await asked(network.node(node.ieee)) == 0x01020304
        with pytest.raises(LinkLost):
            await link.heard()


async def test_who_asks_a_node_as_the_coordinator_is_pulled_out_is_told_at_once(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        network = await here.host()
        node = Node(ieee(1))
        here.virtual.add(node, nwk=0x2001)
        await heard_of(network, node)
        here.virtual.out_of_range(node.ieee)
        asking = asyncio.ensure_future(network.interview(node.ieee))
        removing = asyncio.ensure_future(network.remove(node.ieee))
        await asyncio.sleep(0)
        here.virtual.unplug()
        for each in (asking, removing):
            with pytest.raises(CoordinatorLost):
                async with asyncio.timeout(5):
                    await each


@pytest.mark.slow
async def test_a_coordinator_that_is_pulled_out_as_it_starts_is_started_anew(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        network = await here.host(up=False)
        for _ in range(3):
            await until(network, lambda: here.virtual.coordinator.running or network.state.up)
            here.virtual.unplug()
            await until(
                network,
                lambda: "went away" in network.state.trouble or "there is no" in network.state.trouble,
            )
            here.virtual.replug()
        await until(network, lambda: network.state.up)
        formed = network.state.extended_pan_id
        await here.stop()
        assert (await here.host()).state.extended_pan_id == formed


@pytest.mark.slow
async def test_a_coordinator_that_falls_silent_is_noticed_by_its_watchdog(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.patience = here.patience.__class__(first=0.1, most=0.5, backup=0.2, watchdog=0.5)
        network = await here.host()
        here.virtual.ncp.switch(on=False)  # the port is there, and nobody behind it
        await until(network, lambda: not network.state.up, within=40)
        here.virtual.ncp.switch(on=True)
        await until(network, lambda: network.state.up, within=60)


async def test_a_coordinator_that_resets_by_itself_goes_on(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        network = await here.host()
        node = Node(ieee(1))
        here.virtual.add(node, nwk=0x2001)
        await heard_of(network, node)
        here.virtual.reset_coordinator()
        await until(network, lambda: not network.state.up)
        await until(network, lambda: network.state.up)
        assert await asked(network.node(node.ieee)) == 0x01020304


async def test_one_node_is_let_in_by_the_code_that_is_printed_on_it(tmp_path: Path) -> None:
    """The code is the example of the base device behavior specification, 10.1.1."""
    async with world(tmp_path) as here:
        network = await here.host()
        code = bytes.fromhex("83fed3407a939723a5c639b26916d505c3b5")
        with pytest.raises(NetworkTrouble, match="no install code"):
            await network.admit(ieee(1), code[:-1] + b"\0", 60)
        assert network.state.joining_for == 0
        await network.admit(ieee(1), code, 60)
        assert here.virtual.coordinator.permits
        assert network.state.joining_for > 50


async def test_a_node_tells_whom_it_sends_its_reports_to(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        network = await here.host()
        node = Node(ieee(1))
        here.virtual.add(node, nwk=0x2001)
        await heard_of(network, node)
        link = network.node(node.ieee)
        assert await link.bindings(within=30) == ()
        subject = here.virtual.nodes[node.ieee].subject
        coordinator = here.virtual.memory.ieee
        wanted = [Binding(1, cluster, coordinator, 1) for cluster in range(0x0402, 0x0407)]
        subject.bindings.extend([*wanted, Binding(1, 0x0006, 0x0007)])
        assert await link.bindings(within=30) == (
            "1:0x0006 > 0x0007",
            *(f"1:0x{cluster:04x} > {coordinator}/1" for cluster in range(0x0402, 0x0407)),
        )
        here.virtual.power(node.ieee, on=False)
        with pytest.raises(NodeUnreachable):
            await link.bindings(within=2)
        await link.aclose()


async def test_two_coordinators_serve_two_networks_and_one_is_pulled_out(tmp_path: Path) -> None:
    async with world(tmp_path / "a") as one, world(tmp_path / "b") as two:
        for number, here in enumerate((one, two), 1):
            network = await here.host()
            here.virtual.add(Node(ieee(number)), nwk=0x2001)
            await heard_of(network, here.virtual.nodes[ieee(number)].peer)
        (first,), (second,) = one.hosts, two.hosts
        assert set(first.nodes()) == {ieee(1)}
        assert set(second.nodes()) == {ieee(2)}
        one.virtual.unplug()
        await until(first, lambda: not first.state.up)
        assert second.state.up
        assert await asked(second.node(ieee(2))) == 0x01020304
        one.virtual.replug()
        await until(first, lambda: first.state.up)
        assert await asked(first.node(ieee(1))) == 0x01020304
