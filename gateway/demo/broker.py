"""A mosquitto of the demo's own, on a free loopback port, gone when the demo ends."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from transports.errors import TenderError

_START_S = 10.0


class NoBroker(TenderError):
    """There is no mosquitto that the demo could start."""

    code = "no-broker"
    remedy = "Run `make demo`, which brings one along, or `apt-get install mosquitto`."


@asynccontextmanager
async def broker(folder: Path) -> AsyncIterator[tuple[str, int]]:
    """Run a broker; gives its host and port.

    Raises:
        NoBroker: there is none, or it does not start.
    """
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        raise NoBroker("mosquitto is not installed")
    host, port = "127.0.0.1", _free_port()
    user = ["user root"] if os.geteuid() == 0 else []  # else it drops to one who may not write here
    text = [f"listener {port} {host}", "allow_anonymous true", "persistence false", "log_type none", *user]
    configuration = folder / "mosquitto.conf"
    configuration.write_text("\n".join(text) + "\n")
    null = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        program, "-c", str(configuration), stdout=null, stderr=null
    )
    try:
        await _listening(host, port, process)
        yield host, port
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _listening(host: str, port: int, process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(_START_S):
            while process.returncode is None:
                try:
                    _, writer = await asyncio.open_connection(host, port)
                except OSError:
                    await asyncio.sleep(0.02)
                    continue
                writer.close()
                return
    except TimeoutError:
        pass
    raise NoBroker("mosquitto does not start")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
