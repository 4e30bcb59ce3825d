"""A virtual node on a network in memory, and the least of a host that brings it to an image."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from flashers.api import (
    Activate,
    Component,
    Digest,
    Firmware,
    FirmwareImage,
    Probe,
    Role,
    Seen,
    Segment,
    Transfer,
)
from flashers.conformance.session import BenchSession
from flashers.sim import SimApp
from flashers.zigbee_ota.codec.header import Header
from flashers.zigbee_ota.flasher import ZigbeeFlasher
from flashers.zigbee_ota.params import OtaParams
from flashers.zigbee_ota.unattended import unattended
from tests.flashers.zigbee_ota.world import IEEE, NEW, OLD, SIZE, file, made
from transports.errors import LinkError, TenderError
from transports.virtual.clock import run_virtual
from transports.virtual.memory_zigbee import MemoryMesh, MemoryNetwork
from transports.zcl import Zcl

T = TypeVar("T")

QUICK = {"stall_timeout": 60, "verify_deadline": 60, "reply_timeout": 4}
_ROUNDS = 12


def image(app: SimApp = NEW, size: int = SIZE, **options: str) -> FirmwareImage:
    """A firmware file, as parsing it gives it."""
    data = file(app, size, **options)
    version = Header.decode(data).file.version
    return FirmwareImage(
        "zigbee-ota", Digest.sha256(data), Firmware(version=str(version)), (Segment(0, data),), Component()
    )


class Site:
    """One node, and one host after the other."""

    def __init__(
        self,
        params: dict[str, object] | None = None,
        *,
        hops: int = 1,
        loss: float = 0.0,
        seed: int = 0,
        largest: int = 82,
        running: SimApp = OLD,
        **options: str,
    ) -> None:
        self.params = OtaParams.model_validate(QUICK | (params or {}))
        self.node = made(self.params, running=file(running), **options)
        self.mesh = MemoryMesh(seed=seed)
        self.place = self.mesh.add(self.node.zigbee("node", IEEE), hops=hops, loss=loss, largest=largest)
        self.words: dict[str, str] = {}
        self.open = True
        """Whether an attempt on the node is open while no flasher is with it."""
        self.said_alone: list[str] = []
        self.errors: list[str] = []
        self.sent = 0
        self.host()

    def host(self) -> None:
        """Another life of the gateway, with what the one before had on its disk."""
        self.network = MemoryNetwork(self.mesh)
        self.network.stand_in(self._alone)
        self.session = BenchSession(zigbee=lambda: self.network.node(IEEE), words=self.words)
        self.flasher = ZigbeeFlasher(self.session, self.params)

    def _alone(self, ieee: str, asked: Zcl) -> Zcl | None:
        said = unattended(asked, self.open)
        self.said_alone.append(said.note)
        return said.answer

    async def lease(self) -> None:
        """The next session."""
        self.sent += self.session.bytes_sent
        await self.flasher.cleanup()
        await self.session.close()
        self.session = BenchSession(zigbee=lambda: self.network.node(IEEE), words=self.words)
        self.flasher = ZigbeeFlasher(self.session, self.params)

    async def close(self) -> None:
        """Nothing may be left, but the node's own timers."""
        await self.flasher.cleanup()
        await self.session.close()
        await self.network.aclose()
        self.node.power_off()
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert not left

    async def probe(self, *candidates: FirmwareImage) -> Seen:
        """Look."""
        return await self.flasher.probe(Probe(candidates=candidates))

    async def transfer(self, what: FirmwareImage) -> Seen | None:
        """Bring it in."""
        return await self.flasher.transfer(Transfer(what))

    async def once(self, what: FirmwareImage) -> None:
        """Transfer and start."""
        await self.transfer(what)
        await self.flasher.activate(Activate((what,)))

    def runs(self, what: FirmwareImage) -> bool:
        """Whether it really does."""
        return self.node.truth().running.get(0) == what.artifact

    async def settled(self, *candidates: FirmwareImage) -> Seen:
        """Look until it answers."""
        for _ in range(_ROUNDS):
            seen = await self.probe(*candidates)
            if seen.role is Role.APP:
                return seen
            await asyncio.sleep(5)
        raise AssertionError("the node is not back")

    async def bring(self, what: FirmwareImage) -> Seen:
        """Look, and do what is missing, until it says that it runs this."""
        for _ in range(_ROUNDS):
            try:
                seen = await self.probe(what)
            except LinkError as error:
                self.errors.append(error.code)
                await asyncio.sleep(10)
                await self.lease()
                continue
            active = seen.active(0)
            if active is not None and what.firmware.same(active.firmware):
                return seen
            if seen.role is not Role.APP:
                await asyncio.sleep(10)
                continue
            try:
                await self.once(what)
            except TenderError as error:
                self.errors.append(error.code)
                await asyncio.sleep(5)
            await self.lease()
        raise AssertionError(f"it is never brought there: {self.errors}")


def play(story: Callable[[Site], Awaitable[T]], *args: object, **options: object) -> T:
    """Tell a story about a fresh node, in virtual time."""

    async def told() -> T:
        site = Site(*args, **options)  # type: ignore[arg-type]
        result = await story(site)
        await site.close()
        return result

    return run_virtual(told())
