"""An event loop whose time jumps instead of passing.

A crash matrix has thousands of runs, each with seconds of time-outs, resets and
soaks in it.  Nothing in such a run is worth waiting for: when no callback is
ready, the next thing to happen is the next timer, so the clock may as well be
set to it.  The trick sits in the selector, which is where a loop waits: asked to
wait for *t* seconds it adds *t* to the clock and returns.

What cannot be foreseen is not jumped over:

- while jobs run in an executor, or :meth:`VirtualTimeLoop.outside_work` is held,
  the clock stands still until they are done, so that a slow disk never looks
  like a missed deadline;
- while file descriptors are watched (sockets, PTYs), the clock runs as the real
  one does, because nobody knows when the other end will speak.

A loop with nothing ready, no timer and nothing outside to wait for would hang
for ever; here it raises :class:`VirtualDeadlock` with the place where every task
waits.  The selector and the wake-up pipe of a usual loop are only made when
something needs them, which makes a loop cheap enough to have one per run.
"""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from transports.virtual.jumping import (
    JumpingSelector,
    VirtualDeadlock,
    VirtualLivelock,
    VirtualTimeError,
    VirtualTimeLimit,
)

__all__ = [
    "VirtualDeadlock",
    "VirtualLivelock",
    "VirtualTimeError",
    "VirtualTimeLimit",
    "VirtualTimeLoop",
    "run_virtual",
]

T = TypeVar("T")


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time, starting at 0.0; see the module for the rules.

    ``limit`` is the number of virtual seconds after which a run is given up.
    """

    _ssock: socket.socket | None
    _csock: socket.socket | None

    def __init__(self, limit: float | None = None) -> None:
        self._jumping = JumpingSelector(limit)
        self._threads = False
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jumping.now

    @contextmanager
    def outside_work(self) -> Iterator[None]:
        """Hold the clock while something outside works that will call ``call_soon_threadsafe``."""
        self._have_wake_pipe()
        self._jumping.outside += 1
        try:
            yield
        finally:
            self._jumping.outside -= 1

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """As in asyncio, and the clock stands still until the job is done."""
        self._have_wake_pipe()
        self._threads = self._threads or executor is None
        job = super().run_in_executor(executor, func, *args)
        self._jumping.outside += 1
        job.add_done_callback(self._job_done)
        return job

    def _job_done(self, _: object) -> None:
        self._jumping.outside -= 1

    def add_signal_handler(self, sig: int, callback: Callable[..., Any], *args: Any) -> None:  # type: ignore[override]
        """As in asyncio; signals need the wake-up pipe, which is made here."""
        self._have_wake_pipe()
        super().add_signal_handler(sig, callback, *args)

    # asyncio makes a socket pair for every loop, so that other threads can wake it.  Ours
    # makes it when a thread can exist: these two are the loop's own hooks for it.
    def _make_self_pipe(self) -> None:
        self._ssock = self._csock = None

    def _close_self_pipe(self) -> None:
        if self._ssock is not None:
            super()._close_self_pipe()  # type: ignore[misc]

    def _have_wake_pipe(self) -> None:
        if self._ssock is None:
            super()._make_self_pipe()  # type: ignore[misc]
            self._jumping.internal = 1

    def end_everything(self) -> None:
        """Cancel the tasks that were left behind, and let them, generators and threads end."""
        left = asyncio.all_tasks(self)
        self._jumping.limit = None
        for task in left:
            task.cancel()
        try:
            if left:
                self.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            self.run_until_complete(self.shutdown_asyncgens())
            if self._threads:
                with self.outside_work():
                    self.run_until_complete(self.shutdown_default_executor())
        except VirtualTimeError as trouble:
            raise told(trouble, "a cancelled task does not end", left, self.time()) from None


def run_virtual(main: Coroutine[Any, Any, T], *, limit: float | None = 86_400.0) -> T:
    """Run a coroutine to its end in virtual time, in a loop of its own.

    Tasks that it left behind are cancelled and awaited, as ``asyncio.run`` does.

    Args:
        main: what to run.
        limit: virtual seconds after which to give up; a day, if nothing is said.

    Raises:
        VirtualDeadlock: nobody could ever go on; the message names every task's place.
        VirtualLivelock: no time passes any more.
        VirtualTimeLimit: the limit was reached.
    """
    loop = VirtualTimeLoop(limit)
    try:
        task = loop.create_task(main)
        try:
            return loop.run_until_complete(task)
        except VirtualTimeError as trouble:
            raise told(trouble, "the run is stuck", asyncio.all_tasks(loop), loop.time()) from None
        finally:
            loop.end_everything()
    finally:
        loop.close()


def told(trouble: VirtualTimeError, what: str, tasks: set[asyncio.Task[Any]], now: float) -> VirtualTimeError:
    """The same error with the place where every task waits, one line each."""
    lines = [f"{what}: {trouble}", f"at t={now:g} s, {len(tasks)} task(s) wait:"]
    for task in sorted(tasks, key=lambda t: t.get_name()):
        codes = [(frame.f_code, frame.f_lineno) for frame in _awaiting(task)]
        where = [f"{code.co_name} ({Path(code.co_filename).name}:{line})" for code, line in codes]
        lines.append(f"  {task.get_name()}: {' <- '.join(where) or 'done'}")
    return type(trouble)("\n".join(lines))


def _awaiting(task: asyncio.Task[Any]) -> list[FrameType]:
    """The frames of a waiting task, innermost first."""
    frames: list[FrameType] = []
    step: Any = task.get_coro()
    while step is not None and len(frames) < 8:
        frame = getattr(step, "cr_frame", None) or getattr(step, "ag_frame", None)
        if frame is not None:
            frames.append(frame)
        step = getattr(step, "cr_await", None) or getattr(step, "ag_await", None)
    return frames[::-1]
