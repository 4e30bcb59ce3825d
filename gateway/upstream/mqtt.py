"""An upstream that is an MQTT broker.

The library gives a connection on asyncio, and acknowledges a message as soon as it
was read.  Here it is acknowledged when it was done (MQTT 5.0 and 3.1.1, section 4.3.2),
so that the broker gives it again to a gateway that died over it.
"""

import asyncio
import logging
import socket
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.upstream.credentials import password, tls_context
from gateway.upstream.errors import UpstreamError, UpstreamLost, UpstreamRefused
from gateway.upstream.inbox import Inbox
from gateway.upstream.keeping import KeptUpstream
from gateway.upstream.settings import MqttSettings
from gateway.upstream.wire import Arrived, Wire

UNACKNOWLEDGED = 20
"""Messages that the broker may send before it waits for us (MQTT 5.0, section 3.1.2.11.3)."""
PACKET_MAX = 1_048_576
"""Bytes of a message that the broker may send at all (MQTT 5.0, section 3.1.2.11.4)."""
LARGEST_PACKET = 268_435_455
"""Bytes of the largest packet that there can be (MQTT 5.0, section 1.5.5)."""
CLOSE_TIMEOUT = 1.0
"""Seconds until the library has noticed that its socket is shut; it takes one turn of the loop."""

_log = logging.getLogger(__name__)


class MqttUpstream(KeptUpstream):
    """Tells a broker, and listens to it."""

    def __init__(self, settings: MqttSettings) -> None:
        super().__init__(settings, connect)


@asynccontextmanager
async def connect(
    settings: MqttSettings, client_id: str, will_topic: str, will: bytes
) -> AsyncIterator[Wire]:
    """A connection; left without :meth:`Connection.disconnect`, the broker publishes the will.

    Raises:
        UpstreamError: nobody answers, or the certificates or the password cannot be read.
        UpstreamRefused: the broker does not let us in.
    """
    where = f"{settings.host}:{settings.port}"
    try:
        inbox: Inbox[aiomqtt.Message] = Inbox()
        client = await _client(settings, inbox, client_id, will_topic, will)
        connection = Connection(client, inbox, settings)
        await connection.dial()
    except MqttConnectError as error:
        raise UpstreamRefused(f"{where}: {error}") from None
    except (aiomqtt.MqttError, OSError, ValueError) as error:
        raise UpstreamError(f"{where}: {error}") from None
    try:
        yield connection
    finally:
        await connection.close()


class Sent:
    """A message that waits for its acknowledgement."""

    def __init__(self, connection: "Connection", patience: float) -> None:
        loop = asyncio.get_running_loop()
        self._connection = connection
        self._answer: asyncio.Future[str | None] = loop.create_future()
        self._timer = loop.call_later(patience, connection.hang_up, "the broker does not acknowledge")

    @property
    def taken(self) -> bool:
        """Whether the broker has it."""
        return self._answer.done() and self._answer.result() == ""

    def answered(self, refusal: str | None) -> None:
        """The broker took it (no text), does not take it (why), or cannot answer any more (None)."""
        self._timer.cancel()
        if not self._answer.done():
            self._answer.set_result(refusal)

    async def wait(self) -> None:
        """Wait until the broker has it.

        Raises:
            UpstreamLost, UpstreamRefused: as :class:`gateway.upstream.wire.Receipt` says.
        """
        refusal = await asyncio.shield(self._answer)
        if refusal is None:
            raise UpstreamLost(self._connection.why)
        if refusal:
            raise UpstreamRefused(f"the broker does not take a message: {refusal}")


@dataclass(slots=True)
class _Waiting:
    """A message that came in and is not acknowledged."""

    mid: int
    done: bool = False


