"""Status, events and traces as somebody types and reads them."""

import asyncio
import time

import pytest

from gateway.api.server import ApiServer
from gateway.cli.events import since
from gateway.cli.parsing import UsageError
from gateway.verbs.seeing import Cause, Concern, Level
from tests.gateway.api.world import World
from tests.gateway.cli.conftest import Tender

_WOUNDED = Concern(
    Level.BROKEN,
    "wounded",
    "barn is wounded: it does not answer.",
    "tender explain barn",
    Cause.OURS,
    "attempt 3 (asked by ann) had begun to write to it",
    "barn",
    3,
)
_PAUSED = Concern(Level.WAITS, "paused", "Everything is paused by ann.", "tender resume")


async def test_the_status_says_first_whether_anything_is_broken_and_exits_by_it(
    tender: Tender, world: World, service: ApiServer
) -> None:
    assert (await tender("status")).code == 0
    world.seeing.concerns = (_PAUSED,)
    assert (await tender("status")).code == 1
    world.seeing.concerns, world.seeing.headline = (_WOUNDED, _PAUSED), "Broken: barn."
    said = await tender("status")
    assert said.code == 2
    assert said.lines[0] == "Broken: barn."
    assert "BROKEN barn is wounded: it does not answer.  (wounded)" in said.lines
    assert "  did we do it?  yes: attempt 3 (asked by ann) had begun to write to it" in said.lines
    assert "  next: tender resume" in said.lines
    told = await tender("status", "--json")
    assert (told.code, told.json["level"], told.json["concerns"][0]["cause"]) == (2, "broken", "ours")


@pytest.mark.usefixtures("service")
async def test_the_exit_codes_of_the_status_are_in_its_help(tender: Tender, world: World) -> None:
    with pytest.raises(SystemExit):
        await tender("status", "--help")


async def test_events_are_a_line_each_with_who_asked(
    tender: Tender, world: World, service: ApiServer
) -> None:
    world.tell("release.added", product="sensor", version="2.0.0", asked_by="ann (pid 7)")
    world.tell("node.changed", node="attic", before={"0": "1"}, after={"0": "2"})
    said = await tender("events")
    assert said.lines[0].startswith("#1")
    assert said.lines[0].endswith("product=sensor version=2.0.0  [ann (pid 7)]")
    assert len((await tender("events", "--node", "attic")).lines) == 1
    assert len((await tender("events", "--since", "1")).lines) == 1
    lines = (await tender("events", "--json", "--kind", "release.added")).lines
    assert len(lines) == 1
    assert '"asked_by": "ann (pid 7)"' in lines[0]
    assert "Nothing of that kind" in (await tender("events", "--kind", "journal.gap")).out


async def test_following_misses_nothing_between_the_past_and_the_present(
    tender: Tender, world: World, service: ApiServer
) -> None:
    world.tell("gateway.started", version="1")
    following = asyncio.ensure_future(tender("events", "--follow"))
    async with asyncio.timeout(20):
        await world.seeing.listed.wait()
        world.tell("gateway.draining", by="ann")
        await service.stop()
        said = await following
    assert [line.split()[0] for line in said.lines] == ["#1", "#2"]


def test_a_time_can_be_said_as_people_say_it() -> None:
    now = time.mktime((2026, 11, 21, 12, 0, 0, 0, 0, -1))
    assert since("2h", now) == {"since_ms": str(int((now - 7200) * 1000))}
    assert since("1.5 min", now) == {"since_ms": str(int((now - 90) * 1000))}
    assert since("11:30", now) == {"since_ms": str(int((now - 1800) * 1000))}
    assert since("2026-11-21T12:00", now) == {"since_ms": str(int(now * 1000))}
    for number in ("17", "#17", "gw/1/17"):
        assert since(number, now) == {"after": "17"}
    for nonsense in ("yesterday", "2 parsecs", "25:99"):
        with pytest.raises(UsageError):
            since(nonsense, now)


async def test_a_trace_is_followed_until_the_attempt_ends(
    tender: Tender, world: World, service: ApiServer
) -> None:
    world.hold.clear()
    await tender("deploy", "sensor", "2.0.0", "--node", "attic")
    shown = await tender("trace", "attic")
    assert "under way" in shown.lines[0]
    following = asyncio.ensure_future(tender("trace", "attic", "--follow"))
    world.hold.set()
    async with asyncio.timeout(20):
        said = await following
    assert said.lines[1:] == ["    0.0000 > sync", "    0.0100 < 14 10", "    0.0200 = dtr=1"]
    assert (await tender("trace", "nobody")).err.startswith("tender: node-unknown: ")
    raw = await tender("trace", "attic", "--raw")
    assert "30 20" in raw.out
