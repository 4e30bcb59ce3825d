"""Who holds which link.  So many at a time as the site allows, in the order of asking; waiting holds nothing.

A link may belong to others as well: to the user, for as long as a lease of theirs
lasts, or to other software that has to be asked off first and is let back afterwards.
Neither waits in :meth:`Leases.take`: what is not to be had at once is asked for, and
whoever wanted it tries again when :meth:`Leases.listen` has called.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from flashers.api import Reason, Stamp
from gateway.attempt.ports import Clock
from gateway.config.links import LinkTable
from gateway.journal import Journal
from gateway.journal.journal import Told
from gateway.service.links.naming import resolved
from gateway.service.links.neighbour import Neighbour, PortHolder
from gateway.service.links.programs import Programs
from gateway.service.links.shared import SharedLink, Stage
from gateway.service.links.users import UserLeases
from transports.errors import LinkBusy, TenderError
from transports.uart.holders import holder_of

log = logging.getLogger("tender.links")

_PATIENCE_S = 60.0
"""How long a look waits for other software that is asked off."""
_CLAIM_S = 5.0
"""How long a link is kept for a user who was told to wait; asking again renews it."""
_STOP_S = 20.0
"""How long a stopping service takes to let other software back; after that the next start does it."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to a link, for a node's attempt or for a look at it."""

    channel: str
    holder: str
    since: Stamp | None = None
    shared: str | None = None
    """The name of the shared link that it is on, as configured."""


def port_holder(channel: str) -> str | None:
    """The process that has a local port, in words; None for every other link, and for a port that is gone."""
    scheme, _, port = channel.partition(":")
    if scheme != "uart":
        return None
    try:
        return holder_of(Path(port))
    except OSError:
        return None


