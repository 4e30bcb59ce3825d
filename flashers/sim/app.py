"""Applications for virtual nodes: firmware whose behaviour is written in its bytes.

A virtual node reads the application out of its own flash at every boot and behaves
as it says, so what a node does follows from what was really flashed and not from a
flag beside it.  A checksum over the whole decides whether it runs at all: a half
written application does not.

Layout: magic (8 bytes), total size and CRC-32 of what follows (u32 each, little
endian), length of the description (u16), description (JSON), filling.
"""

import json
import random
import struct
import zlib
from dataclasses import asdict, dataclass
from enum import StrEnum

MAGIC = b"TENDRAPP"
"""What such an application begins with, whether or not the rest of it is there."""
_HEAD = struct.Struct("<8sIIH")


class Behaviour(StrEnum):
    """What an application does once it is started."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    """Boots, and then fails its health check."""
    CRASHES = "crashes"
    """Resets the node right after it was started, before it says anything."""
    HANGS = "hangs"
    """Starts, and never says a word."""
    CONFIRMS_EARLY = "confirms-early"
    """Makes itself permanent at once, and is unhealthy."""
    LIES = "lies"
    """Reports another version and digest than its own."""


@dataclass(frozen=True, slots=True)
class SimApp:
    """What an application says of itself.

    ``claims`` is the version that a lying application reports.
    """

    version: str
    behaviour: Behaviour = Behaviour.HEALTHY
    hardware: str = ""
    claims: str = ""

    @property
    def spoken_version(self) -> str:
        """The version that it reports when it is asked."""
        return self.claims or self.version


def build_app(app: SimApp, size: int = 4096, *, seed: int = 0) -> bytes:
    """An application of exactly ``size`` bytes, incompressible, the same for the same seed.

    Raises:
        ValueError: ``size`` is too small for the description.
    """
    text = json.dumps(asdict(app), separators=(",", ":")).encode()
    filling = size - _HEAD.size - len(text)
    if filling < 0:
        raise ValueError(f"an application needs at least {_HEAD.size + len(text)} bytes")
    rest = text + random.Random(f"{app}{seed}").randbytes(filling)
    return _HEAD.pack(MAGIC, size, zlib.crc32(rest), len(text)) + rest


def read_app(memory: bytes) -> SimApp | None:
    """The application at the start of ``memory``, or None if none is there that runs."""
    if len(memory) < _HEAD.size:
        return None
    magic, size, checksum, length = _HEAD.unpack_from(memory)
    if magic != MAGIC or size > len(memory) or zlib.crc32(memory[_HEAD.size : size]) != checksum:
        return None
    try:
        fields = json.loads(memory[_HEAD.size : _HEAD.size + length])
        return SimApp(**{**fields, "behaviour": Behaviour(fields["behaviour"])})
    except (ValueError, TypeError, LookupError):  # the length is not among what the checksum covers
        return None
