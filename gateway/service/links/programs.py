"""Run a hook: a program with a deadline, whose last words are kept and whose orphans are waited for.

A hook that outlives us, because we were killed, must have ended before its opposite
runs: a late ``stop`` after our ``start`` would leave the other software off.  So each
inherits a lock, and the next life waits until nobody has it any more.
"""

import asyncio
import fcntl
import hashlib
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from gateway.service.links.errors import HookFailed, HookOverran

_LAST_WORDS = 400
"""Bytes of a hook's output that are told."""
_GRACE_S = 2.0
"""From SIGTERM to SIGKILL."""
_TICK_S = 0.05


class Programs(Protocol):
    """Runs programs for a link."""

    async def run(self, channel: str, words: Sequence[str], *, deadline: float, hook: str) -> str:
        """What the program printed.

        Raises:
            HookFailed: it ended with another code than 0, or cannot be started.
            HookOverran: it did not end in time, and was killed with its children.
        """
        ...

    async def orphans_gone(self, channel: str, *, deadline: float) -> bool:
        """Wait for hooks that a life of ours left behind when it was killed; False if they stay."""
        ...


class LocalPrograms:
    """Programs of this machine; ``folder`` is for the locks that they inherit."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def run(self, channel: str, words: Sequence[str], *, deadline: float, hook: str) -> str:
        """As in the contract; no shell sees the words."""
        name = " ".join(words)
        # A file and no pipe: what a hook has started in the background keeps a pipe open for ever.
        output, lock = os.memfd_create("hook"), self._lock(channel)
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            try:
                process = await asyncio.create_subprocess_exec(
                    *words,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=_environment(channel, hook, os.environ),
                    start_new_session=True,
                    pass_fds=(lock,),
                )
            except OSError as error:
                raise HookFailed(f"{name} cannot be started: {error.strerror}") from error
            await _ended(process, deadline, name)
            said = os.pread(output, 1 << 16, max(0, os.fstat(output).st_size - (1 << 16))).decode(
                errors="replace"
            )
        except BlockingIOError as error:
            raise HookFailed(f"{name}: a hook of an earlier life has not ended") from error
        finally:
            os.close(output)
            os.close(lock)
        if process.returncode:
            last = said.strip()[-_LAST_WORDS:]
            raise HookFailed(f"{name} ended with {process.returncode}" + (f": {last}" if last else ""))
        return said

    async def orphans_gone(self, channel: str, *, deadline: float) -> bool:
        """As in the contract."""
        loop = asyncio.get_running_loop()
        end = loop.time() + deadline
        lock = self._lock(channel)
        try:
            while True:
                with suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return True
                if loop.time() >= end:
                    return False
                await asyncio.sleep(_TICK_S)
        finally:
            os.close(lock)

    def _lock(self, channel: str) -> int:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self._folder / hashlib.sha256(channel.encode()).hexdigest()[:16]
        return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _environment(channel: str, hook: str, ours: Mapping[str, str]) -> dict[str, str]:
    """Ours without what is meant for Tender alone, which can hold a password."""
    port = channel.partition(":")[2].removeprefix("//")
    kept = {name: value for name, value in ours.items() if not name.startswith("TENDER_")}
    kept.pop("NOTIFY_SOCKET", None)
    return {**kept, "TENDER_LINK": channel, "TENDER_PORT": port, "TENDER_HOOK": hook}


async def _ended(process: asyncio.subprocess.Process, deadline: float, name: str) -> None:
    try:
        async with asyncio.timeout(deadline):
            await process.wait()
    except TimeoutError as error:
        await _kill(process)
        raise HookOverran(f"{name} did not end within {deadline:g} s") from error
    except asyncio.CancelledError:
        await _kill(process)
        raise


async def _kill(process: asyncio.subprocess.Process) -> None:
    """End the program and its children; whoever cancels us waits that long."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_S):
                await process.wait()
                return
