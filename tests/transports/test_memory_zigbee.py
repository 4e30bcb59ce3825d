"""A Zigbee network in memory does what a network does to its host."""

import asyncio

import pytest

from transports.errors import LinkLost, NodeUnreachable
from transports.virtual.clock import run_virtual
from transports.virtual.memory_zigbee import MemoryMesh, MemoryNetwork
from transports.zcl import EndpointDescription, NodeDescription, Zcl, ZigbeeLink, ZigbeePeer, ZigbeeRadio
from transports.zigbee.errors import CoordinatorLost, FrameTooLong, NotDelivered
from transports.zigbee.network import OTA, Network

IEEE = "00:12:4b:00:1c:aa:bb:cc"
BASIC = 0x0000
_MODEL = b"\x05\x00\x00\x42\x06lamp-1"
"""A record of a read attributes response: ModelIdentifier, a text."""


class Lamp:
    """A node that answers what it is asked, and keeps what it heard."""

    def __init__(self, ieee: str = IEEE, *, sleepy: bool = False, poll: float | None = 2.0) -> None:
        endpoint = EndpointDescription(1, servers=(BASIC, 0x0402), clients=(OTA,))
        self.description = NodeDescription(ieee, (endpoint,), sleepy=sleepy, mains=not sleepy)
        self.heard: list[Zcl] = []
        self.mute = False
        self._poll = poll

    def attach(self, radio: ZigbeeRadio) -> None:
        self.radio = radio
        radio.appear()
        if self.description.sleepy:
            radio.poll(self._poll)

    def received(self, frame: Zcl) -> None:
        self.heard.append(frame)
        if frame.general and frame.command == 0x00 and not self.mute:
            answer = Zcl(
                frame.cluster,
                0x01,
                _MODEL,
                endpoint=frame.endpoint,
                tsn=frame.tsn,
                to_client=not frame.to_client,
                general=True,
            )
            self.radio.send(answer)

    def query(self, tsn: int = 1) -> None:
        self.radio.send(Zcl(OTA, 0x01, b"\0" * 9, tsn=tsn))


def question() -> Zcl:
    return Zcl(BASIC, 0x00, b"\x05\x00", general=True)


async def settled() -> None:
    await asyncio.sleep(1.0)


def test_a_node_is_asked_and_its_answer_comes_back() -> None:
    async def main() -> None:
        network = MemoryNetwork()
        lamp = Lamp()
        checked: tuple[Network, ZigbeePeer] = (network, lamp)
        assert checked[0].state.up
        network.mesh.add(lamp, hops=2)
        link = network.node(IEEE)
        assert isinstance(link, ZigbeeLink)
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await link.read(BASIC, [5], endpoint=1, within=5.0) == {5: "lamp-1"}
        assert loop.time() - began == pytest.approx(4 * network.mesh.latency)
        assert link.facts.hops == 2
        assert link.facts.last_heard == loop.time()
        assert (await network.interview(IEEE)).model == "lamp-1"
        assert network.nodes()[IEEE].model == "lamp-1"

    run_virtual(main())


def test_a_request_goes_to_whoever_listens_else_to_the_stand_in_else_to_nobody() -> None:
    async def main() -> None:
        network = MemoryNetwork()
        lamp = Lamp()
        network.mesh.add(lamp)
        lamp.query(1)
        await settled()
        assert lamp.heard == []
        stood_in: list[Zcl] = []

        def wait(ieee: str, frame: Zcl) -> Zcl:
            assert ieee == IEEE
            stood_in.append(frame)
            return Zcl(OTA, 0x02, b"\x98", tsn=frame.tsn, to_client=True)

        network.stand_in(wait)
        lamp.query(2)
        await settled()
        assert [frame.tsn for frame in stood_in] == [2]
        assert [(frame.command, frame.tsn) for frame in lamp.heard] == [(2, 2)]
        link = network.node(IEEE)
        link.listen(OTA)
        lamp.query(3)
        assert (await link.heard()).tsn == 3
        await link.aclose()
        lamp.query(4)
        await settled()
        assert [frame.tsn for frame in stood_in] == [2, 4]

    run_virtual(main())


