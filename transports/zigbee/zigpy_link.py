"""One node of a zigpy network, for the length of a lease."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from transports.errors import LinkError, LinkLost, NodeUnreachable
from transports.zcl import AttributeValue, NodeFacts, Zcl
from transports.zigbee.air import Air
from transports.zigbee.attributes import READ, READ_RESPONSE, answered, asked
from transports.zigbee.bindings import bound
from transports.zigbee.errors import NotDelivered
from transports.zigbee.traffic import Inbox, Traffic

_NUMBERS = 256
"""Sequence numbers that a frame can have."""


class ZigpyLink:
    """A node, over one life of the coordinator; ``air`` None is a coordinator that is not there."""

    def __init__(
        self, ieee: str, air: Air | None, traffic: Traffic, facts: Callable[[str], NodeFacts]
    ) -> None:
        self._ieee = ieee
        self._air = air
        self._traffic = traffic
        self._facts = facts
        self._inbox = Inbox()

    @property
    def facts(self) -> NodeFacts:
        """What is known of the node now."""
        return self._facts(self._ieee)

    async def send(self, frame: Zcl, *, acknowledged: bool) -> float:
        """Send a frame; the seconds until the coordinator confirmed it.

        Raises:
            NotDelivered, FrameTooLong, LinkLost: it was not delivered.
        """
        air = self._here()
        if frame.tsn is None:
            frame = replace(frame, tsn=int(air.device(self._ieee).get_sequence()))
        loop = asyncio.get_running_loop()
        began = loop.time()
        await air.send(self._ieee, frame, acknowledged=acknowledged)
        return loop.time() - began

    async def ask(self, frame: Zcl, *, within: float) -> Zcl:
        """Send a request, acknowledged, and wait for its answer.

        Raises:
            NotDelivered, NodeUnreachable, FrameTooLong, LinkLost: there is none.
        """
        air = self._here()
        frame, answer = self._expected(air, frame)
        sending = air.run(air.send(self._ieee, frame, acknowledged=True))
        sending.add_done_callback(_seen)
        try:
            async with asyncio.timeout(within):
                both: set[asyncio.Future[Any]] = {sending, answer}
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                if not answer.done():
                    await asyncio.shield(sending)
                return await answer
        except TimeoutError:
            raise self._unanswered(sending, within) from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if air.gone() and (task is None or not task.cancelling()):
                raise LinkLost(f"the coordinator went away as {self._ieee} was asked") from None
            raise
        finally:
            self._traffic.forget(self._ieee, frame)

    async def read(
        self,
        cluster: int,
        attributes: Sequence[int],
        *,
        endpoint: int,
        client: bool = False,
        manufacturer: int | None = None,
        within: float,
    ) -> Mapping[int, AttributeValue]:
        """Read attributes; what does not fit into one answer of the node is asked for once more.

        Raises:
            NotDelivered, NodeUnreachable, FrameTooLong, LinkLost: there is no answer.
        """
        values: dict[int, AttributeValue] = {}
        left = list(dict.fromkeys(attributes))
        loop = asyncio.get_running_loop()
        until = loop.time() + within
        while left:
            question = Zcl(
                cluster,
                READ,
                asked(left),
                endpoint=endpoint,
                to_client=client,
                general=True,
                manufacturer=manufacturer,
            )
            answer = await self.ask(question, within=max(0.0, until - loop.time()))
            if answer.command != READ_RESPONSE:
                break  # a default response: it does not know the cluster
            found, absent = answered(answer.payload)
            values.update(found)
            still = [each for each in left if each not in found and each not in absent]
            if len(still) == len(left):
                break
            left = still
        return values

    async def bindings(self, *, within: float) -> tuple[str, ...]:
        """The node's binding table, a part of it in each answer.

        Raises:
            NodeUnreachable, LinkLost: there is no answer, or it has no such table.
        """
        air = self._here()
        try:
            async with asyncio.timeout(within):
                return await bound(air.device(self._ieee))
        except (TimeoutError, NodeUnreachable) as error:
            if air.gone():
                raise LinkLost(f"the coordinator went away as {self._ieee} was asked") from error
            if isinstance(error, NodeUnreachable):
                raise
            raise NodeUnreachable(f"{self._ieee} did not tell its bindings within {within:g} s") from None

    def listen(self, cluster: int) -> None:
        """From now on hand out what the node sends in this cluster."""
        if self._air is None or self._air.gone():
            self._inbox.close()
        else:
            self._traffic.listen(self._ieee, cluster, self._inbox)

    async def heard(self) -> Zcl:
        """Wait for the next such frame.

        Raises:
            LinkLost: the coordinator is gone.
        """
        self._here()
        frame = await self._inbox.get()
        if frame is None:
            raise LinkLost(f"the coordinator went away, or the link to {self._ieee} was closed")
        return frame

    async def aclose(self) -> None:
        """Listen no more; allowed more than once."""
        self._traffic.leave(self._inbox)
        self._inbox.close()

    def _here(self) -> Air:
        if self._air is None or self._air.gone():
            raise LinkLost("the coordinator is gone")
        return self._air

    def _expected(self, air: Air, frame: Zcl) -> tuple[Zcl, "asyncio.Future[Zcl]"]:
        """The frame with a number under which nobody else waits for an answer."""
        if frame.tsn is not None:
            answer = self._traffic.ask(self._ieee, frame)
            if answer is None:
                raise LinkError(f"another request to {self._ieee} has the number {frame.tsn}")
            return frame, answer
        device = air.device(self._ieee)
        for _ in range(_NUMBERS):
            numbered = replace(frame, tsn=int(device.get_sequence()))
            answer = self._traffic.ask(self._ieee, numbered)
            if answer is not None:
                return numbered, answer
        raise LinkError(f"{self._ieee} has as many requests as there are numbers")

    def _unanswered(self, sending: "asyncio.Task[None]", within: float) -> NodeUnreachable:
        if not sending.done():
            return NotDelivered(f"a request to {self._ieee} was not confirmed within {within:g} s")
        return NodeUnreachable(f"{self._ieee} did not answer within {within:g} s")


def _seen(task: "asyncio.Task[None]") -> None:
    """Whoever asked may have gone: what became of the frame is nobody's then."""
    if not task.cancelled():
        task.exception()
