"""A place for messages that wait to be worked on, which somebody outside fills."""

import asyncio
from typing import Protocol, TypeVar

INBOX_MESSAGES = 1000
INBOX_BYTES = 8_388_608
"""What may wait here.  Brokers are asked to send less, and do not always listen."""


class Kept(Protocol):
    """What has to be known of a message to keep it."""

    @property
    def qos(self) -> int:
        """How hard the broker tries; 0: once."""
        ...

    @property
    def payload(self) -> bytes:
        """Its content."""
        ...


M = TypeVar("M", bound=Kept)


class Inbox(asyncio.Queue[M]):
    """Bounded; half of it is kept for the messages that are not to be lost."""

    def __init__(self) -> None:
        super().__init__()
        self.overflowed = False
        """Whether the broker has to send something again."""
        self._bytes = 0

    def put_nowait(self, item: M) -> None:
        """Keep a message, if there is room for its kind."""
        share = 1 if item.qos > 0 else 2
        # One that is larger than all the room has to be seen too, to be refused: else it comes for ever.
        fits = self.empty() or self._bytes + len(item.payload) <= INBOX_BYTES // share
        if fits and self.qsize() < INBOX_MESSAGES // share:
            self._bytes += len(item.payload)
            super().put_nowait(item)
        elif item.qos > 0:
            self.overflowed = True

    def _get(self) -> M:
        item: M = super()._get()
        self._bytes -= len(item.payload)
        return item
