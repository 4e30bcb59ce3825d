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
from flashers.zigbee_ota.server.errors import ActivationIgnored
from flashers.zigbee_ota.server.saying import checked_in, stay_awake
from transports.errors import NodeUnreachable
from transports.zcl import Zcl, ZigbeeLink

_TOLD = 4
"""Times that a node is told without having asked, before its own question is waited for."""
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
        self._asked = False

    async def start(self, runs: frozenset[int]) -> Started:
        """Tell it until it starts; ``runs`` are the versions by which it then calls itself.

        Raises:
            ActivationIgnored: it goes on with what it ran.
            LinkError: the coordinator is gone.
        """
        self._link.listen(OTA)
        if self._link.facts.sleepy:
            self._link.listen(POLL_CONTROL)
        for _ in range(_TOLD):
            await self._tell()
            found = await self._look(runs, self._params.reply_timeout)
            if found is not None:
                return found
        self._session.waiting("the node asks by itself whether to start", at_most=_ASKS_BY_ITSELF)
        loop = asyncio.get_running_loop()
        until = loop.time() + _ASKS_BY_ITSELF
        while (left := until - loop.time()) > 0:
            self._asked = False
            await self._listen(left)
            if self._asked:
                found = await self._look(runs, self._params.reply_timeout)
                if found is not None:
                    return found
        raise ActivationIgnored("the node has the image, and does not start it")

    async def _tell(self) -> None:
        """Without having been asked."""
        try:
            await self._link.send(frame(self._now, endpoint=self._endpoint), acknowledged=True)
        except NodeUnreachable:
            return  # gone already, or asleep; the look tells

    async def _look(self, runs: frozenset[int], within: float) -> Started | None:
        """What it does now; meanwhile it may ask.  None: it is as it was."""
        await self._listen(within / 2)
        said = await probing.ask(self._link, self._params, tries=1)
        if said is None:
            # A sleepy node may just not have woken; it is asked once more, and then it is gone as well.
            said = await probing.ask(self._link, self._params, tries=1) if self._link.facts.sleepy else None
            if said is None:
                return Started.GONE
        if said.current in runs and not said.has_image:
            return Started.RUNS
        # Counting down, or without the image that it had: it was started, whatever runs now.
        begun = said.status == UpgradeStatus.COUNT_DOWN or (said.status is not None and not said.has_image)
        return Started.GONE if begun else None

    async def _listen(self, seconds: float) -> None:
        """Answer what it asks, for so long or until it asked whether to start."""
        try:
            async with asyncio.timeout(seconds):
                while not self._asked:
                    await self._heard(await self._link.heard())
        except TimeoutError:
            return

    async def _heard(self, asked: Zcl) -> None:
        reply: Zcl | None = None
        if asked.cluster == POLL_CONTROL:
            reply = stay_awake(asked, self._params.reply_timeout * _TOLD) if checked_in(asked) else None
        else:
            try:
                ask = read_request(asked)
            except BadCommand:
                return
            if isinstance(ask, UpgradeEndRequest) and ask.status == Status.SUCCESS:
                self._asked = True
                reply = answer(asked, UpgradeEndResponse(ask.file, 0, 0))
        if reply is None:
            return
        try:
            await self._link.send(reply, acknowledged=True)
        except NodeUnreachable:
            return  # it asks again
        if asked.cluster == POLL_CONTROL:
            await self._tell()
