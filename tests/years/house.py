"""Where the gateway lives: it is started, asked to stop, killed, and started again on what its disk holds.

A process that is killed tidies nothing up.  So both of its hands, journal and links,
are dead from that moment on, its tasks end wherever they are, and the journal's
files are left as they lay.
"""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from flashers.api import Stamp
from gateway.app import make_site
from gateway.config.model import Config
from gateway.journal import Database
from gateway.service.gateway import Gateway
from gateway.upstream.keeping import KeptUpstream
from tests.years.broker import Broker
from tests.years.clock import YearsLoop, now
from transports.errors import TenderError
from transports.links import MEDIUM_OF_SCHEME, ByteLink, LinkSpec, Medium
from transports.open import open_link, register
from transports.virtual.memory import MemoryLines

T = TypeVar("T")

JOURNAL = "journal.sqlite"
EPOCH_MS = 1_790_000_000_000
"""When the years begin, in milliseconds of the wall clock: September 2026."""

Committed = Callable[[str], None]
"""One event as the journal holds it, as JSON, the moment that it holds it."""


@dataclass
class Life:
    """One life of the gateway's process."""

    over: asyncio.Event = field(default_factory=asyncio.Event)
    dead: bool = False
    deadly: int | None = None
    """It dies at so many commits from now."""
    after: bool = False
    """Whether that commit is still done."""

    def check(self) -> None:
        """Nothing is done any more by a process that is dead."""
        if self.dead:
            raise asyncio.CancelledError

    def die(self) -> None:
        """Now."""
        self.dead = True
        self.over.set()
        raise asyncio.CancelledError


