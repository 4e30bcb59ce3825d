"""A radio of the virtual air offered as a controller: HCI on a Unix or TCP socket.

Whoever connects has an adapter, as if it were plugged into his machine.  There is one host at a
time; the next one takes the place of the one before, as a gateway does that was killed and
started anew.  What a host leaves behind is left without a goodbye, so its nodes find out by
their supervision time-outs.
"""

import asyncio
import contextlib
import errno
import logging
from pathlib import Path

from transports.ble.h4 import H4
from transports.ble.place import HciPlace
from transports.virtual.air.air import Air
from transports.virtual.air.radio import RadioController

log = logging.getLogger(__name__)


class Offered:
    """One adapter on the air.

    Args:
        air: where it is.
        name: for logs.
        address: its public Bluetooth address.
        place: where it listens; port 0 takes a free one.

    Between two hosts the radio stays where it is: reach and signal strength are kept.
    """

    def __init__(self, air: Air, name: str, address: str, place: HciPlace) -> None:
        self.name = name
        self.place = place
        self.hosts = 0
        """How many have connected so far."""
        self._air = air
        self._stream: H4 | None = None
        self._server: asyncio.Server | None = None
        self.controller = RadioController(name, link=air, public_address=address)

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            OSError: the place cannot be had.
        """
        loop = asyncio.get_running_loop()
        if self.place.path:
            if await _answers(self.place.path):  # else it is one of an air that was killed
                raise OSError(errno.EADDRINUSE, f"another air listens at {self.place}")
            self._server = await loop.create_unix_server(self._accept, self.place.path)
            return
        self._server = await loop.create_server(self._accept, self.place.host, self.place.port)
        port = self._server.sockets[0].getsockname()[1]
        self.place = HciPlace(host=self.place.host, port=port)

    def drop(self) -> None:
        """End the host's connection, as an adapter that is unplugged."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
            self._forget_host()

    async def aclose(self) -> None:
        """Leave the air, and listen no more."""
        self.drop()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            if self.place.path:
                with contextlib.suppress(FileNotFoundError):
                    Path(self.place.path).unlink()  # noqa: ASYNC240 - a socket's name, on a local disk

    def _accept(self) -> H4:
        return H4(began=self._began, lost=self._lost)

    def _began(self, stream: H4) -> None:
        self.drop()
        self.hosts += 1
        self._stream = stream
        stream.set_packet_sink(self.controller)
        self.controller.host = stream

    def _lost(self, stream: H4) -> None:
        if stream is self._stream:
            self._stream = None
            self._forget_host()

    def _forget_host(self) -> None:
        self.controller.host = None
        self.controller.forget()


async def _answers(path: str) -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    return True
