"""What a server of files tells a node (ZCL revision 8, 11.13): the commands that go down."""

import struct
from dataclasses import dataclass
from typing import ClassVar

from flashers.zigbee_ota.codec.errors import BadCommand
from flashers.zigbee_ota.codec.parts import File, u16, unpack
from flashers.zigbee_ota.codec.words import Command, Status

_NOTIFY = tuple(struct.Struct(form) for form in ("<BB", "<BBH", "<BBHH", "<BBHHI"))
"""By payload type: how much is said (11.13.3.2.1)."""
_OFFER = struct.Struct("<BHHII")
_GIVEN = struct.Struct("<BHHIIB")
_WAIT = struct.Struct("<BII")
_END = struct.Struct("<HHIII")
BLOCK_OVERHEAD = _GIVEN.size
"""Bytes of a block response beside its data."""


@dataclass(frozen=True, slots=True)
class ImageNotify:
    """There may be something for you; who draws more than ``jitter`` (1 to 100) does not ask (11.13.3)."""

    command: ClassVar[Command] = Command.IMAGE_NOTIFY
    to_client: ClassVar[bool] = True
    jitter: int = 100
    manufacturer: int | None = None
    image_type: int | None = None
    version: int | None = None

    def encode(self) -> bytes:
        """The payload; a part is only sent if those before it are."""
        said: list[int] = []
        for part in (self.manufacturer, self.image_type, self.version):
            if part is None:
                break
            said.append(part)
        return _NOTIFY[len(said)].pack(len(said), self.jitter, *said)

    @classmethod
    def decode(cls, data: bytes) -> "ImageNotify":
        """Read a payload.  Raises BadCommand."""
        kind, jitter = unpack(_NOTIFY[0], data)
        if kind >= len(_NOTIFY):
            raise BadCommand(f"an image notify has no payload type {kind}")
        return cls(jitter, *unpack(_NOTIFY[kind], data)[2:])


@dataclass(frozen=True, slots=True)
class QueryNextImageResponse:
    """This is there for you, of so many bytes; or, with any other status, nothing is (11.13.5)."""

    command: ClassVar[Command] = Command.QUERY_NEXT_IMAGE_RESPONSE
    to_client: ClassVar[bool] = True
    status: int
    file: File | None = None
    size: int = 0

    def encode(self) -> bytes:
        """The payload."""
        return _offer(self.status, self.file, self.size)

    @classmethod
    def decode(cls, data: bytes) -> "QueryNextImageResponse":
        """Read a payload.  Raises BadCommand."""
        return cls(*_offered(data))


@dataclass(frozen=True, slots=True)
class QueryDeviceSpecificFileResponse:
    """The same for a file that is made for one node (11.13.11)."""

    command: ClassVar[Command] = Command.QUERY_DEVICE_SPECIFIC_FILE_RESPONSE
    to_client: ClassVar[bool] = True
    status: int
    file: File | None = None
    size: int = 0

    def encode(self) -> bytes:
        """The payload."""
        return _offer(self.status, self.file, self.size)

    @classmethod
    def decode(cls, data: bytes) -> "QueryDeviceSpecificFileResponse":
        """Read a payload.  Raises BadCommand."""
        return cls(*_offered(data))


def _offer(status: int, file: File | None, size: int) -> bytes:
    if status != Status.SUCCESS or file is None:
        return bytes((status,))
    return _OFFER.pack(status, file.manufacturer, file.image_type, file.version, size)


def _offered(data: bytes) -> tuple[int, File | None, int]:
    if data and data[0] != Status.SUCCESS:
        return data[0], None, 0
    status, manufacturer, image_type, version, size = unpack(_OFFER, data)
    return status, File(manufacturer, image_type, version), size


@dataclass(frozen=True, slots=True)
class ImageBlockResponse:
    """These bytes; or wait; or, with any other status, no more of it (11.13.8).

    To wait: the server's time ``now`` and the time to ``ask_at`` again, in seconds, and the period in
    milliseconds that is to be kept from then on.
    """

    command: ClassVar[Command] = Command.IMAGE_BLOCK_RESPONSE
    to_client: ClassVar[bool] = True
    status: int
    file: File | None = None
    offset: int = 0
    data: bytes = b""
    now: int = 0
    ask_at: int = 0
    period: int | None = None

    @classmethod
    def wait(cls, seconds: int, *, period: int | None = None) -> "ImageBlockResponse":
        """Ask again in so many seconds; relative, since server and node share no clock."""
        return cls(Status.WAIT_FOR_DATA, now=0, ask_at=seconds, period=period)

    def encode(self) -> bytes:
        """The payload."""
        if self.status == Status.WAIT_FOR_DATA:
            data = _WAIT.pack(self.status, self.now, self.ask_at)
            return data if self.period is None else data + struct.pack("<H", self.period)
        if self.status != Status.SUCCESS or self.file is None:
            return bytes((self.status,))
        return encode_block(self.file, self.offset, self.data)

    @classmethod
    def decode(cls, data: bytes) -> "ImageBlockResponse":
        """Read a payload.  Raises BadCommand."""
        if data and data[0] == Status.WAIT_FOR_DATA:
            status, now, ask_at = unpack(_WAIT, data)
            period = u16(data, _WAIT.size) if len(data) >= _WAIT.size + 2 else None
            return cls(status, now=now, ask_at=ask_at, period=period)
        if data and data[0] != Status.SUCCESS:
            return cls(data[0])
        status, manufacturer, image_type, version, offset, size = unpack(_GIVEN, data)
        block = data[_GIVEN.size : _GIVEN.size + size]
        if len(block) != size:
            raise BadCommand(f"a block of {size} bytes has {len(block)}")
        return cls(status, File(manufacturer, image_type, version), offset, block)


def encode_block(file: File, offset: int, data: bytes) -> bytes:
    """The payload of a block response with data: the one that is made by the thousand."""
    return _GIVEN.pack(0, file.manufacturer, file.image_type, file.version, offset, len(data)) + data


@dataclass(frozen=True, slots=True)
class UpgradeEndResponse:
    """Start it at ``upgrade_at``, where it is ``now``, in seconds; or wait (11.13.9.9).

    The file's fields may be ``ANY``.  Also sent without having been asked.
    """

    command: ClassVar[Command] = Command.UPGRADE_END_RESPONSE
    to_client: ClassVar[bool] = True
    file: File
    now: int = 0
    upgrade_at: int = 0

    def encode(self) -> bytes:
        """The payload."""
        file = self.file
        return _END.pack(file.manufacturer, file.image_type, file.version, self.now, self.upgrade_at)

    @classmethod
    def decode(cls, data: bytes) -> "UpgradeEndResponse":
        """Read a payload.  Raises BadCommand."""
        manufacturer, image_type, version, now, upgrade_at = unpack(_END, data)
        return cls(File(manufacturer, image_type, version), now, upgrade_at)
