"""A small world for these tests: secure packages, a virtual node on an air in memory, and a flasher."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from flashers.api import (
    Activate,
    Calling,
    Component,
    FirmwareImage,
    Preflight,
    Probe,
    Reason,
    Role,
    Seen,
    Transfer,
    VirtualSetup,
)
from flashers.conformance.session import BenchSession
from flashers.nordic_dfu.params import NordicParams, VersionRule
from flashers.nordic_dfu.secure.build import build, public_pem
from flashers.nordic_dfu.secure.flasher import SecureFlasher
from flashers.nordic_dfu.secure.image import parse
from flashers.nordic_dfu.virtual.secure import VirtualSecureNode
from flashers.sim import Behaviour, SimApp
from transports.errors import TenderError
from transports.virtual.memory_gatt import MemoryAir, MemoryRadio, either

ADDRESS = "C0:00:00:00:00:FF"
NEXT = "C0:00:00:00:00:00"
PAGE = 256
SMALL = {"page": str(PAGE), "pages": "6", "att-mtu": "67"}
"""A flash of few pages, and packets of 64 bytes: an image has three objects of up to four packets."""

PARAMS = NordicParams(
    public_key=public_pem("one"),
    hw_version=52,
    softdevice=0x0100,
    version_rule=VersionRule.OFF,
    reply_timeout=2.0,
    boot_deadline=8.0,
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

    node: VirtualSecureNode
    air: MemoryAir
    radio: MemoryRadio
    params: NordicParams
    callings: dict[Role, Calling]
    pair: bool
    session: BenchSession
    flasher: SecureFlasher

    def lease(self) -> None:
        """The next session on this node, with a flasher of its own, as after a restart of the host."""
        self.session = session_on(self.air, self.callings, pair=self.pair)
        self.flasher = SecureFlasher(self.session, self.params)

    async def end(self) -> None:
        await self.flasher.cleanup()
        await self.session.close()

    async def probe(self, *candidates: bytes) -> Seen:
        images = tuple(parsed(data, self.params) for data in candidates)
        return await self.flasher.probe(Probe(candidates=images))

    async def reasons(self, data: bytes) -> tuple[Reason, ...]:
        unchecked = self.params.model_copy(update={"public_key": None})
        ask = Preflight(parsed(data, unchecked), await self.probe())
        return await self.flasher.preflight(ask)

    async def transfer(self, data: bytes) -> Seen | None:
        return await self.flasher.transfer(Transfer(parsed(data, self.params)))

    async def activate(self, data: bytes) -> Seen | None:
        return await self.flasher.activate(Activate((parsed(data, self.params),)))

    async def update(self, data: bytes) -> Seen | None:
        await self.flasher.enter_loader()
        await self.transfer(data)
        return await self.activate(data)

    async def brought(self, data: bytes, times: int = 8) -> None:
        """Look and do what is missing, again after whatever may be tried again, as a host does."""
        wanted = parsed(data, self.params).firmware
        for _ in range(times):
            try:
                seen = await self.probe(data)
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


def session_on(air: MemoryAir, callings: dict[Role, Calling], *, pair: bool = False) -> BenchSession:
    async def connect(wanted: tuple[Calling, ...]) -> Any:
        return await air.connect(either(wanted), within=WITHIN, pair=pair)

    return BenchSession(radio=connect, address=ADDRESS, callings=callings)


def world(
    options: Mapping[str, str] | None = None,
    *,
    running: bytes | None = OLD,
    drops: tuple[int, ...] = (),
    spacing: float = 0.0,
    latency: float = 0.001,
    pair: bool = False,
    **params: Any,
) -> World:
    """A node that runs ``running``; call it inside a loop."""
    settings = NordicParams.model_validate(PARAMS.model_dump() | params)
    flash = {} if running is None else {"app": running}
    node = VirtualSecureNode(VirtualSetup(settings, flash=flash, options={**SMALL, **(options or {})}))
    air = MemoryAir(spacing=spacing, latency=latency)
    radio = air.add(node.radio("sensor", ADDRESS), drops=drops)
    callings: dict[Role, Calling] = {}
    session = session_on(air, callings, pair=pair)
    return World(node, air, radio, settings, callings, pair, session, SecureFlasher(session, settings))
