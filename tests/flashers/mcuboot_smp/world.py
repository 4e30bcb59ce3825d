"""A small world for these tests: images, a virtual node on a line in memory, and a flasher."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any, ParamSpec

from flashers.api import (
    Activate,
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
from transports.virtual.clock import run_virtual
from transports.virtual.memory import MemoryLine

P = ParamSpec("P")

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
    line: MemoryLine
    session: FakeSession
    flasher: McubootFlasher

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
    **params: Any,
) -> World:
    """A node that runs ``running`` (and ``others`` as its further images); call it inside a loop."""
    files = (running, *others)
    components = tuple(Component("app" if n == 0 else f"core-{n}", image=n) for n in range(len(files)))
    settings = SmpParams(**params)
    setup = VirtualSetup(
        settings, components, {c.id: f for c, f in zip(components, files, strict=True) if f}, options
    )
    node = VirtualMcubootNode(setup)
    lines = settings.reset is not ResetKind.NONE
    line = MemoryLine(node, latency=latency, baud=baud, faults=faults, modem_lines=lines)
    session = FakeSession(line.open)
    return World(node, line, session, McubootFlasher(session, settings))


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test's coroutine in virtual time, whatever it takes as arguments."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        run_virtual(test(*args, **kwargs))

    return run
