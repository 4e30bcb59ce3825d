"""Babblers and liars behind a radio: they have a node's table, and something else to say.

A radio checks its packets, so what is bent on the way does not arrive; what does is what
somebody sent who keeps to the link's rules and to nothing else.
"""

import random

from transports.gatt import GattPeer, NodeRadio, Persona


class AirBabbler:
    """Lets everything pass, and sends random values where the host listens."""

    def __init__(self, peer: GattPeer, seed: int, share: float) -> None:
        self._peer = peer
        self._chance = random.Random(seed)
        self._share = share
        self._radio: NodeRadio | None = None
        self._listened: list[str] = []

    # What the node may do with its radio

    def appear(self, persona: Persona | None) -> None:
        """As in the contract."""
        self._listened.clear()
        if self._radio is not None:
            self._radio.appear(persona)

    def notify(self, characteristic: str, data: bytes) -> bool:
        """As in the contract."""
        self._babble()
        return self._radio is not None and self._radio.notify(characteristic, data)

    def hang_up(self) -> None:
        """As in the contract."""
        if self._radio is not None:
            self._radio.hang_up()

    # What the air does

    def attach(self, radio: NodeRadio) -> None:
        """As in the contract."""
        self._radio = radio
        self._peer.attach(self)

    def connected(self) -> None:
        """As in the contract."""
        self._peer.connected()

    def disconnected(self) -> None:
        """As in the contract."""
        self._listened.clear()
        self._peer.disconnected()

    def written(self, characteristic: str, data: bytes) -> int:
        """As in the contract."""
        self._babble()
        return self._peer.written(characteristic, data)

    def value(self, characteristic: str) -> bytes:
        """As in the contract."""
        return self._peer.value(characteristic)

    def listened(self, characteristic: str, *, on: bool) -> None:
        """As in the contract."""
        if on:
            self._listened.append(characteristic)
        self._peer.listened(characteristic, on=on)

    def _babble(self) -> None:
        if self._radio is not None and self._listened and self._chance.random() < self._share:
            where = self._chance.choice(self._listened)
            self._radio.notify(where, self._chance.randbytes(self._chance.randrange(1, 40)))


class AirStranger(AirBabbler):
    """Nobody is behind the table: answers whatever it hears with random values, or with what it heard."""

    def __init__(self, peer: GattPeer, seed: int) -> None:
        super().__init__(peer, seed, 0.0)

    def notify(self, characteristic: str, data: bytes) -> bool:
        """What the node would say is not said."""
        del characteristic, data
        return True

    def written(self, characteristic: str, data: bytes) -> int:
        """As in the contract."""
        del characteristic
        if self._radio is None or not self._listened or self._chance.random() < 0.3:
            return 0
        echo = self._chance.random() < 0.3
        answer = data if echo else self._chance.randbytes(self._chance.randrange(1, 80))
        self._radio.notify(self._chance.choice(self._listened), answer)
        return 0

    def value(self, characteristic: str) -> bytes:
        """As in the contract."""
        del characteristic
        return self._chance.randbytes(self._chance.randrange(1, 40))
