"""The flight recorder of a link: the last frames, with their times, in bounded memory.

It is kept for attempts that did not succeed, where the last words of a link are
often the only witness.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

RECORD_LIMIT = 64 * 1024
"""Bytes that a recorder keeps, its own cost per frame included."""

FRAME_COST = 64
"""What a frame costs besides its bytes, so that a flood of single bytes is bounded as well."""


class FrameKind(StrEnum):
    """What happened: bytes down to the node, bytes up to the host, or something done to the link."""

    DOWN = "down"
    UP = "up"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Frame:
    """One write, one read or one note; ``at`` is the loop's time in seconds."""

    at: float
    kind: FrameKind
    data: bytes

    def __str__(self) -> str:
        sign = {FrameKind.DOWN: ">", FrameKind.UP: "<", FrameKind.NOTE: "="}[self.kind]
        text = self.data.decode() if self.kind is FrameKind.NOTE else self.data.hex(" ")
        return f"{self.at:.4f} {sign} {text}"


class FlightRecorder:
    """A ring of frames; the oldest are dropped, and counted."""

    def __init__(self, limit: int = RECORD_LIMIT) -> None:
        self.limit = limit
        self.dropped_frames = 0
        self.dropped_bytes = 0
        self._frames: deque[Frame] = deque()
        self._size = 0

    def record(self, at: float, kind: FrameKind, data: bytes) -> None:
        """Keep a frame; one that is larger than the whole recorder is kept with its end only."""
        most = max(1, self.limit - FRAME_COST)
        if len(data) > most:
            self.dropped_bytes += len(data) - most
            data = data[-most:]
        self._frames.append(Frame(at, kind, data))
        self._size += len(data) + FRAME_COST
        while self._size > self.limit and len(self._frames) > 1:
            oldest = self._frames.popleft()
            self._size -= len(oldest.data) + FRAME_COST
            self.dropped_frames += 1
            self.dropped_bytes += len(oldest.data)

    def note(self, at: float, text: str) -> None:
        """Keep a remark, such as a change of the modem lines."""
        self.record(at, FrameKind.NOTE, text.encode())

    def __iter__(self) -> Iterator[Frame]:
        return iter(tuple(self._frames))

    def __len__(self) -> int:
        return len(self._frames)

    def text(self) -> str:
        """The frames one a line, and what was dropped before them."""
        lines = [str(frame) for frame in self]
        if self.dropped_frames:
            lines.insert(0, f"({self.dropped_frames} earlier frames, {self.dropped_bytes} bytes, not kept)")
        return "\n".join(lines)
