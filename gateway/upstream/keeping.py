"""Keep talking to an upstream for as long as the service runs.

Each connection is a fresh start: everything that has to survive one is in the
outbox, or is kept by the other side until it is acknowledged.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from flashers.api import Reason, Stamp
from gateway.clock import now
from gateway.control import Control
from gateway.upstream.answering import Answers
from gateway.upstream.backoff import Backoff
from gateway.upstream.claims import ClaimDesk, ClaimTalk, no_claims
from gateway.upstream.messages import OfflineMessage
from gateway.upstream.port import Outbox
from gateway.upstream.sending import Sender
from gateway.upstream.settings import MqttSettings
from gateway.upstream.together import until_one_ends
from gateway.upstream.topics import Topics
from gateway.upstream.wire import Arrived, Wire
from transports.errors import TenderError

HANDLED = 32
"""Messages that are worked on at the same time."""
FAREWELL = 3.0
"""Seconds for the last words when the service stops."""

Connect = Callable[[MqttSettings, str, str, bytes], AbstractAsyncContextManager[Wire]]
"""Connects with a client id, and with the topic and the payload of a last will."""

_log = logging.getLogger(__name__)


class KeptUpstream:
    """Connects, and connects again; whatever the other side does, nodes are updated meanwhile."""

    def __init__(self, settings: MqttSettings, connect: Connect) -> None:
        self._settings = settings
        self._connect = connect
        self._sender: Sender | None = None
        self._since = math.inf
        """When the connection began, in the loop's time."""
        self._unread: tuple[str, ...] = ()
        self._talk: ClaimTalk | None = None
        self._trouble: TenderError | None = None
        self._trouble_since: Stamp | None = None

    @property
    def connected(self) -> bool:
        """Whether it is connected now."""
        return self._sender is not None

    @property
    def trouble(self) -> TenderError | None:
        """Why it is not connected, or was not the last time; None while it is."""
        return self._trouble

    @property
    def trouble_since(self) -> Stamp | None:
        """When the connection was lost, or was not made for the first time; None while it is there."""
        return self._trouble_since if self._trouble is not None else None

    async def run(self, control: Control, outbox: Outbox, claims: ClaimDesk | None = None) -> None:
        """Connect, tell, listen, and begin again; ends by cancellation only, in order."""
        gateway = (await control.status()).gateway
        answers = Answers(control, gateway, self._refresh)
        backoff = Backoff(self._settings.retry_first, self._settings.retry_cap)
        loop = asyncio.get_running_loop()
        try:
            while True:
                self._since = math.inf
                try:
                    await self._serve(gateway, control, outbox, answers, claims)
                except* TenderError as trouble:
                    self._report(_first(trouble))
                except* Exception:  # noqa: BLE001 - a fault here must not end the updating of nodes
                    _log.exception("upstream failed; it is tried again")
                await asyncio.sleep(backoff.next(max(0.0, loop.time() - self._since)))
        finally:
            await answers.close()

    async def _serve(
        self, gateway: str, control: Control, outbox: Outbox, answers: Answers, claims: ClaimDesk | None
    ) -> None:
        """One connection's life.

        Raises:
            TenderError, ExceptionGroup: why it ended.
        """
        settings = self._settings
        topics = Topics.of(settings.prefix, gateway)
        will = OfflineMessage(gateway=gateway, reason="lost").payload()
        client_id = settings.client_id or f"tender-{gateway}"
        async with self._connect(settings, client_id, topics.status, will) as wire:
            self._since = asyncio.get_running_loop().time()
            sender = Sender(wire, topics, control, outbox, settings, gateway=gateway, warnings=self._warnings)
            _log.info("connected to %s:%d", settings.host, settings.port)
            try:
                self._sender, self._trouble = sender, None
                if settings.republish_states == "always" or not wire.session_present:
                    await outbox.all_states_stale()
                # Whoever sees us online can be sure that we listen.
                wanted = (topics.desired, topics.command)
                self._unread = tuple([topic for topic in wanted if not await wire.subscribe(topic)])
                talk = ClaimTalk(wire, claims, settings.claims, gateway) if claims is not None else None
                self._talk = talk
                saying = talk.run() if talk is not None else no_claims()
                await until_one_ends(_listen(wire, topics, answers, talk), sender.run(), saying)
            except asyncio.CancelledError:
                await _say_goodbye(wire, sender)
                raise
            finally:
                self._sender = self._talk = None

    async def _refresh(self) -> None:
        if self._sender is not None:
            await self._sender.refresh()

    def _warnings(self) -> Sequence[Reason]:
        refused = self._talk.refused if self._talk is not None else None
        return [
            Reason(
                "upstream-not-read",
                f"The broker does not let this gateway read {topic}.",
                "Allow it in the broker's access list.",
            )
            for topic in (*self._unread, *((refused,) if refused else ()))
        ]

    def _report(self, error: TenderError) -> None:
        # The same trouble all night long is one line, not three hundred.
        news = self._trouble is None or self._trouble.message != error.message
        if self._trouble is None:
            self._trouble_since = now()
        self._trouble = error
        _log.log(logging.WARNING if news else logging.DEBUG, "%s: %s", error.code, error.message)


async def _listen(wire: Wire, topics: Topics, answers: Answers, talk: ClaimTalk | None) -> None:
    room = asyncio.Semaphore(HANDLED)
    async with asyncio.TaskGroup() as tasks:
        async for arrived in wire.arrivals():
            if talk is not None and talk.takes(arrived):
                wire.done(arrived)
                continue
            await room.acquire()
            task = tasks.create_task(_handle(wire, topics, answers, arrived), name="upstream message")
            task.add_done_callback(lambda _: room.release())


async def _handle(wire: Wire, topics: Topics, answers: Answers, arrived: Arrived) -> None:
    """Do what a message asks, tell what came of it, and only then let it be forgotten."""
    if arrived.topic == topics.desired:
        await answers.desired(arrived.payload)
    elif arrived.topic == topics.command and arrived.payload:
        result = await answers.command(arrived.payload, retained=arrived.retained)
        if result is not None:
            await (await wire.publish(topics.result, result.payload())).wait()
    wire.done(arrived)


async def _say_goodbye(wire: Wire, sender: Sender) -> None:
    try:
        async with asyncio.timeout(FAREWELL):
            await sender.farewell()
            await wire.disconnect()
    except (TenderError, TimeoutError) as error:
        _log.info("upstream was not told that the service stops: %s", str(error) or "it does not answer")


def _first(group: BaseExceptionGroup[TenderError]) -> TenderError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, TenderError)  # noqa: S101 - the group holds nothing else
    return error
