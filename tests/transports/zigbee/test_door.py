"""Every packet is seen by us before zigpy, whichever radio library received it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import zigpy.types
import zigpy.zdo.types
from hypothesis import given
from hypothesis import strategies as st
from zigpy.endpoint import Status

from transports.zcl import Zcl
from transports.zigbee.application import Application
from transports.zigbee.life import closed, loaded
from transports.zigbee.network import OTA
from transports.zigbee.networks import NetworkSettings, Radio
from transports.zigbee.radios import LIBRARIES, configuration, controller
from transports.zigbee.traffic import Inbox, Traffic

t: Any = zigpy.types
zdo: Any = zigpy.zdo.types
NODE = "00:12:4b:00:1c:aa:bb:cc"
NWK, STRANGER = 0x2001, 0x3001
BLOCK_REQUEST = bytes.fromhex("010903") + bytes(14)


class Door:
    """An application that knows one node, and what came through."""

    def __init__(self, app: Application) -> None:
        self.app = app
        self.answered: list[Zcl] = []
        self.traffic = Traffic(self._send, lambda *_: None)
        self.heard: dict[str, float] = {}
        app.opened_for(self.traffic, self.heard, lambda: None)
        device = app.add_device(t.EUI64.convert(NODE), t.NWK(NWK))
        device.node_desc = zdo.NodeDescriptor(1, 64, 142, 4660, 82, 82, 0, 82, 0)
        endpoint = device.add_endpoint(1)
        endpoint.status = Status.ZDO_INIT
        endpoint.profile_id = 260
        endpoint.add_output_cluster(OTA)
        endpoint.add_input_cluster(0)
        self.device = device

    def _send(self, ieee: str, frame: Zcl) -> "asyncio.Task[None]":
        self.answered.append(frame)
        return asyncio.ensure_future(asyncio.sleep(0))

    def receive(self, data: bytes, *, cluster: int = OTA, nwk: int = NWK, endpoint: int = 1) -> None:
        self.app.packet_received(
            t.ZigbeePacket(
                src=t.AddrModeAddress(addr_mode=t.AddrMode.NWK, address=t.NWK(nwk)),
                src_ep=endpoint,
                dst=t.AddrModeAddress(addr_mode=t.AddrMode.NWK, address=t.NWK(0)),
                dst_ep=endpoint,
                profile_id=260 if endpoint else 0,
                cluster_id=cluster,
                data=t.SerializableBytes(data),
                lqi=97,
            )
        )


@pytest.fixture(params=list(LIBRARIES))
async def door(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Door]:
    app = await loaded(NetworkSettings("/dev/nothing-here", request.param), tmp_path)
    assert isinstance(app, controller(request.param))
    yield Door(app)
    await closed(app)


async def test_a_block_request_is_ours_each_time_and_zigpy_notes_only_that_the_node_was_seen(
    door: Door,
) -> None:
    inbox = Inbox()
    door.traffic.listen(NODE, OTA, inbox)
    for _ in range(3):
        door.receive(BLOCK_REQUEST)
    for _ in range(3):
        frame = await inbox.get()
        assert frame is not None
        assert (frame.command, frame.tsn, frame.payload) == (0x03, 9, bytes(14))
    assert door.device.lqi == 97
    assert door.device.last_seen is not None
    assert set(door.heard) == {NODE}


async def test_other_clusters_go_the_way_of_zigpy_after_everybody_has_heard_them(door: Door) -> None:
    heard: list[Zcl | None] = []
    door.traffic.hear(lambda _, frame: heard.append(frame))
    report = bytes.fromhex("18070a" + "050042066c616d702d31")  # ModelIdentifier is "lamp-1"
    door.receive(report, cluster=0)
    assert [frame.command for frame in heard if frame is not None] == [0x0A]
    assert door.device.endpoints[1].basic.get("model") == "lamp-1"


async def test_what_is_shorter_than_a_header_is_dropped_and_the_radio_goes_on(door: Door) -> None:
    for data in (b"", b"\x01", b"\x05\x34\x12\x09"):
        door.receive(data)
        door.receive(data, cluster=0)
    door.traffic.stand_in(lambda ieee, frame: Zcl(OTA, 0x05, b"\x97", tsn=frame.tsn, to_client=True))
    door.receive(BLOCK_REQUEST)
    assert [frame.tsn for frame in door.answered] == [9]


async def test_strangers_are_searched_for_once_in_a_while(door: Door) -> None:
    for _ in range(20):
        door.receive(BLOCK_REQUEST, nwk=STRANGER)
    searches = [task for task in door.app._tasks if "discover_unknown" in str(task)]
    assert len(searches) == 1
    assert door.heard == {}


FRAMES = st.tuples(
    st.binary(max_size=24),
    st.one_of(st.sampled_from([0, 3, OTA, 0x20, 0x0500, 0x0B04, 0x8004, 0x13]), st.integers(0, 0xFFFF)),
    st.sampled_from([0, 1, 2, 242]),
)


@given(st.lists(FRAMES, max_size=60))
def test_no_frame_of_a_node_ends_the_reading_of_the_port(frames: list[tuple[bytes, int, int]]) -> None:
    async def main(folder: Path) -> None:
        app = await loaded(NetworkSettings("/dev/nothing-here"), folder)
        door = Door(app)
        for data, cluster, endpoint in frames:
            door.receive(data, cluster=cluster, endpoint=endpoint)
        await asyncio.sleep(0)
        assert door.answered == []
        await closed(app)

    with TemporaryDirectory() as folder:
        asyncio.run(main(Path(folder)))


def test_zigpy_is_told_to_leave_the_air_and_the_internet_alone(tmp_path: Path) -> None:
    for radio in LIBRARIES:
        config = controller(radio).SCHEMA(configuration(NetworkSettings("/dev/x", radio), tmp_path / "db"))
        assert config["ota"]["providers"] == []
        assert config["ota"]["enabled"] is False
        assert config["ota"]["broadcast_enabled"] is False
        assert config["topology_scan_enabled"] is False
        assert config["device"]["baudrate"] > 0
    assert set(LIBRARIES) == set(Radio) - {Radio.ZIGBEE2MQTT}
