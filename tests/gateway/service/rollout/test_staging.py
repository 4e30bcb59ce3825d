"""Transferred now, started later: what waits, what it says, what ends the waiting, over restarts."""

import asyncio
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from flashers.api import Stamp
from flashers.sim import Behaviour
from gateway.model.activation import At, Held, Window, opens_at, opens_in, parse_when
from gateway.model.outcomes import CancelReason
from gateway.model.views import DeploymentView
from gateway.service.rollout.errors import DeploymentUnknown
from tests.gateway.service.site import NEW, OLD, RELAY, SENSOR, Bench, Piece, Running, outcomes, runs, virtual

EVENING = datetime(2026, 11, 21, 22, 48, tzinfo=UTC).timestamp()
WINDOW = "02:00-05:00"


@pytest.fixture(autouse=True)
def in_utc() -> Iterator[None]:
    """The gateway's own time is that of Greenwich."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@dataclass(slots=True)
class Clock:
    """A clock on the wall that goes with the loop's, from this evening on."""

    synchronised: bool = True
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def __call__(self) -> Stamp:
        return Stamp(round((EVENING + self.loop.time()) * 1000), self.synchronised)

    def set(self, running: Running) -> "Clock":
        """This gateway goes by it."""
        running.gateway.site.clock = self
        return self

    def says(self) -> str:
        return datetime.fromtimestamp(self().unix_ms / 1000, UTC).strftime("%H:%M")


async def shown(running: Running, name: str = "d") -> DeploymentView:
    return await running.gateway.rollout.deployment(name)


async def gate(running: Running, node: str) -> tuple[str, str]:
    (reason,) = (await running.gateway.explain(node)).gates
    assert reason.remedy
    return reason.code, reason.message


async def staged(running: Running, count: int) -> None:
    """Wait until so many nodes wait to be started, and nobody is under way."""

    def there() -> bool:
        waits = [record for record in running.gateway.supervisor.records() if record.staged]
        return len(waits) == count and not running.gateway.turns.busy

    await running.until(there)
    await asyncio.sleep(1.0)


# What it says


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("held", Held()),
        ("02:00-05:00", Window(120, 300)),
        ("22:30-04:00", Window(1350, 240)),
        ("2026-11-22T02:00:00+01:00", At(1795309200.0)),
        ("2026-11-22T01:00:00Z", At(1795309200.0)),
    ],
)
def test_one_text_says_when(text: str, when: object) -> None:
    assert parse_when(text) == when


@pytest.mark.parametrize(
    "text", ["", "tonight", "2:00-5:00", "24:00-05:00", "02:00-02:00", "2026-11-22", "2026-11-22T02:00:00"]
)
def test_what_says_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no|begins|time zone"):
        parse_when(text)


@pytest.mark.parametrize(
    ("now", "window", "left"),
    [
        ("22:48", "02:00-05:00", 3 * 3600 + 12 * 60),
        ("02:00", "02:00-05:00", 0),
        ("04:59", "02:00-05:00", 0),
        ("05:00", "02:00-05:00", 21 * 3600),
        ("01:59", "02:00-05:00", 60),
        ("23:00", "22:30-04:00", 0),
        ("03:59", "22:30-04:00", 0),
        ("04:00", "22:30-04:00", 18.5 * 3600),
    ],
)
def test_a_window_is_open_between_its_times_every_day(now: str, window: str, left: float) -> None:
    moment = datetime.fromisoformat(f"2026-11-21T{now}:00+00:00").timestamp()
    assert opens_in(parse_when(window), moment) == left


def test_a_window_is_at_the_time_on_the_wall_also_where_a_day_has_25_hours() -> None:
    os.environ["TZ"] = "Europe/Zurich"
    time.tzset()
    evening = datetime.fromisoformat("2026-10-24T22:00:00+02:00").timestamp()
    when = parse_when("04:00-05:00")
    assert opens_in(when, evening) == 7 * 3600
    assert opens_at(when, evening) == "at 04:00"


# What it does


@virtual
async def test_nodes_are_staged_now_and_started_when_the_window_opens(bench: Bench) -> None:
    for number in range(4):
        bench.node(f"n{number}")
    async with bench.gateway() as running:
        clock = Clock().set(running)
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy(activate=WINDOW, all_at_once=True)
        await staged(running, 4)
        assert clock.says() < "23:10"
        code, message = await gate(running, "n2")
        assert code == "staged"
        assert "Staged on 4 of 4 nodes; starts at 02:00, in 3 h" in message
        view = await shown(running)
        assert view.rollout.staged == ("n0", "n1", "n2", "n3")
        assert view.rollout.activate == WINDOW
        assert "starts at 02:00" in view.rollout.starts
        assert view.rollout.gates == {"staged": 4}
        assert view.rollout.waiting == 0, "they have begun, and wait"
        assert not view.rollout.finishing
        assert running.gateway.supervisor.at_work("n0") is None, "waiting holds no link"
        assert all(runs(bench, f"n{number}", SENSOR, OLD) for number in range(4))
        records = await running.ended(within=8 * 3600)
        assert outcomes(records) == ["succeeded"] * 4
        assert "02:00" <= clock.says() < "02:10"
        assert all(runs(bench, f"n{number}", SENSOR, NEW) for number in range(4))


@virtual
async def test_a_restart_finds_nodes_staged_and_a_day_without_a_gateway_changes_nothing(bench: Bench) -> None:
    bench.node("n")
    async with bench.gateway() as running:
        Clock().set(running)
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy(activate=WINDOW)
        await staged(running, 1)
        (before,) = await running.records()
    async with bench.gateway(killed=True) as running:
        clock = Clock().set(running)
        running.gateway.supervisor.wake()
        await asyncio.sleep(30.0)
        assert (await gate(running, "n"))[0] == "staged"
        (record,) = await running.ended(within=8 * 3600)
        assert outcomes([record]) == ["succeeded"]
        assert clock.says() >= "02:00"
        assert record.bytes_sent < before.bytes_sent * 1.5, "it was not sent twice"