class Leases:
    """The links that are held now, and by whom.

    Args:
        per_link: how many of Tender's own may hold a link at one time.
        journal: where users' leases and borrowed links are kept; without it there are none.
        shared: the links that other software uses as well, by their names as configured.
        holder: who has a port, in words.
        places: how many an adapter carries, by channel; None for a channel that is none.
    """

    def __init__(
        self,
        per_link: int = 1,
        *,
        journal: Journal | None = None,
        shared: Mapping[str, LinkTable] | None = None,
        programs: Programs | None = None,
        clock: Clock | None = None,
        holder: PortHolder = port_holder,
        places: Callable[[str], int | None] = lambda _: None,
    ) -> None:
        self._per_link = per_link
        self._places = places
        self._held: dict[str, list[Lease]] = {}
        self._listeners: list[Callable[[], None]] = []
        self._claims: dict[str, tuple[str, float]] = {}
        self._shared: dict[str, SharedLink] = {}
        self._tables = dict(shared or {})
        self._journal, self._programs, self._clock, self._holder = journal, programs, clock, holder
        self._change: asyncio.Event | None = None
        self._telling: set[asyncio.Task[None]] = set()
        self.users = UserLeases(journal, clock, self._changed) if journal and clock else None
        for name, table in self._tables.items():
            self._share(name, table)

    # For those who want a link

    def take(self, channel: str, holder: str) -> Lease | None:
        """The lease, or None if the link cannot be had now; other software is then asked off it."""
        if self._taken(channel) is not None:
            return None
        shared = self.shared(channel)
        if shared is not None and not shared.ready():
            return None
        name = shared.neighbour.channel if shared is not None else None
        lease = Lease(channel, holder, self._clock() if self._clock is not None else None, name)
        self._held.setdefault(channel, []).append(lease)
        if shared is not None:
            shared.taken()
        return lease

    def give_back(self, lease: Lease) -> None:
        """Let the next one have it."""
        held = self._held.get(lease.channel, [])
        if lease in held:
            held.remove(lease)
            if lease.shared is not None:
                self._shared[lease.shared].given_back()
            self._changed()

    def reason(self, channel: str) -> Reason | None:
        """Why the link cannot be had now."""
        shared = self.shared(channel)
        return self._taken(channel) or (shared.reason() if shared is not None else None)

    @asynccontextmanager
    async def hold(self, channel: str, holder: str, *, patience: float = _PATIENCE_S) -> AsyncIterator[Lease]:
        """Have the link; waits for other software that is asked off, and for nothing else.

        Raises:
            LinkBusy: it cannot be had now; the message says why.
        """
        lease = await self.obtain(channel, holder, patience)
        try:
            yield lease
        finally:
            self.give_back(lease)

    async def obtain(self, channel: str, holder: str, patience: float = _PATIENCE_S) -> Lease:
        """As :meth:`hold`, for who gives it back by :meth:`give_back`.  Raises LinkBusy."""
        end = self._now() + patience
        while (lease := self.take(channel, holder)) is None:
            shared = self.shared(channel)
            asked = shared is not None and shared.stage in (Stage.ASKING, Stage.RETURNING)
            if self._taken(channel) is not None or not asked or self._now() >= end:
                reason = self.reason(channel)
                busy = LinkBusy(reason.message if reason is not None else f"{channel} is in use")
                busy.own_remedy = reason.remedy if reason is not None else None
                raise busy
            await self.news(max(end - self._now(), 0.1))
        return lease

    def listen(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` whenever it may be worth trying again."""
        self._listeners.append(changed)

    async def news(self, timeout: float | None) -> None:
        """Wait until it may be worth trying again, or so many seconds."""
        if self._change is None:
            self._change = asyncio.Event()
        change = self._change
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await change.wait()

    @property
    def held(self) -> Mapping[str, tuple[Lease, ...]]:
        """Everything that Tender itself holds."""
        return {channel: tuple(leases) for channel, leases in self._held.items() if leases}

    def shared(self, channel: str) -> SharedLink | None:
        """What is known of other software on a link."""
        for name, shared in self._shared.items():
            # What is no longer configured only had to be let back.
            over = shared.neighbour.table is None and shared.stage is Stage.THEIRS
            if not over and channel in (name, resolved(name)):
                return shared
        return None

    # For users

    def claim(self, channel: str, who: str) -> None:
        """Nothing new begins on this link for a moment: somebody waits for what is under way to end."""
        self._claims[channel] = (who, self._now() + _CLAIM_S)
        asyncio.get_running_loop().call_later(_CLAIM_S, self._changed)

    def drop_claim(self, channel: str) -> None:
        """They have it, or do not want it any more."""
        if self._claims.pop(channel, None) is not None:
            self._changed()

    # The service's life

    async def start(self) -> None:
        """Keep to what users were given, and begin to give back what is still out."""
        if self._journal is None or self.users is None:
            return
        await self.users.start()
        for borrowed in await self._journal.borrowed():
            shared = self._shared.get(borrowed.channel) or self._share(borrowed.channel, None)
            if shared is not None:
                shared.neighbour.borrowed = borrowed
                shared.recover()

    async def stop(self) -> None:
        """Let other software back; what does not succeed now is in the journal for the next start."""
        if self.users is not None:
            await self.users.stop()
        jobs = [asyncio.create_task(self._stop(shared)) for shared in self._shared.values()]
        if jobs:
            _, late = await asyncio.wait(jobs, timeout=_STOP_S)
            for job in late:
                job.cancel()
            if late:
                await asyncio.wait(late)

    async def _stop(self, shared: SharedLink) -> None:
        try:
            await shared.stop()
        except TenderError as error:
            log.warning("link=%s not given back: %s", shared.neighbour.channel, error.message)

    def _share(self, name: str, table: LinkTable | None) -> SharedLink | None:
        if self._journal is None or self._programs is None or self._clock is None:
            return None
        neighbour = Neighbour(name, table, self._journal, self._programs, self._clock, self._holder)
        self._shared[name] = shared = SharedLink(neighbour, changed=self._changed, tell=self._tell)
        return shared

    def _taken(self, channel: str) -> Reason | None:
        """What is against it, other than software that can be asked off."""
        if self.users is not None and (leased := self.users.reason(channel)) is not None:
            return leased
        if (claimed := self._claimed(channel)) is not None:
            return claimed
        held = self._held.get(channel, [])
        places = self._places(channel)
        if places is not None and len(held) >= places:
            text = f"{channel} carries {places} nodes at a time, and {len(held)} are connected."
            return Reason("link-busy", text, "It has its turn when one of them has ended.")
        if places is None and len(held) >= self._per_link:
            holders = ", ".join(lease.holder for lease in held)
            return Reason(
                "link-busy", f"{channel} is held for {holders}.", "It is given back when that has ended."
            )
        shared = self.shared(channel)
        ours = shared is None or shared.stage is Stage.OURS
        if ours and not held and (other := self._holder(channel)) is not None:
            remedy = "Stop it, or tell Tender how to ask it off: `links` in the configuration."
            return Reason("link-held", f"{channel} is held by {other}.", remedy)
        return None

    def _claimed(self, channel: str) -> Reason | None:
        claim = self._claims.get(channel)
        if claim is None:
            return None
        who, until = claim
        if self._now() >= until:
            del self._claims[channel]
            return None
        return Reason("link-claimed", f"{who} waits for {channel}.", "It has its turn after them.")

    def _changed(self) -> None:
        if self._change is not None:
            self._change.set()
            self._change = None
        for listener in self._listeners:
            listener()

    def _tell(self, told: Told) -> None:
        if self._journal is not None:
            task = asyncio.create_task(self._told(self._journal, told))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def _told(self, journal: Journal, told: Told) -> None:
        with suppress(TenderError):  # a full disk: the trouble is still shown
            await journal.tell(told)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