def test_every_sign_of_life_is_heard() -> None:
    async def main() -> None:
        network = MemoryNetwork()
        signs: list[tuple[str, bool]] = []
        end = network.hear(lambda ieee, frame: signs.append((ieee, frame is None)))
        lamp = Lamp()
        network.mesh.add(lamp)
        await settled()
        lamp.query()
        await settled()
        assert signs == [(IEEE, True), (IEEE, False)]
        end()
        lamp.query()
        await settled()
        assert len(signs) == 2

    run_virtual(main())


def test_a_sleepy_node_gets_what_waits_when_it_asks_and_what_waits_too_long_is_lost() -> None:
    async def main() -> None:
        network = MemoryNetwork()
        lamp = Lamp(sleepy=True, poll=5.0)
        place = network.mesh.add(lamp)
        link = network.node(IEEE)
        assert link.facts.sleepy
        await asyncio.sleep(1.0)
        took = await link.send(question(), acknowledged=True)
        assert took == pytest.approx(4.0)
        lamp.radio.poll(0.25)
        assert await link.send(question(), acknowledged=False) <= 0.25
        lamp.radio.poll(None)
        with pytest.raises(NotDelivered):
            await link.send(question(), acknowledged=False)
        assert place.counts.expired == 1
        lamp.radio.poll(60.0)
        with pytest.raises(NodeUnreachable):
            await link.ask(question(), within=5.0)
        assert len(lamp.heard) == 2

    run_virtual(main())


def test_a_node_that_vanished_is_not_delivered_to_and_one_that_says_nothing_is_not_there() -> None:
    async def main() -> None:
        network = MemoryNetwork()
        lamp = Lamp()
        place = network.mesh.add(lamp)
        link = network.node(IEEE)
        lamp.mute = True
        with pytest.raises(NodeUnreachable) as mute:
            await link.ask(question(), within=3.0)
        assert not isinstance(mute.value, NotDelivered)
        lamp.radio.vanish()
        with pytest.raises(NotDelivered):
            await link.ask(question(), within=30.0)
        lamp.mute = False
        lamp.radio.appear()
        assert await link.read(BASIC, [5], endpoint=1, within=3.0)
        place.set_reach(reach=False)
        with pytest.raises(NotDelivered):
            await link.send(question(), acknowledged=True)

    run_virtual(main())


def test_what_is_acknowledged_survives_a_loss_and_what_is_not_does_not() -> None:
    async def main() -> None:
        network = MemoryNetwork()
        lamp = Lamp()
        lamp.mute = True
        place = network.mesh.add(lamp, hops=2)
        await settled()
        network.mesh.drops = {network.mesh.frames + 1, network.mesh.frames + 3}
        link = network.node(IEEE)
        await link.send(question(), acknowledged=False)
        await settled()
        assert lamp.heard == []
        await link.send(question(), acknowledged=True)
        assert len(lamp.heard) == 1
        assert await link.send(question(), acknowledged=True) > 1.0
        assert len(lamp.heard) == 2
        assert place.counts.lost == 2

    run_virtual(main())


def test_a_network_that_loses_a_tenth_still_brings_everything_that_is_acknowledged() -> None:
    async def main() -> None:
        network = MemoryNetwork(MemoryMesh(seed=7))
        lamp = Lamp()
        place = network.mesh.add(lamp, loss=0.1)
        link = network.node(IEEE)
        for _ in range(100):
            await link.send(question(), acknowledged=True)
        assert len(lamp.heard) == 100
        assert place.counts.lost > 3

    run_virtual(main())


def test_a_frame_that_is_too_long_for_the_route_is_refused() -> None:
    async def main() -> None:
        network = MemoryNetwork()
        lamp = Lamp()
        network.mesh.add(lamp, largest=50)
        link = network.node(IEEE)
        await link.send(Zcl(OTA, 0x05, b"x" * 47, to_client=True), acknowledged=True)
        with pytest.raises(FrameTooLong):
            await link.send(Zcl(OTA, 0x05, b"x" * 48, to_client=True), acknowledged=True)

    run_virtual(main())


