"""A node on the air instead of a line: who stands between, and how a gateway that may die gets there."""

from collections.abc import Callable
from typing import Protocol

from flashers.api import Calling, Role
from gateway.journal.radio import Said
from gateway.service.adapters.callings import Callings
from tests.matrix.process import Process, Sends
from transports.errors import LinkError
from transports.gatt import GattLink, GattPeer, NodeRadio
from transports.virtual.memory_gatt import MemoryAir, either

ADDRESS = "C0:00:00:00:00:10"
PLACE = f"ble:air#{ADDRESS}"
LISTEN_S = 3.0
"""How long a node is listened for."""


class Overheard:
    """A node's radio face, and somebody who learns when it is asked something."""

    def __init__(self, peer: GattPeer, asked: Callable[[Callable[[], int]], int]) -> None:
        self._peer = peer
        self._asked = asked

    def attach(self, radio: NodeRadio) -> None:
        """As in the contract."""
        self._peer.attach(radio)

    def connected(self) -> None:
        """As in the contract."""
        self._peer.connected()

    def disconnected(self) -> None:
        """As in the contract."""
        self._peer.disconnected()

    def written(self, characteristic: str, data: bytes) -> int:
        """As in the contract; whatever is done meanwhile is done for the host."""
        return self._asked(lambda: self._peer.written(characteristic, data))

    def value(self, characteristic: str) -> bytes:
        """As in the contract."""
        return self._peer.value(characteristic)

    def listened(self, characteristic: str, *, on: bool) -> None:
        """As in the contract."""
        self._peer.listened(characteristic, on=on)


class CallingsWriter(Protocol):
    """The journal, as far as callings are kept in it."""

    async def keep_calling(self, said: Said) -> None:
        """As in the journal."""
        ...

    async def back_from(self, place: str) -> None:
        """As in the journal."""
        ...

    async def callings(self) -> list[Said]:
        """As in the journal."""
        ...


class MortalWay:
    """The way to the one node of this air, as one life of the gateway knows it.

    Implements :class:`gateway.attempt.radio.Radio`.  Callings are the service's own: they
    come from the journal when a life begins, and go there before a node is sent anywhere.
    """

    def __init__(self, air: MemoryAir, callings: Callings, process: Process, sends: Sends) -> None:
        self._air = air
        self._callings = callings
        self._process = process
        self._sends = sends
        self.links: list[GattLink] = []

    @property
    def bonded(self) -> bool:
        """Nobody is paired with here."""
        return False

    def same(self, made_for: Role, role: Role) -> bool:
        """As in the contract."""
        return role in (made_for, Role.UNKNOWN) or self._calls(made_for) == self._calls(role)

    def _calls(self, role: Role) -> tuple[Calling, ...]:
        said = self._callings.of(PLACE)
        own = said.get(Role.APP, Calling(address=ADDRESS))
        return (own, *said.values()) if role is Role.UNKNOWN else (said.get(role, own),)

    async def connect(self, role: Role) -> GattLink:
        """As in the contract."""
        self._process.check()
        link = await self._air.connect(either(self._calls(role)), within=LISTEN_S)
        self.links.append(link)
        self._process.check()
        if role is Role.APP and link.address == ADDRESS:
            await self._callings.back(PLACE)
        return MortalGatt(link, self._process, self._sends)

    async def will_call(self, role: Role, calling: Calling) -> None:
        """As in the contract."""
        self._process.check()
        await self._callings.keep(PLACE, role, calling)

    def restarting(self) -> None:
        """Nothing is kept of a node's table here."""

    async def left_behind(self) -> None:
        """End what the process had open, as the system does for one that is gone."""
        for link in self.links:
            try:
                await link.aclose()
            except LinkError as error:  # it never raises, says the contract
                raise AssertionError("closing a link failed") from error


class MortalGatt:
    """A link in the hands of a process that may be dead; a :class:`~transports.gatt.GattLink`."""

    def __init__(self, link: GattLink, process: Process, sends: Sends) -> None:
        self._link = link
        self._process = process
        self._sends = sends

    @property
    def address(self) -> str:
        """As in the contract."""
        return self._link.address

    @property
    def lost(self) -> bool:
        """As in the contract."""
        return self._link.lost

    def has(self, characteristic: str) -> bool:
        """As in the contract."""
        return self._link.has(characteristic)

    def room(self, characteristic: str) -> int:
        """As in the contract."""
        return self._link.room(characteristic)

    async def write(self, characteristic: str, data: bytes, *, response: bool) -> None:
        """As in the contract."""
        self._process.check()
        await self._link.write(characteristic, data, response=response)
        self._sends.sent(self._process)

    async def read(self, characteristic: str) -> bytes:
        """As in the contract."""
        self._process.check()
        return await self._link.read(characteristic)

    async def subscribe(self, characteristic: str) -> None:
        """As in the contract."""
        self._process.check()
        await self._link.subscribe(characteristic)

    async def heard(self) -> tuple[str, bytes]:
        """As in the contract."""
        self._process.check()
        return await self._link.heard()

    def discard_heard(self) -> int:
        """As in the contract."""
        return self._link.discard_heard()

    async def aclose(self) -> None:
        """As in the contract; of a dead process the system closes it, see :class:`World`."""
        if self._process.alive:
            await self._link.aclose()
