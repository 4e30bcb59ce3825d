"""A conversation with zigbee2mqtt: what it publishes, and requests with their answers.

It answers each request below ``BASE/bridge/response/`` with the request's own ``transaction``.  The
connection is begun anew for ever; who waits for an answer when it is lost is told.
"""

import asyncio
import itertools
import json
import logging
import os
from collections.abc import Callable
from typing import Any

import aiomqtt

from gateway.upstream.backoff import Backoff
from gateway.upstream.settings import MqttSettings
from gateway.upstream.site_broker import site_client
from transports.errors import LinkLost
from transports.zigbee.errors import CoordinatorLost, HostRefused

log = logging.getLogger("tender.guest")

_QUEUED = 10_000
Told = Callable[[str, Any, bool], None]
"""(topic without the base, its JSON or None, whether it was retained)."""


class Conversation:
    """One connection to the broker of one zigbee2mqtt; ``told`` is called with all that it publishes."""

    def __init__(self, settings: MqttSettings, base: str, client_id: str, told: Told) -> None:
        self._settings = settings
        self._base = base
        self._client_id = client_id
        self._told = told
        self._client: aiomqtt.Client | None = None
        self._numbers = itertools.count(1)
        self._own = f"tender-{os.getpid()}-{id(self):x}"
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self.trouble = "the broker is not connected yet"
        """Why nothing can be asked; empty while it can."""

    async def run(self) -> None:
        """Connect, listen, and begin again; ends by cancellation only."""
        settings, loop, said = self._settings, asyncio.get_running_loop(), ""
        backoff = Backoff(settings.retry_first, settings.retry_cap)
        while True:
            begin = loop.time()
            try:
                await self._listen()
                self.trouble = "the broker hung up"
            except (aiomqtt.MqttError, OSError, ValueError) as error:
                self.trouble = f"{settings.host}:{settings.port}: {error}"
            finally:
                self._client = None
                self._give_up()
            self._told("", None, False)
            log.log(logging.WARNING if self.trouble != said else logging.DEBUG, "%s", self.trouble)
            said = self.trouble
            await asyncio.sleep(backoff.next(loop.time() - begin))

    async def request(self, place: str, words: dict[str, Any], *, within: float) -> Any:
        """Ask, and return the answer's data.

        Raises:
            HostRefused: it answered with an error, or not in time.
            CoordinatorLost: there is no connection.
            LinkLost: it was lost meanwhile.
        """
        client = self._client
        if client is None:
            raise CoordinatorLost(self.trouble)
        transaction = f"{self._own}-{next(self._numbers)}"
        waiting: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[transaction] = waiting
        try:
            payload = json.dumps({**words, "transaction": transaction})
            try:
                await client.publish(f"{self._base}/bridge/request/{place}", payload, qos=1)
            except aiomqtt.MqttError as error:
                raise LinkLost(f"zigbee2mqtt cannot be asked: {error}") from error
            async with asyncio.timeout(within):
                answer = await waiting
        except TimeoutError:
            raise HostRefused(f"zigbee2mqtt did not answer {place} in {within:g} s") from None
        finally:
            self._waiting.pop(transaction, None)
        if answer.get("status") != "ok":
            raise HostRefused(f"zigbee2mqtt: {answer.get('error') or 'an error without a word'}")
        return answer.get("data")

    async def _listen(self) -> None:
        settings = self._settings
        client = await site_client(settings, self._client_id, queued=_QUEUED, log=log)
        async with client:
            await client.subscribe(f"{self._base}/#", qos=1)
            self._client, self.trouble = client, ""
            self._told("", None, False)
            async for message in client.messages:
                self._take(str(message.topic).removeprefix(f"{self._base}/"), message)

    def _take(self, place: str, message: aiomqtt.Message) -> None:
        try:
            body = json.loads(bytes(message.payload)) if message.payload else None
        except ValueError:
            body = None
        if place.startswith("bridge/response/"):
            answer: dict[str, Any] = body if isinstance(body, dict) else {}
            waiting = self._waiting.get(str(answer.get("transaction")))
            if waiting is not None and not waiting.done():
                waiting.set_result(answer)
        elif not place.startswith("bridge/request/"):
            self._told(place, body, bool(message.retain))

    def _give_up(self) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(LinkLost(f"zigbee2mqtt cannot be heard: {self.trouble}"))
