"""The connection behind the face: requests come in, answers and states go out, begun again for ever.

Nothing of it is kept while there is no broker: states are published anew at each connection, and
who asked for something hears of it from them.
"""

import asyncio
import json
import logging
from collections.abc import Coroutine
from typing import Any

import aiomqtt

from gateway.control import Control
from gateway.model.zigbee import HeardFrame
from gateway.upstream.backoff import Backoff
from gateway.upstream.site_broker import site_client
from gateway.upstream.zigbee2mqtt import raw
from gateway.upstream.zigbee2mqtt.face import Face
from gateway.upstream.zigbee2mqtt.messages import Verb, answer, read, refusal, transaction_of
from gateway.upstream.zigbee2mqtt.settings import FaceTable
from transports.errors import TenderError

log = logging.getLogger("tender.zigbee2mqtt")

_REQUESTS = 64
"""Requests that are being done at one time; more are refused by being left to the asker's patience."""
_QUEUED = 1000


class FaceDoor:
    """Shows the face at a broker; ends by cancellation only."""

    def __init__(self, table: FaceTable, control: Control, client_id: str) -> None:
        self._table = table
        self._control = control
        self._client_id = client_id
        self._face = Face(control)
        self._tasks: set[asyncio.Task[None]] = set()
        self._asked = f"{table.base_topic}/bridge/request/device/ota_update/"

    async def run(self) -> None:
        """Connect, answer, and begin again."""
        settings, loop, said = self._table.mqtt, asyncio.get_running_loop(), ""
        backoff = Backoff(settings.retry_first, settings.retry_cap)
        while True:
            begin, trouble = loop.time(), "the connection ended"
            try:
                await self._serve()
            except* (aiomqtt.MqttError, OSError, ValueError) as errors:
                trouble = str(errors.exceptions[0])
            level = logging.WARNING if trouble != said else logging.DEBUG
            log.log(level, "%s: %s", self._table.where, trouble)
            said = trouble
            await asyncio.sleep(backoff.next(loop.time() - begin))

    async def _serve(self) -> None:
        settings = self._table.mqtt
        client = await site_client(settings, self._client_id, queued=_QUEUED, log=log)
        async with client:
            await client.subscribe(f"{self._asked}#", qos=1)
            if self._table.raw:
                await client.subscribe(raw.asked(self._table.base_topic), qos=1)
            log.info("shown at %s below %s", self._table.where, self._table.base_topic)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._answer(client))
                    group.create_task(self._tell(client))
                    if self._table.raw:
                        group.create_task(self._publish_frames(client))
            finally:
                for task in list(self._tasks):
                    task.cancel()

    async def _answer(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            if message.retain or len(self._tasks) >= _REQUESTS:
                continue  # a request is for now; one that a broker kept was for some other time
            topic, payload = str(message.topic), bytes(message.payload)
            if topic.startswith(self._asked):
                self._begin(self._update_asked(client, topic.removeprefix(self._asked), payload))
            else:
                self._begin(self._frame_asked(client, payload))
        raise aiomqtt.MqttError("the broker hung up")

    async def _update_asked(self, client: aiomqtt.Client, place: str, payload: bytes) -> None:
        verb, transaction = place.removesuffix("/downgrade"), transaction_of(payload)
        try:
            request = read(place, payload)
            verb = request.verb.value
            said = answer(await self._face.do(request), transaction)
        except TenderError as error:
            log.info("ota_update/%s refused=%s %s", place, error.code, error.message)
            said = refusal(error, transaction)
        if verb in set(Verb):
            await client.publish(
                f"{self._table.base_topic}/bridge/response/device/ota_update/{verb}", said, qos=1
            )

    async def _frame_asked(self, client: aiomqtt.Client, payload: bytes) -> None:
        transaction = transaction_of(payload)
        try:
            request = await raw.read(payload, self._control.zigbee)
            found = await self._control.zigbee.zcl(request, asked_by="mqtt")
            said = answer(raw.answered(request, found), transaction)
        except TenderError as error:
            said = refusal(error, transaction)
        await client.publish(raw.answers(self._table.base_topic), said, qos=1)

    async def _tell(self, client: aiomqtt.Client) -> None:
        """Every node's state at first, then each as it changes, at most so often."""
        due: dict[str, None] = dict.fromkeys(
            each.node for each in await self._control.zigbee.joined() if each.node is not None
        )
        told: dict[str, bytes] = {}
        some = asyncio.Event()
        some.set()

        async def watch() -> None:
            async for node in self._face.news():
                due[node] = None
                some.set()

        async with asyncio.TaskGroup() as group:
            group.create_task(watch())
            while True:
                await some.wait()
                some.clear()
                names, due = list(due), {}
                for node in names:
                    await self._tell_of(client, node, told)
                await asyncio.sleep(self._table.states_every)

    async def _tell_of(self, client: aiomqtt.Client, node: str, told: dict[str, bytes]) -> None:
        try:
            payload = (await self._face.update(node)).payload()
        except TenderError:
            return  # no Zigbee node, or none any more
        if told.get(node) != payload:
            told[node] = payload
            await client.publish(f"{self._table.base_topic}/{node}", payload)

    async def _publish_frames(self, client: aiomqtt.Client) -> None:
        base = self._table.base_topic
        async for frame in self._control.zigbee.frames():
            await client.publish(_place(base, frame), json.dumps(raw.said(frame)).encode())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        async def job() -> None:
            try:
                await work
            except aiomqtt.MqttError as error:
                log.debug("an answer was not sent: %s", error)
            except Exception:  # a bug that one request meets must not end the others
                log.exception("a request failed")

        task = asyncio.create_task(job())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _place(base: str, frame: HeardFrame) -> str:
    return f"{base}/{frame.node or '0x' + frame.ieee.replace(':', '')}/zcl"
