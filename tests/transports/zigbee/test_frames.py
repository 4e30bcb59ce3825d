"""Frames to and from nodes, over the real zigpy and zigpy-znp and a virtual coordinator."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tests.transports.zigbee.rig import (
    BASIC,
    FILE_VERSION,
    OTA,
    POLL_CONTROL,
    Node,
    World,
    asked,
    ieee,
    until,
    world,
)
from transports.errors import LinkError, NodeUnreachable
from transports.zcl import Zcl
from transports.zigbee.errors import FrameTooLong, NotDelivered
from transports.zigbee.zigpy_network import ZigpyNetwork

NOTIFY = Zcl(OTA, 0x00, b"\x00\x64", to_client=True)
"""Image Notify with a query jitter of 100."""


async def with_nodes(here: World, *nodes: Node, hops: int = 1) -> ZigpyNetwork:
    """A host that knows these nodes."""
    network = await here.host()
    for number, node in enumerate(nodes):
        here.virtual.add(node, nwk=0x2001 + number, hops=hops)
        node.block_request()
        await until(network, lambda node=node: known(network, node))  # type: ignore[misc]
        node.heard.clear()
    return network


def known(network: ZigpyNetwork, node: Node) -> bool:
    facts = network.nodes().get(node.ieee)
    return facts is not None and facts.interviewed


async def test_every_block_request_reaches_who_listens_also_one_that_is_repeated_to_the_byte(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        node = Node(ieee(1))
        network = await with_nodes(here, node)
        link = network.node(node.ieee)
        link.listen(OTA)
        payload = node.block_request(100)
        for _ in range(3):
            node.block_request(100)
        for _ in range(4):
            async with asyncio.timeout(5):
                frame = await link.heard()
            assert (frame.cluster, frame.command, frame.payload, frame.tsn) == (OTA, 0x03, payload, 9)
            assert (frame.endpoint, frame.to_client, frame.general) == (1, False, False)
        await link.aclose()
        await asked(network.node(node.ieee))
        assert node.answers(OTA) == [], "zigpy has said nothing to any of them"


async def test_nobody_aborts_a_node_in_mid_image_before_the_stand_in_is_there_and_then_that_answers(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        node = Node(ieee(1))
        network = await with_nodes(here, node)
        node.say(OTA, 0x01, bytes(9), tsn=1)  # Query Next Image
        node.block_request(4242, tsn=2)
        node.say(OTA, 0x06, bytes(9), tsn=3)  # Upgrade End
        assert await asked(network.node(node.ieee)) == 0x01020304
        assert node.answers(OTA) == []
        wait = Zcl(OTA, 0x05, b"\x97" + bytes(4) + b"\x3c\0\0\0", to_client=True)
        network.stand_in(lambda _, frame: replace(wait, tsn=frame.tsn))
        node.block_request(4242, tsn=5)
        (answer,) = await node.reached(OTA)
        assert (answer.command, answer.tsn, answer.payload) == (0x05, 5, wait.payload)


async def test_twenty_frames_at_once_get_each_its_own_confirm(tmp_path: Path) -> None:
    """Half of the nodes are out of range.  All frames have one sequence number, as zigpy would send them."""
    async with world(tmp_path) as here:
        nodes = [Node(ieee(number)) for number in range(1, 6)]
        network = await with_nodes(here, *nodes)
        gone = {node.ieee for node in nodes[::2]}
        for address in gone:
            here.virtual.out_of_range(address)
        links = {node.ieee: network.node(node.ieee) for node in nodes}
        frames = [(address, number) for number in range(4) for address in links]

        async def send(address: str, number: int) -> tuple[str, Exception | None]:
            frame = Zcl(OTA, 0x00, bytes((0, number)), tsn=77, to_client=True)
            try:
                assert await links[address].send(frame, acknowledged=False) > 0
            except LinkError as error:
                return address, error
            return address, None

        results = await asyncio.gather(*(send(*frame) for frame in frames))
        for address, error in results:
            assert (type(error) is NotDelivered) == (address in gone), (address, error)
        for node in nodes:
            got = sorted(frame.payload[1] for frame in node.answers(OTA))
            assert got == ([] if node.ieee in gone else [0, 1, 2, 3])


async def test_several_frames_of_one_node_are_under_way_at_once(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        node = Node(ieee(1))
        network = await with_nodes(here, node)
        link = network.node(node.ieee)
        block = Zcl(OTA, 0x05, bytes(60), tsn=1, to_client=True)
        most = now = 0

        async def send() -> None:
            nonlocal most, now
            now += 1
            await link.send(block, acknowledged=False)
            most = max(most, now)
            now -= 1

        await asyncio.gather(*(send() for _ in range(8)))
        assert most >= 7, "none waits for another one's confirm"
        assert len(node.answers(OTA)) == 8
        assert network.nodes()[node.ieee].hops == 1


async def test_a_frame_that_the_route_does_not_carry_is_refused_as_too_long(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        node = Node(ieee(1))
        network = await with_nodes(here, node)
        link = network.node(node.ieee)
        with pytest.raises(FrameTooLong):
            await link.send(Zcl(OTA, 0x05, bytes(110), to_client=True), acknowledged=True)
        assert await link.send(Zcl(OTA, 0x05, bytes(60), to_client=True), acknowledged=False) > 0


async def test_a_node_that_is_there_and_does_not_answer_is_told_from_one_that_is_not(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        node, absent = Node(ieee(1)), Node(ieee(2))
        network = await with_nodes(here, node, absent)
        node.mute = True
        here.virtual.out_of_range(absent.ieee)
        with pytest.raises(NodeUnreachable) as mute:
            await network.node(node.ieee).read(BASIC, [4], endpoint=1, within=1.0)
        assert type(mute.value) is NodeUnreachable
        with pytest.raises(NotDelivered):
            await network.node(absent.ieee).read(BASIC, [4], endpoint=1, within=20.0)
        node.mute = False
        assert await network.node(node.ieee).read(BASIC, [4], endpoint=1, within=5) == {4: "Acme"}


async def test_attributes_that_do_not_fit_into_one_answer_are_asked_for_again(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        node = Node(ieee(1))
        network = await with_nodes(here, node)
        node.records_per_answer = 2
        link = network.node(node.ieee)
        values = await link.read(BASIC, [4, 5, 1, 0x4000], endpoint=1, within=5)
        assert values == {4: "Acme", 5: "lamp-1", 0x4000: "1.4.2"}
        assert await link.read(OTA, [FILE_VERSION, 0x0006], endpoint=1, client=True, within=5) == {
            FILE_VERSION: 0x01020304
        }


async def test_a_sleepy_node_is_asked_while_it_polls_and_kept_awake_by_its_check_in(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        node = Node(ieee(1), sleepy=True, poll=0.3)
        network = await with_nodes(here, node)
        link = network.node(node.ieee)
        assert link.facts.sleepy
        assert not link.facts.mains
        assert await asked(link) == 0x01020304
        node.heard.clear()

        node.check_in(tsn=11)
        (sleep,) = await node.reached(POLL_CONTROL)
        assert (sleep.command, sleep.tsn, sleep.payload) == (0x00, 11, bytes(3))
        node.heard.clear()
        network.wants_fast_poll(lambda address: address == node.ieee)
        node.check_in(tsn=12)
        (stay,) = await node.reached(POLL_CONTROL)
        assert (stay.command, stay.tsn, stay.payload) == (0x00, 12, b"\x01\x78\x00")


async def test_everything_that_a_node_says_is_heard_with_its_number_and_bytes(tmp_path: Path) -> None:
    """Raw frames for the user's own software: a cluster of a maker, that zigpy has never seen."""
    async with world(tmp_path) as here:
        node = Node(ieee(1))
        network = await with_nodes(here, node, hops=2)
        heard: list[tuple[str, Zcl | None]] = []
        end = network.hear(lambda address, frame: heard.append((address, frame)))
        node.say(0xFC11, 0x42, b"hello", tsn=200, to_client=True)
        await until(network, lambda: bool(heard))
        ((address, frame),) = heard
        assert address == node.ieee
        assert frame == Zcl(0xFC11, 0x42, b"hello", tsn=200, to_client=True, no_default=frame.no_default)  # type: ignore[union-attr]
        heard.clear()
        node.radio.vanish()
        node.boot()
        await until(network, lambda: (node.ieee, None) in heard)
        end()
        assert network.nodes()[node.ieee].hops == 2
        last = network.nodes()[node.ieee].last_heard
        assert last is not None
        assert asyncio.get_running_loop().time() - last < 30


async def test_an_unknown_node_that_floods_is_searched_for_once(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        network = await here.host()
        node = Node(ieee(1))
        here.virtual.add(node, nwk=0x2001)
        before = here.virtual.counters.frames
        for number in range(40):
            node.block_request(number)
        await until(network, lambda: known(network, node))
        assert here.virtual.counters.frames - before < 40 * 3 + 80
        assert node.answers(OTA)[1:] == [], "but for the notify of the interview, nothing was said"
