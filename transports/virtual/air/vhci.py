"""A radio of the virtual air lent to Linux: the kernel and BlueZ take it for an adapter of theirs.

The kernel's driver ``hci_vhci`` offers ``/dev/vhci``: each time it is opened there is one more
adapter, and packets pass one per read and one per write, each beginning with its type as in H4.
The first packet written says what kind of adapter is wanted; the first one read is the kernel's
answer, with the adapter's number (``drivers/bluetooth/hci_vhci.c``).
"""

import asyncio
import itertools
import os
from pathlib import Path

from bumble import ll

from transports.virtual.air.air import Air
from transports.virtual.air.radio import RadioController

DEVICE = Path("/dev/vhci")
_VENDOR = 0xFF
_PRIMARY = 0x00
_LARGEST = 2048
"""More than any HCI packet of a controller that offers 251 bytes."""
_FLICKER = (0, 1, 0, -1)
"""dBm.  BlueZ tells of a node again only if something changed, and the strength of a real one always does."""


class LentController(RadioController):
    """An adapter whose host is the kernel."""

    filter_accept_list_size = 32

    def __init__(self, name: str, *, link: Air, public_address: str) -> None:
        super().__init__(name, link=link, public_address=public_address)
        self._flicker = itertools.cycle(_FLICKER)

    def hear(self, packet: ll.AdvertisingPdu, rssi: int) -> None:
        """As any radio, never twice in a row with the same strength."""
        super().hear(packet, rssi + next(self._flicker))


class Lent:
    """An adapter on the air that Linux has.

    Args:
        air: where it is.
        address: its public Bluetooth address.

    Raises:
        OSError: the kernel has no ``hci_vhci``, or we may not use it.
    """

    def __init__(self, air: Air, address: str, *, device: Path = DEVICE) -> None:
        self.address = address
        self.number: int | None = None
        """The N in ``hciN``, once the kernel has said it."""
        self.numbered = asyncio.Event()
        self.controller = LentController("vhci", link=air, public_address=address)
        self._loop = asyncio.get_running_loop()
        self._file = os.open(device, os.O_RDWR | os.O_NONBLOCK)
        os.write(self._file, bytes((_VENDOR, _PRIMARY)))
        self.controller.host = self
        self._loop.add_reader(self._file, self._read)

    def on_packet(self, packet: bytes) -> None:
        """From the controller to the kernel."""
        if self._file >= 0:
            os.write(self._file, packet)

    def close(self) -> None:
        """Unplug it."""
        if self._file >= 0:
            self._loop.remove_reader(self._file)
            self.controller.host = None
            os.close(self._file)
            self._file = -1
            self.controller.forget()

    def _read(self) -> None:
        try:
            packet = os.read(self._file, _LARGEST)
        except BlockingIOError:
            return
        if packet[:1] == bytes((_VENDOR,)):
            self.number = int.from_bytes(packet[2:4], "little")
            self.numbered.set()
        else:
            self.controller.on_packet(packet)
