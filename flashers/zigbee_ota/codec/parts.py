"""Which file a command speaks of, and how fields are read: all that the commands have in common.

A receiver has to take commands that are longer than it knows (ZCL revision 8, 2.4.1), so bytes after
the last field are ignored; too few are :class:`BadCommand`.
"""

import struct
from dataclasses import dataclass
from typing import Any

from flashers.zigbee_ota.codec.errors import BadCommand

BY_NODE_ADDRESS, WITH_PERIOD = 0x01, 0x02
"""Field control of block and page requests (ZCL revision 8, 11.13.6.2, 11.13.7.2)."""
_U16, _U64 = struct.Struct("<H"), struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class File:
    """Which file a command is about."""

    manufacturer: int
    image_type: int
    version: int

    def __str__(self) -> str:
        return f"manufacturer 0x{self.manufacturer:04x} type 0x{self.image_type:04x} 0x{self.version:08x}"


def unpack(form: struct.Struct, data: bytes, at: int = 0) -> tuple[Any, ...]:
    """The fields of ``form`` from there.

    Raises:
        BadCommand: the command ends before them.
    """
    try:
        return form.unpack_from(data, at)
    except struct.error:
        raise BadCommand(f"a command has {len(data)} bytes, and {at + form.size} are needed") from None


def u16(data: bytes, at: int) -> int:
    """A number of two bytes.  Raises as :func:`unpack`."""
    return int(unpack(_U16, data, at)[0])


def u64(data: bytes, at: int) -> int:
    """A number of eight bytes, as an address is.  Raises as :func:`unpack`."""
    return int(unpack(_U64, data, at)[0])
