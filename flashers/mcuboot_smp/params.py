"""The ``[flasher]`` table of a profile for nodes with MCUboot and MCUmgr.

MCUboot is built for one way of bringing in a new image, and no command tells it
reliably; so the profile says it, and a node that contradicts is refused.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from flashers.api import Params, ResetKind

_KEY_HASH = r"^(?:[0-9a-fA-F]{64}|[0-9a-fA-F]{96}|[0-9a-fA-F]{128})$"


class Mode(StrEnum):
    """What the node's MCUboot does with a new image."""

    SWAP = "swap"
    """Exchanges the two slots, and back again unless the new image is confirmed."""
    OVERWRITE = "overwrite"
    """Copies the second slot over the first."""
    DIRECT_XIP = "direct-xip"
    """Runs the slot with the highest version where it lies."""
    DIRECT_XIP_REVERT = "direct-xip-revert"
    """The same, and erases an image that was started once and not confirmed."""
    RAM_LOAD = "ram-load"
    """Copies the slot with the highest version into RAM and runs it there."""
    SERIAL_RECOVERY = "serial-recovery"
    """One slot, written by the bootloader itself."""

    @property
    def trial(self) -> bool:
        """A new image runs once, and stays only if it is confirmed."""
        return self in {Mode.SWAP, Mode.DIRECT_XIP_REVERT}

    @property
    def highest_wins(self) -> bool:
        """The bootloader starts the highest version, whatever anybody asks for."""
        return self in {Mode.DIRECT_XIP, Mode.RAM_LOAD}


class SmpParams(Params):
    """Settings for one type of node; sizes in bytes, times in seconds."""

    mode: Mode = Mode.SWAP
    """How the node's MCUboot was built."""
    key_hash: Annotated[str, StringConstraints(pattern=_KEY_HASH)] | None = None
    """Hash of the public key that the bootloader accepts; images with another are refused.

    It has the algorithm of the image's own digest: SHA-256, or 384 or 512 where images use those.
    """
    slot_size: Annotated[int, Field(gt=0)] | None = None
    """Room for an image in a slot, without what the bootloader needs of it."""
    alignment: Annotated[int, Field(ge=1, le=512)] = 32
    """Pieces of the image are multiples of this, so that no flash write is cut."""
    line_length: Annotated[int, Field(ge=32, le=4096)] = 127
    """The longest line of the node's console, newline included."""
    buf_size: Annotated[int, Field(ge=112, le=16384)] | None = None
    """The largest message, where the node's own answer is wrong or missing."""
    buf_count: Annotated[int, Field(ge=1, le=64)] | None = None
    """Requests that the node can hold, where its own answer is wrong or missing."""
    reply_timeout: Annotated[float, Field(gt=0)] = 2.0
    """How long an answer may take before the request is sent again."""
    stall_timeout: Annotated[float, Field(gt=0)] = 30.0
    """How long a transfer may make no headway; erasing a slot falls under it."""
    quiet_after_reset: Annotated[float, Field(ge=0)] = 1.2
    """Silence after a restart: bytes during its boot can hang a small node's UART."""
    boot_deadline: Annotated[float, Field(gt=0)] = 60.0
    """How long a restart with a swap may take."""
    reset: ResetKind = ResetKind.NONE
    """How the port's lines restart the node, if they do."""
    loader_quiet: Annotated[float, Field(ge=0)] = 0.1
    """Silence after a restart into serial recovery, which may listen for a moment only."""
    identify: str | None = None
    """The command that makes the node show itself, as in ``echo:blink``."""
