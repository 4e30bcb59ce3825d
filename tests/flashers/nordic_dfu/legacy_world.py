"""A small world for these tests: legacy packages, a virtual node on an air in memory, and a flasher."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any, ParamSpec

from flashers.api import (
    Activate,
    Calling,
    Component,
    FirmwareImage,
    Preflight,
    Probe,
    Role,
    Seen,
    Transfer,
    VirtualSetup,
)
from flashers.conformance.session import BenchSession
from flashers.nordic_dfu.legacy.build import build
from flashers.nordic_dfu.legacy.flasher import LegacyFlasher
from flashers.nordic_dfu.legacy.image import parse
from flashers.nordic_dfu.params import Banks, NordicParams, Protocol, VersionRule, VersionText
from flashers.nordic_dfu.virtual.legacy import VirtualLegacyNode
from flashers.sim import Behaviour, SimApp
from transports.errors import TenderError
from transports.virtual.clock import run_virtual
from transports.virtual.memory_gatt import MemoryAir, MemoryRadio, either

P = ParamSpec("P")

ADDRESS = "C0:00:00:00:00:0F"
NEXT = "C0:00:00:00:00:10"
PAGE = 256
SMALL = {"page": str(PAGE), "pages": "4"}
"""A flash of few pages: an image has three, and every operation can be tried."""

PARAMS = NordicParams(
    protocol=Protocol.LEGACY,
    banks=Banks.SINGLE,
    version_rule=VersionRule.OFF,
    version_text=VersionText.DECIMAL,
    reply_timeout=1.0,
    boot_deadline=5.0,
    loader_deadline=5.0,
)
WITHIN = 1.0
"""Seconds in which a connect has to hear the node."""


@cache
def package(
    version: str,
    behaviour: Behaviour = Behaviour.HEALTHY,
    size: int = 2 * PAGE + 40,
    claims: str = "",
    **options: str,
) -> bytes:
    """A package with ``size`` bytes of application."""
    named = {name.replace("_", "-"): value for name, value in options.items()}
    return build(SimApp(version, behaviour, claims=claims), size, named)


OLD = package("1.0.0")
NEW = package("2.0.0")


def parsed(data: bytes, params: NordicParams = PARAMS) -> FirmwareImage:
    return parse(data, Component(), params)


@dataclass(slots=True)
class World:
    """One node and everything around it."""

    node: VirtualLegacyNode
    air: MemoryAir
    radio: MemoryRadio
    params: NordicParams
    callings: dict[Role, Calling]
    session: BenchSession
    flasher: LegacyFlasher

    def lease(self) -> None:
        """The next session on this node, with a flasher of its own, as after a restart of the host."""
        self.session = session_on(self.air, self.callings)
        self.flasher = LegacyFlasher(self.session, self.params)

    async def end(self) -> None:
        await self.flasher.cleanup()
        await self.session.close()

    async def probe(self) -> Seen:
        return await self.flasher.probe(Probe())

    async def reasons(self, data: bytes) -> set[str]:
        ask = Preflight(parsed(data, self.params), await self.probe())
        return {reason.code for reason in await self.flasher.preflight(ask)}

    async def transfer(self, data: bytes) -> Seen | None:
        return await self.flasher.transfer(Transfer(parsed(data, self.params)))

    async def activate(self, data: bytes) -> Seen | None:
        return await self.flasher.activate(Activate((parsed(data, self.params),)))

    async def update(self, data: bytes) -> Seen | None:
        await self.flasher.enter_loader()
        return await self.transfer(data)

    async def brought(self, data: bytes) -> None:
        """Look and do what is missing, again after whatever may be tried again, as a host does."""
        wanted = parsed(data, self.params).firmware
        for _ in range(8):
            try:
                seen = await self.probe()
                slot = seen.active(0)
                if seen.role is Role.APP and slot is not None and wanted.same(slot.firmware):
                    return
                if seen.role is not Role.SILENT:
                    await self.update(data)
            except TenderError as error:
                if not error.retryable:
                    raise
        raise AssertionError("it is never got over")

    def runs(self, data: bytes) -> bool:
        """Whether the node really executes this image."""
        return self.node.truth().running.get(0) == parsed(data, self.params).firmware.identity


def session_on(air: MemoryAir, callings: dict[Role, Calling]) -> BenchSession:
    async def connect(wanted: tuple[Calling, ...]) -> Any:
        return await air.connect(either(wanted), within=WITHIN)

    return BenchSession(radio=connect, address=ADDRESS, callings=callings)


def world(
    options: Mapping[str, str] | None = None,
    *,
    running: bytes | None = OLD,
    drops: tuple[int, ...] = (),
    spacing: float = 0.0,
    **params: Any,
) -> World:
    """A node that runs ``running``; call it inside a loop."""
    settings = PARAMS.model_copy(update=params)
    flash = {} if running is None else {"app": running}
    node = VirtualLegacyNode(VirtualSetup(settings, flash=flash, options={**SMALL, **(options or {})}))
    air = MemoryAir(spacing=spacing)
    radio = air.add(node.radio("sensor", ADDRESS), drops=drops)
    callings: dict[Role, Calling] = {}
    session = session_on(air, callings)
    return World(node, air, radio, settings, callings, session, LegacyFlasher(session, settings))


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test's coroutine in virtual time, whatever it takes as arguments."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        run_virtual(test(*args, **kwargs))

    return run
