"""What the stacks of coordinator and nodes do by themselves."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.transports.zigbee_air.peers import Bench, Lamp, ieee
from transports.virtual.clock import run_virtual
from transports.virtual.zigbee import VirtualNetwork, descriptors, timing, zdo
from transports.virtual.zigbee.aps import Aps, Kind
from transports.virtual.zigbee.channel import Outcome, Transmission
from transports.virtual.zigbee.install_codes import key_of
from transports.virtual.zigbee.mesh import Parcel
from transports.zcl import Zcl

NOTICE = bytes((0x09, 1, 0x00, 0, 100))


def virtually(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """The test runs in virtual time."""

    def run() -> None:
        run_virtual(test(), limit=100_000)

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@asynccontextmanager
async def site(*peers: Lamp, joined: bool = True, hops: int = 1) -> AsyncIterator[Bench]:
    async with VirtualNetwork(seed=1) as network:
        bench = Bench(network)
        for peer in peers:
            network.add(peer, joined=joined, hops=hops)
        await asyncio.sleep(10)
        yield bench


def acknowledges(frame: Transmission) -> bool:
    content = frame.content
    return (
        isinstance(content, Parcel) and isinstance(content.content, Aps) and content.content.kind is Kind.ACK
    )


@virtually
async def test_sleepy_node_gets_nothing_until_it_asks() -> None:
    lamp = Lamp(sleepy=True)
    async with site(lamp) as bench:
        node = bench.network.nodes[lamp.description.ieee]
        told = bench.send(node, NOTICE, acknowledged=False)
        await asyncio.sleep(5)
        assert (lamp.heard, told) == ([], [])
        assert bench.network.truth(node.ieee).waiting == 1
        lamp.radio.poll(0.5)
        await asyncio.sleep(1)
        assert len(lamp.heard) == 1
        assert told == [Outcome.DELIVERED]


@virtually
async def test_what_a_sleepy_node_does_not_fetch_in_time_is_thrown_away() -> None:
    lamp = Lamp(sleepy=True)
    async with site(lamp) as bench:
        node = bench.network.nodes[lamp.description.ieee]
        told = bench.send(node, NOTICE, acknowledged=False)
        await asyncio.sleep(timing.PERSISTENCE - 0.1)
        assert told == []
        await asyncio.sleep(0.2)
        assert told == [Outcome.EXPIRED]
        lamp.radio.poll(0.5)
        await asyncio.sleep(5)
        assert lamp.heard == []


@virtually
async def test_all_that_waits_for_a_sleepy_node_comes_after_one_poll() -> None:
    lamp = Lamp(sleepy=True)
    async with site(lamp, hops=2) as bench:
        node = bench.network.nodes[lamp.description.ieee]
        for _ in range(3):
            bench.send(node, NOTICE, acknowledged=False)
        await asyncio.sleep(1)
        lamp.radio.poll(1.0)
        await asyncio.sleep(1.5)
        lamp.radio.poll(None)
        assert len(lamp.heard) == 3


@virtually
async def test_parent_keeps_no_more_than_it_has_places_for() -> None:
    lamp = Lamp(sleepy=True)
    async with site(lamp) as bench:
        node = bench.network.nodes[lamp.description.ieee]
        told = [bench.send(node, NOTICE, acknowledged=False) for _ in range(timing.INDIRECT_PLACES + 1)]
        await asyncio.sleep(1)
        assert [outcomes for outcomes in told if outcomes] == [[Outcome.OVERFLOW]]


@virtually
async def test_sleepy_sender_fetches_its_acknowledgement_by_itself() -> None:
    lamp = Lamp(sleepy=True)
    async with site(lamp) as bench:
        node = bench.network.nodes[lamp.description.ieee]
        lamp.say(bytes(14))
        await asyncio.sleep(30)
        assert len(bench.heard) == 1
        assert (node.sent_unheard, node.aps.resent) == (0, 0)


@virtually
async def test_lost_acknowledgement_repeats_the_frame_which_is_handed_out_once() -> None:
    lamp = Lamp()
    async with site(lamp, hops=2) as bench:
        node = bench.network.nodes[lamp.description.ieee]
        end = bench.network.lose(acknowledges)
        told = bench.send(node, NOTICE, acknowledged=True)
        await asyncio.sleep(2)
        end()
        await asyncio.sleep(5)
        assert told == [Outcome.DELIVERED]
        assert len(lamp.heard) == 1
        assert node.aps.duplicates >= 1


@virtually
async def test_without_an_acknowledgement_the_frame_fails_after_three_repeats() -> None:
    lamp = Lamp()
    async with site(lamp, hops=2) as bench:
        node = bench.network.nodes[lamp.description.ieee]
        bench.network.lose(acknowledges)
        told = bench.send(node, NOTICE, acknowledged=True)
        await asyncio.sleep(4 * timing.APS_WAIT)
        assert told == []
        await asyncio.sleep(1)
        assert told == [Outcome.NO_APS_ACK]
        assert len(lamp.heard) == 1


@virtually
async def test_neighbour_without_power_is_known_at_once_and_a_far_one_is_not() -> None:
    near, far = Lamp(1), Lamp(2)
    async with VirtualNetwork(seed=1) as network:
        bench = Bench(network)
        nodes = network.add(near), network.add(far, hops=2)
        await asyncio.sleep(10)
        near.radio.vanish()
        far.radio.vanish()
        told = [bench.send(node, NOTICE, acknowledged=False) for node in nodes]
        await asyncio.sleep(1)
        # The first hop of the far one is a relay that has power.
        assert told == [[Outcome.NO_ACK], [Outcome.DELIVERED]]


@virtually
async def test_node_that_lost_power_comes_back_and_says_so() -> None:
    lamp = Lamp()
    async with site(lamp) as bench:
        node = bench.network.nodes[lamp.description.ieee]
        nwk = node.nwk
        lamp.radio.vanish()
        await asyncio.sleep(5)
        bench.answers.clear()
        lamp.radio.appear()
        await asyncio.sleep(5)
        said = struct.pack("<H", nwk) + descriptors.ieee_bytes(node.ieee) + bytes((node.subject.capability,))
        assert bench.answers == [(nwk, zdo.Cluster.DEVICE_ANNOUNCE, said)]
        assert bench.network.truth(node.ieee).joined


@pytest.mark.parametrize("sleepy", [False, True])
@pytest.mark.parametrize("hops", [1, 3])
def test_node_joins_only_while_that_is_permitted(sleepy: bool, hops: int) -> None:
    async def main() -> None:
        lamp = Lamp(sleepy=sleepy)
        async with site(lamp, joined=False, hops=hops) as bench:
            assert not bench.network.truth(ieee(1)).joined
            bench.network.coordinator.permit(60)
            await asyncio.sleep(10)
            truth = bench.network.truth(ieee(1))
            assert (truth.joined, bench.came_in) == (True, [ieee(1)])
            assert truth.hops == hops

    run_virtual(main())


CODE = bytes.fromhex("83fed3407a939723a5c639b26916d505c3b5")
CODES_KEY = "66b6900981e1ee3ca4206b6b861c02bb"
"""The code and the key that the specification gives as its example (Base Device Behavior, 10.1)."""


def test_key_of_an_install_code_is_the_specifications() -> None:
    assert key_of(CODE).hex() == CODES_KEY
    with pytest.raises(ValueError, match="an install code has"):
        key_of(CODE[:-1])


@virtually
async def test_node_with_an_install_code_joins_only_where_it_was_entered() -> None:
    async with site() as bench:
        network, coordinator = bench.network, bench.network.coordinator
        network.add(Lamp(1), joined=False, install_code=CODE)
        network.add(Lamp(2), joined=False)
        coordinator.permit(250)
        await asyncio.sleep(60)
        assert [network.truth(ieee(number)).joined for number in (1, 2)] == [False, True]
        coordinator.install_keys[ieee(1)] = bytes.fromhex(CODES_KEY)
        coordinator.codes_only = True
        network.add(Lamp(3), joined=False)
        await asyncio.sleep(120)
        assert [network.truth(ieee(number)).joined for number in (1, 3)] == [True, False]


@virtually
async def test_who_came_too_late_stays_outside() -> None:
    async with site() as bench:
        bench.network.coordinator.permit(60)
        await asyncio.sleep(61)
        bench.network.add(Lamp(), joined=False)
        await asyncio.sleep(100)
        assert not bench.network.truth(ieee(1)).joined


@virtually
async def test_node_that_leaves_is_forgotten_and_one_that_rejoins_is_not() -> None:
    async with site(Lamp(1), Lamp(2)) as bench:
        network = bench.network
        for number, flags in ((1, 0x00), (2, 0x80)):
            node = network.nodes[ieee(number)]
            request = descriptors.ieee_bytes(node.ieee) + bytes((flags,))
            bench.ask(node, zdo.Cluster.MGMT_LEAVE, request)
        await asyncio.sleep(10)
        assert [network.truth(ieee(number)).joined for number in (1, 2)] == [False, True]
        assert bench.gone == [ieee(1), ieee(2)]
        assert [node.ieee for node in network.coordinator.nodes.values()] == [ieee(2)]


@virtually
async def test_binding_outlives_a_loss_of_power() -> None:
    lamp = Lamp()
    async with site(lamp) as bench:
        node = bench.network.nodes[ieee(1)]
        request = descriptors.ieee_bytes(node.ieee) + struct.pack("<BHB", 1, 0x0003, 3)
        request += descriptors.ieee_bytes("00:12:4b:00:2a:00:00:01") + b"\x01"
        bench.ask(node, zdo.Cluster.BIND, request)
        await asyncio.sleep(1)
        lamp.radio.vanish()
        lamp.radio.appear()
        await asyncio.sleep(5)
        (binding,) = bench.network.truth(ieee(1)).bindings
        assert (binding.cluster, binding.target) == (0x0003, "00:12:4b:00:2a:00:00:01")
        bench.ask(node, zdo.Cluster.UNBIND, request)
        await asyncio.sleep(1)
        assert bench.network.truth(ieee(1)).bindings == ()


@virtually
async def test_descriptors_say_what_the_node_is() -> None:
    async with site(Lamp(router=True)) as bench:
        node = bench.network.nodes[ieee(1)]
        own = struct.pack("<H", node.nwk)
        bench.answers.clear()
        for cluster, request in (
            (zdo.Cluster.ACTIVE_ENDPOINTS, own),
            (zdo.Cluster.SIMPLE_DESCRIPTOR, own + b"\x01"),
            (zdo.Cluster.SIMPLE_DESCRIPTOR, own + b"\x05"),
            (zdo.Cluster.IEEE_ADDRESS, own + bytes(2)),
            (0x0099, b""),
        ):
            bench.ask(node, cluster, request)
            await asyncio.sleep(1)
        simple = struct.pack("<BHHBBHHBH", 1, 0x0104, 0x0100, 1, 2, 0x0000, 0x0003, 1, 0x0019)
        assert [(cluster, data) for _, cluster, data in bench.answers] == [
            (0x8005, b"\0" + own + b"\x01\x01"),
            (0x8004, b"\0" + own + bytes((len(simple),)) + simple),
            (0x8004, bytes((zdo.NOT_ACTIVE,)) + own + b"\0"),
            (0x8001, b"\0" + descriptors.ieee_bytes(ieee(1)) + own),
            (0x8099, bytes((zdo.NOT_SUPPORTED,))),
        ]


@virtually
async def test_broadcast_reaches_everybody_who_is_awake() -> None:
    lamps = [Lamp(number, sleepy=number == 3) for number in (1, 2, 3)]
    async with VirtualNetwork(seed=1) as network:
        Bench(network)
        for hops, lamp in enumerate(lamps, 1):
            network.add(lamp, hops=hops)
        await asyncio.sleep(10)
        network.coordinator.broadcast(NOTICE, cluster=0x0019, from_endpoint=1, to_endpoint=0xFF)
        await asyncio.sleep(10)
        assert [len(lamp.heard) for lamp in lamps] == [1, 1, 0]


class Stumbles(Lamp):
    """An application with a fault."""

    def received(self, frame: Zcl) -> None:
        super().received(frame)
        raise RuntimeError("stumbled")


@virtually
async def test_node_that_stumbles_takes_nobody_with_it() -> None:
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: told.append(str(what["exception"])))
    lamps = [Stumbles(1), Lamp(2), Lamp(3)]
    async with site(*lamps) as bench:
        bench.network.coordinator.broadcast(NOTICE, cluster=0x0019, from_endpoint=1, to_endpoint=0xFF)
        await asyncio.sleep(10)
        assert [len(lamp.heard) for lamp in lamps] == [1, 1, 1]
        sent = [bench.send(bench.network.nodes[ieee(number)], NOTICE, acknowledged=True) for number in (1, 2)]
        await asyncio.sleep(1)
        assert sent == [[Outcome.DELIVERED], [Outcome.DELIVERED]]
    assert told == ["stumbled", "stumbled"]


@virtually
async def test_node_out_of_range_runs_on_and_is_heard_again() -> None:
    lamp = Lamp()
    async with site(lamp) as bench:
        end = bench.network.out_of_range(ieee(1))
        lamp.say(bytes(14))
        await asyncio.sleep(30)
        assert bench.heard == []
        assert bench.network.nodes[ieee(1)].sent_unheard == 1
        end()
        lamp.say(bytes(14))
        await asyncio.sleep(1)
        assert len(bench.heard) == 1


@virtually
async def test_node_that_was_put_there_as_joined_follows_its_coordinator_into_any_network() -> None:
    """A host may form a passing network before the one that it means; who rejoined that one is not lost."""
    lamp = Lamp()
    async with site(lamp) as bench:
        network = bench.network
        lamp.radio.vanish()
        lamp.radio.appear()
        await asyncio.sleep(10)
        network.coordinator.stop()
        network.memory.keep_key(b"another network.")
        network.coordinator.start()
        told = bench.send(network.nodes[ieee(1)], NOTICE, acknowledged=True)
        await asyncio.sleep(10)
        assert told == [Outcome.DELIVERED]


@virtually
async def test_another_networks_node_is_not_reached() -> None:
    """The coordinator has formed another network, with another key: whoever joined the old one is lost."""
    lamp = Lamp()
    async with site(lamp, joined=False) as bench:
        network = bench.network
        network.coordinator.permit(60)
        await asyncio.sleep(10)
        network.memory.keep_key(b"another network.")
        told = bench.send(network.nodes[ieee(1)], NOTICE, acknowledged=False)
        await asyncio.sleep(10)
        assert told == [Outcome.NO_ROUTE]
        assert lamp.heard == []
