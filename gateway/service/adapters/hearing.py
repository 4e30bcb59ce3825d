"""Listen for nodes that somebody waits for, and for no others: one ear per adapter, open while it is needed.

A node that sleeps or is out of reach costs nothing but that.  What was heard is kept
with its age, so that a gate can name its figure.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flashers.api import Calling, Role
from transports.ble.adapters import Adapters
from transports.errors import TenderError

if TYPE_CHECKING:
    from transports.ble.adapter import Sighting

log = logging.getLogger("tender.adapters")

FRESH_S = 60.0
"""Seconds for which a node that was heard counts as being there."""
GONE_S = 300.0
"""Seconds after which one that is not heard is not believed to be there any more."""
_SAMPLES = 5
_NEWS_S = 10.0
"""The least seconds between two wakings for the same node that is heard too weakly."""
_SHARE_S, _REST_S = 2.0, 10.0
"""Listened and not listened in turn while a node is connected: a scan takes air from its transfer."""
_AGAIN_S = 15.0
"""Pause before an adapter that cannot listen is asked again."""

Calls = Callable[[str, Role], tuple[Calling, ...]]


@dataclass(slots=True)
class Heard:
    """One node, as it was heard; times are the loop's."""

    at: float | None = None
    strengths: deque[int] = field(default_factory=lambda: deque(maxlen=_SAMPLES))

    @property
    def rssi(self) -> int:
        """How strongly, in dBm: the mean of the last few."""
        return round(sum(self.strengths) / len(self.strengths))


class Ear:
    """Who is waited for, and who was heard, by place (``ble:ADAPTER#ADDRESS``)."""

    def __init__(self, adapters: Adapters, calls: Calls) -> None:
        self._adapters = adapters
        self._calls = calls
        self._wanted: dict[str, dict[str, int | None]] = {}
        self._heard: dict[str, Heard] = {}
        self._told: dict[str, float] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._enough: dict[str, asyncio.Event] = {}
        self._listeners: list[Callable[[], None]] = []
        self.trouble: dict[str, TenderError] = {}
        """Adapters that cannot listen, and why."""

    def listen(self, news: Callable[[], None]) -> None:
        """Call ``news`` when a node that is waited for was heard, or an adapter cannot listen."""
        self._listeners.append(news)

    def want(self, place: str, least: int | None = None) -> None:
        """Listen for a node until :meth:`drop`; ``least`` is how strongly it has to be heard, in dBm."""
        name = adapter_of(place)
        self._wanted.setdefault(name, {})[place] = least
        if name in self._tasks:
            self._enough[name].clear()
        else:
            self._enough[name] = asyncio.Event()
            self._tasks[name] = asyncio.create_task(self._keep_listening(name))

    def drop(self, place: str) -> None:
        """Nobody waits for it any more."""
        name = adapter_of(place)
        wanted = self._wanted.get(name, {})
        wanted.pop(place, None)
        self._told.pop(place, None)
        if not wanted and name in self._enough:
            self._enough[name].set()

    def heard(self, place: str, *, within: float = FRESH_S) -> Heard | None:
        """How it was heard, if that was in so many seconds."""
        heard = self._heard.get(place)
        if heard is None or heard.at is None or not heard.strengths or self._now() - heard.at > within:
            return None
        return heard

    def since(self, place: str) -> float | None:
        """Seconds since it was heard last; None if it never was."""
        heard = self._heard.get(place)
        return None if heard is None or heard.at is None else self._now() - heard.at

    def missed(self, place: str) -> None:
        """It was listened for by somebody else, in vain: it is not there until it is heard again."""
        heard = self._heard.get(place)
        if heard is not None:
            heard.strengths.clear()

    def haunted(self, place: str) -> bool:
        """Whether something is there that may be the node of this place in its loader."""
        adapter = self._adapters.made.get(adapter_of(place))
        if adapter is None:
            return True  # nobody has listened yet
        calls = self._calls(place, Role.LOADER)
        return bool(adapter.heard_lately(lambda sighting: fits(calls, sighting), within=GONE_S))

    async def aclose(self) -> None:
        """Listen no more."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _keep_listening(self, name: str) -> None:
        try:
            while self._wanted.get(name):
                try:
                    await self._listen(name)
                except TenderError as error:
                    self.trouble[name] = error
                    log.info("adapter=%s does not listen: %s", name, error.message)
                    self._news()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_AGAIN_S):
                            await self._enough[name].wait()
        finally:
            self._tasks.pop(name, None)
            self.trouble.pop(name, None)

    async def _listen(self, name: str) -> None:
        adapter = await self._adapters.get(name)
        ignore = adapter.attend(lambda sighting: self._look(name, sighting))
        enough = self._enough[name]
        try:
            while self._wanted.get(name):
                async with adapter.scanning():
                    if self.trouble.pop(name, None) is not None:
                        self._news()
                    while await _not_yet(enough, _SHARE_S) and not adapter.open_links:
                        pass
                if self._wanted.get(name):
                    await _not_yet(enough, _REST_S)
        finally:
            ignore()

    def _look(self, name: str, sighting: "Sighting") -> None:
        for place, least in self._wanted.get(name, {}).items():
            if not fits(self._calls(place, Role.UNKNOWN), sighting):
                continue
            fresh = self.heard(place) is None
            heard = self._heard.setdefault(place, Heard())
            if fresh:
                heard.strengths.clear()
            heard.at = sighting.at
            heard.strengths.append(sighting.rssi)
            enough = least is None or heard.rssi >= least
            if fresh or enough or self._now() - self._told.get(place, 0.0) >= _NEWS_S:
                self._told[place] = self._now()
                self._news()

    def _news(self) -> None:
        for listener in self._listeners:
            listener()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


async def _not_yet(enough: asyncio.Event, seconds: float) -> bool:
    """Whether so many seconds passed, and still somebody is waited for."""
    try:
        async with asyncio.timeout(seconds):
            await enough.wait()
    except TimeoutError:
        return True
    return False


def adapter_of(place: str) -> str:
    """The adapter's name in a place or a channel."""
    return place.partition("#")[0].removeprefix("ble:")


def fits(calls: tuple[Calling, ...], sighting: "Sighting") -> bool:
    """Whether one of the callings is what was heard."""
    data = sighting.data
    return any(call.fits(sighting.address, data.local_name, data.service_uuids) for call in calls)
