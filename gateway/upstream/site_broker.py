"""A client of a broker of the site: for data that is listened for, for zigbee2mqtt, and for its face."""

import asyncio
import logging

import aiomqtt

from gateway.upstream.credentials import password, tls_context
from gateway.upstream.settings import MqttSettings


async def site_client(
    settings: MqttSettings, client_id: str, *, queued: int, log: logging.Logger
) -> aiomqtt.Client:
    """The client, not connected yet; its password and certificates are read anew.

    Args:
        settings: where the broker is, and who we are to it.
        client_id: what we call ourselves there.
        queued: messages that wait to be taken; more than that in one turn of the loop are dropped.
        log: whose child the library writes to, and is silent there: what it means is said by us.

    Raises:
        OSError, ValueError: a password or a certificate cannot be read.
    """
    library = log.getChild("library")
    library.setLevel(logging.CRITICAL)
    return aiomqtt.Client(
        settings.host,
        settings.port,
        identifier=client_id,
        username=settings.username,
        password=await asyncio.to_thread(password, settings),
        tls_context=await asyncio.to_thread(tls_context, settings) if settings.tls else None,
        keepalive=settings.keepalive,
        timeout=settings.reply_timeout,
        max_queued_incoming_messages=queued,
        logger=library,
    )
