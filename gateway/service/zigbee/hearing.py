"""When each node of a network was heard last, in this life of the service and before it.

A sleepy node is there for the few seconds in which it was heard, so this is what decides
whether it is asked at all; by the loop's time, since the wall clock may jump.  The stamps are for
people, and outlive a restart: they are written down rarely, for cards wear.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Protocol

from flashers.api import Stamp
from gateway.attempt.ports import Clock
from gateway.service.links.words import span
from transports.errors import TenderError

log = logging.getLogger("tender.zigbee")

SAVE_S = 600.0
"""How far behind the journal may be: who was heard is no reason to write more often."""
AWAKE_S = 5.0
"""Seconds for which a sleepy node that was heard counts as being awake: they listen for a moment."""
_AGAIN_FIRST_S, _AGAIN_LAST_S = 60.0, 3600.0
"""Pauses before a node that should always be there is asked again unheard: doubled, to the last."""


class HeardJournal(Protocol):
    """Where it is kept."""

    async def keep_heard(self, heard: dict[str, Stamp]) -> None:
        """When nodes were heard last, by place."""
        ...

    async def heard(self) -> dict[str, Stamp]:
        """All of them."""
        ...


@dataclass(slots=True)
class _Node:
    at: float | None = None
    """Loop time at which it was heard last, in this life."""
    stamp: Stamp | None = None
    missed_at: float | None = None
    """Loop time at which it was asked in vain, if it was not heard since."""
    misses: int = 0
    expected_at: float | None = None
    """Loop time since which it is waited for, if it was not heard since."""


class Hearing:
    """By place (``zigbee:NETWORK#IEEE``)."""

    def __init__(self, journal: HeardJournal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._nodes: dict[str, _Node] = {}
        self._unsaved: set[str] = set()

    async def load(self) -> None:
        """What earlier lives have heard."""
        for place, stamp in (await self._journal.heard()).items():
            self._nodes[place] = _Node(stamp=stamp)

    def sign(self, place: str) -> None:
        """A sign of life."""
        node = self._nodes.setdefault(place, _Node())
        node.at, node.missed_at, node.misses, node.expected_at = self._now(), None, 0, None
        self._unsaved.add(place)

    def missed(self, place: str) -> None:
        """It was asked in vain: it is not there until it is heard again, or is due to be asked again."""
        node = self._nodes.setdefault(place, _Node())
        node.missed_at = self._now()
        node.misses += 1
        self.expect(place)

    def expect(self, place: str) -> None:
        """From now on it is waited for."""
        node = self._nodes.setdefault(place, _Node())
        node.expected_at = node.expected_at if node.expected_at is not None else self._now()

    def overdue(self, place: str, after: float) -> bool:
        """Whether it is waited for since so many seconds, in this life."""
        since = self._nodes.get(place, _NOBODY).expected_at
        return since is not None and self._now() - since > after

    def awake(self, place: str) -> bool:
        """Whether a sleepy node can be asked something now."""
        node = self._nodes.get(place, _NOBODY)
        return node.missed_at is None and node.at is not None and self._now() - node.at <= AWAKE_S

    def again_in(self, place: str) -> float:
        """Seconds until a node that is never asleep may be asked again; 0 if it was not missed."""
        node = self._nodes.get(place, _NOBODY)
        if node.missed_at is None:
            return 0.0
        pause = min(_AGAIN_FIRST_S * 2.0 ** (node.misses - 1), _AGAIN_LAST_S)
        return max(0.0, node.missed_at + pause - self._now())

    def ago(self, place: str) -> float | None:
        """Seconds since it was heard, by the wall clock if that was in another life; None if unknown."""
        node = self._nodes.get(place, _NOBODY)
        if node.at is not None:
            return self._now() - node.at
        if node.stamp is None or not node.stamp.synchronised:
            return None
        now = self._clock()
        return max(0.0, (now.unix_ms - node.stamp.unix_ms) / 1000) if now.synchronised else None

    def words(self, place: str) -> str:
        """The same in words: ``was heard 3 days ago``."""
        seconds = self.ago(place)
        if seconds is not None:
            return f"was heard {span(seconds)} ago"
        known = self._nodes.get(place, _NOBODY).stamp is not None
        return "was last heard before this start of the gateway" if known else "was never heard"

    def last(self, place: str) -> Stamp | None:
        """By the wall clock, when it was heard."""
        node = self._nodes.get(place, _NOBODY)
        return node.stamp if node.at is None else self._stamped(node.at)

    async def save(self, only: set[str]) -> None:
        """Write down what is new of these places; of strangers nothing is kept."""
        places, self._unsaved = self._unsaved & only, set()
        found = {place: stamp for place in places if (stamp := self.last(place)) is not None}
        if not found:
            return
        try:
            await self._journal.keep_heard(found)
        except TenderError as error:  # a full disk: it is still known here
            log.info("who was heard is not kept: %s", error.code)
            self._unsaved |= places

    @property
    def news(self) -> bool:
        """Whether something is to be written down."""
        return bool(self._unsaved)

    def _stamped(self, at: float) -> Stamp:
        now = self._clock()
        return Stamp(now.unix_ms - round((self._now() - at) * 1000), now.synchronised)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


_NOBODY = _Node()