class MortalDatabase(Database):
    """The journal's file in the hands of a process that may die at any commit."""

    def __init__(self, path: Path, house: "House", life: Life) -> None:
        super().__init__(path)
        self._house = house
        self._life = life

    async def run(
        self, work: Callable[[sqlite3.Connection], T], *, committed: Callable[[T], None] | None = None
    ) -> T:
        """As in the contract."""
        life = self._life
        life.check()
        if life.deadly is not None:
            life.deadly -= 1
            if life.deadly < 0 and not life.after:
                life.die()
        result = await super().run(work, committed=committed)
        if life.deadly is not None and life.deadly < 0:
            life.die()
        return result

    def _in_transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        result = super()._in_transaction(work)
        if self._connection is not None:
            self._house.look_into(self._connection)
        return result

    def fill_up(self, *, full: bool) -> None:
        """Let the file grow no more, as a disk does that is full."""
        if self._connection is not None:
            (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
            self._connection.execute(f"PRAGMA max_page_count = {pages if full else 1 << 30}")


class MortalLink:
    """A link in the hands of a process that may be dead; a :class:`~transports.links.ByteLink`."""

    def __init__(self, link: ByteLink, life: Life) -> None:
        self._link = link
        self._life = life

    async def read(self) -> bytes:
        """As in the contract."""
        self._life.check()
        return await self._link.read()

    async def write(self, data: bytes) -> None:
        """As in the contract."""
        self._life.check()
        await self._link.write(data)

    def discard_input(self) -> bytes:
        """As in the contract."""
        return self._link.discard_input()

    async def set_lines(self, *, dtr: bool | None = None, rts: bool | None = None) -> None:
        """As in the contract."""
        self._life.check()
        await self._link.set_lines(dtr=dtr, rts=rts)

    async def set_baud(self, baud: int) -> None:
        """As in the contract."""
        self._life.check()
        await self._link.set_baud(baud)

    async def aclose(self) -> None:
        """As in the contract; of a dead process the system does it, see :class:`House`."""
        if not self._life.dead:
            await self._link.aclose()


class House:
    """A state folder, lines, a broker, and the gateway that comes and goes."""

    def __init__(
        self,
        folder: Path,
        config: dict[str, Any],
        lines: MemoryLines,
        broker: Broker,
        committed: Committed,
        make: Callable[..., Gateway] = Gateway,
    ) -> None:
        self.folder = folder
        MEDIUM_OF_SCHEME.pop("memory", None)  # of a walk that was given up
        self._unregister = register("memory", Medium.UART, lines.open)
        self.config = Config.model_validate({**config, "state": folder / "state", "socket": folder / "s"})
        self._lines = lines
        self._broker = broker
        self._committed = committed
        self._make = make
        self._last_seen = 0
        self.gateway: Gateway | None = None
        self.life = Life()
        self.lives = self.kills = self.stops = self.failed_starts = 0
        self.clock_off_ms = 0
        self.synchronised = True
        self.disk_full = False
        self.started_at = 0.0
        self._there = asyncio.Event()
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._stop = asyncio.Event()
        self._database: MortalDatabase | None = None
        self._work: asyncio.Task[None] | None = None
        self.neighbours: set[asyncio.Task[Any]] = set()
        """Tasks that are none of the gateway's."""

    def clock(self) -> Stamp:
        """The wall clock as this machine has it."""
        return Stamp(EPOCH_MS + self.clock_off_ms + int(now() * 1000), self.synchronised)

    def look_into(self, connection: sqlite3.Connection) -> None:
        """Whatever the journal holds now that it did not hold before."""
        query = "SELECT sequence, event FROM events WHERE sequence > ? ORDER BY sequence"
        for sequence, event in connection.execute(query, (self._last_seen,)).fetchall():
            self._last_seen = sequence
            self._committed(event)

    # What the script does

    def kill(self, commits: int | None = None, *, after: bool = False) -> None:
        """The process is gone: now, or at so many commits from now."""
        if self.gateway is None:
            return
        if commits is None:
            self.life.dead = True
            self.life.over.set()
        else:
            self.life.deadly, self.life.after = commits, after

    def stop(self) -> None:
        """The service is asked to stop, and stays so."""
        self._wanted.clear()
        self._stop.set()

    def keep_off(self) -> None:
        """The machine has no power: the process is gone, and is not started again."""
        self._wanted.clear()
        self.kill()

    def start(self) -> None:
        """It may run again."""
        self._stop.clear()
        self._wanted.set()

    def fill_disk(self, *, full: bool) -> None:
        """The disk has no room, or has room again."""
        self.disk_full = full
        if self._database is not None:
            self._database.fill_up(full=full)

    async def up(self) -> Gateway:
        """Wait until it runs."""
        while self.gateway is None:
            await self._there.wait()
        return self.gateway

    # Its lives

    async def live(self) -> None:
        """One life after the other, for ever."""
        try:
            while True:
                await self._wanted.wait()
                # The service manager's pause; longer after a start that came to nothing.
                await asyncio.sleep(2.0 if await self._one_life() else 600.0)
        finally:
            self._unregister()

    async def _one_life(self) -> bool:
        """Whether it came up."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, YearsLoop)
        self.life, self.lives, self.started_at = Life(), self.lives + 1, now()
        self._stop.clear()
        self.neighbours.add(asyncio.current_task() or loop.create_task(asyncio.sleep(0)))
        self._work = loop.create_task(self._serve(self.life))
        ends = [loop.create_task(self.life.over.wait()), loop.create_task(self._stop.wait())]
        self.neighbours |= set(ends)
        try:
            await asyncio.wait([self._work, *ends], return_when=asyncio.FIRST_COMPLETED)
            if not self.life.dead and not self._work.done():
                await self._stop_in_order()
                self.stops += 1
            elif self.life.dead:
                self.kills += 1
        finally:
            self.gateway = None
            self._there.clear()
            left_as_it_lay = self._set_aside() if self.life.dead else None
            self.life.dead = True
            for task in ends:
                task.cancel()
            await self._everybody_goes(loop)
            self.neighbours -= set(ends)
            self._close_lines()
            if left_as_it_lay is not None:
                self._put_back(left_as_it_lay)
        error = None if self._work.cancelled() else self._work.exception()
        if isinstance(error, TenderError):
            self.failed_starts += 1
            return False
        if error is not None:
            raise error
        return True

    async def _serve(self, life: Life) -> None:
        async with AsyncExitStack() as stack:

            async def opened(spec: LinkSpec) -> ByteLink:
                life.check()
                return MortalLink(await open_link(spec), life)

            def database(path: Path) -> Database:
                self._database = MortalDatabase(path, self, life)
                return self._database

            site = await make_site(self.config, stack, opener=opened, database=database, clock=self.clock)
            if self.disk_full and self._database is not None:
                self._database.fill_up(full=True)
            gateway = self._make(site)
            settings = self.config.upstream.mqtt
            assert settings is not None
            upstream = KeptUpstream(settings, self._broker.connect)
            gateway.upstream_state = lambda: "connected" if upstream.connected else "disconnected"
            await gateway.start()
            self.gateway = gateway
            self._there.set()
            async with asyncio.TaskGroup() as group:
                group.create_task(gateway.run())
                group.create_task(upstream.run(gateway, gateway.outbox))

    async def _stop_in_order(self) -> None:
        gateway = self.gateway
        if gateway is None or self._work is None:
            return  # it had hardly begun
        self.gateway = None
        self._there.clear()
        stopping = asyncio.create_task(gateway.stop())
        killed = asyncio.create_task(self.life.over.wait())
        await asyncio.wait([stopping, killed], return_when=asyncio.FIRST_COMPLETED)
        killed.cancel()
        if stopping.done() and not stopping.cancelled():
            stopping.result()
            await asyncio.sleep(0.2)
            self._work.cancel()
            with suppress(asyncio.CancelledError):
                await self._work

    async def _everybody_goes(self, loop: YearsLoop) -> None:
        for _ in range(100):
            left = loop.tasks_since(self.neighbours)
            if not left:
                return
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=1.0)
        raise AssertionError(f"these tasks do not end: {loop.tasks_since(self.neighbours)}")

    def _set_aside(self) -> Path:
        """The journal's files as they lie there at this moment."""
        aside = self.folder / "aside"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        for file in sorted((self.folder / "state").glob(f"{JOURNAL}*")):
            shutil.copyfile(file, aside / file.name)
        return aside

    def _put_back(self, aside: Path) -> None:
        for file in sorted((self.folder / "state").glob(f"{JOURNAL}*")):
            file.unlink()
        for file in sorted(aside.iterdir()):
            if not file.name.endswith("-shm"):
                shutil.copyfile(file, self.folder / "state" / file.name)

    def _close_lines(self) -> None:
        """As the system does for a process that is gone."""
        for line in self._lines.lines.values():
            host = line._host
            if host is not None:
                line.release(host)
