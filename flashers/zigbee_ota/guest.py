"""A node of a network that other software owns: that software brings the image, we prove what runs.

It starts the image as soon as the node has it, and nobody can make it wait.  What it says at the end
is no proof: one that boots back into its old firmware counts as updated there.
"""

import asyncio

from flashers.api import Activate, NotSupported, Probe, Role, Seen, Transfer
from flashers.zigbee_ota import probing
from flashers.zigbee_ota.flasher import ZigbeeFlasher
from flashers.zigbee_ota.server import given
from flashers.zigbee_ota.server.offer import header_of
from transports.zcl import Hosted, hosted

_AGAIN_S = 5.0
_WITHOUT_A_WORD_S = 900.0
"""The host waits for a node's next request, for its check and for its return, each for minutes."""


class GuestFlasher(ZigbeeFlasher):
    """One node for one lease; implements :class:`flashers.api.Flasher`."""

    async def transfer(self, ask: Transfer) -> Seen | None:
        """Have the host bring the image, and wait until the node has been heard again."""
        link = await self._session.zigbee()
        host = _host_of(hosted(link))
        image = ask.image
        header = header_of(image)
        said = await probing.ask(link, self._params)
        runs = said.current if said is not None else None
        older = runs is not None and runs >= header.file.version
        await given.will_tell(self._session, image, header.file.version, header.file.version, header.text)
        self._session.waiting("the host of the network brings the image", at_most=_WITHOUT_A_WORD_S)

        def progress(percent: float) -> None:
            self._session.progress(round(image.size * min(max(percent, 0.0), 100.0) / 100), image.size)
            self._session.waiting("the host goes on", at_most=_WITHOUT_A_WORD_S)

        try:
            await host.upgrade(image.payload, f"{image.artifact}.ota", older=older, progress=progress)
        except asyncio.CancelledError:
            if self._session.cancelled:
                await host.abort()
            raise
        self._session.sent(image.size)
        self._session.progress(image.size, image.size)
        return await self._back(ask)

    async def _back(self, ask: Transfer) -> Seen:
        """Look until the node answers: it restarts, and the host may have been told of it before us."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._params.boot_deadline
        self._session.waiting("the node restarts", at_most=self._params.boot_deadline)
        while True:
            seen = await self.probe(Probe(candidates=(ask.image,)))
            if seen.role is Role.APP or loop.time() >= end:
                return seen
            await asyncio.sleep(_AGAIN_S)

    async def activate(self, ask: Activate) -> Seen | None:
        """Nothing to do: it was started with its last byte."""
        return await self.probe(Probe(candidates=ask.images))


def _host_of(host: Hosted | None) -> Hosted:
    if host is None:
        raise NotSupported('this network is Tender\'s own, and the profile says owner = "zigbee2mqtt"')
    return host
