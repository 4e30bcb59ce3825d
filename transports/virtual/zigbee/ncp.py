"""The serial side of the coordinator: TI's ZNP, as host programs speak it to a CC2652.

Commands and their numbers are those of the Z-Stack Monitor and Test API for Z-Stack 3.x, with the
additions of common firmware (remove and add an association).  Every request gets its answer at
once; what takes time comes later as an indication.  A data request is confirmed when the radio
knows how it ended, with the status that the chip gives; at most sixteen are under way.
"""

import random
import struct
from collections.abc import Callable

from transports.links import Transmit
from transports.virtual.zigbee import mt
from transports.virtual.zigbee.agenda import Agenda
from transports.virtual.zigbee.aps import Aps
from transports.virtual.zigbee.chip import Answer, Chip, Handlers, well
from transports.virtual.zigbee.coordinator import Coordinator
from transports.virtual.zigbee.data_requests import DataRequests
from transports.virtual.zigbee.device_profile import DeviceProfile
from transports.virtual.zigbee.flash import FlashCommands
from transports.virtual.zigbee.mt import Kind, System
from transports.virtual.zigbee.stack import NodeStack
from transports.virtual.zigbee.utilities import Utilities

CAPABILITIES = 0x0659
"""SYS, AF, ZDO, UTIL, GP and APP_CNF, as such firmware answers a ping (MT API, 3.8.1.2)."""
VERSION = struct.pack("<BBBBBI", 2, 1, 2, 7, 1, 20240710)
"""Transport 2, product 1 (Z-Stack 3.x0), 2.7.1, and the build that firmware for a CC2652 reports."""
BOOT_SECONDS = 0.1
"""From a reset until the chip says so; ours."""


class Ncp:
    """The far end of a coordinator's serial line.

    Args:
        coordinator: what it is the interface of.
        agenda: when things happen.
        dice: what the chip calls random.
        changed: told that the flash may have changed.
    """

    def __init__(
        self,
        coordinator: Coordinator,
        agenda: Agenda,
        dice: random.Random,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.coordinator = coordinator
        self.unknown: list[tuple[int, int]] = []
        """Commands that were not understood."""
        self.powered = True
        self._dice = dice
        self._transmit: Transmit | None = None
        self._decoder = mt.Decoder()
        self._chip = Chip(coordinator, agenda, self._indicate, changed)
        self.data = DataRequests(self._chip)
        """Data requests, and how many there were."""
        self._profile = DeviceProfile(self._chip)
        self._utilities = Utilities(self._chip)
        coordinator.host = self
        flash = FlashCommands(lambda: coordinator.memory, changed)
        self._handlers: Handlers = {
            **{(Kind.SREQ | System.SYS, number): handler for number, handler in flash.handlers.items()},
            **self._system(),
            **self.data.handlers(),
            **self._profile.handlers(),
            **self._utilities.handlers(),
        }

    # The line

    def attach(self, transmit: Transmit) -> None:
        """A medium has been connected."""
        self._transmit = transmit

    def lines(self, *, dtr: bool, rts: bool) -> None:
        """Its adapter's lines: without an effect, since nothing holds the chip in its loader here."""
        self._decoder.clear()

    def receive(self, data: bytes) -> None:
        """Bytes from the host."""
        if not self.powered:
            return
        for first, second, body in self._decoder.feed(data):
            self._command(first, second, body)

    def _command(self, first: int, second: int, body: bytes) -> None:
        handler = self._handlers.get((first, second))
        answer: Answer = None
        if handler is not None:
            try:
                answer = handler(body)
            except (struct.error, IndexError):
                self._error(first, second, 0x04)
                return
            if first & 0xE0 == Kind.SREQ:
                self._send(Kind.SRSP, first & 0x1F, second, answer if answer is not None else b"")
        else:
            self.unknown.append((first, second))
            if first & 0xE0 == Kind.SREQ:
                self._error(first, second, 0x02)

    def _error(self, first: int, second: int, code: int) -> None:
        """The command is unknown (2) or has a wrong length (4) (MT API, 2.1.4)."""
        self._send(Kind.SRSP, System.RPC_ERROR, 0x00, bytes((code, first, second)))

    def _send(self, kind: Kind, system: int, command: int, data: bytes = b"") -> None:
        if self._transmit is not None and self.powered and len(data) <= mt.MAX_DATA:
            self._transmit(mt.encode(kind, system, command, data))

    def _indicate(self, system: System, command: int, data: bytes) -> None:
        self._send(Kind.AREQ, system, command, data)

    def restart(self, *, reason: int = 0) -> None:
        """The chip starts anew; the host is told when it has."""
        self._stop()
        chip = self._chip
        chip.agenda.later(BOOT_SECONDS, self._booted, chip.life, reason)

    def switch(self, *, on: bool) -> None:
        """Give power to the chip, or take it."""
        if on == self.powered:
            return
        self.powered = on
        if on:
            self.restart()
        else:
            self._stop()

    def _stop(self) -> None:
        self._chip.life += 1
        for part in (self.data, self._profile, self._utilities):
            part.restarted()
        self._decoder.clear()
        self.coordinator.stop()
        self._chip.changed()

    def _booted(self, life: int, reason: int) -> None:
        if life == self._chip.life:
            self._indicate(System.SYS, 0x80, bytes((reason,)) + VERSION[:5])

    def _system(self) -> Handlers:
        ask, sys, app = Kind.SREQ, System.SYS, System.APP_CNF
        memory = self.coordinator.memory
        return {
            (Kind.AREQ | sys, 0x00): self._reset,
            (ask | sys, 0x01): lambda _: struct.pack("<H", CAPABILITIES),
            (ask | sys, 0x02): lambda _: VERSION,
            (ask | sys, 0x04): lambda _: memory.own_ieee,
            (ask | sys, 0x0C): lambda _: self._dice.randbytes(2),
            (ask | sys, 0x0F): lambda data: data[1:2],
            (ask | sys, 0x14): well,
            **{(ask | app, number): well for number in (0x01, 0x02, 0x03, 0x07, 0x09, 0xFF)},
        }

    def _reset(self, data: bytes) -> Answer:
        self.restart()
        return None

    # What the coordinator tells its host

    def message(self, frame: Aps, lqi: int) -> None:
        """An application's frame came in."""
        self.data.message(frame, lqi)

    def device_profile(self, source: int, cluster: int, data: bytes, *, broadcast: bool) -> None:
        """A frame of the device profile came in."""
        self._profile.device_profile(source, cluster, data, broadcast=broadcast)

    def came(self, node: NodeStack, parent: int) -> None:
        """A node was let in, or is back."""
        self._profile.came(node, parent)

    def went(self, node: NodeStack, *, rejoin: bool) -> None:
        """A node said goodbye."""
        self._profile.went(node, rejoin=rejoin)

    def route(self, node: NodeStack, relays: list[int]) -> None:
        """The way to a node is known."""
        self._profile.route(node, relays)
