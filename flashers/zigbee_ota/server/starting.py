"""Have a node start the image that it waits with, and see whether it does.

It is told so without having asked, again and again, until it is gone or calls itself otherwise; one
that does not listen to that asks by itself, which the specification has it do every hour.
"""

import asyncio
from enum import StrEnum

from flashers.api import Session
from flashers.zigbee_ota import probing
from flashers.zigbee_ota.codec import (
    BadCommand,
    File,
    Status,
    UpgradeEndRequest,
    UpgradeEndResponse,
    answer,
    frame,
    read_request,
)
from flashers.zigbee_ota.codec.words import OTA, POLL_CONTROL, UpgradeStatus
from flashers.zigbee_ota.params import OtaParams
from flashers.zigbee_ota.server.errors import ActivationIgnored, NodeAsleep
from flashers.zigbee_ota.server.saying import checked_in, stay_awake
from transports.errors import NodeUnreachable
from transports.zcl import Zcl, ZigbeeLink

_TOLD = 4
"""Times that a node is told without having asked, before its own question is waited for."""
_RESTARTS = 0.8
"""Seconds after which what is heard of a node that was told to start is no answer to that, but its return."""
_GLANCE = 0.25
"""Seconds between two looks at when it was last heard: an announcement is no frame that comes here."""
_ASKS_BY_ITSELF = 3600.0 + 120.0
"""A node that was told to wait asks again every 60 minutes (ZCL revision 8, 11.13.9.9), roughly."""


class Started(StrEnum):
    """What became of it."""

    RUNS = "runs"
    GONE = "gone"
    """It does not answer any more, as a node that restarts."""


class Starter:
    """Tells one node to start the file that it has."""

    def __init__(
        self, session: Session, link: ZigbeeLink, params: OtaParams, file: File, *, endpoint: int
    ) -> None:
        self._session = session
        self._link = link
        self._params = params
        self._file = file
        self._endpoint = endpoint
        self._now = UpgradeEndResponse(file, 0, 0)
        self._sleepy = link.facts.sleepy

    async def start(self, runs: frozenset[int]) -> Started:
        """Tell it until it starts; ``runs`` are the versions by which it then calls itself.

        Raises:
            NodeAsleep: it could not be told, and keeps the image.
            ActivationIgnored: it was told, and goes on with what it ran.
            LinkError: the coordinator is gone.
        """
        self._link.listen(OTA)
        if self._sleepy:
            self._link.listen(POLL_CONTROL)
        told = False
        for _ in range(_TOLD):
            told = await self._tell() or told
            if not told and self._sleepy:
                break
            found = await self._look(runs)
            if found is not None:
                return found
        return await self._when_it_asks(runs, told=told)

    async def _when_it_asks(self, runs: frozenset[int], *, told: bool) -> Started:
        """It sleeps, or does not listen to what it did not ask for."""
        loop = asyncio.get_running_loop()
        most = max(_ASKS_BY_ITSELF, self._params.check_in if self._sleepy else 0.0)
        until = loop.time() + most
        why = "the node sleeps" if self._sleepy else "the node asks by itself whether to start"
        while (left := until - loop.time()) > 0:
            self._session.waiting(why, at_most=left)
            if not await self._listen(left):
                break
            told = True
            found = await self._look(runs)
            if found is not None:
                return found
        if not told:
            raise NodeAsleep(f"the node was not heard for {most:.0f} s, and waits with its image")
        raise ActivationIgnored("the node has the image, and does not start it")

    async def _tell(self) -> bool:
        """Without having been asked; whether it heard it."""
        try:
            await self._link.send(frame(self._now, endpoint=self._endpoint), acknowledged=True)
        except NodeUnreachable:
            return False  # gone already, or asleep; the look tells
        return True

    async def _look(self, runs: frozenset[int]) -> Started | None:
        """What it does now; meanwhile it may ask.  None: it is as it was."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._params.boot_deadline
        while loop.time() < until:
            looked = loop.time() + self._params.reply_timeout / 2
            await self._listen_until_heard(looked)
            said = await probing.ask(self._link, self._params, tries=1)
            if said is not None and said.has_image and (rest := looked - loop.time()) > 0:
                await self._listen(rest)  # it was heard before it restarted
                said = await probing.ask(self._link, self._params, tries=1)
            if said is None:
                return Started.GONE
            if said.current in runs and not said.has_image:
                return Started.RUNS
            if said.status != UpgradeStatus.COUNT_DOWN:
                # Without the image that it had it was started, whatever runs now.
                return Started.GONE if said.status is not None and not said.has_image else None
        return Started.GONE

    async def _listen_until_heard(self, until: float) -> None:
        """Answer what it asks, until then or until a node that was away for a moment is back."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while (left := until - loop.time()) > 0:
            await self._listen(min(_GLANCE, left))
            heard = self._link.facts.last_heard
            if not self._sleepy and heard is not None and heard > began + _RESTARTS:
                return

    async def _listen(self, seconds: float) -> bool:
        """Answer what it asks, for so long or until it was told to start; whether it was."""
        try:
            async with asyncio.timeout(seconds):
                while not await self._heard(await self._link.heard()):
                    pass
        except TimeoutError:
            return False
        return True

    async def _heard(self, asked: Zcl) -> bool:
        """Answer this; whether it was told to start with that."""
        if asked.cluster == POLL_CONTROL:
            if not checked_in(asked):
                return False
            await self._send(stay_awake(asked, self._params.reply_timeout * _TOLD))
            return await self._tell()
        try:
            ask = read_request(asked)
        except BadCommand:
            return False
        if not isinstance(ask, UpgradeEndRequest) or ask.status != Status.SUCCESS:
            return False
        return await self._send(answer(asked, UpgradeEndResponse(ask.file, 0, 0)))

    async def _send(self, reply: Zcl) -> bool:
        try:
            await self._link.send(reply, acknowledged=True)
        except NodeUnreachable:
            return False  # it asks again
        return True
