"""A virtual node's SMP service: messages in, messages out, in as many values as the air asks for."""

from collections.abc import Callable

from flashers.mcuboot_smp.wire import CHARACTERISTIC, SERVICE
from transports.gatt import Advertisement, Characteristic, NodeRadio, Persona, Property, Service

_ROOM = 244
"""Bytes of a notification at the MTU of 247 that the persona agrees to."""


class RadioFace:
    """What a node with MCUmgr over Bluetooth LE is on the air; a :class:`~transports.gatt.GattPeer`.

    Args:
        name: that it calls out.
        address: static random, as ``C0:…``.
        receive: takes what was written.
        begin: is called once the event loop runs.
    """

    def __init__(
        self, name: str, address: str, receive: Callable[[bytes], None], begin: Callable[[], None]
    ) -> None:
        properties = frozenset({Property.WRITE_WITHOUT_RESPONSE, Property.NOTIFY})
        service = Service(SERVICE, (Characteristic(CHARACTERISTIC, properties),))
        self._persona = Persona(address, Advertisement(name, (SERVICE,)), (service,))
        self._receive = receive
        self._begin = begin
        self._radio: NodeRadio | None = None
        self._here = False

    def appear(self, *, here: bool) -> None:
        """Be on the air, or not; a node that restarts is gone without a word."""
        self._here = here
        if self._radio is not None:
            self._radio.appear(self._persona if here else None)

    def answer(self, packet: bytes) -> None:
        """Send a message to whoever listens."""
        if self._radio is not None:
            for start in range(0, len(packet), _ROOM):
                self._radio.notify(CHARACTERISTIC, packet[start : start + _ROOM])

    def attach(self, radio: NodeRadio) -> None:
        """As in the contract."""
        self._radio = radio
        self._begin()
        if self._here:
            radio.appear(self._persona)

    def connected(self) -> None:
        """As in the contract."""

    def disconnected(self) -> None:
        """As in the contract."""

    def written(self, characteristic: str, data: bytes) -> int:
        """As in the contract."""
        del characteristic
        self._receive(data)
        return 0

    def value(self, characteristic: str) -> bytes:
        """As in the contract; the SMP characteristic has none to read."""
        del characteristic
        return b""

    def listened(self, characteristic: str, *, on: bool) -> None:
        """As in the contract."""
        del characteristic, on
