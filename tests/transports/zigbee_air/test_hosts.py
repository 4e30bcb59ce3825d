"""The coordinator's serial side, asked by zigpy-znp: the library knows the chip, and nothing of us."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.transports.zigbee_air.peers import BASIC, OTA, Lamp, ieee
from transports.virtual.zigbee import VirtualNetwork, timing
from transports.virtual.zigbee.data_requests import IN_FLIGHT
from transports.virtual.zigbee.install_codes import key_of

PATIENCE = 20.0
FREE = 200
"""Transaction numbers from here on are not zigpy's own in these tests."""
BLOCK = bytes((0x09, 1, 5)) + bytes(14)


@asynccontextmanager
async def host(path: str, database: Path | None = None) -> AsyncIterator[Any]:
    """A real zigpy with its radio library on a coordinator; it forms a network where there is none."""
    from zigpy_znp.zigbee.application import ControllerApplication

    app = await ControllerApplication.new(
        {
            "database_path": None if database is None else str(database),
            "device": {"path": path, "baudrate": 115200},
            "network": {"channel": 15},
            "ota": {"enabled": False},
            "backup_enabled": False,
            "topology_scan_enabled": False,
        },
        auto_form=True,
    )
    try:
        yield app
    finally:
        await app.shutdown()


class Listener:
    """What zigpy tells its listeners, as far as the tests wait for it."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()
        self.known = asyncio.Event()
        self.left = asyncio.Event()

    def connection_lost(self, _: Exception) -> None:
        self.lost.set()

    def device_initialized(self, _: object) -> None:
        self.known.set()

    def device_left(self, _: object) -> None:
        self.left.set()


async def interviewed(app: Any, address: str) -> Any:
    """The node of this address, once zigpy has asked it all it wants to know."""
    told = Listener()
    app.add_listener(told)
    async with asyncio.timeout(PATIENCE):
        while True:
            for device in app.devices.values():
                if str(device.ieee) == address and device.is_initialized and device.model is not None:
                    return device
            await told.known.wait()
            told.known.clear()


async def permitted(app: Any, address: str) -> Any:
    """Let a node in; returns it when zigpy has interviewed it and written it down."""
    told = Listener()
    app.add_listener(told)
    await app.permit(60)
    await asyncio.wait_for(told.known.wait(), PATIENCE)
    return await interviewed(app, address)


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[VirtualNetwork]:
    async with VirtualNetwork(seed=1) as network:
        await network.offer_pty(tmp_path / "coordinator")
        yield network


@pytest.mark.parametrize(("sleepy", "hops"), [(False, 1), (True, 2)])
async def test_zigpy_forms_a_network_and_a_node_joins_it(
    network: VirtualNetwork, tmp_path: Path, sleepy: bool, hops: int
) -> None:
    lamp = Lamp(sleepy=sleepy)
    node = network.add(lamp, joined=False, hops=hops)
    node.poll(0.2)
    async with host(str(tmp_path / "coordinator")) as app:
        assert app.state.network_info.channel == 15
        device = await permitted(app, ieee(1))
        assert (device.manufacturer, device.model) == ("Acme", "lamp-1")
        assert device.node_desc.is_end_device
        assert device.node_desc.is_receiver_on_when_idle is not sleepy
        read, failed = await device.endpoints[1].basic.read_attributes(["sw_build_id"])
        assert (read, failed) == ({"sw_build_id": "1.0.0"}, {})
        told = Listener()
        app.add_listener(told)
        await device.zdo.leave()
        await asyncio.wait_for(told.left.wait(), PATIENCE)
    assert network.ncp.unknown == []


async def test_node_with_an_install_code_is_let_in_by_it_and_no_other_node(
    network: VirtualNetwork, tmp_path: Path
) -> None:
    from zigpy.types import EUI64, KeyData

    code = bytes.fromhex("83fed3407a939723a5c639b26916d505c3b5")
    network.add(Lamp(1), joined=False, install_code=code)
    network.add(Lamp(2), joined=False)
    async with host(str(tmp_path / "coordinator")) as app:
        told = Listener()
        app.add_listener(told)
        permit = app.permit_with_link_key(EUI64.convert(ieee(1)), KeyData(key_of(code)), 60)
        permitting = asyncio.create_task(permit)
        await asyncio.wait_for(told.known.wait(), PATIENCE)
        permitting.cancel()
        with suppress(asyncio.CancelledError):
            await permitting
        assert [network.truth(ieee(number)).joined for number in (1, 2)] == [True, False]


async def test_network_is_resumed_after_everything_was_restarted(tmp_path: Path) -> None:
    found = []
    for joined in (False, True):
        async with await VirtualNetwork.kept(tmp_path / "kept") as network:
            lamp = Lamp()
            network.add(lamp, joined=False, hops=2)
            path = await network.offer_tcp()
            async with host(path, tmp_path / "zigpy.db") as app:
                assert network.truth(ieee(1)).joined is joined
                device = await (interviewed if joined else permitted)(app, ieee(1))
                await device.endpoints[1].basic.read_attributes(["sw_build_id"])
                if not joined:
                    await device.endpoints[1].basic.bind()
                (binding,) = network.truth(ieee(1)).bindings
                assert (binding.cluster, binding.target) == (BASIC, str(app.state.node_info.ieee))
                assert len(device.relays) == 1  # the coordinator told of the route
                info = app.state.network_info
                found.append((info.pan_id, info.extended_pan_id, info.network_key.key, device.nwk))
                # The frame counter never goes back, else nodes would not listen any more.
                found.append(info.network_key.tx_counter)
    assert found[0] == found[2]
    assert found[3] > found[1]


async def test_network_is_resumed_from_the_hosts_backup_on_another_stick(tmp_path: Path) -> None:
    async with VirtualNetwork(seed=1) as network:
        path = await network.offer_tcp()
        network.add(Lamp(), joined=False)
        async with host(path) as app:
            await permitted(app, ieee(1))
            backup = await app.backups.create_backup(load_devices=True)
    assert str(backup.node_info.ieee) == network.coordinator.subject.ieee
    assert [str(key.partner_ieee) for key in backup.network_info.key_table] == [ieee(1)]
    async with VirtualNetwork(seed=2, ieee="00:12:4b:00:2a:00:00:99") as other:
        async with host(await other.offer_tcp()) as app:
            assert app.state.network_info.pan_id != backup.network_info.pan_id
            await app.backups.restore_backup(backup)
        assert other.memory.nib.pan_id == backup.network_info.pan_id
        assert other.memory.key == bytes(backup.network_info.network_key.key)


async def test_stick_that_was_unplugged_goes_on_where_it_was(network: VirtualNetwork, tmp_path: Path) -> None:
    network.add(Lamp(), joined=False)
    path = str(tmp_path / "coordinator")
    async with host(path, tmp_path / "zigpy.db") as app:
        await permitted(app, ieee(1))
        told = Listener()
        app.add_listener(told)
        network.unplug()
        await asyncio.wait_for(told.lost.wait(), PATIENCE)
        assert not os.path.lexists(path)  # noqa: ASYNC240 - a look, no reading
        assert not network.coordinator.running
    network.replug()
    async with host(path, tmp_path / "zigpy.db") as app:
        device = app.get_device(ieee=next(d.ieee for d in app.devices.values() if str(d.ieee) == ieee(1)))
        read, _ = await device.endpoints[1].basic.read_attributes(["sw_build_id"])
        assert read == {"sw_build_id": "1.0.0"}


# What a data request ends with


async def send(app: Any, nwk: int, data: bytes, tsn: int, *, acknowledged: bool = False) -> str:
    """A data request as zigpy-znp makes them; returns the status by its name."""
    import zigpy_znp.commands as c
    import zigpy_znp.types as t
    from zigpy_znp.exceptions import InvalidCommandResponse

    try:
        answer = await app._znp.request_callback_rsp(
            request=c.AF.DataRequestExt.Req(
                DstAddrModeAddress=t.AddrModeAddress(mode=t.AddrMode.NWK, address=nwk),
                DstEndpoint=1, DstPanId=0, SrcEndpoint=1, ClusterId=OTA, TSN=tsn,
                Options=c.af.TransmitOptions.ACK_REQUEST if acknowledged else c.af.TransmitOptions.NONE,
                Radius=30, Data=t.LongBytes(data),
            ),
            RspStatus=t.Status.SUCCESS,
            callback=c.AF.DataConfirm.Callback(partial=True, TSN=tsn),
        )  # fmt: skip
    except InvalidCommandResponse as error:
        return f"refused {error.response.Status.name}"
    return str(answer.Status.name)


async def test_each_data_request_is_confirmed_with_how_it_ended(tmp_path: Path) -> None:
    async with VirtualNetwork(seed=1, speed=20) as network:
        path = str(await network.offer_pty(tmp_path / "coordinator"))
        near, far, asleep = Lamp(1), Lamp(2, router=True), Lamp(3, sleepy=True)
        nodes = network.add(near), network.add(far, hops=2), network.add(asleep)
        asleep.radio.vanish()  # it does not ask its parent for anything
        async with host(path) as app:
            fits = BLOCK + bytes(timing.MAX_BLOCK)
            assert await send(app, nodes[0].nwk, fits, FREE + 1, acknowledged=True) == "SUCCESS"
            assert await send(app, nodes[0].nwk, fits + b"x", FREE + 2) == "refused INVALID_PARAMETER"
            assert await send(app, nodes[1].nwk, fits, FREE + 3) == "MAC_FRAME_TOO_LONG"
            assert await send(app, nodes[1].nwk, BLOCK, FREE + 4, acknowledged=True) == "SUCCESS"
            assert await send(app, nodes[2].nwk, BLOCK, FREE + 5) == "MAC_TRANSACTION_EXPIRED"
            assert await send(app, 0x0BAD, BLOCK, FREE + 6) == "NWK_NO_ROUTE"
            near.radio.vanish()
            far.radio.vanish()
            assert await send(app, nodes[0].nwk, BLOCK, FREE + 7) == "MAC_NO_ACK"
            assert await send(app, nodes[1].nwk, BLOCK, FREE + 8) == "SUCCESS"
            assert await send(app, nodes[1].nwk, BLOCK, FREE + 9, acknowledged=True) == "APS_NO_ACK"
    blocks = [[frame for frame in lamp.heard if frame.command == 5] for lamp in (near, far, asleep)]
    assert [len(heard) for heard in blocks] == [1, 1, 0]


async def test_the_seventeenth_request_finds_the_buffers_full(tmp_path: Path) -> None:
    async with VirtualNetwork(seed=1) as network:
        path = str(await network.offer_pty(tmp_path / "coordinator"))
        async with host(path) as app:
            ends = await asyncio.gather(
                *(send(app, 0x0BAD, BLOCK, tsn) for tsn in range(FREE, FREE + IN_FLIGHT + 1))
            )
            assert ends == ["NWK_NO_ROUTE"] * IN_FLIGHT + ["refused BUFFER_FULL"]
            assert await send(app, 0x0BAD, BLOCK, FREE) == "NWK_NO_ROUTE"
    assert network.ncp.data.buffer_full == 1


async def test_reset_of_the_chip_forgets_what_was_under_way_and_says_so(tmp_path: Path) -> None:
    async with VirtualNetwork(seed=1) as network:
        path = await network.offer_tcp()
        async with host(path) as app:
            import zigpy_znp.commands as c

            told = app._znp.wait_for_response(c.SYS.ResetInd.Callback(partial=True))
            network.reset_coordinator()
            assert (await asyncio.wait_for(told, PATIENCE)).Reason == 2
            assert await send(app, 0x0BAD, BLOCK, FREE + 1) == "refused NWK_INVALID_REQUEST"


async def test_reads_of_the_basic_cluster_are_answered_over_the_air(
    network: VirtualNetwork, tmp_path: Path
) -> None:
    """Not by the coordinator: what was heard is a read of the node's."""
    lamp = Lamp()
    node = network.add(lamp, loss=0.2, hops=2)
    async with host(str(tmp_path / "coordinator")) as app:
        node.announce()
        await interviewed(app, ieee(1))
    assert {BASIC, OTA} <= {frame.cluster for frame in lamp.heard}
    assert network.counters.lost > 0
