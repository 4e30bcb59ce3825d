"""Carry a fault plan out on the bytes of one direction, and tell what was done.

Where chunks are cut does not matter to a fault that counts bytes: the same bytes
get the same fate in one piece or one by one.
"""

import random
from dataclasses import dataclass

from transports.virtual.faults import Direction, Fault, FaultKind, FaultPlan, Unit

STORY_LIMIT = 1000
"""Entries kept of what faults did; noise on a long transfer must not fill the memory."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is left of a chunk: bytes, how much later than usual, and whether the link is cut after them."""

    data: bytes
    delay: float = 0.0
    cut: bool = False


class Story:
    """What the faults of a medium have done so far, one line each."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.untold = 0

    def tell(self, line: str) -> None:
        """Add a line, or count it if there are too many."""
        if len(self.lines) < STORY_LIMIT:
            self.lines.append(line)
        else:
            self.untold += 1


class Injector:
    """The faults of one direction at work."""

    def __init__(self, plan: FaultPlan, direction: Direction, story: Story) -> None:
        self._direction = direction
        self._story = story
        self._by_chunk = [
            f for f in plan.towards(direction) if f.unit is Unit.CHUNK or f.kind is FaultKind.LOSS
        ]
        self._by_byte = [f for f in plan.towards(direction) if f not in self._by_chunk]
        self._chance = {fault: random.Random(fault.seed) for fault in plan.towards(direction)}
        self._doubled: dict[Fault, bytearray] = {}
        self.bytes_in = 0
        self.chunks_in = 0

    def pass_on(self, data: bytes) -> list[Delivery]:
        """What becomes of a chunk, in order."""
        start, chunk = self.bytes_in, self.chunks_in
        self.bytes_in += len(data)
        self.chunks_in += 1
        delay = 0.0
        for fault in self._by_chunk:
            data, more = self._bend_chunk(fault, chunk, data)
            delay += more
        if self._quiet(start, start + len(data)):
            return [Delivery(data, delay)] if data else []
        return self._bend_bytes(start, data, delay)

    def _quiet(self, start: int, end: int) -> bool:
        """No fault that counts bytes touches these."""
        for fault in self._by_byte:
            hit = start if fault.kind is FaultKind.NOISE else fault.next_hit(start)
            if hit is not None and hit < end:
                return False
        return True

    def _bend_chunk(self, fault: Fault, chunk: int, data: bytes) -> tuple[bytes, float]:
        if fault.kind is FaultKind.LOSS:
            if self._chance[fault].random() >= (fault.amount or 0):
                return data, 0.0
            self._tell(fault, f"chunk {chunk} of {len(data)} bytes lost")
            return b"", 0.0
        into = fault.hits(chunk)
        if into is None:
            return data, 0.0
        self._tell(fault, f"chunk {chunk} of {len(data)} bytes")
        match fault.kind:
            case FaultKind.DROP:
                return b"", 0.0
            case FaultKind.DUPLICATE:
                return data + data, 0.0
            case FaultKind.DELAY:
                return data, (fault.amount or 0.0) if into == 0 else 0.0
            case _:
                return bytes(_flip(fault, at, byte) for at, byte in enumerate(data)), 0.0

    def _bend_bytes(self, start: int, data: bytes, delay: float) -> list[Delivery]:
        done: list[Delivery] = []
        out = bytearray()
        for position, byte in enumerate(data, start):
            arriving: list[int] = [byte]
            for fault in self._by_byte:
                into = fault.hits(position)
                if fault.kind is FaultKind.NOISE:
                    into = 0 if self._chance[fault].random() < (fault.amount or 0) else None
                if into is None:
                    continue
                if into == 0:
                    self._tell(fault, f"at byte {position}")
                if fault.kind is FaultKind.CUT_LINK:
                    return [*done, Delivery(bytes(out), delay, cut=True)]
                if fault.kind is FaultKind.DELAY:
                    if into == 0:
                        done.append(Delivery(bytes(out), delay))
                        out.clear()
                        delay = fault.amount or 0.0
                    continue
                arriving = self._bend_byte(fault, into, position, arriving)
            out += bytes(arriving)
        done.append(Delivery(bytes(out), delay))
        return [each for each in done if each.data]

    def _bend_byte(self, fault: Fault, into: int, position: int, arriving: list[int]) -> list[int]:
        match fault.kind:
            case FaultKind.DROP:
                return []
            case FaultKind.DUPLICATE:
                kept = self._doubled.setdefault(fault, bytearray())
                kept += bytes(arriving)
                if into < fault.length - 1:
                    return arriving
                return [*arriving, *self._doubled.pop(fault)]
            case _:
                return [_flip(fault, position, each) for each in arriving]

    def _tell(self, fault: Fault, what: str) -> None:
        self._story.tell(f"{fault}: {self._direction} {what}")


def _flip(fault: Fault, position: int, byte: int) -> int:
    """One bit of the byte, the same one for the same seed and position."""
    return byte ^ (1 << ((position * 5 + fault.seed) % 8))
