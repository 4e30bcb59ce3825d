"""A line that was printed before anybody listened is no verdict, for whatever kind of loader."""

import pytest

from flashers.sim import Behaviour
from gateway.model.outcomes import Verdict
from gateway.model.records import Record
from tests.gateway.service.site import NEW, OLD, PROFILES, SENSOR, Bench, Piece, outcomes, runs, virtual

_LINE = "[[health]]\nkind = \"console-line\"\npattern = '^fw 1\\.1\\.0'\nwithin = 6.0\n[params]\n"


def without_trial(bench: Bench, *, reset: str = "dtr", pattern: str = "") -> None:
    """A two-slot node whose loader keeps what it was given, and whose console is looked at."""
    text = PROFILES[SENSOR].replace('mode = "swap"', 'mode = "overwrite"').replace("[params]\n", _LINE, 1)
    text = text.replace('rollback = ["bootloader", "slot-switch"]', 'rollback = ["reflash"]')
    text = text.replace('reset = "dtr"', f'reset = "{reset}"')
    text = text.replace("^fw 1\\.1\\.0", pattern or "^fw 1\\.1\\.0")
    (bench.profiles / f"{SENSOR}.toml").write_text(text)


async def killed_before_the_check(bench: Bench, behaviour: Behaviour = Behaviour.HEALTHY) -> None:
    """The target was started, it printed its line, and then the gateway was gone."""
    async with bench.gateway(killed=True) as running:
        await running.gateway.add_release(bench.release(NEW, Piece(SENSOR, behaviour)), asked_by="test")
        await running.deploy(all_at_once=True, no_rollback="allow")
        node = bench.nodes["sensor"]
        await running.until(lambda: node.truth().running.get(0) == bench.identity(SENSOR, NEW, behaviour))


async def resumed(bench: Bench) -> Record:
    async with bench.gateway() as running:
        return (await running.ended())[0]


def is_open(record: Record) -> bool:
    """It ended for want of a verdict, and without one."""
    assert record.result is not None
    assert record.error is not None
    assert record.error.code == "console-not-heard"
    return record.verdict is Verdict.OPEN and record.result.code == "no-verdict"


@virtual
async def test_a_healthy_image_is_not_held_guilty_because_nobody_listened(bench: Bench) -> None:
    without_trial(bench)
    bench.node("sensor", SENSOR)
    await killed_before_the_check(bench)
    record = await resumed(bench)
    assert outcomes([record]) == ["succeeded"]
    assert runs(bench, "sensor", SENSOR, NEW)
    assert record.starts["health"] == 2, "once to find that nobody had listened, once to listen"


@virtual
async def test_a_bad_image_is_found_by_the_restart_for_listening(bench: Bench) -> None:
    without_trial(bench, pattern="^never printed")
    bench.node("sensor", SENSOR)
    await killed_before_the_check(bench)
    record = await resumed(bench)
    assert record.verdict_why is not None
    assert record.verdict_why.code == "health-failed"
    assert "no line like" in record.verdict_why.message


@virtual
async def test_where_nothing_restarts_the_node_there_is_no_verdict_on_its_line(bench: Bench) -> None:
    without_trial(bench, reset="none")
    bench.node("sensor", SENSOR)
    await killed_before_the_check(bench)
    record = await resumed(bench)
    assert is_open(record)
    assert runs(bench, "sensor", SENSOR, NEW), "nothing is held against an image that nobody watched"


@virtual
async def test_a_line_that_cannot_be_driven_restarts_nobody(bench: Bench) -> None:
    """The profile names a reset; this node's link has no such line."""
    without_trial(bench)
    bench.node("sensor", SENSOR)
    bench.lines.lines["sensor"].modem_lines = False
    await killed_before_the_check(bench)
    record = await resumed(bench)
    assert is_open(record)


@virtual
async def test_a_trial_image_is_restarted_by_its_loader_and_heard(bench: Bench) -> None:
    text = PROFILES[SENSOR].replace("[params]\n", _LINE, 1)
    (bench.profiles / f"{SENSOR}.toml").write_text(text)
    bench.node("sensor", SENSOR)
    await killed_before_the_check(bench)
    record = await resumed(bench)
    assert outcomes([record]) == ["succeeded"]
    assert not runs(bench, "sensor", SENSOR, OLD)


pytestmark = pytest.mark.timeout(60)
