"""Virtual time in which nothing depends on threads: the same seed is the same run.

What is given to a thread elsewhere is done at once here; so there is one order of all
that happens.  Tasks are numbered as they are made, so that a process's end can reach
them in an order that is the same each time.
"""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from transports.virtual.clock import VirtualTimeError, VirtualTimeLoop, told

T = TypeVar("T")

DAY = 86_400.0
HOUR = 3_600.0


class YearsLoop(VirtualTimeLoop):
    """A loop in virtual time without threads."""

    def __init__(self, limit: float) -> None:
        super().__init__(limit)
        # A timer that is due now is run if it is due before now and this: which must not be lost in
        # rounding, as a nanosecond is after 194 days.
        self._clock_resolution = 1e-6
        self.born: WeakKeyDictionary[asyncio.Future[Any], int] = WeakKeyDictionary()
        self._numbers = itertools.count()
        self.set_task_factory(self._make_task)

    def _make_task(self, loop: asyncio.AbstractEventLoop, work: Any, **more: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **more)
        self.born[task] = next(self._numbers)
        return task

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """As in asyncio, but here and now."""
        done: asyncio.Future[Any] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it belongs to whoever asked
            done.set_exception(error)
        return done

    def tasks_since(self, others: set[asyncio.Task[Any]]) -> list[asyncio.Task[Any]]:
        """Everybody but these, oldest first."""
        return sorted(asyncio.all_tasks(self) - others, key=lambda task: self.born[task])


def run_years(main: Coroutine[Any, Any, T], *, limit: float) -> T:
    """Run a coroutine to its end; ``limit`` is in virtual seconds."""
    loop = YearsLoop(limit)
    try:
        asyncio.set_event_loop(loop)
        task = loop.create_task(main)
        try:
            return loop.run_until_complete(task)
        except VirtualTimeError as trouble:
            raise told(trouble, "the years stand still", asyncio.all_tasks(loop), loop.time()) from None
        finally:
            loop.end_everything()
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def now() -> float:
    """Virtual seconds since the beginning."""
    return asyncio.get_running_loop().time()
