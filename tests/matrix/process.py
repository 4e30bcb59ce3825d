"""A gateway's process that can die between any two things that it does.

Whatever it was doing, nothing more comes of it: a process that is gone tidies nothing
up, so both of its hands, the journal and the link, are dead from that moment on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from gateway.attempt.runner import Runner
from gateway.journal.journal import Journal, Told
from gateway.journal.radio import Said
from gateway.model.records import Observation, Record, Target
from tests.matrix.fates import Fate
from transports.links import ByteLink


class Killed(BaseException):
    """The gateway's process is gone; only the world may catch this."""


class Process:
    """One life of the gateway."""

    def __init__(self) -> None:
        self.alive = True
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.runner: Runner | None = None
        self.helpers: set[asyncio.Task[None]] = set()

    def die(self) -> None:
        """Now.

        Raises:
            Killed: always.
        """
        self.alive = False
        if not self.over.done():
            self.over.set_result(None)
        raise Killed

    def check(self) -> None:
        """Raise Killed if it is dead already."""
        if not self.alive:
            raise Killed


class Watcher(Protocol):
    """Somebody who sees what the journal holds, as soon as it holds it."""

    def stored(self, record: Record) -> None:
        """This record is in the journal."""
        ...

    def saw(self, observation: Observation) -> None:
        """The gateway has seen this of the node."""
        ...


class MortalJournal:
    """The journal; a process can die before or after any write, and be asked to stop after any."""

    def __init__(self, journal: Journal, fate: Fate, watcher: Watcher) -> None:
        self.journal = journal
        self.writes = 0
        self.headways: list[int] = []
        """The writes that say how far a transfer has come by now."""
        self._mark = 0
        self.process: Process | None = None
        self._kills = {(kill.write, kill.after) for kill in fate.kills}
        self._asks = {ask.write: ask.reason for ask in fate.asks}
        self._watcher = watcher

    async def save(
        self, record: Record, told: tuple[Told, ...] = (), *, known_good: Mapping[str, Target] | None = None
    ) -> None:
        """As in the contract."""

        async def write() -> None:
            if record.mark > self._mark:
                self.headways.append(self.writes)
            self._mark = record.mark
            await self.journal.save(record, told, known_good=known_good)
            self._watcher.stored(record)

        await self._write(write)

    async def save_seen(self, node: str, observation: Observation, told: tuple[Told, ...] = ()) -> None:
        """As in the contract."""

        async def write() -> None:
            await self.journal.save_seen(node, observation, told)

        self._watcher.saw(observation)
        await self._write(write)

    # How nodes on the air will be called

    async def keep_calling(self, said: Said) -> None:
        """As in the journal."""
        await self._write(lambda: self.journal.keep_calling(said))

    async def back_from(self, place: str) -> None:
        """As in the journal."""
        await self._write(lambda: self.journal.back_from(place))

    async def callings(self) -> list[Said]:
        """As in the journal."""
        return await self.journal.callings()

    # What flashers asked to be remembered

    async def keep_word(
        self, node: str, generation: int, name: str, value: str | None, attempt: int | None
    ) -> None:
        """As in the journal."""
        await self._write(lambda: self.journal.keep_word(node, generation, name, value, attempt))

    async def _write(self, write: Callable[[], Awaitable[None]]) -> None:
        process = self.process
        if process is None:
            raise RuntimeError("nobody lives who could write")
        process.check()
        self.writes += 1
        number = self.writes
        if (number, False) in self._kills:
            process.die()
        await write()
        if (number, True) in self._kills:
            process.die()
        reason = self._asks.get(number)
        if reason is not None and process.runner is not None:
            # As a person does: meanwhile, and not in between two lines of the runner.
            asked = asyncio.create_task(process.runner.ask_cancel(reason, "somebody"))
            process.helpers.add(asked)


class Sends:
    """Writes to the link, counted over all lives; a process can die after any of them."""

    def __init__(self, fate: Fate) -> None:
        self.count = 0
        self._deadly = {each.chunk for each in fate.sends}

    def sent(self, process: Process) -> None:
        """One more is on its way."""
        self.count += 1
        if self.count in self._deadly:
            process.die()


class MortalLink:
    """A link in the hands of a process that may be dead; a :class:`~transports.links.ByteLink`."""

    def __init__(self, link: ByteLink, process: Process, sends: Sends) -> None:
        self._link = link
        self._process = process
        self._sends = sends

    async def read(self) -> bytes:
        """As in the contract."""
        self._process.check()
        return await self._link.read()

    async def write(self, data: bytes) -> None:
        """As in the contract."""
        self._process.check()
        await self._link.write(data)
        self._sends.sent(self._process)

    def discard_input(self) -> bytes:
        """As in the contract."""
        return self._link.discard_input()

    async def set_lines(self, *, dtr: bool | None = None, rts: bool | None = None) -> None:
        """As in the contract."""
        self._process.check()
        await self._link.set_lines(dtr=dtr, rts=rts)

    async def set_baud(self, baud: int) -> None:
        """As in the contract."""
        self._process.check()
        await self._link.set_baud(baud)

    async def aclose(self) -> None:
        """As in the contract; of a dead process the system closes it, see :class:`World`."""
        if self._process.alive:
            await self._link.aclose()
