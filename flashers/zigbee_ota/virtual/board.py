"""What a virtual node's OTA client may use of its node."""

from dataclasses import dataclass
from typing import Protocol

from flashers.zigbee_ota.codec import Request
from flashers.zigbee_ota.virtual.options import NodeOptions
from flashers.zigbee_ota.virtual.store import Contents, Store
from flashers.zigbee_ota.virtual.timers import Timers


@dataclass(slots=True)
class Counts:
    """What tests ask about afterwards."""

    boots: int = 0
    updates: int = 0
    """Starts of a file that was downloaded, whether or not it was kept."""
    queries: int = 0
    blocks: int = 0
    """Block requests, repetitions included."""
    pages: int = 0
    taken: int = 0
    """Blocks that were stored."""
    unwanted: int = 0
    """Blocks that it had already, or had not asked for."""
    waits: int = 0
    ends: int = 0
    gave_up: int = 0
    refused: int = 0
    """Files that it would not take, or found bad."""
    identified: int = 0
    reports: int = 0


@dataclass(frozen=True, slots=True)
class Own:
    """What a node is: by this it judges a file."""

    manufacturer: int
    image_type: int
    hardware: int
    ieee: int


class Board(Protocol):
    """A node, as its OTA client sees it."""

    options: NodeOptions
    store: Store
    timers: Timers
    counts: Counts

    @property
    def own(self) -> Own:
        """What it is."""
        ...

    @property
    def version(self) -> int:
        """The version that it tells of what it runs."""
        ...

    @property
    def running(self) -> Contents | None:
        """What it runs."""
        ...

    def ask(self, request: Request) -> None:
        """Send a request to its server."""
        ...

    def complain(self, command: int, status: int) -> None:
        """Answer a command by a status."""
        ...

    def start_staged(self) -> None:
        """Restart, and have the loader start what is staged."""
        ...

    def attentive(self) -> None:
        """Whether an answer is awaited has changed: a sleepy node polls by it."""
        ...
