"""HCI over a stream, as a host and a controller in two processes speak it.

Each packet begins with its type (Core Specification, Vol 4, Part A, 2: the UART transport, "H4").
Nothing in it says where a packet begins once the two are out of step, so a byte that is no type
ends the connection instead of being skipped.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import cast

from bumble.core import InvalidPacketError
from bumble.transport.common import ParserSource, TransportLostError

log = logging.getLogger(__name__)


class H4(asyncio.Protocol, ParserSource):
    """One end of the stream: what bumble calls a source and a sink, in one.

    Args:
        began: is called with this when the stream is open.
        lost: is called once with this when it has ended, whoever ended it.
        strict: sending into a stream that has ended is an error, as a host wants it, which would wait
            for an answer for ever; a controller loses it without a word.
    """

    def __init__(
        self,
        *,
        began: Callable[["H4"], None] = lambda _: None,
        lost: Callable[["H4"], None] = lambda _: None,
        strict: bool = False,
    ) -> None:
        super().__init__()
        self._strict = strict
        self._began = began
        self._lost = lost
        self._stream: asyncio.Transport | None = None

    @property
    def open(self) -> bool:
        """Whether packets still pass."""
        return self._stream is not None and not self._stream.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The stream is open."""
        self._stream = cast("asyncio.Transport", transport)
        self._began(self)

    def data_received(self, data: bytes) -> None:
        """Bytes from the other end."""
        try:
            self.parser.feed_data(data)
        except InvalidPacketError as error:
            log.warning("what comes is not HCI: %s", error)
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The stream has ended."""
        log.debug("an HCI stream has ended: %r", exc)
        self._stream = None
        self.on_transport_lost()
        self._lost(self)

    def on_packet(self, packet: bytes) -> None:
        """Send a packet to the other end.

        Raises:
            TransportLostError: it has gone, and this end is strict.
        """
        if self._stream is not None and not self._stream.is_closing():
            self._stream.write(packet)
        elif self._strict:
            raise TransportLostError("the stream has ended")

    def close(self) -> None:
        """End the stream."""
        if self._stream is not None:
            self._stream.abort()
