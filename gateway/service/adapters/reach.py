"""The way to nodes behind adapters: which call is theirs, and a connection to whoever makes it.

What a link leads to is not remembered beyond the connection: a node in another role, or
with another firmware, is connected to anew, and its table is read anew.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from flashers.api import Calling, Role
from gateway.profiles.radio import Pairing, RadioTable
from gateway.service.adapters.callings import Callings
from gateway.service.adapters.errors import Ambiguous, LoaderTaken
from gateway.service.adapters.hearing import Ear, adapter_of, fits
from gateway.service.adapters.loaders import LoaderPlaces
from transports.ble.adapters import Adapters
from transports.ble.errors import NodeNotHeard
from transports.errors import BadLink
from transports.gatt import GattLink
from transports.links import LinkSpec

if TYPE_CHECKING:
    from transports.ble.adapter import Sighting

log = logging.getLogger("tender.adapters")

_LOADER_PATIENCE_S = 60.0
"""How long a flasher waits for the one loader place, where nothing said before that it would want it."""
_TICK_S = 0.5
_OTHERS_S = 1.5
"""How long it is listened whether a second node calls itself the same."""


class Reach:
    """All ways over the air of one gateway."""

    def __init__(self, adapters: Adapters, callings: Callings) -> None:
        self.adapters = adapters
        self.callings = callings
        self.ear = Ear(adapters, self.calls)
        self._listeners: list[Callable[[], None]] = []
        self.loaders = LoaderPlaces(callings, self.ear.haunted, self._changed)

    def listen(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` when a node that waits may go on."""
        self._listeners.append(changed)
        self.ear.listen(changed)

    def way(self, spec: LinkSpec, table: RadioTable) -> "Way":
        """The way to one node.  Raises BadLink: the link has no address."""
        return Way(self, spec, table)

    def calls(self, place: str, role: Role) -> tuple[Calling, ...]:
        """How the node of this place is called in a role; whatever it may be called for UNKNOWN."""
        said = self.callings.of(place)
        own = said.get(Role.APP, Calling(address=place.partition("#")[2]))
        if role is Role.UNKNOWN:
            return tuple(dict.fromkeys((own, *said.values())))
        return (said.get(role, own),)

    def places(self, channel: str) -> int | None:
        """How many nodes may be connected over this channel at one time; None if it is no adapter."""
        return self.adapters.cap(adapter_of(channel)) if channel.startswith("ble:") else None

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()


class Way:
    """The way to one node; implements :class:`gateway.attempt.radio.Radio`."""

    def __init__(self, reach: Reach, spec: LinkSpec, table: RadioTable) -> None:
        if spec.address is None:
            raise BadLink(f"{spec} names no node", remedy=f"Write {spec}#C0:FF:EE:00:00:01.")
        self._reach = reach
        self._table = table
        self._adapter = spec.target
        self._address = spec.address.upper()
        self._channel = spec.channel
        self.place = place_of(spec)
        self._fresh = False

    @property
    def bonded(self) -> bool:
        """As in the contract."""
        return self._table.pair is not Pairing.NONE

    def same(self, made_for: Role, role: Role) -> bool:
        """As in the contract."""
        calls = self._reach.calls
        return role in (made_for, Role.UNKNOWN) or calls(self.place, made_for) == calls(self.place, role)

    async def connect(self, role: Role) -> GattLink:
        """As in the contract."""
        reach, table = self._reach, self._table
        adapter = await reach.adapters.get(self._adapter)
        calls = reach.calls(self.place, role)
        if not all(call.unique for call in calls):
            await self._alone(calls)
        own: list[bool] = []

        def wanted(sighting: "Sighting") -> bool:
            if not fits(calls, sighting):
                return False
            own.append(self._is_itself(sighting))
            return True

        try:
            link = await adapter.connect(
                self._address,
                within=table.listen,
                passkey=table.passkey,
                pair=self._pairs,
                wanted=wanted,
                fresh=self._fresh,
            )
        except NodeNotHeard:
            reach.ear.missed(self.place)
            raise
        self._fresh = False
        if own[-1]:
            await reach.callings.back(self.place)
        return link

    def _pairs(self, sighting: "Sighting") -> bool:
        """Bonds are the application's; a loader that shares them has its address."""
        return self.bonded and sighting.address == self._address

    def _is_itself(self, sighting: "Sighting") -> bool:
        """Whether it calls as the application does, and not as what was said of its loader."""
        loader = self._reach.callings.of(self.place).get(Role.LOADER)
        in_loader = loader is not None and not loader.unique and fits((loader,), sighting)
        return fits(self._reach.calls(self.place, Role.APP), sighting) and not in_loader

    async def will_call(self, role: Role, calling: Calling) -> None:
        """As in the contract."""
        if role is Role.LOADER and not calling.unique:
            await self._loader_place()
        await self._reach.callings.keep(self.place, role, calling)
        self._fresh = True

    def restarting(self) -> None:
        """As in the contract."""
        self._fresh = True

    async def _loader_place(self) -> None:
        loop, loaders = asyncio.get_running_loop(), self._reach.loaders
        end = loop.time() + _LOADER_PATIENCE_S
        while not loaders.take(self._channel, self.place):
            if loop.time() >= end:
                reason = loaders.reason(self._channel, self.place)
                raise LoaderTaken(reason.message if reason is not None else "")
            await asyncio.sleep(_TICK_S)

    async def _alone(self, calls: tuple[Calling, ...]) -> None:
        """Make sure that nobody else calls itself the same just now.

        Raises:
            Ambiguous: somebody does.
        """
        adapter = await self._reach.adapters.get(self._adapter)
        async with adapter.scanning():
            await adapter.hear(lambda sighting: fits(calls, sighting), within=self._table.listen)
            await asyncio.sleep(_OTHERS_S)
        found = adapter.heard_lately(lambda sighting: fits(calls, sighting))
        if len(found) > 1 and not any(sighting.address == self._address for sighting in found):
            addresses = ", ".join(sorted(sighting.address for sighting in found))
            raise Ambiguous(f"{addresses} all call themselves {calls[-1]}")


def place_of(spec: LinkSpec) -> str:
    """A node by its adapter and address, without options."""
    return f"{spec.channel}#{(spec.address or '').upper()}"
