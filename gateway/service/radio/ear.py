"""One adapter listening for nodes: a share of its time, and none of it while it carries a transfer.

A scan takes air time and the radio from open connections.  Whatever is configured, nobody
listens for candidates while a node is connected; what is heard because somebody else
listens (a node is about to be connected to) is taken along for nothing.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.config.radio import Scan
from gateway.model.radio import EarView
from gateway.service.radio.matching import Call
from transports.ble.adapters import Adapters
from transports.errors import TenderError

if TYPE_CHECKING:
    from transports.ble.adapter import Adapter, Sighting

log = logging.getLogger("tender.air")

_MINUTE_S = 60.0
_LOOK_S = 1.0
"""How often a scan asks whether somebody connects, to make way."""
_AGAIN_S = 60.0
"""Until an adapter that could not listen is tried again."""


class Ear:
    """An adapter's share of listening; ``heard`` is called with everything that is heard through it."""

    def __init__(self, adapters: Adapters, name: str, scan: Scan, heard: Callable[[Call], None]) -> None:
        self._adapters = adapters
        self._name = name
        self._scan = scan
        self._tell = heard
        self._adapter: Adapter | None = None
        self._listening = 0
        self._listened = 0.0
        self._since = 0.0
        self._heard = 0
        self._trouble = ""

    @property
    def listened(self) -> float:
        """Seconds that it listened since the start."""
        return self._listened + (_now() - self._since if self._listening else 0.0)

    def view(self) -> EarView:
        """How it stands."""
        adapter = self._adapter
        return EarView(
            adapter=self._name,
            address=adapter.backend.address if adapter is not None else "",
            scan=self._scan if isinstance(self._scan, str) else f"{self._scan} s a minute",
            listening=self._listening > 0,
            listened_s=round(self.listened, 1),
            advertisements=self._heard,
            trouble=self._trouble,
        )

    async def run(self) -> None:
        """Listen as much as is configured; ends only by cancellation."""
        while True:
            try:
                await self._attend()
                if self._scan == "on-demand":
                    return
                share = _MINUTE_S if self._scan == "always" else float(self._scan)
                await self._listen_for(share, makes_way=True)
                await asyncio.sleep(max(_LOOK_S, _MINUTE_S - share))
            except TenderError as error:
                self._troubled(error)
                await asyncio.sleep(_AGAIN_S)

    async def listen(self, seconds: float) -> None:
        """Listen because somebody asks, whatever else the adapter does; its trouble is shown."""
        try:
            await self._attend()
            await self._listen_for(seconds, makes_way=False)
        except TenderError as error:
            self._troubled(error)

    async def _listen_for(self, seconds: float, *, makes_way: bool) -> None:
        adapter = await self._adapters.get(self._name)
        end = _now() + seconds
        while _now() < end:
            if makes_way and adapter.open_links:
                await asyncio.sleep(min(_LOOK_S, max(0.0, end - _now())))
                continue
            async with adapter.scanning():
                self._trouble = ""
                self._begin()
                try:
                    while _now() < end and not (makes_way and adapter.open_links):  # noqa: ASYNC110 - no news of links
                        await asyncio.sleep(min(_LOOK_S, max(0.0, end - _now())))
                finally:
                    self._end()

    async def _attend(self) -> None:
        if self._adapter is None:
            self._adapter = await self._adapters.get(self._name)
            self._adapter.attend(self._sighted)

    def _sighted(self, sighting: "Sighting") -> None:
        self._heard += 1
        self._tell(
            Call(
                sighting.address,
                self._name,
                sighting.rssi,
                sighting.at,
                sighting.name,
                tuple(dict.fromkeys(sighting.services)),
                sighting.manufacturer,
                sighting.random,
            )
        )

    def _begin(self) -> None:
        if not self._listening:
            self._since = _now()
        self._listening += 1

    def _end(self) -> None:
        self._listening -= 1
        if not self._listening:
            self._listened += _now() - self._since

    def _troubled(self, error: TenderError) -> None:
        if self._trouble != error.message:
            log.warning("adapter=%s cannot listen: %s %s", self._name, error.code, error.message)
        self._trouble = error.message


def _now() -> float:
    return asyncio.get_running_loop().time()
