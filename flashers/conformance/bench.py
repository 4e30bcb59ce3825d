"""A node on a line in memory, and stories about it, told in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from flashers.api import FirmwareImage, UartNode, VirtualSetup, uart_node
from flashers.conformance.lease import Lease
from flashers.conformance.rules import Failure
from flashers.conformance.subject import Subject, identity_of
from transports.errors import TenderError
from transports.links import UartPeer
from transports.virtual.clock import run_virtual
from transports.virtual.memory import MemoryLine

T = TypeVar("T")

LATENCY = 0.001
"""Seconds that a byte is under way; with none at all, some orders of events could never be seen."""

_LOOK_EVERY = 0.1

Between = Callable[[UartNode], UartPeer]
"""Puts something between the line and the node."""


class Bench:
    """One node, and whoever gets a lease for it."""

    def __init__(
        self, subject: Subject, *, faults: str = "", between: Between | None = None, blank: bool = False
    ) -> None:
        self.subject = subject
        flash = {} if blank else {"app": subject.old_file}
        self.node = uart_node(
            subject.plugin.virtual_node(VirtualSetup(subject.params, flash=flash, options=subject.node))
        )
        peer: UartPeer = self.node if between is None else between(self.node)
        self.line = MemoryLine(peer, latency=LATENCY, faults=faults)

    def lease(self) -> Lease:
        """The next session on this node, with a flasher of its own."""
        return Lease(self.subject, self.line)

    def runs(self, image: FirmwareImage) -> bool:
        """Whether the node really executes this image."""
        return self.node.truth().running.get(image.component.image) == identity_of(image)

    async def settles_on(self, image: FirmwareImage, seconds: float) -> bool:
        """Whether the node executes this image within so many seconds, left alone."""
        for _ in range(round(seconds / _LOOK_EVERY)):
            if self.runs(image):
                return True
            await asyncio.sleep(_LOOK_EVERY)
        return self.runs(image)


def play(
    subject: Subject,
    story: Callable[[Bench], Awaitable[T]],
    *,
    where: str = "",
    faults: str = "",
    between: Between | None = None,
    blank: bool = False,
) -> T:
    """Tell a story about a fresh node that runs the old image, in virtual time.

    Args:
        subject: whose node it is.
        story: what happens.
        where: of many stories like it, which this is; told if it fails.
        faults: of the line.
        between: puts something between line and node, or in the node's place.
        blank: the node has no firmware.

    Raises:
        Failure: it does not end as it should; a named error that the story does not expect
            is one of the ways.
    """

    async def told() -> T:
        try:
            return await story(Bench(subject, faults=faults, between=between, blank=blank))
        except TenderError as error:
            raise Failure(f"{error.code} ends it: {error.message}") from error

    try:
        return run_virtual(told())
    except Failure as failure:
        if not where:
            raise
        raise Failure(f"{where}: {failure}") from failure


def spread(count: int, most: int) -> list[int]:
    """At most so many of the numbers from 1 to ``count``, the first and the last among them."""
    if count <= most:
        return list(range(1, count + 1))
    return sorted({1 + round(place * (count - 1) / (most - 1)) for place in range(most)})
