"""A real zigbee2mqtt, which owns a coordinator as it does on many sites.

It is started as its users start it, with a configuration file, against a real broker and a
coordinator of the virtual network.  What it is asked goes over its MQTT topics and nothing else.
"""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.peers import node
from tests.peers.listener import Listener
from tests.peers.mosquitto import Broker

BASE = "zigbee2mqtt"
"""Its base topic, as it is by default."""

PATIENCE = 150.0
"""Seconds for what takes it seconds: forming a network about 4, starting altogether about 7."""

Said = dict[str, Any]


class RequestRefused(Exception):
    """It answered a request with an error; the text is its own."""


class Zigbee2Mqtt:
    """One zigbee2mqtt: a folder with its configuration and database, a broker, a coordinator.

    ``settings`` are merged into its configuration, as ``{"ota": {"image_block_response_delay": 50}}``.
    It forms its network at its first start and goes on with it at the next.
    """

    def __init__(
        self, folder: Path, broker: Broker, port: str, *, base: str = BASE, settings: Said | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.base = base
        self.folder = folder
        self._transactions = 0
        self._log = folder / "console.log"
        self._process: asyncio.subprocess.Process | None = None
        self.heard = Listener(broker.port, f"{base}/#")
        """Everything that passed below its base topic."""
        configuration: Said = {
            "version": 5,
            "mqtt": {"server": broker.url, "base_topic": base},
            "serial": {"port": port, "adapter": "zstack"},
            "frontend": {"enabled": False},
            "homeassistant": {"enabled": False},
            "ota": {"disable_automatic_update_check": True},
            "advanced": {
                "log_output": ["console"],
                "log_level": os.environ.get("Z2M_LOG_LEVEL", "info"),
                "channel": 15,
                "pan_id": 6755,
                "ext_pan_id": [1, 2, 3, 4, 5, 6, 7, 8],
                "network_key": [1, 3, 5, 7, 9, 11, 13, 15, 0, 2, 4, 6, 8, 10, 12, 13],
            },
        }
        for table, values in (settings or {}).items():
            configuration[table] = {**configuration.get(table, {}), **values}
        # JSON is YAML; it writes the file in its own way at its first start.
        (folder / "configuration.yaml").write_text(json.dumps(configuration, indent=1))

    @property
    def log(self) -> str:
        """What it printed."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None, "it does not run"
        return self._process.pid

    # Its life

    async def start(self) -> Self:
        """Start it, and return when it says on MQTT that it is online."""
        assert self._process is None, "it runs"
        before = self._starts()
        # It asks git which version it is and would build itself anew inside of a repository.
        surroundings = os.environ | {
            "ZIGBEE2MQTT_DATA": str(self.folder),
            "Z2M_ONBOARD_NO_SERVER": "1",
            "GIT_DIR": "/nonexistent",
        }
        script = node.modules("zigbee2mqtt") / "node_modules" / "zigbee2mqtt" / "index.js"
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                node.program(),
                script,
                cwd=self.folder,
                env=surroundings,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        process = self._process
        await self.until(lambda: process.returncode is not None or self._starts() > before)
        assert process.returncode is None, f"zigbee2mqtt ended: {self.log[-3000:]}"
        return self

    async def stop(self) -> None:
        """Stop it in order: it says that it is offline."""
        assert self._process is not None, "it does not run"
        self._process.terminate()
        try:
            async with asyncio.timeout(20):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        self._process = None

    async def kill(self) -> None:
        """End it as a loss of power does; the broker tells its last will."""
        assert self._process is not None, "it does not run"
        self._process.kill()
        await self._process.wait()
        self._process = None

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.heard.__enter__)
        try:
            return await self.start()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            if self._process.returncode is None:
                await self.stop()
            self._process = None
        await asyncio.to_thread(self.heard.__exit__, None, None, None)

    # What its users do

    async def request(self, name: str, *, within: float = PATIENCE, **words: Any) -> Said:
        """Publish ``bridge/request/NAME`` and return the data of its response.

        Raises:
            RequestRefused: the response is an error.
        """
        self._transactions += 1
        transaction = f"test-{self._transactions}"
        topic = f"{self.base}/bridge/request/{name}"
        payload = json.dumps({**words, "transaction": transaction})
        await asyncio.to_thread(self.heard.publish, topic, payload)
        answer: Said = {}

        def answered() -> bool:
            # The answer's topic has no /downgrade, so all of them are looked at.
            for message in self.heard.heard:
                if message.topic.startswith(f"{self.base}/bridge/response/"):
                    said = message.json
                    if said.get("transaction") == transaction:
                        answer.update(said)
                        return True
            return False

        await self.until(answered, within)
        if answer["status"] != "ok":
            raise RequestRefused(answer["error"])
        data: Said = answer["data"]
        return data

    async def permit(self, seconds: int = 120) -> None:
        """Let nodes join."""
        await self.request("permit_join", time=seconds)

    def devices(self) -> dict[str, Said]:
        """What ``bridge/devices`` says of nodes, by address as it writes it (``0x…``)."""
        newest = self.heard.last(f"{self.base}/bridge/devices")
        listed = json.loads(newest.payload) if newest is not None else []
        return {entry["ieee_address"]: entry for entry in listed if entry["type"] != "Coordinator"}

    async def joined(self, ieee: str, *, within: float = PATIENCE) -> Said:
        """Wait until it has interviewed a node; returns what it lists of it."""
        name = named(ieee)
        await self.until(lambda: self.devices().get(name, {}).get("interview_state") == "SUCCESSFUL", within)
        return self.devices()[name]

    def states(self, ieee: str) -> list[Said]:
        """Every state of a node that it published, in order; a node is called by its address."""
        return [message.json for message in self.heard.on(f"{self.base}/{named(ieee)}")]

    def update_states(self, ieee: str) -> list[Said]:
        """What it said of the node's update, in order, without repetitions."""
        said: list[Said] = []
        for state in self.states(ieee):
            update = state.get("update")
            if update is not None and (not said or said[-1] != update):
                said.append(update)
        return said

    async def until(self, condition: Callable[[], bool], within: float = PATIENCE) -> None:
        """Wait until something that was heard makes it true."""
        try:
            await self.heard.until(condition, within)
        except AssertionError:
            raise AssertionError(
                f"not heard within {within} s; zigbee2mqtt says:\n{self.log[-3000:]}"
            ) from None

    def _starts(self) -> int:
        """How often it said that it has started; it is online before it listens."""
        return sum(b"Zigbee2MQTT started!" in m.payload for m in self.heard.on(f"{self.base}/bridge/logging"))


def named(ieee: str) -> str:
    """An address as zigbee2mqtt writes it: ``0x00124b001caabbcc``."""
    return f"0x{ieee.replace(':', '')}"
