"""Ask the broker what it remembers of this gateway's nodes, before anything newer is published.

Node states are retained, so a gateway that lost its disk finds there what it told
before.  It is read once, over a connection of its own that leaves nothing behind: no
session, no last will, no acknowledged command.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiomqtt

from gateway.upstream.credentials import password, tls_context
from gateway.upstream.errors import UpstreamError
from gateway.upstream.settings import MqttSettings
from gateway.upstream.topics import Topics, unescape

_QUIET_S = 2.0
"""Retained messages come right after the subscription (MQTT 5.0, section 3.3.1.3), without a mark at their
end: after this long without one there are no more."""
_MOST_S = 60.0
_MOST_BYTES = 64 << 20

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Retained:
    """What the broker remembers: states by node, and what was wanted, each as it was sent."""

    states: Mapping[str, str] = field(default_factory=dict)
    desired: bytes | None = None
    refused: tuple[str, ...] = ()
    """Topics that we may not read."""


async def read_retained(settings: MqttSettings, gateway: str) -> Retained:
    """Read it.

    Raises:
        UpstreamError: the broker cannot be asked, or does not let us in.
    """
    topics = Topics.of(settings.prefix, gateway)
    nodes = topics.node("x").removesuffix("x")
    modern = settings.protocol == "5"
    try:
        client = aiomqtt.Client(
            settings.host,
            settings.port,
            identifier=f"{settings.client_id or f'tender-{gateway}'}-rebuild",
            username=settings.username,
            password=await asyncio.to_thread(password, settings),
            tls_context=await asyncio.to_thread(tls_context, settings) if settings.tls else None,
            protocol=aiomqtt.ProtocolVersion.V5 if modern else aiomqtt.ProtocolVersion.V311,
            clean_session=None if modern else True,
            clean_start=True if modern else 3,
            keepalive=settings.keepalive,
            timeout=settings.reply_timeout,
        )
        async with client:
            wanted = (f"{nodes}+", topics.desired)
            refused = tuple([topic for topic in wanted if not await _subscribe(client, topic)])
            states: dict[str, str] = {}
            desired: bytes | None = None
            async for topic, payload in _retained(client):
                if topic == topics.desired:
                    desired = payload
                elif topic.startswith(nodes):
                    states[unescape(topic.removeprefix(nodes))] = payload.decode(errors="replace")
    except (aiomqtt.MqttError, OSError, ValueError) as error:
        raise UpstreamError(f"{settings.host}:{settings.port}: {error}") from None
    _log.info("the broker remembers %d nodes", len(states))
    return Retained(states, desired, refused)


async def _subscribe(client: aiomqtt.Client, topic: str) -> bool:
    codes = await client.subscribe(topic, qos=1)
    # MQTT 3.1.1, section 3.9.3: 0x80 is the failure; in 5.0 everything from there on.
    return all((code if isinstance(code, int) else code.value) < 0x80 for code in codes)


async def _retained(client: aiomqtt.Client):  # type: ignore[no-untyped-def] # an iterator of (topic, payload)
    """Retained messages, until none came for a while."""
    loop = asyncio.get_running_loop()
    end, size = loop.time() + _MOST_S, 0
    messages = aiter(client.messages)
    while size < _MOST_BYTES:
        following = asyncio.ensure_future(anext(messages))
        done, _ = await asyncio.wait({following}, timeout=min(_QUIET_S, max(0.0, end - loop.time())))
        if not done:
            following.cancel()
            await asyncio.wait({following})
            return
        message = following.result()
        payload = bytes(message.payload)
        if message.retain and payload:
            size += len(payload)
            yield message.topic.value, payload
