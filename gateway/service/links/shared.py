"""Whose turn it is on a link that other software uses as well.

While several nodes wait for the link, the other software is asked off once and not
between each; it gets the link back when nobody wants it any more, and at the latest
when the lease's deadline has passed and no attempt is in the middle of something.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from enum import StrEnum

from flashers.api import Reason
from gateway.journal.journal import Told
from gateway.service.links.neighbour import Neighbour
from transports.errors import TenderError

log = logging.getLogger("tender.links")

_LINGER_S = 2.0
"""How long the link is kept when a node is done: the next one, if there is one, comes at once."""
_FETCH_S = 10.0
"""How long it is kept for whoever asked for it."""
_TICK_S = 0.01
_AGAIN_FIRST_S, _AGAIN_CAP_S = 5.0, 300.0
"""Pauses before a hook that failed is tried again: doubled each time, to the cap."""


class Stage(StrEnum):
    """Who has the link, as far as the other software goes."""

    THEIRS = "theirs"
    ASKING = "asking"
    OURS = "ours"
    RETURNING = "returning"


class SharedLink:
    """One such link; everything in it happens in the loop, one task at a time.

    Args:
        neighbour: the other software.
        changed: called when it may be worth asking for the link again.
        tell: called with what has to be told.
    """

    def __init__(
        self,
        neighbour: Neighbour,
        *,
        changed: Callable[[], None],
        tell: Callable[[Told], None],
    ) -> None:
        self.neighbour = neighbour
        self.stage = Stage.THEIRS
        self.trouble: Reason | None = None
        self.since = 0.0
        """Loop time since which the other software is off."""
        self._holders = 0
        self._changed = changed
        self._tell = tell
        self._task: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self._failures = 0
        self._used = asyncio.Event()
        self._after_crash = False
        self._let_go = False

    @property
    def deadline(self) -> float:
        """Loop time at which the other software should have the link back."""
        table = self.neighbour.table
        return self.since + (table.lease_deadline if table is not None else 0.0)

    def ready(self) -> bool:
        """Whether the link may be opened now; if not, and nothing is against it, it is asked for."""
        if self.stage is Stage.OURS:
            return self._now() < self.deadline
        if self.stage is Stage.THEIRS and self._now() >= self._not_before:
            self._begin(Stage.ASKING, self._ask())
        return False

    def taken(self) -> None:
        """An attempt or a look has the link."""
        self._holders += 1
        self._used.set()

    def given_back(self) -> None:
        """It has it no more."""
        self._holders -= 1
        self._used.set()

    def reason(self) -> Reason | None:
        """Why the link cannot be opened now."""
        who, now = self.neighbour.who, self._now()
        channel = self.neighbour.channel
        match self.stage:
            case Stage.OURS if now < self.deadline:
                return None
            case Stage.OURS | Stage.RETURNING:
                if self.stage is Stage.RETURNING and self.trouble is not None:
                    return self.trouble
                return Reason(
                    "link-returning", f"{channel} is given back to {who}.", "It has its turn after."
                )
            case Stage.ASKING:
                return Reason(
                    "link-asked-for", f"{who} is asked off {channel}.", "It begins when that is done."
                )
            case Stage.THEIRS if now < self._not_before:
                left = self._not_before - now
                if self.trouble is not None:
                    text = f"{self.trouble.message}  Tried again in {left:.0f} s."
                    return Reason(self.trouble.code, text, self.trouble.remedy)
                text = f"{who} has {channel} for {left:.0f} s more, since it was off for long."
                return Reason("link-theirs", text, "It has its turn then.")
        return None

    def let_go(self) -> None:
        """Let the other software back as soon as nobody uses the link, and do not linger."""
        self._let_go = True
        self._used.set()

    def recover(self) -> None:
        """An earlier life of ours did not give the link back: that comes first."""
        self._after_crash = True
        self._begin(Stage.RETURNING, self._return())

    async def stop(self) -> None:
        """Whatever is under way ends; what is out is let back once, and if that fails, at the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self.neighbour.borrowed is not None:
            self.stage = Stage.RETURNING
            await self.neighbour.let_back(after_crash=self._after_crash)

    def _begin(self, stage: Stage, work: Coroutine[None, None, None]) -> None:
        self.stage = stage
        self._task = asyncio.create_task(work)

    async def _ask(self) -> None:
        try:
            await self.neighbour.ask_off()
        except TenderError as error:
            self._failed(error)
        except Exception as error:
            log.exception("link=%s", self.neighbour.channel)
            self._failed(TenderError(f"a bug in Tender: {error!r}"))
        else:
            self.stage, self.trouble, self._failures = Stage.OURS, None, 0
            self.since = self._now()
            self._changed()
            await self._keep()
        await self._return()

    def _failed(self, error: TenderError) -> None:
        """The link is not taken; what was stopped is started again, and then it is tried again."""
        log.warning("link=%s not taken: %s: %s", self.neighbour.channel, error.code, error.message)
        self.trouble = Reason(error.code, f"{error.message}.", error.what_to_do)
        self._failures += 1
        pause = min(_AGAIN_FIRST_S * 2 ** (self._failures - 1), _AGAIN_CAP_S)
        self._hold_off(pause)

    async def _keep(self) -> None:
        """Have the link until nobody wants it any more, or it is due and nobody uses it."""
        linger, overdue, self._let_go = _FETCH_S, False, False
        while True:
            self._used.clear()
            left = self.deadline - self._now()
            if self._holders:
                if left <= 0 and not overdue:
                    overdue = True
                    self._overdue()
                wait = max(left, _TICK_S) if left > 0 else None
            elif self._let_go:
                return
            elif left <= 0:
                table = self.neighbour.table
                self._hold_off(table.pause if table is not None else 0.0)
                return
            else:
                wait = max(min(linger, left), _TICK_S)
            try:
                async with asyncio.timeout(wait):
                    await self._used.wait()
            except TimeoutError:
                if not self._holders and self._now() < self.deadline:
                    return
            linger = _LINGER_S

    def _overdue(self) -> None:
        who, channel = self.neighbour.who, self.neighbour.channel
        log.warning("link=%s overdue for=%s", channel, who)
        self._tell(Told("link.overdue", data={"link": channel, "shared_with": who}))

    async def _return(self) -> None:
        """Let the other software back, however often that has to be tried."""
        self.stage = Stage.RETURNING
        self._changed()
        tries = 0
        while True:
            try:
                await self.neighbour.let_back(after_crash=self._after_crash, told=self._good_news(tries))
            except TenderError as error:
                self._not_returned(error, first=not tries)
            except Exception as error:
                log.exception("link=%s", self.neighbour.channel)
                self._not_returned(TenderError(f"a bug in Tender: {error!r}"), first=not tries)
            else:
                break
            await asyncio.sleep(min(_AGAIN_FIRST_S * 2**tries, _AGAIN_CAP_S))
            tries += 1
        if tries:
            self.trouble = None
        self._after_crash = False
        self.stage = Stage.THEIRS
        self._changed()

    def _good_news(self, tries: int) -> tuple[Told, ...]:
        if not tries:
            return ()
        data = {"link": self.neighbour.channel, "shared_with": self.neighbour.who}
        return (Told("link.given-back", data=data),)

    def _not_returned(self, error: TenderError, *, first: bool) -> None:
        channel, who = self.neighbour.channel, self.neighbour.who
        log.warning("link=%s not given back: %s: %s", channel, error.code, error.message)
        text = f"{channel} could not be given back to {who}: {error.message}."
        self.trouble = Reason(error.code, text, error.what_to_do)
        if first:
            data: dict[str, object] = {
                "link": channel,
                "shared_with": who,
                "code": error.code,
                "message": error.message,
                "remedy": error.what_to_do,
            }
            self._tell(Told("link.not-given-back", data=data))
        self._changed()

    def _hold_off(self, seconds: float) -> None:
        self._not_before = self._now() + seconds
        asyncio.get_running_loop().call_at(self._not_before + _TICK_S, self._changed)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