@virtual
async def test_a_clock_that_nobody_set_opens_no_window_and_one_that_is_set_does(
    bench: Bench,
) -> None:
    bench.node("n")
    async with bench.gateway() as running:
        clock = Clock(synchronised=False).set(running)
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy(activate=WINDOW)
        await staged(running, 1)
        await asyncio.sleep(6 * 3600)
        assert WINDOW[:5] < clock.says() < WINDOW[6:]
        code, message = await gate(running, "n")
        assert code == "clock-not-synchronised"
        assert "not synchronised" in message
        assert runs(bench, "n", SENSOR, OLD)
        clock.synchronised = True
        (record,) = await running.ended(within=600)
        assert outcomes([record]) == ["succeeded"]


@virtual
async def test_held_nodes_wait_for_somebodys_word_which_outlives_a_restart(bench: Bench) -> None:
    bench.node("a")
    bench.node("b")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy("d", "a", "b", activate="held", waves=(1,))
        await staged(running, 1)
        await asyncio.sleep(2 * 86_400 / 10)
        code, message = await gate(running, "a")
        assert (code, message) == ("staged", "Staged on 1 of 2 nodes; starts when somebody says so.")
        assert (await gate(running, "b"))[0] == "wave", "its proof comes after its start"
        with pytest.raises(DeploymentUnknown):
            await running.gateway.rollout.activate("nobody", asked_by="test")
        answer = await running.gateway.rollout.activate("d", asked_by="ann")
        assert (answer.nodes, answer.still_held) == (("a",), ())
        (event,) = running.told("rollout.activated")
        assert event.data == {"by": "ann", "nodes": ["a"]}
    async with bench.gateway() as running:
        assert outcomes(await running.ended()) == ["succeeded", "succeeded"]
        assert not running.told("rollout.activated")


@virtual
async def test_what_is_cancelled_before_its_start_stays_on_what_it_ran(bench: Bench) -> None:
    bench.node("n")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy(activate="held")
        await staged(running, 1)
        await running.gateway.supervisor.cancel(1, CancelReason.CANCELLED, "ann")
        (record,) = await running.ended()
        assert outcomes([record]) == ["cancelled"]
        assert record.activations == 0
        assert runs(bench, "n", SENSOR, OLD)
    node = bench.nodes["n"]
    node.power_off()
    node.power_on()
    await asyncio.sleep(5.0)
    assert runs(bench, "n", SENSOR, OLD), "nothing of it is pending"


@virtual
async def test_a_pause_or_a_stop_keeps_staged_nodes_from_being_started(bench: Bench) -> None:
    for name in ("a", "b", "c", "z"):
        bench.node(name)
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy("d", "a", "b", "c", activate="held", waves=(3,))
        await staged(running, 3)
        await running.gateway.rollout.pause("d", asked_by="ann")
        answer = await running.gateway.rollout.activate("d", asked_by="ann")
        assert (answer.nodes, answer.still_held) == (("a", "b", "c"), ("paused",))
        await asyncio.sleep(600)
        assert {(await gate(running, name))[0] for name in ("a", "b", "c")} == {"paused"}
        assert not (await shown(running)).rollout.finishing
        await running.gateway.rollout.resume("d", asked_by="ann")
        assert outcomes(await running.ended()) == ["succeeded"] * 3


@virtual
async def test_one_that_fails_after_its_start_stops_those_that_are_only_staged(bench: Bench) -> None:
    for name in ("a", "b", "c"):
        bench.node(name)
    async with bench.gateway() as running:
        await running.gateway.add_release(
            bench.release(NEW, Piece(SENSOR, Behaviour.UNHEALTHY)), asked_by="test"
        )
        await running.deploy("d", "a", "b", "c", activate="held", waves=(3,), max_in_parallel=1)
        await staged(running, 3)
        await running.gateway.rollout.activate("d", asked_by="ann")
        await running.until(lambda: running.told("rollout.stopped"))
        await asyncio.sleep(600)
        records = await running.records()
        assert outcomes(records) == ["rolled-back", "waiting", "waiting"]
        assert (await gate(running, "c"))[0] == "rollout-stopped"
        assert [record.activations for record in records] == [1, 0, 0]
        for record in records[1:]:
            await running.gateway.supervisor.cancel(record.id, CancelReason.CANCELLED, "ann")
        assert outcomes(await running.ended()) == ["rolled-back", "cancelled", "cancelled"]
        assert all(runs(bench, name, SENSOR, OLD) for name in ("a", "b", "c"))


@virtual
async def test_a_node_with_one_slot_is_refused_if_it_is_to_wait(bench: Bench) -> None:
    bench.node("r", RELAY)
    bench.node("s", SENSOR)
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy(activate="held", no_rollback="allow")
        await staged(running, 1)
        (refused, _) = await running.records()
        assert refused.result is not None
        assert (refused.node, refused.result.code) == ("r", "activates-with-last-byte")
        assert refused.bytes_sent == 0
        await running.gateway.rollout.activate("d", asked_by="ann")
        assert outcomes(await running.ended()) == ["refused", "succeeded"]


@virtual
async def test_a_deployment_that_does_not_say_is_started_as_the_configuration_says(bench: Bench) -> None:
    bench.settings["rollout"] = {"activate": "held"}
    bench.node("n")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy("d")
        await staged(running, 1)
        await running.deploy("e", activate="at-once")
        assert outcomes(await running.ended()) == ["superseded", "succeeded"]
        assert runs(bench, "n", SENSOR, NEW)
