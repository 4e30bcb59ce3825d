"""What a node is offered: a file's bytes, and under which version.

A block is a function of its offset and of nothing else, so that whoever answers may be another life
of the gateway.  The bytes are never changed: a node that checks the whole file would refuse it.  Only
what is said *about* them can be another version than the file's own, for a node that takes none that
is not higher than what it runs.
"""

import struct
from dataclasses import dataclass, field

from flashers.api import BadImage, FirmwareImage
from flashers.zigbee_ota.codec import BadCommand, File, QueryNextImageResponse, Status
from flashers.zigbee_ota.codec.header import Header
from flashers.zigbee_ota.codec.words import ANY, ANY_VERSION

_BLOCK_HEAD = struct.Struct("<BHHI")
_BLOCK_TAIL = struct.Struct("<IB")


def header_of(image: FirmwareImage) -> Header:
    """What an image says of itself.

    Raises:
        BadImage: it is no OTA file.
    """
    try:
        return Header.decode(image.payload)
    except (BadCommand, ValueError) as error:
        raise BadImage(f"no OTA file: {error}") from error


@dataclass(frozen=True, slots=True)
class Offer:
    """A file, and the version under which one node is offered it."""

    header: Header
    data: bytes
    version: int
    """What is said in answers; the bytes have their own."""
    known_as: frozenset[int] = frozenset()
    """Versions under which this node may still be asking for the same bytes, from an earlier life."""
    _heads: dict[int, bytes] = field(default_factory=dict, repr=False, compare=False)
    _view: memoryview = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_view", memoryview(self.data))

    @classmethod
    def of(cls, image: FirmwareImage, version: int, known_as: frozenset[int] = frozenset()) -> "Offer":
        """An image under a version.

        Raises:
            BadImage: it is no OTA file.
        """
        return cls(header_of(image), image.payload, version, known_as)

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return len(self.data)

    @property
    def file(self) -> File:
        """As the node is told of it."""
        own = self.header.file
        return File(own.manufacturer, own.image_type, self.version)

    @property
    def disguised(self) -> bool:
        """Whether it is offered under a version that is not its own."""
        return self.version != self.header.file.version

    def for_node(self, asked: File) -> bool:
        """Whether a node that says so much of itself is of this kind."""
        own = self.header.file
        return own.manufacturer in (asked.manufacturer, ANY) and own.image_type in (asked.image_type, ANY)

    def means(self, asked: File) -> bool:
        """Whether a request is about these bytes, under whichever version it was told of them."""
        version = asked.version
        known = version in (self.version, ANY_VERSION) or version in self.known_as
        return known and self.for_node(asked)

    def hardware_fits(self, version: int | None) -> bool:
        """Whether a node with this hardware version may have it; one that does not say may."""
        limits = self.header.hardware
        return limits is None or version is None or limits[0] <= version <= limits[1]

    def answer(self) -> QueryNextImageResponse:
        """To a node that asks what there is for it."""
        return QueryNextImageResponse(Status.SUCCESS, self.file, self.size)

    def block(self, version: int, offset: int, size: int) -> bytes:
        """The payload of a block response: at most ``size`` bytes from ``offset``, which is inside.

        The head is made once for each version, and the file is cut without being copied twice.
        """
        head = self._heads.get(version)
        if head is None:
            own = self.header.file
            told = self.version if version == ANY_VERSION else version
            head = _BLOCK_HEAD.pack(Status.SUCCESS, own.manufacturer, own.image_type, told)
            self._heads[version] = head
        piece = self._view[offset : offset + size]
        return b"".join((head, _BLOCK_TAIL.pack(offset, len(piece)), piece))
