"""What is said about nodes, images and what they hold: plain frozen values.

All of it is serialisable by :mod:`flashers.api.plain`; that is what the journal
stores and what a flasher in another process would receive.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import ConfigDict

from flashers.api.plain import PLAIN
from flashers.api.versions import same_version
from flashers.api.words import ComponentKind, EvidenceKind, Of, ProbeCost, Role, Strength


@dataclass(frozen=True, slots=True)
class Digest:
    """An algorithm and the bytes it gave.  Two digests of different algorithms are never equal."""

    __pydantic_config__: ClassVar[ConfigDict] = PLAIN

    algorithm: str
    value: bytes

    @classmethod
    def sha256(cls, data: bytes) -> "Digest":
        """The SHA-256 of ``data``."""
        return cls("sha256", hashlib.sha256(data).digest())

    @classmethod
    def parse(cls, text: str) -> "Digest":
        """Read ``algorithm:hex``.

        Raises:
            ValueError: there is no algorithm, or the rest is not hexadecimal.
        """
        algorithm, colon, value = text.partition(":")
        if not colon or not algorithm or not value:
            raise ValueError(f"{text!r} is not a digest: write algorithm:hex, as in sha256:9f86d0…")
        return cls(algorithm, bytes.fromhex(value))

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value.hex()}"


@dataclass(frozen=True, slots=True)
class Stamp:
    """A moment of the wall clock, and whether that clock was synchronised then.

    It is told to people and never decides a node's fate.
    """

    unix_ms: int
    synchronised: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """Says of what, how and when something is known."""

    of: Of
    kind: EvidenceKind
    detail: str = ""
    at: Stamp | None = None


@dataclass(frozen=True, slots=True)
class Component:
    """A part of a node that has its own firmware: a core, a radio, a loader.

    ``image`` is the number that the node's protocol uses for it.
    """

    id: str = "app"
    kind: ComponentKind = ComponentKind.FIRMWARE
    image: int = 0


@dataclass(frozen=True, slots=True)
class Firmware:
    """One firmware as it is told apart from others: by identity, else by version.

    ``identity`` is what a node's own report, or our read-back, is compared with; for
    an MCUboot image it is the image hash, for a plain hex file the digest over its
    extents.  None means that it is not known, never that there is none.
    """

    identity: Digest | None = None
    version: str | None = None

    def same(self, other: "Firmware | None") -> bool:
        """Whether both are known to be the same firmware; unknown is never the same."""
        if other is None:
            return False
        if self.identity is not None and other.identity is not None:
            return self.identity == other.identity
        if self.version is not None and other.version is not None:
            return same_version(self.version, other.version)
        return False

    def __bool__(self) -> bool:
        return self.identity is not None or self.version is not None


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of bytes at an address of the node's memory."""

    __pydantic_config__: ClassVar[ConfigDict] = PLAIN

    address: int
    data: bytes

    @property
    def end(self) -> int:
        """The address after the last byte."""
        return self.address + len(self.data)


@dataclass(frozen=True, slots=True)
class FirmwareImage:
    """What a flasher understands of an artifact: parsed and checked, ready to send.

    ``artifact`` is the digest of the file; ``facts`` is what the format says beyond
    that (key hash, security counter, …), as text and numbers for reports and rules.
    """

    format: str
    artifact: Digest
    firmware: Firmware
    segments: tuple[Segment, ...]
    component: Component = Component()
    facts: Mapping[str, str | int | bool] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes to send."""
        return sum(len(segment.data) for segment in self.segments)

    @property
    def payload(self) -> bytes:
        """The bytes of an image that is one piece."""
        (segment,) = self.segments
        return segment.data


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for firmware, as the node itself or our read-back describes it.

    ``active`` is where the node runs from (or would, had it firmware);
    ``confirmed`` means that a reset does not take it away; ``pending`` that the next
    reset starts it.  ``bootable`` False says that what lies there is known not to run.
    """

    image: int
    slot: int
    firmware: Firmware | None
    active: bool = False
    confirmed: bool = False
    pending: bool = False
    bootable: bool = True


@dataclass(frozen=True, slots=True)
class Identity:
    """Which node this is, and how sure that is."""

    value: str
    strength: Strength


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something is refused: a code, a sentence, and the way out."""

    code: str
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a flasher saw of a node at one moment.

    ``evidence`` speaks of the active slots' firmware; ``cost`` is what the look did
    to the node.  ``facts`` are reported as they are (loader version, buffers, mode).
    """

    role: Role
    slots: tuple[Slot, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    cost: ProbeCost = ProbeCost.NONE
    identity: Identity | None = None
    facts: Mapping[str, str | int | bool] = field(default_factory=dict)

    def active(self, image: int) -> Slot | None:
        """The slot that this image number runs from."""
        return next((slot for slot in self.slots if slot.image == image and slot.active), None)

    def standby(self, image: int) -> Slot | None:
        """The other slot of this image number."""
        return next((slot for slot in self.slots if slot.image == image and not slot.active), None)

    def proves(self, of: Of, kinds: "frozenset[EvidenceKind] | tuple[EvidenceKind, ...]") -> bool:
        """Whether evidence of one of these kinds is there."""
        return any(piece.of is of and piece.kind in kinds for piece in self.evidence)
