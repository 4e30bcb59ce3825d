"""In and out of the loader, and knowing on which side of the door a node is.

Application and loader may have the same service, and the same address where they share a
bond.  A revision tells them apart; before SDK 7 there was none, and then what else the
node has does.
"""

import asyncio

from flashers.api import Calling, NodeSilent, Role, Session
from flashers.nordic_dfu.legacy import codec, words
from flashers.nordic_dfu.legacy.control import ControlPoint
from flashers.nordic_dfu.legacy.declare import alike_in_loader
from flashers.nordic_dfu.legacy.errors import NoWayIn, StaysInApplication
from flashers.nordic_dfu.params import Entry, NordicParams
from transports.errors import LinkLost, NodeUnreachable
from transports.gatt import GattLink

_LEAVES_WITHIN = 5.0
"""Seconds from the command to the end of the connection; a micro:bit takes one."""
_PAUSE = 0.2
"""Seconds between two looks for a node that is on its way."""


class Door:
    """The way between a node's two roles."""

    def __init__(self, session: Session, params: NordicParams) -> None:
        self._session = session
        self._params = params
        self._gone_in = False

    async def whichever(self) -> tuple[GattLink, Role]:
        """A connection to the node as it is now.

        It is looked for as what it is expected to be first: that its application was found
        where it belongs is how the host learns that a loader's place is free again.

        Raises:
            NodeSilent: it is not heard in either role.
            LinkError: the connection is lost again, or the adapter does not work.
        """
        try:
            link = await self._found()
        except NodeUnreachable as gone:
            raise NodeSilent(gone.message) from gone
        role = await self._side(link)
        self._gone_in = role is Role.LOADER
        return link, role

    async def _found(self) -> GattLink:
        if not self._gone_in:
            try:
                return await self._session.connect(Role.APP)
            except NodeUnreachable:
                pass  # then it may be in its loader
        return await self._session.connect(Role.UNKNOWN)

    async def into_loader(self) -> ControlPoint:
        """Be in the loader.

        Raises:
            NoWayIn: nothing in the application leads there.
            StaysInApplication: it was told to go, and does not.
            NodeSilent: it went, and is not heard.
            LinkError: as for :meth:`whichever`.
        """
        link, role = await self.whichever()
        if role is Role.APP:
            await self._session.will_call(Role.LOADER, self._calling(link))
            await self._leave(link)
            self._gone_in = True
            link = await self._arrived(Role.LOADER)
        return await ControlPoint.listening(link, self._params.reply_timeout)

    async def will_restart(self) -> None:
        """Say before an activation where the application will be, since its table will be another one."""
        if self._session.address is not None:
            await self._session.will_call(Role.APP, Calling(address=self._session.address))

    async def restarted(self) -> Role:
        """Where a node is found after a restart into its application, which its loader was told to make.

        Raises:
            NodeSilent: nowhere, within the boot deadline.
            LinkError: the adapter does not work.
        """
        self._gone_in = False
        return await self._side(await self._arrived(None))

    async def _arrived(self, wanted: Role | None) -> GattLink:
        """Look until the node is there, in this role or any."""
        loop = asyncio.get_running_loop()
        params = self._params
        deadline = loop.time() + (params.boot_deadline if wanted is None else params.loader_deadline)
        while True:
            try:
                link, role = await self.whichever()
                if wanted in (None, role):
                    return link
            except (NodeSilent, LinkLost):
                role = None
            if loop.time() >= deadline:
                if role is Role.APP:
                    raise StaysInApplication("the node was told to go into its loader, and is not there")
                raise NodeSilent("the node is not heard after its restart")
            await asyncio.sleep(_PAUSE)

    async def _side(self, link: GattLink) -> Role:
        if not link.has(words.CONTROL) or not link.has(words.PACKET):
            return Role.APP
        if link.has(words.REVISION):
            told = int.from_bytes((await link.read(words.REVISION))[:2], "little")
            return Role.APP if told == words.APPLICATION_REVISION else Role.LOADER
        own, told_by = self._session.address, self._params.version_characteristic
        if self._elsewhere and own is not None:
            return Role.APP if link.address.upper() == own.upper() else Role.LOADER
        return Role.APP if told_by is not None and link.has(told_by) else Role.LOADER

    @property
    def _elsewhere(self) -> bool:
        """Whether the loader is not found where the application is."""
        return self._params.entry is Entry.UNBONDED

    def _calling(self, link: GattLink) -> Calling:
        if not alike_in_loader(self._params):
            return Calling(address=link.address)
        # Its address may be the next one, or the same if it kept a bond: the name is all that is known.
        return Calling(name=self._params.loader_name, services=(words.SERVICE,), unique=False)

    async def _leave(self, link: GattLink) -> None:
        try:
            if self._params.entry is Entry.MICROBIT and link.has(words.MICROBIT_CONTROL):
                await link.write(words.MICROBIT_CONTROL, words.MICROBIT_ENTER, response=True)
            elif self._params.entry is not Entry.NONE and link.has(words.CONTROL):
                await link.subscribe(words.CONTROL)
                await link.write(words.CONTROL, codec.start(words.Kind.APPLICATION), response=True)
            else:
                raise NoWayIn("the application has no service that leads into the loader")
            async with asyncio.timeout(_LEAVES_WITHIN):
                while True:
                    await link.heard()
        except LinkLost:
            return  # that is how it goes
        except TimeoutError:
            await link.aclose()
            raise StaysInApplication("the application does not end the connection") from None
