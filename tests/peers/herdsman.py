"""Zigbee hosts as processes of their own, which are told what to do, one line at a time.

zigbee-herdsman owns a coordinator as our own gateway does, and shares no code with it.  What it
says of a node is what that node said to a host that has never heard of us.
"""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.peers import node

SCRIPT = Path(__file__).parent / "zigbee" / "host.mjs"

PATIENCE = 150.0
"""Seconds for an order, unless it says otherwise; forming takes about 4, and a lost answer 10 each."""

Said = dict[str, Any]


class HostRefused(Exception):
    """The host could not do what it was told; its own words say why."""


class Host:
    """A process that takes orders; ``folder`` is for its state, and its log (``host.log``)."""

    def __init__(self, command: Sequence[str | Path], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._command, self._folder = command, folder
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[Said]] = {}
        self._number = 0
        self.events: list[Said] = []
        """What it told by itself, in order."""

    async def order(self, name: str, *, within: float = PATIENCE, **words: Any) -> Said:
        """Have it do something and return what it says of it.

        Raises:
            HostRefused: it says that it failed, or ended.
        """
        assert self._process is not None, "the host does not run"
        assert self._process.stdin is not None
        self._number += 1
        answer: asyncio.Future[Said] = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = answer
        line = json.dumps({"do": name, "id": self._number, **words}) + "\n"
        self._process.stdin.write(line.encode())
        async with asyncio.timeout(within):
            return await answer

    @property
    def log(self) -> str:
        """What it wrote about itself."""
        return (self._folder / "host.log").read_text(errors="replace")

    async def kill(self) -> None:
        """End it as a loss of power does."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._ended()

    async def __aenter__(self) -> Self:
        with (self._folder / "host.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()  # it ends by itself; if it hangs it is ended
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
        await self._ended()

    async def _ended(self) -> None:
        assert self._process is not None
        assert self._reader is not None
        await self._process.wait()
        await self._reader
        self._process = None

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said: Said = json.loads(line)
            answer = self._waiting.pop(said.get("id", 0), None)
            if answer is None:
                self.events.append(said)
            elif answer.done():
                continue
            elif "failed" in said:
                answer.set_exception(HostRefused(f"{said['failed']}: {said['why']}"))
            else:
                answer.set_result(said)
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(HostRefused(f"the host ended: {self.log[-2000:]}"))


class Herdsman(Host):
    """zigbee-herdsman on the coordinator at ``path``: ``tcp://host:port``, or a PTY."""

    def __init__(self, path: str, folder: Path) -> None:
        super().__init__([node.program(), SCRIPT, node.modules("herdsman"), folder], folder)
        self._path = path

    async def start(self, **network: Any) -> Said:
        """Form the network, or go on with it."""
        return await self.order("start", path=self._path, **network)
