"""Do a flasher's verb so that nothing which happens in it gets any further than an error.

A verb is bounded by silence on the link, can be left on request, and whatever it raises
that has no name is the plugin's bug: named so, and judged like any interruption.
"""

import asyncio
import logging
from collections.abc import Awaitable, Coroutine
from typing import TypeVar

from flashers.api import Stalled
from flashers.api.errors import PluginBug
from gateway.attempt.session import HostSession
from transports.errors import LinkError, TenderError

log = logging.getLogger("tender.attempt")

T = TypeVar("T")

_STALL_S = 120.0
"""A verb in which no byte passes for so long has hung; flashers have shorter time-outs of their own."""
_LET_GO_S = 5.0
_TICK_S = 0.1


class Interrupted(Exception):
    """A verb was left because the attempt was asked to end."""


class Guard:
    """Does one verb at a time for one plugin on one session."""

    def __init__(self, session: HostSession, plugin: str) -> None:
        self._session = session
        self._plugin = plugin
        self._left = False
        self._leave: asyncio.Event | None = None

    async def do(self, work: Awaitable[T], *, may_be_quiet: bool = False) -> T:
        """The verb's answer; ``may_be_quiet`` is for work that has bounds of its own, such as a soak.

        Raises:
            Interrupted: :meth:`leave` was called meanwhile.
            TenderError: the verb's own, or what its surprise was made of.
        """

        async def verb() -> T:
            return await work

        self._session.cancelled = False
        task = asyncio.ensure_future(verb())
        self._leave = asyncio.Event()
        try:
            return await self._unless_left(task, may_be_quiet)
        except (TenderError, Interrupted):
            raise
        except asyncio.CancelledError:
            # When everything is cancelled at once, the verb is too: then it was us who were asked to end.
            if task.cancelled() and not _asked_to_end():
                raise PluginBug(f"{self._plugin} cancelled itself") from None
            raise
        except (OSError, EOFError) as error:
            raise LinkError(f"{error}") from error
        except Exception as error:
            log.exception("node=%s plugin=%s", self._session.node, self._plugin)
            raise PluginBug(f"{self._plugin} raised {error!r}") from error
        finally:
            self._leave = None
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=_LET_GO_S)
            if isinstance(work, Coroutine) and task.done():
                work.close()  # one that was cancelled at once was never begun
            if task.done() and not task.cancelled():
                task.exception()  # whoever ended us does not want it; it counts as retrieved

    def leave(self) -> None:
        """Give the verb up that is being done now, if there is one; it is told that people asked for it."""
        if self._leave is not None:
            self._session.cancelled = True
            self._leave.set()

    async def _unless_left(self, task: "asyncio.Task[T]", may_be_quiet: bool) -> T:
        assert self._leave is not None  # noqa: S101 - set by the only caller
        leave = asyncio.ensure_future(self._leave.wait())
        self._session.last_activity = self._now()
        try:
            while True:
                quiet = 0.0 if may_be_quiet else self._now() - self._session.last_activity
                if quiet >= _STALL_S:
                    raise Stalled(f"nothing passed on the link for {_STALL_S:g} s")
                # Never so short that rounding swallows it: the clock would stand still.  Never longer than
                # a stall is, either: what passes while a node is waited for ends the waiting.
                left = min(max(_STALL_S - quiet, _TICK_S), _STALL_S)
                await asyncio.wait({task, leave}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                if task.done():
                    return task.result()
                if leave.done():
                    raise Interrupted
        finally:
            leave.cancel()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _asked_to_end() -> bool:
    own = asyncio.current_task()
    return own is not None and own.cancelling() > 0