class Connection:
    """One connection, from its first byte to its end."""

    def __init__(self, client: aiomqtt.Client, inbox: Inbox[aiomqtt.Message], settings: MqttSettings) -> None:
        self.why = "the connection ended"
        self.session_present = False
        self.packet_limit = LARGEST_PACKET
        self._settings = settings
        self._client = client
        self._inbox = inbox
        self._inner = client._client  # noqa: SLF001 - the library has no public way to acknowledge later
        self._slots = asyncio.Semaphore(settings.in_flight)
        self._sent: dict[int, Sent] = {}
        self._waiting: deque[_Waiting] = deque()
        self._ending = False
        self._closed = asyncio.Event()
        self._take_over()

    async def dial(self) -> None:
        """Connect.

        Raises:
            aiomqtt.MqttError, OSError, ValueError: as the library does.
        """
        entering = asyncio.ensure_future(self._client.__aenter__())
        try:
            await self._unless_closed(entering)
            entering.result()
        except BaseException:
            # A thread dials, and no thread can be cancelled: it ends by its time-out, or
            # finds that nobody waits for the socket any more.
            self.hang_up("nobody waits for it")
            await self._unless_closed(entering, quiet=True)
            entering.cancel()
            await asyncio.wait({entering})
            raise

    async def disconnect(self) -> None:
        """End it in order, so that the last will is not published."""
        self._ending = True
        try:
            await self._client.__aexit__(None, None, None)
        except aiomqtt.MqttError as error:
            raise UpstreamLost(str(error)) from None

    async def close(self) -> None:
        """End it in whatever state it is, and take the library's last error from it."""
        self.hang_up(self.why)
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                async for _ in self._client.messages:
                    pass
        except (aiomqtt.MqttError, TimeoutError):
            pass

    def hang_up(self, why: str) -> None:
        """Shut the socket at once; whoever waits for an acknowledgement is told."""
        if not self._ending:
            self._ending, self.why = True, why
        sock = self._inner.socket()
        if sock is not None:
            _shut(sock)
        for sent in self._sent.values():
            sent.answered(None)
        self._sent.clear()

    async def subscribe(self, topic: str) -> bool:
        """Ask for a topic's messages; whether that is allowed.  Raises UpstreamLost."""
        asking = asyncio.ensure_future(self._client.subscribe(topic, qos=1))
        try:
            await self._unless_closed(asking)
            codes = asking.result()
        except aiomqtt.MqttError as error:
            raise UpstreamLost(str(error)) from None
        finally:
            asking.cancel()
        # MQTT 3.1.1, section 3.9.3: 0x80 is the failure; in 5.0 everything from there on.
        return all((code if isinstance(code, int) else code.value) < 0x80 for code in codes)

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> Sent:
        """Send at least once, in the order of the calls, at most ``in_flight`` at a time.

        Raises:
            UpstreamLost.
        """
        await self._slots.acquire()
        if self._ending:
            raise UpstreamLost(self.why)
        info = self._inner.publish(topic, payload, qos=1, retain=retain)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise UpstreamLost(self.why)
        sent = self._sent[info.mid] = Sent(self, self._settings.reply_timeout)
        return sent

    def publish_once(self, topic: str, payload: bytes) -> bool:
        """Send now or not at all; False if the connection is behind with what it has."""
        if self._ending or self._inner.want_write():
            return False
        return self._inner.publish(topic, payload, qos=0).rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    async def arrivals(self) -> AsyncIterator[Arrived]:
        """What comes in, until the connection ends: raises UpstreamLost."""
        try:
            async for message in self._client.messages:
                handle = message.mid if message.qos > 0 else None
                if handle is not None:
                    self._waiting.append(_Waiting(handle))
                yield Arrived(message.topic.value, bytes(message.payload), message.retain, handle)
                if self._inbox.overflowed and self._inbox.empty():
                    # What did not fit was not acknowledged: it comes again on the next connection.
                    raise UpstreamLost("more messages came at once than are kept")
        except aiomqtt.MqttError as error:
            raise UpstreamLost(self.why if self._ending else str(error.__cause__ or error)) from None

    def done(self, arrived: Arrived) -> None:
        """Acknowledge, in the order of arrival (MQTT 5.0 and 3.1.1, section 4.6).

        One that takes long holds back the acknowledgements of those after it, and
        nothing else.
        """
        for waiting in self._waiting:
            waiting.done |= waiting.mid == arrived.handle
        while self._waiting and self._waiting[0].done:
            self._inner.ack(self._waiting.popleft().mid, qos=1)

    def _take_over(self) -> None:
        """Decide ourselves what the library would decide too early: what is acknowledged, both ways."""
        inner = self._inner
        inner.connect_timeout = self._settings.dial_timeout
        inner.manual_ack_set(True)
        # The library takes every answer to a publish for an acknowledgement, also a refusal.
        inner.on_publish = self._on_publish
        library: dict[str, Any] = {
            name: getattr(inner, name) for name in ("on_connect", "on_socket_open", "on_socket_close")
        }

        def on_connect(client: Any, userdata: Any, flags: Any, reason: Any, properties: Any = None) -> None:
            self.session_present = bool(flags.session_present)
            self._obey(properties)
            library["on_connect"](client, userdata, flags, reason, properties)

        def on_socket_open(client: Any, userdata: Any, sock: Any) -> None:
            library["on_socket_open"](client, userdata, sock)
            if self._ending:
                _shut(sock)  # nobody waits for it any more

        def on_socket_close(client: Any, userdata: Any, sock: Any) -> None:
            library["on_socket_close"](client, userdata, sock)
            self._closed.set()
            self.hang_up("the broker hung up")

        inner.on_connect, inner.on_socket_open, inner.on_socket_close = (
            on_connect,
            on_socket_open,
            on_socket_close,
        )

    def _obey(self, properties: Properties | None) -> None:
        """Keep within what this broker said that it takes (MQTT 5.0, section 3.2.2.3)."""
        in_flight = getattr(properties, "ReceiveMaximum", self._settings.in_flight)
        self._slots = asyncio.Semaphore(min(in_flight, self._settings.in_flight))
        self.packet_limit = getattr(properties, "MaximumPacketSize", LARGEST_PACKET)

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason: Any, properties: Any = None) -> None:
        sent = self._sent.pop(mid, None)
        if sent is not None:
            self._slots.release()
            sent.answered(str(reason) if reason.is_failure else "")

    async def _unless_closed(self, answer: "asyncio.Future[Any]", *, quiet: bool = False) -> None:
        """Wait for an answer that does not come any more once the connection is closed.

        The library alone would wait for its time-out; and it forgets in Python 3.11
        (asyncio.wait_for) that it was cancelled, if the answer comes at that moment.

        Raises:
            UpstreamLost: it was closed first.
        """
        closed = asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait({answer, closed}, return_when=asyncio.FIRST_COMPLETED)
            # A refusal comes with the end of the connection, a turn of the loop apart.
            await asyncio.wait({answer}, timeout=CLOSE_TIMEOUT / 10)
        finally:
            closed.cancel()
        if not answer.done() and not quiet:
            raise UpstreamLost(self.why)


