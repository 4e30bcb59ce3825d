"""Several virtual nodes behind one line, by the select scheme of :mod:`transports.uart.bus`.

The bus is itself a peer, so it can stand behind memory, a PTY or a socket.  All
nodes share the wire; only the selected one is heard by the host, and what the
others say is not put on the wire at all.
"""

import asyncio
from functools import partial

from transports.links import Transmit, UartPeer
from transports.uart.bus import SELECT_SILENCE, SelectFrame


class VirtualBus:
    """Nodes by address; a :class:`~transports.links.UartPeer`.

    Args:
        peers: the nodes.
        frame: what selects one.
        share_lines: the host's modem lines reach every node; an RS-485 pair has none.
    """

    def __init__(
        self, peers: dict[int, UartPeer], *, frame: SelectFrame | None = None, share_lines: bool = False
    ) -> None:
        self.peers = dict(peers)
        self.frames = {address: (frame or SelectFrame()).to(address) for address in range(256)}
        self.selected: int | None = None
        self.lost = 0
        self._share_lines = share_lines
        self._transmit: Transmit | None = None
        self._heard_at: float | None = None
        self._maybe = bytearray()
        self._matching = False
        self._timer: asyncio.TimerHandle | None = None
        for address, peer in self.peers.items():
            peer.attach(partial(self._from_node, address))

    def attach(self, transmit: Transmit) -> None:
        """As in the contract."""
        self._transmit = transmit

    def lines(self, *, dtr: bool, rts: bool) -> None:
        """As in the contract; passed on only if the lines are shared."""
        if self._share_lines:
            for peer in self.peers.values():
                peer.lines(dtr=dtr, rts=rts)

    def forget(self, address: int) -> None:
        """A node was reset: it is no longer selected."""
        if self.selected == address:
            self.selected = None

    def receive(self, data: bytes) -> None:
        """As in the contract: select frames are taken, the rest goes to the selected node."""
        now = asyncio.get_running_loop().time()
        if self._heard_at is None or now - self._heard_at >= SELECT_SILENCE / 2:
            self._give_up()
            self._matching = True
        self._heard_at = now
        if not self._matching:
            self._to_selected(data)
            return
        self._maybe += data
        begun = bytes(self._maybe)
        for address, frame in self.frames.items():
            if begun.startswith(frame):
                self._select(address, begun[len(frame) :])
                return
        if any(frame.startswith(begun) for frame in self.frames.values()):
            self._wait_for_the_rest()
        else:
            self._give_up()

    def _select(self, address: int, rest: bytes) -> None:
        self._end_matching()
        self.selected = address
        self._to_selected(rest)

    def _wait_for_the_rest(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SELECT_SILENCE, self._give_up)

    def _give_up(self) -> None:
        """What looked like a select frame is data."""
        data = bytes(self._maybe)
        self._end_matching()
        self._to_selected(data)

    def _end_matching(self) -> None:
        self._matching = False
        self._maybe.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _to_selected(self, data: bytes) -> None:
        if not data:
            return
        if self.selected in self.peers:
            self.peers[self.selected].receive(data)
        else:
            self.lost += len(data)

    def _from_node(self, address: int, data: bytes) -> None:
        if address == self.selected and self._transmit is not None:
            self._transmit(data)
