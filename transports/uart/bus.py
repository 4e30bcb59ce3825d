"""Several nodes on one line, told apart by an address (multi-drop, as on RS-485).

All nodes hear the host; one of them, the selected one, answers.  The scheme is
called *select* and knows nothing of what the nodes speak:

- A select frame names a node.  By default it is three bytes: the attention byte
  0x01, the address, and the address with all bits inverted.  A profile may give
  another frame as a template, for instance ``select=fe{a}{~a}16``.
- It stands alone: the host is silent for 20 ms before and after it.  A node takes
  these bytes for a select frame only at the beginning of a message, after at least
  half that silence; anywhere else they are data.  A protocol whose messages begin
  with the attention byte needs another template.
- The node of that address is selected and all others are not.  After a reset no
  node is.  Nobody acknowledges a select frame: the node's answer to what follows
  shows that it was heard.
- So the host selects before it first talks to a node, and again before a write
  when the node has not said a word for half a second: it may have been reset.

The scheme, its default frame and its times are our own; no standard is claimed.
"""

import asyncio
import re
from dataclasses import dataclass

from transports.errors import BadLink, LinkBusy
from transports.links import ByteLink, LinkSpec

SELECT_SILENCE = 0.020
"""Seconds of silence before and after a select frame."""

RESELECT_AFTER = 0.5
"""Seconds without a word from the node after which it is selected again."""

DEFAULT_TEMPLATE = "01{a}{~a}"

_PART = re.compile(r"\{~?a\}|[0-9a-fA-F]{2}")


@dataclass(frozen=True, slots=True)
class SelectFrame:
    """What selects a node: bytes in hex, ``{a}`` for its address and ``{~a}`` for the inverted address."""

    template: str = DEFAULT_TEMPLATE

    def __post_init__(self) -> None:
        left = _PART.sub("", self.template)
        if left.strip() or "{a}" not in self.template or len(_PART.findall(self.template)) > 16:
            raise BadLink(
                f"{self.template!r} is no select frame",
                remedy="Write bytes in hex, {a} for the address and {~a} for its complement: 01{a}{~a}.",
            )

    def to(self, address: int) -> bytes:
        """The frame that selects this address (0 to 255)."""
        said = {"{a}": address, "{~a}": address ^ 0xFF}
        parts = _PART.findall(self.template)
        return bytes(said[part] if part in said else int(part, 16) for part in parts)


def parse_address(text: str) -> int:
    """A node's address: 0 to 255, in decimal or as 0x...

    Raises:
        BadLink: it is neither.
    """
    if re.fullmatch(r"\d{1,3}|0[xX][0-9a-fA-F]{1,2}", text, re.ASCII):
        address = int(text, 16) if text[:2] in ("0x", "0X") else int(text)
        if address <= 255:
            return address
    raise BadLink(f"{text!r} is no address on a bus", remedy="Write the address as 0 to 255 or 0x00 to 0xff.")


async def on_bus(line: ByteLink, spec: LinkSpec) -> ByteLink:
    """The view of a spec's address on a line that was opened for it alone.

    Closing it closes the line.

    Raises:
        BadLink: the address or the select frame is none; the line is closed then.
    """
    try:
        frame = SelectFrame(spec.option("select") or DEFAULT_TEMPLATE)
        return Bus(line, frame).at(parse_address(spec.address or ""), closes=True)
    except BadLink:
        await line.aclose()
        raise


class Bus:
    """A line that several nodes share, and who of them is selected."""

    def __init__(self, line: ByteLink, frame: SelectFrame | None = None) -> None:
        self.line = line
        self.frame = frame or SelectFrame()
        self.selected: int | None = None
        self.heard_at = 0.0
        self._wrote_at = 0.0
        self._reading: int | None = None
        self._turn = asyncio.Lock()

    def at(self, address: int, *, closes: bool = False) -> "BusLink":
        """The link to one node; ``closes`` makes its closing that of the line."""
        return BusLink(self, address, closes=closes)

    async def read(self, address: int) -> bytes:
        """Bytes of a node, which is selected first."""
        async with self._turn:
            await self._select(address)
            self._reading = address
        try:
            data = await self.line.read()
        finally:
            self._reading = None
        self.heard_at = asyncio.get_running_loop().time()
        return data

    async def write(self, address: int, data: bytes) -> None:
        """Write to a node, which is selected first, and again if it was silent for long."""
        async with self._turn:
            loop = asyncio.get_running_loop()
            if self.selected == address and loop.time() - self.heard_at >= RESELECT_AFTER:
                self.selected = None
            await self._select(address)
            await self.line.write(data)
            self._wrote_at = loop.time()

    async def _select(self, address: int) -> None:
        if self._reading not in (None, address):
            raise LinkBusy(f"the bus is waiting for node {self._reading}")
        if self.selected == address:
            return
        loop = asyncio.get_running_loop()
        if self._reading is None:
            self.line.discard_input()  # of the node before
        await asyncio.sleep(max(0.0, self._wrote_at + SELECT_SILENCE - loop.time()))
        await self.line.write(self.frame.to(address))
        await asyncio.sleep(SELECT_SILENCE)
        self.selected = address
        self.heard_at = loop.time()


class BusLink:
    """One node's view of a bus; a :class:`~transports.links.ByteLink`.

    The modem lines and the speed are those of the whole line.
    """

    def __init__(self, bus: Bus, address: int, *, closes: bool) -> None:
        self._bus = bus
        self._address = address
        self._closes = closes

    async def read(self) -> bytes:
        """As in the contract.

        Raises:
            LinkBusy: somebody waits for another node's answer.
            LinkLost: as in the contract.
        """
        return await self._bus.read(self._address)

    async def write(self, data: bytes) -> None:
        """As in the contract; raises as ``read`` does."""
        await self._bus.write(self._address, data)

    def discard_input(self) -> bytes:
        """As in the contract; what came is this node's only while it is selected."""
        got = self._bus.line.discard_input()
        return got if self._bus.selected == self._address else b""

    async def set_lines(self, *, dtr: bool | None = None, rts: bool | None = None) -> None:
        """As in the contract."""
        await self._bus.line.set_lines(dtr=dtr, rts=rts)
        self._bus.selected = None  # it may have been a reset

    async def set_baud(self, baud: int) -> None:
        """As in the contract."""
        await self._bus.line.set_baud(baud)

    async def aclose(self) -> None:
        """As in the contract."""
        if self._closes:
            await self._bus.line.aclose()
