"""Somebody else at the broker, who writes down all that it hears.

It is paho's own client in a thread of its own: it shares no code with the gateway's
side, and goes on while the loop under test is busy.
"""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

PATIENCE = 20.0
"""Seconds to wait for what must come; it commonly comes within milliseconds."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A message as it came."""

    topic: str
    payload: bytes
    retained: bool

    @property
    def json(self) -> dict[str, Any]:
        """The payload as an object."""
        value = json.loads(self.payload)
        assert isinstance(value, dict), f"{self.topic}: no object"
        return value


class Listener:
    """Subscribed to ``topic`` from the moment it is entered, and again whenever the broker comes back.

    QoS 0 by default: it then never answers, so a broker that is killed has nothing
    unread, and all that it wrote before still reaches us.
    """

    def __init__(self, port: int, topic: str = "#", *, qos: int = 0, host: str = "127.0.0.1") -> None:
        self._host, self._port, self._topic, self._qos = host, port, topic, qos
        self._news = threading.Condition()
        self._heard: list[Heard] = []
        self._by_topic: dict[str, list[Heard]] = {}
        self._subscriptions = 0
        self._disconnections = 0
        self._known = 0
        self._client = self._new_client()

    @property
    def heard(self) -> list[Heard]:
        """All of it so far, in order."""
        with self._news:
            return list(self._heard)

    def on(self, topic: str) -> list[Heard]:
        """All of it on one topic."""
        with self._news:
            return list(self._by_topic.get(topic, ()))

    def count(self, topic: str) -> int:
        """How many on one topic; this is cheap."""
        with self._news:
            return len(self._by_topic.get(topic, ()))

    def last(self, topic: str) -> Heard | None:
        """The newest on a topic."""
        return next(reversed(self.on(topic)), None)

    @property
    def subscriptions(self) -> int:
        """How often the broker granted the subscription: once for each connection."""
        with self._news:
            return self._subscriptions

    def publish(self, topic: str, payload: str | bytes, *, retain: bool = False, qos: int = 1) -> None:
        """Say something; returns when the broker has it."""
        self._client.publish(topic, payload, qos=qos, retain=retain).wait_for_publish(PATIENCE)

    def publish_many(self, topic: str, payloads: list[str]) -> None:
        """The same for many, with as many under way as the broker takes."""
        for sent in [self._client.publish(topic, payload, qos=1) for payload in payloads]:
            sent.wait_for_publish(PATIENCE)

    def reconnect(self) -> None:
        """Connect again now, after the broker died and came back, and return when subscribed.

        What the dead one still had on the wire is heard first.  It is called after each death, so
        that a subscription which is newer than the last call is one of the broker that came back.
        """
        known = self._known
        self.wait(lambda: self._disconnections >= known or self._subscriptions > known)
        if self._subscriptions == known:  # else paho was faster
            self._stop()
            self._client = self._new_client()
            self._start()
            self.wait(lambda: self._subscriptions > known)
        self._known = self._subscriptions

    def wait(self, condition: Callable[[], bool], timeout: float = PATIENCE) -> None:
        """Wait until something heard makes it true."""
        deadline = time.monotonic() + timeout
        with self._news:
            while not condition():
                left = deadline - time.monotonic()
                assert left > 0, f"not heard within {timeout} s; the last was {self._heard[-3:]}"
                self._news.wait(min(left, 0.1))  # what is waited for need not be heard by us

    async def until(self, condition: Callable[[], bool], timeout: float = PATIENCE) -> None:
        """The same without holding the loop."""
        await asyncio.to_thread(self.wait, condition, timeout)

    def __enter__(self) -> Self:
        self._start()
        self.wait(lambda: self._subscriptions > 0)
        self._known = self._subscriptions
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _new_client(self) -> paho.Client:
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.reconnect_delay_set(0.05, 0.05)  # type: ignore[arg-type]  # fractions are as good
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        return client

    def _start(self) -> None:
        self._client.connect(self._host, self._port)
        self._client.loop_start()

    def _stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: paho.Client, *_: Any) -> None:
        client.subscribe(self._topic, qos=self._qos)

    def _on_subscribe(self, *_: Any) -> None:
        with self._news:
            self._subscriptions += 1
            self._news.notify_all()

    def _on_disconnect(self, *_: Any) -> None:
        with self._news:
            self._disconnections = self._subscriptions
            self._news.notify_all()

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        with self._news:
            heard = Heard(message.topic, bytes(message.payload), message.retain)
            self._heard.append(heard)
            self._by_topic.setdefault(message.topic, []).append(heard)
            self._news.notify_all()
