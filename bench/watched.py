"""A virtual Zigbee node with a stop watch: what it asked for, what came, and when.

The watch stands at the node, so that every host is timed by the same thing: from the first request
for data until the node says that it has all of it.  What a host thinks of its own speed is of no interest.
"""

import asyncio
from dataclasses import dataclass

from transports.zcl import NodeDescription, Zcl, ZigbeePeer, ZigbeeRadio
from transports.zigbee.network import OTA

_BLOCK_REQUEST, _PAGE_REQUEST, _BLOCK_RESPONSE, _END_REQUEST = 0x03, 0x04, 0x05, 0x06
"""Commands of the OTA cluster (ZCL revision 8, 11.13)."""


@dataclass(slots=True)
class Watch:
    """Times are the loop's; None has not happened."""

    first: float | None = None
    """It asked for data."""
    whole: float | None = None
    """It said that it has all of it."""
    requests: int = 0
    blocks: int = 0
    """Answers with data that reached it, those that it had already included."""
    data: int = 0
    """Bytes of the image in them."""

    @property
    def seconds(self) -> float:
        """From the first request until it had everything.

        Raises:
            RuntimeError: it never had.
        """
        if self.first is None or self.whole is None:
            raise RuntimeError("the node never had the whole image")
        return self.whole - self.first

    def sent(self, frame: Zcl) -> None:
        """The node sends something."""
        if frame.cluster != OTA or frame.general:
            return
        now = asyncio.get_running_loop().time()
        if frame.command in (_BLOCK_REQUEST, _PAGE_REQUEST):
            self.requests += 1
            if self.first is None:
                self.first = now
        elif frame.command == _END_REQUEST and self.whole is None:
            self.whole = now

    def received(self, frame: Zcl) -> None:
        """Something came for the node."""
        if frame.cluster != OTA or frame.general or frame.command != _BLOCK_RESPONSE:
            return
        if len(frame.payload) > 14 and frame.payload[0] == 0:
            self.blocks += 1
            self.data += frame.payload[13]


class _Ear:
    """The node's radio, overheard."""

    def __init__(self, radio: ZigbeeRadio, watch: Watch) -> None:
        self._radio, self._watch = radio, watch

    def send(self, frame: Zcl, *, acknowledged: bool = True) -> None:
        self._watch.sent(frame)
        self._radio.send(frame, acknowledged=acknowledged)

    def appear(self) -> None:
        self._radio.appear()

    def vanish(self) -> None:
        self._radio.vanish()

    def poll(self, interval: float | None) -> None:
        self._radio.poll(interval)


class Watched:
    """A node with a watch; a :class:`transports.zcl.ZigbeePeer` as the node itself is one."""

    def __init__(self, peer: ZigbeePeer) -> None:
        self.watch = Watch()
        self._peer = peer

    @property
    def description(self) -> NodeDescription:
        """The node's own."""
        return self._peer.description

    def attach(self, radio: ZigbeeRadio) -> None:
        """As the node does, and overhear its radio."""
        self._peer.attach(_Ear(radio, self.watch))

    def received(self, frame: Zcl) -> None:
        """As the node does, and note it."""
        self.watch.received(frame)
        self._peer.received(frame)
