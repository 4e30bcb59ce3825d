"""Leases of the user's own software and people: Tender keeps off until the deadline.

The deadline is counted in the loop's time.  After a restart in the same life of the
kernel it goes on counting; after a reboot the wall clock says how long it was, if it
can be believed, and else the lease begins again: rather kept off too long than let in
on somebody's work.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from flashers.api import Reason, Stamp
from gateway.attempt.ports import Clock
from gateway.journal import Journal
from gateway.journal.journal import Told
from gateway.model.links import Holder, LeaseView, UserLease
from gateway.service.links.errors import LeaseUnknown
from gateway.service.links.naming import resolved
from gateway.service.links.words import span
from transports.errors import TenderError

log = logging.getLogger("tender.links")

_AGREE_S = 2.0
"""By how much the wall clock and the loop's may differ and still tell of one life of the kernel."""
_AGAIN_S = 5.0
"""Pause before a journal that could not be written is tried again."""


def boot_id() -> str:
    """The kernel's name for its life since the last boot; empty if it tells none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def left_of(lease: UserLease, *, mono: float, boot: str, stamp: Stamp) -> float:
    """Seconds until the deadline of a lease that an earlier life of ours gave."""
    since = mono - lease.mono
    by_clock = (stamp.unix_ms - lease.since.unix_ms) / 1000
    # Where a sandbox hides the kernel's name for its life, two clocks that agree say the same.
    same_life = boot == lease.boot if boot and lease.boot else abs(since - by_clock) < _AGREE_S
    if same_life and since >= 0:
        passed = since
    elif stamp.synchronised and lease.since.synchronised:
        passed = max(0.0, by_clock)
    else:
        passed = 0.0
    return lease.seconds - passed


class UserLeases:
    """One lease a link, by link."""

    def __init__(self, journal: Journal, clock: Clock, changed: Callable[[], None]) -> None:
        self._journal = journal
        self._clock = clock
        self._changed = changed
        self._boot = boot_id()
        self._leases: dict[str, UserLease] = {}
        self._ends: dict[int, float] = {}
        self._timers: dict[int, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Keep to what was given before."""
        for lease in await self._journal.user_leases():
            left = left_of(lease, mono=self._now(), boot=self._boot, stamp=self._clock())
            self._keep(lease, max(left, 0.0))

    async def stop(self) -> None:
        """The leases stay in the journal."""
        timers = list(self._timers.values())
        for timer in timers:
            timer.cancel()
        if timers:
            await asyncio.wait(timers)

    def on(self, channel: str) -> UserLease | None:
        """The lease of a link."""
        for name, lease in self._leases.items():
            if channel in (name, resolved(name)):
                return lease
        return None

    def reason(self, channel: str) -> Reason | None:
        """Why Tender keeps off this link."""
        lease = self.on(channel)
        if lease is None:
            return None
        left = max(0.0, self._ends[lease.id] - self._now())
        why = f" ({lease.why})" if lease.why else ""
        name = lease.channel
        text = f"{name} is leased to {lease.who}{why} for {span(left)} more."
        return Reason("link-leased", text, f"It goes on then, or after `tender lease --give-back {name}`.")

    def view(self, lease: UserLease) -> LeaseView:
        """As it is shown."""
        left = self._ends.get(lease.id, self._now()) - self._now()
        return LeaseView(
            lease.channel, Holder.USER, lease.who, lease.why, lease.id, lease.since, round(left, 1)
        )

    def views(self) -> list[LeaseView]:
        """All, by link."""
        return [self.view(lease) for _, lease in sorted(self._leases.items())]

    async def give(self, channel: str, seconds: float, who: str, why: str) -> UserLease:
        """A user gets the link; nobody may have a lease of it.  Raises JournalError."""
        since, mono = self._clock(), self._now()

        def made(number: int) -> UserLease:
            return UserLease(number, channel, who, why, seconds, since, mono, self._boot)

        def told(lease: UserLease) -> Told:
            data: dict[str, object] = {"link": channel, "who": who, "why": why, "seconds": seconds}
            return Told("link.leased", data={**data, "lease": lease.id})

        lease = await self._journal.add_user_lease(channel, made, told)
        self._keep(lease, seconds)
        return lease

    async def renew(self, lease_id: int, seconds: float) -> UserLease:
        """Count anew.  Raises LeaseUnknown, JournalError."""
        lease = replace(
            self.get(lease_id), seconds=seconds, since=self._clock(), mono=self._now(), boot=self._boot
        )
        await self._journal.keep_user_lease(lease)
        if lease_id not in self._timers:
            raise LeaseUnknown(f"lease {lease_id} has just ended")
        self._timers.pop(lease_id).cancel()
        self._keep(lease, seconds)
        return lease

    async def end(self, lease: UserLease, *, by: str) -> None:
        """It is given back, or its deadline has passed.  Raises JournalError."""
        data: dict[str, object] = {"link": lease.channel, "who": lease.who, "lease": lease.id, "by": by}
        await self._journal.drop_user_lease(lease, Told("link.lease-ended", data=data))
        log.info("link=%s lease=%d ended by=%s", lease.channel, lease.id, by)
        self._leases.pop(lease.channel, None)
        self._ends.pop(lease.id, None)
        timer = self._timers.pop(lease.id, None)
        if timer is not None and timer is not asyncio.current_task():
            timer.cancel()
        self._changed()

    def get(self, lease_id: int) -> UserLease:
        """By its number.  Raises LeaseUnknown."""
        for lease in self._leases.values():
            if lease.id == lease_id:
                return lease
        raise LeaseUnknown(f"there is no lease {lease_id}")

    def _keep(self, lease: UserLease, left: float) -> None:
        self._leases[lease.channel] = lease
        self._ends[lease.id] = self._now() + left
        self._timers[lease.id] = asyncio.create_task(self._expire(lease, left))
        self._changed()

    async def _expire(self, lease: UserLease, left: float) -> None:
        await asyncio.sleep(left)
        while True:
            try:
                await self.end(lease, by="deadline")
                return
            except TenderError as error:  # a full disk, most likely; nobody is let in before it is written
                log.warning("link=%s lease=%d not ended: %s", lease.channel, lease.id, error.code)
                await asyncio.sleep(_AGAIN_S)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
