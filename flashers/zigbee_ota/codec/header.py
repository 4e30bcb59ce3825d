"""The header of an OTA upgrade file, and its elements, as a node reads them (ZCL revision 8, 11.4).

Files of the wild are read by zigpy (``image.py``).  This is the strict reading of the specification:
what a node and whoever makes a file for one need, without a library.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from flashers.zigbee_ota.codec.errors import BadCommand
from flashers.zigbee_ota.codec.parts import File
from flashers.zigbee_ota.codec.words import MAGIC, Field

_FIXED = struct.Struct("<IHHHHHIH32sI")
_HARDWARE = struct.Struct("<HH")
ELEMENT = struct.Struct("<HI")
"""Before each element: its tag, and its length."""
HEADER_VERSION = 0x0100
STACK_PRO = 0x0002
"""Zigbee stack version: ZigBee PRO (11.4.2.8)."""
FIXED_SIZE = _FIXED.size
"""Bytes of a header without its optional fields."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself; ``total`` is its size, header included.

    ``hardware`` are the lowest and highest hardware versions that it is for, ``destination`` the one
    node (its address as a number), ``length`` the header's own.
    """

    file: File
    total: int
    text: str = ""
    hardware: tuple[int, int] | None = None
    destination: int | None = None
    security: int | None = None
    stack: int = STACK_PRO
    length: int = FIXED_SIZE

    def encode(self) -> bytes:
        """The header's bytes; its length is what the fields take."""
        optional, control = b"", 0
        if self.security is not None:
            optional, control = optional + bytes((self.security,)), control | Field.SECURITY
        if self.destination is not None:
            optional += struct.pack("<Q", self.destination)
            control |= Field.DESTINATION
        if self.hardware is not None:
            optional, control = optional + _HARDWARE.pack(*self.hardware), control | Field.HARDWARE
        fixed = _FIXED.pack(
            MAGIC,
            HEADER_VERSION,
            FIXED_SIZE + len(optional),
            control,
            self.file.manufacturer,
            self.file.image_type,
            self.file.version,
            self.stack,
            self.text.encode()[:32],
            self.total,
        )
        return fixed + optional

    @classmethod
    def decode(cls, data: bytes) -> "Header":
        """Read a header.

        Raises:
            BadCommand: these bytes are none, or end within it.
        """
        if len(data) < FIXED_SIZE:
            raise BadCommand(f"{len(data)} bytes are shorter than a header of {FIXED_SIZE}")
        magic, _, length, control, manufacturer, image_type, version, stack, text, total = _FIXED.unpack_from(
            data
        )
        if magic != MAGIC:
            raise BadCommand(f"a file begins with 0x{MAGIC:08x} and not with 0x{magic:08x}")
        at = FIXED_SIZE
        security = destination = hardware = None
        try:
            if control & Field.SECURITY:
                security, at = data[at], at + 1
            if control & Field.DESTINATION:
                (destination,), at = struct.unpack_from("<Q", data, at), at + 8
            if control & Field.HARDWARE:
                lowest, highest = _HARDWARE.unpack_from(data, at)
                hardware, at = (lowest, highest), at + _HARDWARE.size
        except (struct.error, IndexError):
            raise BadCommand(f"a header of {length} bytes ends after {len(data)}") from None
        if length < at:
            raise BadCommand(f"a header of {length} bytes has fields up to {at}")
        return cls(
            file=File(manufacturer, image_type, version),
            total=total,
            text=text.split(b"\0", 1)[0].decode("utf-8", "replace"),
            hardware=hardware,
            destination=destination,
            security=security,
            stack=stack,
            length=length,
        )


def elements(data: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """The elements from there: tag, where its data begins, and where they end.

    Raises:
        BadCommand: one of them ends beyond the data.
    """
    while at < len(data):
        if at + ELEMENT.size > len(data):
            raise BadCommand(f"an element at {at} is cut off")
        tag, length = ELEMENT.unpack_from(data, at)
        begin, at = at + ELEMENT.size, at + ELEMENT.size + length
        if at > len(data):
            raise BadCommand(f"an element of {length} bytes ends {at - len(data)} beyond the file")
        yield tag, begin, at
