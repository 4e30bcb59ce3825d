"""An image cut into upload requests that fit into the node's buffers.

Source: Zephyr documentation, "Image upload": the first request has ``len``, ``sha``
and, for other images than 0, ``image``; every one has ``off`` and ``data``.  ``sha``
is over all that is sent; an interrupted upload is recognised by it.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import cbor2

from flashers.mcuboot_smp.codec import Group, ImageCommand, Op
from flashers.mcuboot_smp.codec.messages import HEADER, VERSION_2
from flashers.mcuboot_smp.params import SmpParams
from flashers.mcuboot_smp.wire import Wire

_FIRST_OVERHEAD = 61
"""CBOR of a first request beside image number and data: the map, ``len``, ``off``, ``sha``, two keys."""
_IMAGE_OVERHEAD = 7
_OVERHEAD = 19
"""CBOR of a later request beside its data."""
_WORTH_A_PACKET = 8
"""A rest that is less than this part of a message is not worth a packet of its own."""
_LEAST_DATA = 32
"""A first piece shorter than an image's header is refused."""


@dataclass(frozen=True, slots=True)
class Buffers:
    """What a node can hold: messages of ``size`` bytes, ``count`` of them; None if it does not say."""

    size: int | None = None
    count: int | None = None


class Pieces:
    """The requests that carry one image; ``largest`` is the size of the messages to use now."""

    def __init__(self, data: bytes, image: int, buffers: Buffers, params: SmpParams, wire: Wire) -> None:
        self.total = len(data)
        self._data = data
        self._image = {"image": image} if image else {}
        self._digest = hashlib.sha256(data).digest()
        self._alignment = params.alignment
        small = wire.small
        least = HEADER.size + _FIRST_OVERHEAD + _IMAGE_OVERHEAD + _LEAST_DATA
        self.large = small if buffers.size is None else max(buffers.size - wire.framing, least)
        self.large = max(least, whole_packets(self.large, wire.packet))
        self.small = min(small, self.large)
        self.largest = self.large

    def request(self, sequence: int, start: int) -> tuple[int, bytes]:
        """Where the piece from ``start`` ends, and the message that carries it."""
        room = self.largest - HEADER.size
        if start == 0:
            end = self._end(start, room - _FIRST_OVERHEAD - (_IMAGE_OVERHEAD if self._image else 0))
            body: dict[str, Any] = {**self._image, "len": self.total, "off": 0, "sha": self._digest}
            payload = cbor2.dumps(body | {"data": self._data[:end]})
        else:
            end = self._end(start, room - _OVERHEAD)
            # What cbor2 would write for {"off": start, "data": …}, without its detours.
            head, length = cbor_head(0x00, start), cbor_head(0x40, end - start)
            payload = b"\xa2\x63off%b\x64data%b%b" % (head, length, self._data[start:end])
        first = VERSION_2 << 3 | Op.WRITE
        packed = HEADER.pack(first, 0, len(payload), Group.IMAGE, sequence, ImageCommand.UPLOAD)
        return end, packed + payload

    def _end(self, start: int, room: int) -> int:
        if start + room >= self.total:
            return self.total
        return start + (room - room % self._alignment if room > self._alignment else room)


def whole_packets(size: int, packet: int | None) -> int:
    """The size of messages to use where ``size`` is allowed: no packet for a few bytes more.

    On a radio every packet has its turn, however few bytes are in it.  So what is beyond the last
    full one is left out, unless that is a good part of the message: where the window is what
    holds the transfer up, larger messages are worth a packet that is not full.
    """
    if packet is None or size <= packet:
        return size
    rest = size % packet
    return size - rest if rest * _WORTH_A_PACKET < size else size


def cbor_head(major: int, number: int) -> bytes:
    """The head of a CBOR item: its major type and a number (RFC 8949, section 3)."""
    if number < 24:
        return bytes((major | number,))
    if number < 0x100:
        return bytes((major | 24, number))
    if number < 0x10000:
        return bytes((major | 25,)) + number.to_bytes(2, "big")
    return bytes((major | 26,)) + number.to_bytes(4, "big")
