"""Orders to something simulated while it runs: a line each, answered by a line of JSON.

For people at a terminal, for scripts, and for tests in any language.  What the orders are is said
by whoever obeys them.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import Callable
from typing import Any

from transports.ble.place import HciPlace

Obey = Callable[[str], dict[str, Any]]
"""Does what a line says; what came of it, or ``{"error": …}``.  It never raises."""


class BadOrder(Exception):
    """The order makes no sense; its text says why."""


async def take_orders(obey: Obey, reader: asyncio.StreamReader, write: Callable[[str], None]) -> None:
    """Obey every line until there are no more."""
    while line := await reader.readline():
        text = line.decode(errors="replace").strip()
        if text:
            write(json.dumps(obey(text)))


async def listen(obey: Obey, place: HciPlace) -> asyncio.Server:
    """Take orders at a socket.

    Raises:
        OSError: the place cannot be had.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await take_orders(obey, reader, lambda text: writer.write(f"{text}\n".encode()))
        finally:
            writer.close()

    if place.path:
        return await asyncio.start_unix_server(serve, place.path)
    return await asyncio.start_server(serve, place.host, place.port)


async def send_order(place: HciPlace, line: str) -> dict[str, Any]:
    """Ask something that runs; its answer.

    Raises:
        OSError: nobody takes orders there.
    """
    if place.path:
        reader, writer = await asyncio.open_unix_connection(place.path)
    else:
        reader, writer = await asyncio.open_connection(place.host, place.port)
    try:
        writer.write(f"{line}\n".encode())
        answer: dict[str, Any] = json.loads(await reader.readline() or b'{"error": "it has ended"}')
        return answer
    finally:
        writer.close()


def take_typed(obey: Obey, write: Callable[[str], None]) -> None:
    """Orders on standard input, where that is a terminal or a pipe; its end changes nothing.

    It is read only when something is there, and is not made non-blocking: a terminal's output
    would be, too.
    """
    loop, rest = asyncio.get_running_loop(), b""

    def readable() -> None:
        nonlocal rest
        got = os.read(0, 4096)
        if not got:
            loop.remove_reader(0)
        *lines, rest = (rest + got).split(b"\n")
        for line in lines:
            if line.strip():
                write(json.dumps(obey(line.decode(errors="replace"))))

    with contextlib.suppress(OSError):  # a file, or nothing at all
        loop.add_reader(0, readable)
