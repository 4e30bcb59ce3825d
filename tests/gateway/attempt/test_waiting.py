"""A node that is waited for on purpose is no node that hangs; and a node that hangs is still noticed."""

import asyncio

import pytest

from flashers.api import Stalled
from gateway.attempt.guard import Guard
from gateway.attempt.session import HostSession
from gateway.attempt.words import Words
from transports.errors import LinkError
from transports.links import LinkSpec
from transports.virtual.clock import run_virtual

STALL_S = 120.0


async def _nobody(spec: LinkSpec) -> object:
    raise AssertionError("these verbs open no link")


def _session(words: Words | None = None) -> HostSession:
    return HostSession("n1", LinkSpec.parse("uart:n1"), _nobody, words=words)  # type: ignore[arg-type]


async def _stalls_after(session: HostSession, *, waits: float, passes_at: float | None = None) -> float:
    """When a verb is ended that waits, and may have something pass, and then hangs."""

    async def verb() -> None:
        session.waiting("it checks its image", at_most=waits)
        if passes_at is not None:
            await asyncio.sleep(passes_at)
            session.progress(1, 2)
        await asyncio.Event().wait()

    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(Stalled):
        await Guard(session, "zigbee_ota").do(verb())
    return loop.time() - began


def test_a_node_that_is_waited_for_may_be_quiet_for_as_long_as_was_said() -> None:
    async def main() -> None:
        assert await _stalls_after(_session(), waits=600.0) == pytest.approx(600.0 + STALL_S, abs=1)

    run_virtual(main())


def test_what_passes_ends_the_waiting_and_a_stall_is_noticed_in_time_from_then_on() -> None:
    async def main() -> None:
        found = await _stalls_after(_session(), waits=50_000.0, passes_at=30.0)
        assert found == pytest.approx(30.0 + STALL_S, abs=1)

    run_virtual(main())


def test_nobody_waits_for_longer_than_a_day_with_the_link_in_its_hand() -> None:
    async def main() -> None:
        assert await _stalls_after(_session(), waits=1e9) == pytest.approx(86_400.0 + STALL_S, abs=1)

    run_virtual(main(), limit=100_000.0)


def test_a_word_is_remembered_at_once_and_only_if_it_is_on_the_disk() -> None:
    kept: list[tuple[str, str | None]] = []

    async def keep(name: str, value: str | None) -> None:
        if value == "too much":
            raise LinkError("the disk is full")
        kept.append((name, value))

    async def main() -> None:
        session = _session(Words({"advertised": "257"}, keep))
        assert session.remembered("advertised") == "257"
        with pytest.raises(LinkError):
            await session.remember("advertised", "too much")
        assert session.remembered("advertised") == "257"
        await session.remember("advertised", "258")
        await session.remember("advertised", "258")
        assert session.remembered("advertised") == "258"
        await session.remember("advertised", None)
        assert session.remembered("advertised") is None
        assert kept == [("advertised", "258"), ("advertised", None)]

    run_virtual(main())
