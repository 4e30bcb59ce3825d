"""Virtual time: jumps where nothing can happen, and nowhere else."""

import asyncio
import itertools
import os
import socket
import threading
import time
from collections.abc import AsyncIterator

import pytest

from transports.virtual import jumping
from transports.virtual.clock import (
    VirtualDeadlock,
    VirtualLivelock,
    VirtualTimeLimit,
    VirtualTimeLoop,
    run_virtual,
)


def test_a_night_passes_in_an_instant() -> None:
    async def night() -> float:
        await asyncio.sleep(8 * 3600)
        return asyncio.get_running_loop().time()

    started = time.monotonic()
    assert run_virtual(night()) == pytest.approx(8 * 3600)
    assert time.monotonic() - started < 5


def test_timers_fire_in_the_order_of_their_times() -> None:
    async def main() -> list[tuple[str, float]]:
        loop = asyncio.get_running_loop()
        seen: list[tuple[str, float]] = []

        def note(name: str) -> None:
            seen.append((name, loop.time()))

        for name, delay in (("late", 3.0), ("early", 1.0), ("middle", 2.0)):
            loop.call_later(delay, note, name)
        await asyncio.sleep(4)
        return seen

    assert run_virtual(main()) == [("early", 1.0), ("middle", 2.0), ("late", 3.0)]


def test_a_timeout_ends_a_wait_for_something_that_never_comes() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(30)


def test_a_deadlock_is_an_error_that_names_every_waiting_place() -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(never(), name="the-one-who-waits")
            await asyncio.sleep(1)

    with pytest.raises(VirtualDeadlock) as caught:
        run_virtual(main())
    assert "the-one-who-waits" in str(caught.value)
    assert "never (test_clock.py" in str(caught.value)
    assert "t=1 s" in str(caught.value)


def test_what_a_deadlocked_run_holds_is_still_put_down() -> None:
    closed: list[str] = []

    async def main() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(1)
            closed.append("port")

    with pytest.raises(VirtualDeadlock):
        run_virtual(main())
    assert closed == ["port"]


def test_a_run_longer_than_its_limit_is_given_up() -> None:
    with pytest.raises(VirtualTimeLimit, match="10 virtual seconds"):
        run_virtual(asyncio.sleep(11), limit=10)
    assert run_virtual(asyncio.sleep(9, "done"), limit=10) == "done"


def test_a_loop_that_turns_without_end_at_one_instant_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jumping, "MAX_TURNS_WITHOUT_TIME", 1000)

    async def spin() -> None:
        for _ in itertools.count():
            await asyncio.sleep(0)

    with pytest.raises(VirtualLivelock):
        run_virtual(spin())


def test_a_slow_thread_is_not_mistaken_for_a_missed_deadline() -> None:
    def slow() -> str:
        threading.Event().wait(0.05)
        return "written"

    async def main() -> tuple[str, float]:
        async with asyncio.timeout(0.001):
            answer = await asyncio.to_thread(slow)
        return answer, asyncio.get_running_loop().time()

    assert run_virtual(main()) == ("written", 0.0)


def test_other_outside_work_can_hold_the_clock() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        done = asyncio.Event()
        with loop.outside_work():
            threading.Timer(0.05, loop.call_soon_threadsafe, [done.set]).start()
            async with asyncio.timeout(0.001):
                await done.wait()
        return loop.time()

    assert run_virtual(main()) == 0.0


def test_time_does_not_jump_while_a_socket_may_still_speak() -> None:
    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with ours, theirs:
            threading.Timer(0.05, theirs.send, [b"late"]).start()
            async with asyncio.timeout(30):
                return await loop.sock_recv(ours, 10)

    assert run_virtual(main()) == b"late"


def test_time_jumps_again_once_the_socket_is_gone() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        read, write = os.pipe()
        heard = asyncio.Event()
        loop.add_reader(read, heard.set)
        os.write(write, b"x")
        await heard.wait()
        loop.remove_reader(read)
        os.close(read)
        os.close(write)
        await asyncio.sleep(3600)
        return loop.time()

    started = time.monotonic()
    assert run_virtual(main()) >= 3600
    assert time.monotonic() - started < 5


def test_tasks_and_generators_left_behind_are_ended() -> None:
    ended: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("task")

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            ended.append("generator")

    kept: list[object] = []

    async def main() -> None:
        kept.append(asyncio.create_task(forever()))
        stream = numbers()
        kept.append(stream)
        await anext(stream)
        await asyncio.sleep(0)

    run_virtual(main())
    assert sorted(ended) == ["generator", "task"]


def test_the_error_of_the_run_is_the_error_of_the_call() -> None:
    async def main() -> None:
        await asyncio.sleep(1)
        raise LookupError("told upwards")

    with pytest.raises(LookupError, match="told upwards"):
        run_virtual(main())
