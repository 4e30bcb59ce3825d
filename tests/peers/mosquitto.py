"""A real broker of one's own, on a free loopback port, that can be killed and come back."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.peers import debian

START_TIMEOUT = 20.0
"""Seconds until it must listen; commonly it takes some tens of milliseconds."""

READY_INTERVAL = 0.01
"""Seconds between two attempts to connect while it starts."""


class Broker:
    """A mosquitto that keeps its retained and queued messages in ``folder``."""

    def __init__(self, folder: Path, *, extra: str = "") -> None:
        """``extra`` is further text for its configuration file."""
        folder.mkdir(parents=True, exist_ok=True)
        self.host = "127.0.0.1"
        self.port = free_port()
        self.log_file = folder / "log"
        self._configuration = folder / "mosquitto.conf"
        self._process: subprocess.Popen[bytes] | None = None
        lines = [
            f"listener {self.port} {self.host}",
            "allow_anonymous true",
            "persistence true",
            f"persistence_location {folder}/",
            f"log_dest file {self.log_file}",
            "log_type all",
            "set_tcp_nodelay true",
            # Started by root it would become a user who may not write its folder.
            *(["user root"] if os.geteuid() == 0 else []),
            extra,
        ]
        self._configuration.write_text("\n".join(lines) + "\n")

    @property
    def url(self) -> str:
        """Where it is, as a configuration names it."""
        return f"mqtt://{self.host}:{self.port}"

    def start(self) -> Self:
        """Start it, on the same port and with the same folder as ever, and return when it listens."""
        assert self._process is None, "the broker runs"
        command = [str(debian.program("mosquitto")), "-c", str(self._configuration)]
        self._process = subprocess.Popen(
            command,
            env=os.environ | debian.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_TIMEOUT
        while not self._listens():
            assert self._process.poll() is None, f"the broker ended: {self.log}"
            assert time.monotonic() < deadline, f"the broker does not listen: {self.log}"
            time.sleep(READY_INTERVAL)
        return self

    def stop(self) -> None:
        """Stop it in order: it writes its database."""
        self._end("terminate")

    def kill(self) -> None:
        """Kill it: it loses what it has not written yet."""
        self._end("kill")

    def restart(self) -> None:
        """Stop in order and start again."""
        self.stop()
        self.start()

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    @property
    def running(self) -> bool:
        """Whether it was started and not ended since."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.stop()

    def _listens(self) -> bool:
        try:
            socket.create_connection((self.host, self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def _end(self, how: str) -> None:
        assert self._process is not None, "the broker does not run"
        getattr(self._process, how)()
        self._process.wait(START_TIMEOUT)
        self._process = None


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker that runs."""
    with Broker(tmp_path / "mosquitto") as running:
        yield running
