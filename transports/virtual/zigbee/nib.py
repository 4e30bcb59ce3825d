"""The network information base of a Z-Stack coordinator (nwk.h): what it knows of its network, in 116 bytes.

Hosts read it to learn which network there is, and write it to make it another one.
"""

import struct


class Nib:
    """The network information base (nwk.h), 116 bytes."""

    SIZE = 116
    _DEFAULTS = bytes.fromhex("00050314050d00000000000105018f")

    def __init__(self, data: bytes | None = None) -> None:
        self.data = bytearray(data if data is not None and len(data) == self.SIZE else self._fresh())

    def _fresh(self) -> bytes:
        made = bytearray(self.SIZE)
        made[: len(self._DEFAULTS)] = self._DEFAULTS
        struct.pack_into("<H", made, 16, 500)  # indirect frames, in 15.36 ms
        made[18:21] = bytes((2, 13, 30))  # protocol, route discovery, route expiry
        struct.pack_into("<H", made, 22, 0xFFFE)
        struct.pack_into("<H", made, 26, 0xFFFE)
        struct.pack_into("<H", made, 36, 0xFFFF)
        made[44:46] = b"\x0f\x0f"  # no beacons
        made[102:104] = bytes((15, 3))  # link status
        return bytes(made)

    @property
    def channel(self) -> int:
        """The channel, 0 is none."""
        return self.data[24]

    @property
    def pan_id(self) -> int:
        """The network's short number."""
        return int(struct.unpack_from("<H", self.data, 36)[0])

    @property
    def extended_pan_id(self) -> bytes:
        """The network's long number, lowest byte first."""
        return bytes(self.data[57:65])

    @property
    def update_id(self) -> int:
        """Counts changes of channel and number."""
        return self.data[114]

    def form(self, ieee: bytes, channel: int, pan_id: int, extended: bytes, mask: int) -> None:
        """Write down a network whose coordinator this is."""
        struct.pack_into("<H", self.data, 22, 0x0000)
        self.data[24] = channel
        struct.pack_into("<H", self.data, 26, 0x0000)
        self.data[28:36] = ieee
        struct.pack_into("<H", self.data, 36, pan_id)
        self.data[38] = 8  # NWK_ROUTER
        struct.pack_into("<I", self.data, 40, mask)
        self.data[57:65] = extended
        self.data[65] = 1  # the key is loaded
        self.data[105] = 1  # a concentrator
        struct.pack_into("<H", self.data, 110, 0x0000)