def test_a_coordinator_that_is_unplugged_ends_every_link_and_a_new_one_works() -> None:
    async def main() -> None:
        network = MemoryNetwork()
        lamp = Lamp()
        network.mesh.add(lamp)
        link, other = network.node(IEEE), network.node(IEEE)
        link.listen(OTA)
        lamp.mute = True
        waiting = [
            asyncio.ensure_future(link.heard()),
            asyncio.ensure_future(other.ask(question(), within=60.0)),
        ]
        await settled()
        network.unplug()
        for each in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(each, LinkLost)
        assert not network.state.up
        with pytest.raises(CoordinatorLost):
            await network.permit(60)
        with pytest.raises(CoordinatorLost):
            await network.interview(IEEE)
        with pytest.raises(CoordinatorLost):
            await network.remove(IEEE)
        network.replug()
        with pytest.raises(LinkLost):
            await link.send(question(), acknowledged=True)
        await link.aclose()
        lamp.mute = False
        assert await network.node(IEEE).read(BASIC, [5], endpoint=1, within=3.0)

    run_virtual(main())


def test_a_host_that_dies_hears_nothing_more_and_the_next_one_hears_everything() -> None:
    async def main() -> None:
        first = MemoryNetwork()
        lamp = Lamp()
        first.mesh.add(lamp)
        old = first.node(IEEE)
        old.listen(OTA)
        await settled()
        first.die()
        lamp.query(1)
        await settled()
        second = MemoryNetwork(first.mesh)
        new = second.node(IEEE)
        new.listen(OTA)
        lamp.query(2)
        assert (await new.heard()).tsn == 2
        with pytest.raises(LinkLost):
            await old.heard()
        assert second.state.up
        assert not first.state.up
        await second.aclose()

    run_virtual(main())


def test_a_stranger_joins_while_that_is_allowed_and_is_forgotten_when_it_is_removed() -> None:
    async def main() -> None:
        network = MemoryNetwork()
        news: list[bool] = []
        network.changed(lambda: news.append(True))
        lamp = Lamp()
        network.mesh.add(lamp, joined=False)
        await settled()
        assert network.nodes() == {}
        with pytest.raises(NodeUnreachable):
            network.node(IEEE)
        await network.permit(60)
        assert network.state.joining_for == pytest.approx(60)
        lamp.radio.appear()
        await settled()
        assert set(network.nodes()) == {IEEE}
        assert news
        await network.remove(IEEE)
        assert network.nodes() == {}

    run_virtual(main())


def test_frames_of_one_way_arrive_in_order() -> None:
    async def main() -> None:
        network = MemoryNetwork()
        lamp = Lamp()
        network.mesh.add(lamp)
        link = network.node(IEEE)
        sent = [Zcl(OTA, 0x05, bytes((n,)), tsn=n, to_client=True) for n in range(16)]
        await asyncio.gather(*(link.send(each, acknowledged=False) for each in sent))
        assert [frame.tsn for frame in lamp.heard] == list(range(16))
        assert network.most_under_way == 16

    run_virtual(main())


def test_an_announce_that_is_lost_is_repeated() -> None:
    async def main() -> None:
        network = MemoryNetwork()
        signs: list[bool] = []
        network.hear(lambda ieee, frame: signs.append(frame is None))
        network.mesh.drops = {1, 2}
        network.mesh.add(Lamp())
        await asyncio.sleep(10)
        assert signs == [True]

    run_virtual(main())


@pytest.mark.parametrize("listening", [True, False])
def test_a_node_that_checks_in_is_kept_awake_if_somebody_waits_for_it(listening: bool) -> None:
    async def main() -> None:
        network = MemoryNetwork()
        lamp = Lamp()
        network.mesh.add(lamp)
        link = network.node(IEEE)
        if listening:
            link.listen(OTA)
        lamp.radio.send(Zcl(0x0020, 0x00, tsn=9, to_client=True))
        await settled()
        (answer,) = lamp.heard
        assert (answer.cluster, answer.command, answer.tsn) == (0x0020, 0x00, 9)
        assert answer.payload == (b"\x01\x28\x00" if listening else b"\x00\x00\x00")

    run_virtual(main())


def test_a_network_that_was_closed_is_down_and_closing_it_again_is_nothing() -> None:
    async def main() -> None:
        network = MemoryNetwork()
        network.mesh.add(Lamp())
        await network.aclose()
        await network.aclose()
        network.mesh.host = network._arrived
        assert not network.state.up
        with pytest.raises(LinkLost):
            await network.node(IEEE).send(question(), acknowledged=True)

    run_virtual(main())
