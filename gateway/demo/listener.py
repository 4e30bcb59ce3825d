"""A client of the broker that knows nothing of the gateway: what was upstream really told?

It uses paho on its own, not the gateway's connection, and reads the JSON as any
receiver would.
"""

import json
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode


class Listener:
    """Everything that was published below the gateway's prefix, in the order of its coming."""

    def __init__(self, host: str, port: int, gateway: str = "demo") -> None:
        self._prefix = f"tender/{gateway}"
        self.events: list[dict[str, Any]] = []
        self.states: dict[str, dict[str, Any]] = {}
        self.statuses: list[dict[str, Any]] = []
        self.progress = 0
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="demo-listener")
        self._client.on_connect = self._connected
        self._client.on_message = self._message
        self._client.connect(host, port)
        self._client.loop_start()

    def want(self, desired: dict[str, object]) -> None:
        """Say what upstream wants, retained, as an operator's system would."""
        self._client.publish(f"{self._prefix}/desired", json.dumps(desired), qos=1, retain=True)

    def close(self) -> None:
        """Stop listening."""
        self._client.disconnect()
        self._client.loop_stop()

    def ends(self, node: str) -> list[dict[str, Any]]:
        """The ends of a node's attempts, each once, in order of their ids."""
        found = {
            (event["epoch"], event["sequence"]): event
            for event in self.events
            if event["kind"] == "attempt.done" and event.get("node") == node
        }
        return [found[key]["data"] for key in sorted(found)]

    @property
    def in_order(self) -> bool:
        """Whether first deliveries came in the order of their ids."""
        seen: list[tuple[int, int]] = []
        for event in self.events:
            key = (event["epoch"], event["sequence"])
            if key not in seen:
                seen.append(key)
        return seen == sorted(seen)

    def _connected(self, client: Client, _data: Any, _flags: Any, reason: ReasonCode, _props: Any) -> None:
        client.subscribe(f"{self._prefix}/#", qos=1)

    def _message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        place = message.topic.removeprefix(f"{self._prefix}/")
        if place == "desired":
            return
        payload = json.loads(message.payload)
        if place == "event":
            self.events.append(payload)
        elif place == "status":
            self.statuses.append(payload)
        elif place.startswith("node/"):
            self.states[place.removeprefix("node/")] = payload
        elif place.startswith("progress/"):
            self.progress += 1
