"""A small world for these tests: images, a virtual node on a line or a radio in memory, and a flasher.

The protocol has one code for both media, and so have its tests: a module's ``MEDIA`` say where its
tests are run, and what is about a line alone says :func:`on_a_line`.
"""

from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

from flashers.api import (
    Activate,
    Calling,
    Component,
    Confirm,
    FirmwareImage,
    Preflight,
    Probe,
    ResetKind,
    Role,
    Seen,
    Transfer,
    VirtualSetup,
)
from flashers.mcuboot_smp.flasher import McubootFlasher
from flashers.mcuboot_smp.image import parse
from flashers.mcuboot_smp.make import make_image
from flashers.mcuboot_smp.params import SmpParams
from flashers.mcuboot_smp.virtual import VirtualMcubootNode
from flashers.sim import Behaviour, SimApp
from tests.flashers.session import FakeSession
from transports.gatt import GattLink
from transports.links import Medium
from transports.virtual.clock import run_virtual
from transports.virtual.memory import MemoryLine
from transports.virtual.memory_gatt import LATENCY, MemoryAir, MemoryRadio, either

P = ParamSpec("P")
T = TypeVar("T", bound=Callable[..., Any])

BOTH = (Medium.UART, Medium.BLE)
"""Where the protocol is spoken."""
ADDRESS = "C0:00:00:00:00:01"
_medium: ContextVar[Medium] = ContextVar("medium", default=Medium.UART)


def on_a_line(test: T) -> T:
    """A test about modem lines, consoles, bytes or bauds, which a radio does not have."""
    test.media = (Medium.UART,)  # type: ignore[attr-defined]
    return test


def on_a_radio(test: T) -> T:
    """A test about connections that are lost."""
    test.media = (Medium.BLE,)  # type: ignore[attr-defined]
    return test


@contextmanager
def played_on(medium: Medium) -> Iterator[None]:
    """Worlds that are made meanwhile have their nodes there."""
    token = _medium.set(medium)
    try:
        yield
    finally:
        _medium.reset(token)


PAGE = 256
SMALL = {"page": str(PAGE), "slot-pages": "5"}
"""A flash of few pages: an image has three, and every operation can be tried."""
LARGE = {"page": "4096", "slot-pages": "33"}


@cache
def image_file(
    version: str, behaviour: Behaviour = Behaviour.HEALTHY, size: int = 2 * PAGE + 40, claims: str = ""
) -> bytes:
    """An image of ``size`` bytes of application."""
    return make_image(SimApp(version, behaviour, claims=claims), size=size)


OLD = image_file("1.0.0")
NEW = image_file("2.0.0")


def parsed(data: bytes, image: int = 0, params: SmpParams | None = None) -> FirmwareImage:
    component = Component("app" if image == 0 else f"core-{image}", image=image)
    return parse(data, "mcuboot", component, params or SmpParams())


@dataclass(slots=True)
class World:
    """One node and everything around it."""

    node: VirtualMcubootNode
    session: FakeSession
    flasher: McubootFlasher
    on: MemoryLine | MemoryRadio | None = None

    @property
    def line(self) -> MemoryLine:
        """The line, of a world that has one."""
        assert isinstance(self.on, MemoryLine)
        return self.on

    def overhear(self, receive: Callable[[bytes], None]) -> None:
        """Have everything that is on its way to the node pass here first."""
        if isinstance(self.on, MemoryLine):
            self.on.line.down._deliver = receive
        else:
            face = self.node._radio
            assert face is not None
            face._receive = receive

    async def probe(self) -> Seen:
        return await self.flasher.probe(Probe())

    async def answering(self) -> Seen:
        """Probe until the node answers, as the host does."""
        for _ in range(20):
            seen = await self.probe()
            if seen.role is not Role.SILENT:
                return seen
        raise AssertionError("the node stays silent")

    async def reasons(self, data: bytes) -> set[str]:
        ask = Preflight(parsed(data), await self.probe())
        return {reason.code for reason in await self.flasher.preflight(ask)}

    async def transfer(self, data: bytes, image: int = 0) -> Seen | None:
        return await self.flasher.transfer(Transfer(parsed(data, image)))

    async def activate(self, *files: bytes) -> Seen | None:
        return await self.flasher.activate(Activate(tuple(parsed(f, n) for n, f in enumerate(files))))

    async def confirm(self, data: bytes, image: int = 0) -> Seen | None:
        fine = parsed(data, image)
        assert fine.firmware.identity is not None
        return await self.flasher.confirm(Confirm(fine.component, fine.firmware.identity))

    def runs(self, data: bytes, image: int = 0) -> bool:
        """Whether the node really executes this image."""
        return self.node.truth().running.get(image) == parsed(data).firmware.identity

    def lies_in(self, slot: int, image: int = 0) -> bytes | None:
        """The image in a slot, byte for byte."""
        found = self.node.bootloader.valid(image, slot)
        return None if found is None else self.node.slots.contents(image, slot)[: found.image.end]


def world(
    options: Mapping[str, str] = SMALL,
    *,
    running: bytes = OLD,
    others: tuple[bytes, ...] = (),
    faults: str = "",
    latency: float = 0.0,
    baud: int | None = None,
    drops: tuple[int, ...] = (),
    **params: Any,
) -> World:
    """A node that runs ``running`` (and ``others`` as its further images); call it inside a loop.

    ``faults`` and ``baud`` are a line's, ``drops`` a radio's.
    """
    files = (running, *others)
    components = tuple(Component("app" if n == 0 else f"core-{n}", image=n) for n in range(len(files)))
    settings = SmpParams(**params)
    setup = VirtualSetup(
        settings, components, {c.id: f for c, f in zip(components, files, strict=True) if f}, options
    )
    node = VirtualMcubootNode(setup)
    on: MemoryLine | MemoryRadio
    if _medium.get() is Medium.BLE:
        assert (faults, baud, settings.reset) == ("", None, ResetKind.NONE), "a radio has no line"
        air = MemoryAir(latency=latency or LATENCY)
        on = air.add(node.radio("th", ADDRESS), drops=drops)

        async def connect(callings: tuple[Calling, ...]) -> GattLink:
            return await air.connect(either(callings), within=6.0)

        session = FakeSession(radio=connect, address=ADDRESS)
    else:
        lines = settings.reset is not ResetKind.NONE
        on = MemoryLine(node, latency=latency, baud=baud, faults=faults, modem_lines=lines)
        session = FakeSession(on.open)
    return World(node, session, McubootFlasher(session, settings), on)


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test's coroutine in virtual time, whatever it takes as arguments."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        run_virtual(test(*args, **kwargs))

    return run
