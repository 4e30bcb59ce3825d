"""The commands by which a host reads and writes the coordinator's flash (MT API, SYS_OSAL_NV and SYS_NV)."""

import struct
from collections.abc import Callable

from transports.virtual.zigbee.nv import Memory

OK, INVALID, UNINITIALISED, FAILED, BAD_LENGTH = 0x00, 0x02, 0x09, 0x0A, 0x0C
MOST = 244
"""Bytes of a value that one frame carries."""
LEGACY = 0
"""In the newer commands, the table that holds the older items."""


class FlashCommands:
    """Answers to the requests of the system's subsystem that concern the flash."""

    def __init__(self, memory: Callable[[], Memory], changed: Callable[[], None]) -> None:
        self._memory = memory
        self._changed = changed
        self.handlers: dict[int, Callable[[bytes], bytes]] = {
            0x07: self._init,
            0x08: lambda data: self._read(data[0] | data[1] << 8, data[2]),
            0x09: self._write,
            0x12: self._delete,
            0x13: self._length,
            0x1C: lambda data: self._read(*struct.unpack("<HH", data)),
            0x1D: self._write_ext,
            0x30: self._create_entry,
            0x31: self._delete_entry,
            0x32: self._entry_length,
            0x33: self._read_entry,
            0x34: self._write_entry,
            0x35: self._update_entry,
            0x36: lambda _: bytes((OK,)),
        }

    # The older items

    def _init(self, data: bytes) -> bytes:
        number, length, given = struct.unpack_from("<HHB", data)
        items = self._memory().items
        if number in items:
            return bytes((OK if len(items[number]) == length else BAD_LENGTH,))
        items[number] = data[5 : 5 + given].ljust(length, b"\xff")
        self._changed()
        return bytes((UNINITIALISED,))

    def _read(self, number: int, offset: int) -> bytes:
        value = self._memory().items.get(number)
        if value is None or offset > len(value):
            return bytes((INVALID, 0))
        part = value[offset : offset + MOST]
        return bytes((OK, len(part))) + part

    def _write(self, data: bytes) -> bytes:
        number, offset, size = struct.unpack_from("<HBB", data)
        return self._put(number, offset, data[4 : 4 + size])

    def _write_ext(self, data: bytes) -> bytes:
        number, offset, size = struct.unpack_from("<HHH", data)
        return self._put(number, offset, data[6 : 6 + size])

    def _put(self, number: int, offset: int, part: bytes) -> bytes:
        items = self._memory().items
        value = items.get(number)
        if value is None or offset + len(part) > len(value):
            return bytes((INVALID if value is None else BAD_LENGTH,))
        items[number] = value[:offset] + part + value[offset + len(part) :]
        self._changed()
        return bytes((OK,))

    def _delete(self, data: bytes) -> bytes:
        number, length = struct.unpack("<HH", data)
        items = self._memory().items
        if number not in items:
            return bytes((UNINITIALISED,))
        if len(items[number]) != length:
            return bytes((BAD_LENGTH,))
        del items[number]
        self._changed()
        return bytes((OK,))

    def _length(self, data: bytes) -> bytes:
        return struct.pack("<H", len(self._memory().items.get(data[0] | data[1] << 8, b"")))

    # The newer ones

    def _entry(self, key: tuple[int, int, int]) -> bytes | None:
        memory = self._memory()
        return memory.items.get(key[2]) if key[1] == LEGACY else memory.tables.get(key)

    def _keep(self, key: tuple[int, int, int], value: bytes | None) -> bytes:
        memory = self._memory()
        if key[1] == LEGACY:
            if value is None:
                memory.items.pop(key[2], None)
            else:
                memory.items[key[2]] = value
        elif value is None:
            memory.tables.pop(key, None)
        else:
            memory.tables[key] = value
        self._changed()
        return bytes((OK,))

    def _create_entry(self, data: bytes) -> bytes:
        system, item, number, length = struct.unpack("<BHHI", data)
        key = (system, item, number)
        if self._entry(key) is not None:
            return bytes((FAILED,))
        return self._keep(key, b"\xff" * length)

    def _delete_entry(self, data: bytes) -> bytes:
        key = struct.unpack("<BHH", data)
        return self._keep(key, None) if self._entry(key) is not None else bytes((FAILED,))

    def _entry_length(self, data: bytes) -> bytes:
        return struct.pack("<I", len(self._entry(struct.unpack("<BHH", data)) or b""))

    def _read_entry(self, data: bytes) -> bytes:
        system, item, number, offset, length = struct.unpack("<BHHHB", data)
        value = self._entry((system, item, number))
        if value is None:
            return bytes((FAILED, 0))
        part = value[offset : offset + length]
        return bytes((OK, len(part))) + part

    def _write_entry(self, data: bytes) -> bytes:
        system, item, number, offset, size = struct.unpack_from("<BHHHB", data)
        key, part = (system, item, number), data[8 : 8 + size]
        value = self._entry(key)
        if value is None or offset + size > len(value):
            return bytes((FAILED if value is None else BAD_LENGTH,))
        return self._keep(key, value[:offset] + part + value[offset + size :])

    def _update_entry(self, data: bytes) -> bytes:
        system, item, number, size = struct.unpack_from("<BHHB", data)
        return self._keep((system, item, number), data[6 : 6 + size])
