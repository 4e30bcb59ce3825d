"""A small world for these tests: one virtual AVR of a few pages on a line in memory."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from flashers.api import Component, FirmwareImage, Flasher, Probe, ProbeCost, Seen, Transfer, VirtualSetup
from flashers.sim import Behaviour, SimApp, build_app
from flashers.stk500 import PLUGIN
from flashers.stk500.params import Stk500Params
from flashers.stk500.virtual import VirtualStk500
from tests.flashers.session import FakeSession
from transports.virtual.clock import run_virtual
from transports.virtual.memory import MemoryLine

T = TypeVar("T")

BOOT_LINE = r"^fw (?P<version>\S+)$"
PARAMS = Stk500Params(part="atmega328p", boot_line=BOOT_LINE)
PAGE = 128

RESTART = ProbeCost.RESTARTS_APPLICATION


def parsed(data: bytes, params: Stk500Params = PARAMS, format: str = "raw") -> FirmwareImage:  # noqa: A002
    return PLUGIN.parse(data, format, Component(), params)


def image(
    version: str, behaviour: Behaviour = Behaviour.HEALTHY, *, size: int = 3 * PAGE, hardware: str = ""
) -> FirmwareImage:
    """An application of three pages; its file is its only segment's bytes."""
    return parsed(
        build_app(SimApp(version, behaviour, hardware, claims="9.9.9" if _lies(behaviour) else ""), size)
    )


def _lies(behaviour: Behaviour) -> bool:
    return behaviour is Behaviour.LIES


OLD = image("1.0.0")
NEW = image("1.1.0")


def node_with(
    running: FirmwareImage | bytes | None = OLD, params: Stk500Params = PARAMS, **options: str
) -> VirtualStk500:
    """A node of four pages; options with ``_`` for ``-``."""
    flash = running.payload if isinstance(running, FirmwareImage) else running
    said = {"pages": "4"} | {name.replace("_", "-"): value for name, value in options.items()}
    return VirtualStk500(VirtualSetup(params, flash={} if flash is None else {"app": flash}, options=said))


@dataclass
class World:
    """The node, its line, and a host's side of it."""

    node: VirtualStk500
    line: MemoryLine
    session: FakeSession
    flasher: Flasher
    params: Stk500Params = PARAMS

    async def another(self) -> "World":
        """The same node met again: another lease, with a session and a flasher of its own."""
        await self.session.close()
        return world_of(self.node, self.params, line=self.line)

    async def look(self, *candidates: FirmwareImage) -> Seen:
        return await self.flasher.probe(Probe(RESTART, candidates))

    async def send(self, image: FirmwareImage) -> Seen:
        seen = await self.flasher.transfer(Transfer(image))
        assert seen is not None
        return seen


def world_of(
    node: VirtualStk500,
    params: Stk500Params = PARAMS,
    *,
    line: MemoryLine | None = None,
    faults: str = "",
    modem_lines: bool = True,
    baud: int | None = None,
) -> World:
    line = line or MemoryLine(node, faults=faults, modem_lines=modem_lines, baud=baud)
    session = FakeSession(line.open)
    return World(node, line, session, PLUGIN.open(session, params), params)


def run(story: Callable[[], Awaitable[T]]) -> T:
    """Tell a story in virtual time; an hour is more than any of them may take."""

    async def told() -> T:
        return await story()

    return run_virtual(told(), limit=3600)
