"""A battery for any virtual node: the Battery Service beside its own, with a level that can be set.

Only the application has one: a loader that has another address shows its own services alone.
"""

from dataclasses import replace

from transports.gatt import Characteristic, GattPeer, NodeRadio, Persona, Property, Service, named, uuid16

BATTERY_SERVICE = uuid16(0x180F)
BATTERY_LEVEL = uuid16(0x2A19)
"""Per cent, one byte (Assigned Numbers, 3.4 and 3.8; Battery Service 1.1, 3.1)."""

_SERVICE = Service(
    BATTERY_SERVICE, (Characteristic(BATTERY_LEVEL, frozenset({Property.READ, Property.NOTIFY})),)
)


class Battery:
    """Stands between a node and its radio; a :class:`~transports.gatt.GattPeer` and its ``NodeRadio``.

    Args:
        peer: the node.
        level: per cent.
    """

    def __init__(self, peer: GattPeer, level: int) -> None:
        self._peer = peer
        self._level = level
        self._radio: NodeRadio | None = None
        self._home = ""

    @property
    def level(self) -> int:
        """Per cent."""
        return self._level

    @level.setter
    def level(self, level: int) -> None:
        self._level = max(0, min(level, 100))
        if self._radio is not None:
            self._radio.notify(BATTERY_LEVEL, bytes([self._level]))

    # Towards the node

    def appear(self, persona: Persona | None) -> None:
        """As in the contract, with the service added to the application's own."""
        if self._radio is None:
            return
        if persona is not None and not self._home:
            self._home = persona.address
        if (
            persona is not None
            and persona.address == self._home
            and not named(persona.services, BATTERY_LEVEL)
        ):
            persona = replace(persona, services=(*persona.services, _SERVICE))
        self._radio.appear(persona)

    def notify(self, characteristic: str, data: bytes) -> bool:
        """As in the contract."""
        return self._radio is not None and self._radio.notify(characteristic, data)

    def hang_up(self) -> None:
        """As in the contract."""
        if self._radio is not None:
            self._radio.hang_up()

    # Towards the air

    def attach(self, radio: NodeRadio) -> None:
        """As in the contract."""
        self._radio = radio
        self._peer.attach(self)

    def connected(self) -> None:
        """As in the contract."""
        self._peer.connected()

    def disconnected(self) -> None:
        """As in the contract."""
        self._peer.disconnected()

    def written(self, characteristic: str, data: bytes) -> int:
        """As in the contract."""
        return self._peer.written(characteristic, data)

    def value(self, characteristic: str) -> bytes:
        """As in the contract."""
        return bytes([self._level]) if characteristic == BATTERY_LEVEL else self._peer.value(characteristic)

    def listened(self, characteristic: str, *, on: bool) -> None:
        """As in the contract."""
        if characteristic != BATTERY_LEVEL:
            self._peer.listened(characteristic, on=on)
