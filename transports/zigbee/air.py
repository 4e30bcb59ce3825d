"""Frames out of one life of the coordinator: from when it came up until it went away.

What is sent goes to the radio library and not through zigpy's device objects, which send two
frames of a node at a time and three times whatever fails: how often and how many is for the
flasher to say.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import zigpy.types as t
from zigpy.device import ZigbeeDevice

from transports.errors import LinkError, LinkLost, NodeUnreachable
from transports.zcl import Zcl
from transports.zigbee.application import Application
from transports.zigbee.delivery import refusal

log = logging.getLogger(__name__)

_packet: Any = t.ZigbeePacket
"""Its fields say that they are zigpy's integers, and take any: making those takes longer than sending."""
OUR_ENDPOINT = 1
"""Which endpoint of the coordinator frames come from; zigpy registers it with every radio."""


class Air:
    """Sends through one started application."""

    def __init__(self, app: Application) -> None:
        self.app = app
        self._gone = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._here = t.AddrModeAddress(addr_mode=t.AddrMode.NWK, address=app.state.node_info.nwk)
        self._there: dict[int, t.AddrModeAddress] = {}
        self._keys: dict[str, t.EUI64] = {}

    def gone(self) -> bool:
        """Whether this life has ended."""
        return self._gone

    def device(self, ieee: str) -> ZigbeeDevice:
        """The object that zigpy has for a node.

        Raises:
            NodeUnreachable: it is none of this network's any more.
        """
        key = self._keys.get(ieee)
        if key is None:
            key = self._keys[ieee] = t.EUI64.convert(ieee)
        device = self.app.devices.get(key)
        if not isinstance(device, ZigbeeDevice):
            raise NodeUnreachable(f"{ieee} is no node of this network any more")
        return device

    async def send(self, ieee: str, frame: Zcl, *, acknowledged: bool) -> None:
        """Hand a frame to the coordinator, and wait until it says what became of it.

        Raises:
            NotDelivered, FrameTooLong, LinkLost, NodeUnreachable: it was not delivered.
        """
        if self.gone():
            raise LinkLost("the coordinator is gone")
        device = self.device(ieee)
        data = frame.encode()
        try:
            await self.app.send_packet(self._packet(device, frame, data, acknowledged))
        except asyncio.CancelledError:
            # A library that is closed cancels what waits inside of it; nobody cancelled us then.
            task = asyncio.current_task()
            if self.gone() and (task is None or not task.cancelling()):
                raise LinkLost("the coordinator went away as a frame was sent") from None
            raise
        except Exception as error:
            if self.gone():
                raise LinkLost("the coordinator went away as a frame was sent") from error
            raise refusal(error, ieee, len(data)) from error

    def send_later(self, ieee: str, frame: Zcl) -> asyncio.Task[None]:
        """Send without waiting; what is lost is lost."""
        return self.run(self._let_go(ieee, frame))

    def run(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Have something done that nobody waits for; it ends with this life."""
        task = asyncio.get_running_loop().create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def end(self) -> None:
        """The coordinator is gone."""
        self._gone = True
        for task in tuple(self._tasks):
            task.cancel()

    async def _let_go(self, ieee: str, frame: Zcl) -> None:
        try:
            await self.send(ieee, frame, acknowledged=False)
        except LinkError as error:
            log.debug("node=%s an answer was lost: %s", ieee, error)

    def _packet(self, device: ZigbeeDevice, frame: Zcl, data: bytes, acknowledged: bool) -> Any:
        there = self._there.get(device.nwk)
        if there is None:
            there = self._there[device.nwk] = t.AddrModeAddress(addr_mode=t.AddrMode.NWK, address=device.nwk)
        return _packet(
            src=self._here,
            src_ep=OUR_ENDPOINT,
            dst=there,
            dst_ep=frame.endpoint,
            profile_id=frame.profile,
            cluster_id=frame.cluster,
            data=t.SerializableBytes(data),
            tx_options=t.TransmitOptions.ACK if acknowledged else t.TransmitOptions.NONE,
            extended_timeout=device.node_desc is None or not device.node_desc.is_receiver_on_when_idle,
            priority=t.PacketPriority.NORMAL,
        )
