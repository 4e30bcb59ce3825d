"""Tell upstream what is true: events in order, states and status as they are now.

An event leaves the outbox only after upstream acknowledged it and every one before
it.  Each connection begins with the oldest that is left, so whatever was in flight
when the last one broke comes again, and nothing ever overtakes.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from flashers.api import Reason
from gateway.control import Control
from gateway.upstream.messages import (
    EVENT_MAX,
    EventMessage,
    NodeState,
    OfflineMessage,
    ProgressMessage,
    StatusMessage,
)
from gateway.upstream.port import Outbox
from gateway.upstream.settings import MqttSettings
from gateway.upstream.topics import Topics
from gateway.upstream.wire import Receipt, Wire

BATCH = 50
"""Events or states that are read, sent and written off together."""
_ROOM = 64
"""Bytes of a packet beside topic and payload, generously."""

_log = logging.getLogger(__name__)


class Sender:
    """Everything that goes out over one connection."""

    def __init__(
        self,
        wire: Wire,
        topics: Topics,
        control: Control,
        outbox: Outbox,
        settings: MqttSettings,
        *,
        gateway: str,
        warnings: Callable[[], Sequence[Reason]] = tuple,
    ) -> None:
        self._wire = wire
        self._topics = topics
        self._control = control
        self._outbox = outbox
        self._settings = settings
        self._gateway = gateway
        self._warnings = warnings
        self._facts_news = asyncio.Event()
        self._status_news = asyncio.Event()
        self._status_due = True

    async def run(self) -> None:
        """Send until the connection is lost.

        Raises:
            ExceptionGroup: of UpstreamError, or of what the outbox raised.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch(), name="upstream news")
            tasks.create_task(self._tell_facts(), name="upstream events and states")
            tasks.create_task(self._tell_status(), name="upstream status")
            if self._settings.progress_every:
                tasks.create_task(self._tell_progress(), name="upstream progress")

    async def refresh(self) -> None:
        """Publish the status and every state anew."""
        await self._outbox.all_states_stale()
        self._status_due = True
        self._wake()

    async def farewell(self) -> None:
        """Tell what is left to tell, and that the gateway goes."""
        while await self.send_events():
            pass
        gone = OfflineMessage(gateway=self._gateway, reason="stopped")
        await (await self._wire.publish(self._topics.status, gone.payload(), retain=True)).wait()

    async def send_events(self) -> bool:
        """Send the oldest events; whether there were any."""
        events = await self._outbox.unsent(BATCH)
        limit = min(EVENT_MAX, self._room(self._topics.event))
        sent: list[tuple[int, Receipt]] = []
        try:
            for event in events:
                payload = EventMessage.of(event, limit).payload()
                sent.append((event.id.sequence, await self._wire.publish(self._topics.event, payload)))
            for _, receipt in sent:
                await receipt.wait()
        finally:
            await self._write_off(sent)
        return bool(events)

    async def send_states(self) -> bool:
        """Send states that upstream does not have, and take away those of nodes that are gone.

        Whether there were any.
        """
        stale = await self._outbox.stale_states(BATCH)
        sent: list[tuple[str, int, Receipt]] = []
        for view, revision in stale:
            topic, payload = self._topics.node(view.name), NodeState.of(self._gateway, view).payload()
            if len(payload) > self._room(topic):
                _log.warning("node=%s state of %d bytes: more than the broker takes", view.name, len(payload))
                await self._outbox.state_published(view.name, revision)
                continue
            sent.append((view.name, revision, await self._wire.publish(topic, payload, retain=True)))
        for name, revision, receipt in sent:
            await receipt.wait()
            await self._outbox.state_published(name, revision)
        gone = await self._outbox.gone_states(BATCH)
        for name in gone:
            # An empty retained message takes the old one away (MQTT 5.0 and 3.1.1, section 3.3.1.3).
            await (await self._wire.publish(self._topics.node(name), b"", retain=True)).wait()
            await self._outbox.state_cleared(name)
        return bool(stale or gone)

    async def _write_off(self, sent: list[tuple[int, Receipt]]) -> None:
        """Delete what upstream has: no more than up to the first that it does not."""
        taken: list[int] = []
        for sequence, receipt in sent:
            if not receipt.taken:
                break
            taken.append(sequence)
        if taken:
            await self._outbox.acknowledged(taken)

    def _room(self, topic: str) -> int:
        return self._wire.packet_limit - len(topic.encode()) - _ROOM

    def _wake(self) -> None:
        self._facts_news.set()
        self._status_news.set()

    async def _watch(self) -> None:
        while True:
            await self._outbox.changed()
            self._wake()

    async def _tell_facts(self) -> None:
        while True:
            self._facts_news.clear()
            # In turns, so that a long backlog of events does not keep the states old.
            more_events = await self.send_events()
            more_states = await self.send_states()
            if not more_events and not more_states:
                await self._facts_news.wait()

    async def _tell_status(self) -> None:
        last: StatusMessage | None = None
        while True:
            self._status_news.clear()
            message = StatusMessage.of(await self._control.status(), self._warnings())
            if self._status_due or not message.same_as(last):
                self._status_due = False
                receipt = await self._wire.publish(self._topics.status, message.payload(), retain=True)
                await receipt.wait()
                last = message
            await asyncio.sleep(self._settings.status_settle)
            try:
                async with asyncio.timeout(self._settings.status_every):
                    await self._status_news.wait()
            except TimeoutError:
                self._status_due = True

    async def _tell_progress(self) -> None:
        self._outbox.take_progress()  # from before this connection: old by now
        while True:
            await asyncio.sleep(self._settings.progress_every)
            for progress in self._outbox.take_progress():
                message = ProgressMessage.of(progress)
                if not self._wire.publish_once(self._topics.progress(progress.node), message.payload()):
                    break
