"""What the parts of a coordinator's serial side share: the chip, its life, and its voice."""

from collections.abc import Callable
from dataclasses import dataclass

from transports.virtual.zigbee.agenda import Agenda
from transports.virtual.zigbee.coordinator import Coordinator
from transports.virtual.zigbee.mt import System

OK, FAILURE, INVALID, BUFFER_FULL = 0x00, 0x01, 0x02, 0x11
"""ZSuccess, ZFailure, ZInvalidParameter, ZBufferFull (ZComDef.h)."""
STARTED_AS_COORDINATOR, STARTING = 0x09, 0x08
"""States of the device (ZDApp.h)."""
FIRST_BROADCAST = 0xFFF8

Answer = bytes | None
Handler = Callable[[bytes], Answer]
Handlers = dict[tuple[int, int], Handler]
"""By the two command bytes of a request, what answers it."""


@dataclass(slots=True, eq=False)
class Chip:
    """One chip; ``life`` counts its starts, so that what an earlier one began ends nowhere."""

    coordinator: Coordinator
    agenda: Agenda
    indicate: Callable[[System, int, bytes], None]
    """Say something to the host that it did not ask for."""
    changed: Callable[[], None]
    """The flash may have changed."""
    life: int = 0


def well(_: bytes) -> Answer:
    """What many a request is answered: it was taken."""
    return bytes((OK,))
