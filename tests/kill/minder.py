"""Starts and stops other software as a service manager would, asked over a socket by the hooks of a link."""

import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

_OWNER = Path(__file__).with_name("owner.py")
_HOOK = """import socket, sys
asked = socket.socket(socket.AF_UNIX)
asked.connect(sys.argv[1])
asked.sendall(sys.argv[2].encode() + b"\\n")
answer = asked.recv(100).decode().strip()
print(answer)
sys.exit(0 if answer == "done" else 1)
"""


class Minder:
    """One owner of one port; ``before`` and ``after`` are the hooks that ask it off and let it back."""

    def __init__(self, port: Path, folder: Path, name: str) -> None:
        self._port = port
        self._socket = folder / f"{name}.minder"
        script = folder / "hook.py"
        script.write_text(_HOOK)
        self._words = (sys.executable, "-S", str(script), str(self._socket))
        self._owner: asyncio.subprocess.Process | None = None
        self._server: asyncio.Server | None = None
        self._turn = asyncio.Lock()
        self.stops = self.starts = self.denied = 0

    @property
    def before(self) -> list[str]:
        return [*self._words, "stop"]

    @property
    def after(self) -> list[str]:
        return [*self._words, "start"]

    @property
    def has_port(self) -> bool:
        """Whether the owner is at work."""
        return self._owner is not None and self._owner.returncode is None

    async def start(self) -> bool:
        """Start the owner, if it is not there; False if it could not have its port."""
        if self.has_port:
            return True
        owner = await asyncio.create_subprocess_exec(
            sys.executable, str(_OWNER), str(self._port), stdout=asyncio.subprocess.PIPE
        )
        assert owner.stdout is not None
        if await owner.stdout.readline() != b"mine\n":
            await owner.wait()
            self.denied += 1
            return False
        self._owner = owner
        self.starts += 1
        return True

    async def stop(self) -> None:
        """End the owner, if it is there."""
        owner, self._owner = self._owner, None
        if owner is not None and owner.returncode is None:
            owner.send_signal(signal.SIGTERM)
            await owner.communicate()
            self.stops += 1

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._asked, self._socket)
        assert await self.start(), "nobody else may have the port yet"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        await self.stop()

    async def _asked(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        word = (await reader.readline()).strip()
        async with self._turn:
            done = True
            if word == b"stop":
                await self.stop()
            elif word == b"start":
                done = await self.start()
        with contextlib.suppress(ConnectionError):  # whoever asked was killed
            writer.write(b"done\n" if done else b"denied\n")
            await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