async def _client(
    settings: MqttSettings, inbox: Inbox[aiomqtt.Message], client_id: str, will_topic: str, will: bytes
) -> aiomqtt.Client:
    modern = settings.protocol == "5"
    properties = None
    if modern:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.ReceiveMaximum = UNACKNOWLEDGED
        properties.MaximumPacketSize = PACKET_MAX
        properties.SessionExpiryInterval = settings.session_expiry
    library_log = _log.getChild("library")
    # It reports as errors what is daily life on a weak link; what it means is said by us.
    library_log.setLevel(logging.CRITICAL)
    return aiomqtt.Client(
        settings.host,
        settings.port,
        identifier=client_id,
        username=settings.username,
        password=await asyncio.to_thread(password, settings),
        tls_context=await asyncio.to_thread(tls_context, settings) if settings.tls else None,
        protocol=aiomqtt.ProtocolVersion.V5 if modern else aiomqtt.ProtocolVersion.V311,
        clean_session=None if modern else False,
        clean_start=False if modern else MQTT_CLEAN_START_FIRST_ONLY,
        properties=properties,
        will=aiomqtt.Will(will_topic, will, qos=1, retain=True),
        keepalive=settings.keepalive,
        timeout=settings.reply_timeout,
        queue_type=cast(Any, lambda maxsize: inbox),
        max_inflight_messages=settings.in_flight,
        logger=library_log,
    )


def _shut(sock: Any) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the other side was faster
