"""Babblers and liars on a Zigbee network: frames are whole there, and anybody may send any.

What is bent on the way is repeated or lost, so what arrives is what somebody sent who keeps to the
network's rules and to nothing else.
"""

import random
from dataclasses import replace

from transports.zcl import NodeDescription, Zcl, ZigbeePeer, ZigbeeRadio

_OTA = 0x0019
_COMMANDS = 12


class MeshBabbler:
    """Lets everything pass, and sends random commands between the node's own; a node, and its radio."""

    def __init__(self, peer: ZigbeePeer, seed: int, share: float) -> None:
        self._peer = peer
        self._chance = random.Random(seed)
        self._share = share
        self._radio: ZigbeeRadio | None = None

    # What the node may do with its radio

    def send(self, frame: Zcl, *, acknowledged: bool = True) -> None:
        """As in the contract."""
        self._babble()
        if self._radio is not None:
            self._radio.send(frame, acknowledged=acknowledged)

    def appear(self) -> None:
        """As in the contract."""
        if self._radio is not None:
            self._radio.appear()

    def vanish(self) -> None:
        """As in the contract."""
        if self._radio is not None:
            self._radio.vanish()

    def poll(self, interval: float | None) -> None:
        """As in the contract."""
        if self._radio is not None:
            self._radio.poll(interval)

    # What the network does

    @property
    def description(self) -> NodeDescription:
        """As in the contract."""
        return self._peer.description

    def attach(self, radio: ZigbeeRadio) -> None:
        """As in the contract."""
        self._radio = radio
        self._peer.attach(self)

    def received(self, frame: Zcl) -> None:
        """As in the contract."""
        self._babble()
        self._peer.received(frame)

    def _babble(self) -> None:
        if self._radio is not None and self._chance.random() < self._share:
            self._radio.send(self._any())

    def _any(self) -> Zcl:
        chance = self._chance
        return Zcl(
            _OTA,
            chance.randrange(_COMMANDS),
            chance.randbytes(chance.randrange(0, 40)),
            tsn=chance.randrange(256),
            to_client=chance.random() < 0.2,
            general=chance.random() < 0.2,
        )


class MeshStranger(MeshBabbler):
    """Nobody is behind the address: answers whatever it hears with anything, or with what it heard."""

    def __init__(self, peer: ZigbeePeer, seed: int) -> None:
        super().__init__(peer, seed, 0.0)

    def send(self, frame: Zcl, *, acknowledged: bool = True) -> None:
        """What the node would say is not said."""

    def received(self, frame: Zcl) -> None:
        """As in the contract."""
        chance = self._chance
        if self._radio is None or chance.random() < 0.3:
            return
        back = replace(frame, to_client=not frame.to_client)
        if chance.random() < 0.7:
            # As like an answer as can be without being one.
            command = frame.command + chance.randrange(3)
            back = replace(back, command=command, payload=chance.randbytes(chance.randrange(0, 60)))
        self._radio.send(back if chance.random() < 0.7 else replace(self._any(), tsn=frame.tsn))
