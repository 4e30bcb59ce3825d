"""A node on a line, a radio or a network in memory, and stories about it, told in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from flashers.api import FirmwareImage, VirtualSetup
from flashers.conformance.lease import Lease
from flashers.conformance.peers import Between
from flashers.conformance.places import place_for
from flashers.conformance.rules import Failure
from flashers.conformance.subject import Subject, identity_of
from transports.errors import TenderError
from transports.virtual.clock import run_virtual

T = TypeVar("T")

_LOOK_EVERY = 0.1


class Bench:
    """One node, and whoever gets a lease for it."""

    def __init__(
        self,
        subject: Subject,
        *,
        cut: tuple[int, bool] | None = None,
        between: Between | None = None,
        blank: bool = False,
    ) -> None:
        self.subject = subject
        flash = {} if blank else {"app": subject.old_file}
        self.node = subject.plugin.virtual_node(
            VirtualSetup(subject.params, flash=flash, options=subject.node)
        )
        self.place = place_for(
            self.node,
            subject.leads,
            between=between,
            cut=cut,
            pair=subject.pair,
            alone=subject.plugin.unattended,
        )

    def lease(self) -> Lease:
        """The next session on this node, with a flasher of its own."""
        return Lease(self.subject, self.place)

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
    cut: tuple[int, bool] | None = None,
    between: Between | None = None,
    blank: bool = False,
) -> T:
    """Tell a story about a fresh node that runs the old image, in virtual time.

    Args:
        subject: whose node it is.
        story: what happens.
        where: of many stories like it, which this is; told if it fails.
        cut: where its link is cut, and whether on the way from the node.
        between: puts something between link and node, or in the node's place.
        blank: the node has no firmware.

    Raises:
        Failure: it does not end as it should; a named error that the story does not expect
            is one of the ways.
    """

    async def told() -> T:
        try:
            return await story(Bench(subject, cut=cut, between=between, blank=blank))
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
