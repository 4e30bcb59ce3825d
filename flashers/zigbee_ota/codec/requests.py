"""What a node asks a server of files (ZCL revision 8, 11.13): the commands that go up."""

import struct
from dataclasses import dataclass
from typing import ClassVar

from flashers.zigbee_ota.codec.parts import BY_NODE_ADDRESS, WITH_PERIOD, File, u16, u64, unpack
from flashers.zigbee_ota.codec.words import Command

_QUERY = struct.Struct("<BHHI")
_BLOCK = struct.Struct("<BHHIIB")
_PAGE = struct.Struct("<BHHIIBHH")
_END = struct.Struct("<BHHI")
_SPECIFIC = struct.Struct("<QHHIH")


@dataclass(frozen=True, slots=True)
class QueryNextImageRequest:
    """What is there for me?  ``file.version`` is what the node runs (11.13.4)."""

    command: ClassVar[Command] = Command.QUERY_NEXT_IMAGE_REQUEST
    to_client: ClassVar[bool] = False
    file: File
    hardware: int | None = None

    def encode(self) -> bytes:
        """The payload."""
        file, known = self.file, self.hardware is not None
        head = _QUERY.pack(known, file.manufacturer, file.image_type, file.version)
        return head if self.hardware is None else head + struct.pack("<H", self.hardware)

    @classmethod
    def decode(cls, data: bytes) -> "QueryNextImageRequest":
        """Read a payload.  Raises BadCommand."""
        control, manufacturer, image_type, version = unpack(_QUERY, data)
        hardware = u16(data, _QUERY.size) if control & 0x01 else None
        return cls(File(manufacturer, image_type, version), hardware)


@dataclass(frozen=True, slots=True)
class ImageBlockRequest:
    """Give me so many bytes from there (11.13.6).

    ``node`` is the address of the one who asks, as a number; ``period`` are the milliseconds that it
    keeps between two requests, None if it knows nothing of that.
    """

    command: ClassVar[Command] = Command.IMAGE_BLOCK_REQUEST
    to_client: ClassVar[bool] = False
    file: File
    offset: int
    size: int
    node: int | None = None
    period: int | None = None

    def encode(self) -> bytes:
        """The payload."""
        file = self.file
        control = (BY_NODE_ADDRESS if self.node is not None else 0) | (
            WITH_PERIOD if self.period is not None else 0
        )
        data = _BLOCK.pack(control, file.manufacturer, file.image_type, file.version, self.offset, self.size)
        if self.node is not None:
            data += struct.pack("<Q", self.node)
        if self.period is not None:
            data += struct.pack("<H", self.period)
        return data

    @classmethod
    def decode(cls, data: bytes) -> "ImageBlockRequest":
        """Read a payload.  Raises BadCommand."""
        control, manufacturer, image_type, version, offset, size = unpack(_BLOCK, data)
        node = period = None
        at = _BLOCK.size
        if control & BY_NODE_ADDRESS:
            node, at = u64(data, at), at + 8
        if control & WITH_PERIOD:
            period = u16(data, at)
        return cls(File(manufacturer, image_type, version), offset, size, node, period)


@dataclass(frozen=True, slots=True)
class ImagePageRequest:
    """Give me a page from there, in blocks of so many bytes, ``spacing`` milliseconds apart (11.13.7)."""

    command: ClassVar[Command] = Command.IMAGE_PAGE_REQUEST
    to_client: ClassVar[bool] = False
    file: File
    offset: int
    size: int
    page: int
    spacing: int
    node: int | None = None

    def encode(self) -> bytes:
        """The payload."""
        file = self.file
        data = _PAGE.pack(
            BY_NODE_ADDRESS if self.node is not None else 0,
            file.manufacturer,
            file.image_type,
            file.version,
            self.offset,
            self.size,
            self.page,
            self.spacing,
        )
        return data if self.node is None else data + struct.pack("<Q", self.node)

    @classmethod
    def decode(cls, data: bytes) -> "ImagePageRequest":
        """Read a payload.  Raises BadCommand."""
        control, manufacturer, image_type, version, offset, size, page, spacing = unpack(_PAGE, data)
        node = u64(data, _PAGE.size) if control & BY_NODE_ADDRESS else None
        return cls(File(manufacturer, image_type, version), offset, size, page, spacing, node)


@dataclass(frozen=True, slots=True)
class UpgradeEndRequest:
    """I have it all and it is good, or I do not take it (11.13.9.3)."""

    command: ClassVar[Command] = Command.UPGRADE_END_REQUEST
    to_client: ClassVar[bool] = False
    status: int
    file: File

    def encode(self) -> bytes:
        """The payload."""
        file = self.file
        return _END.pack(self.status, file.manufacturer, file.image_type, file.version)

    @classmethod
    def decode(cls, data: bytes) -> "UpgradeEndRequest":
        """Read a payload.  Raises BadCommand."""
        status, manufacturer, image_type, version = unpack(_END, data)
        return cls(status, File(manufacturer, image_type, version))


@dataclass(frozen=True, slots=True)
class QueryDeviceSpecificFileRequest:
    """Is there a file made for me alone (11.13.10)?"""

    command: ClassVar[Command] = Command.QUERY_DEVICE_SPECIFIC_FILE_REQUEST
    to_client: ClassVar[bool] = False
    node: int
    file: File
    stack_version: int = 0x0002

    def encode(self) -> bytes:
        """The payload."""
        file = self.file
        return _SPECIFIC.pack(self.node, file.manufacturer, file.image_type, file.version, self.stack_version)

    @classmethod
    def decode(cls, data: bytes) -> "QueryDeviceSpecificFileRequest":
        """Read a payload.  Raises BadCommand."""
        node, manufacturer, image_type, version, stack = unpack(_SPECIFIC, data)
        return cls(node, File(manufacturer, image_type, version), stack)
