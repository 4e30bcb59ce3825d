"""That a node reverts by itself is only said where something really resets it."""

from collections.abc import Mapping
from typing import Any

import pytest

from flashers.api import RollbackKind
from flashers.sim import Behaviour
from gateway.model.rescue import ResetBy
from gateway.plugins.registry import Registry
from gateway.profiles.load import load_profiles
from gateway.profiles.model import Profile
from gateway.service.node_types import NodeTypes, rules_of
from gateway.service.rescue.rungs import steps_of
from gateway.service.rescue.words import way_back
from tests.gateway.service.rescues import Relays
from tests.gateway.service.site import NEW, OLD, SENSOR, Bench, Piece, outcomes, runs, virtual

BOOTLOADER = RollbackKind.BOOTLOADER


def profile(**keys: Any) -> Profile:
    """A profile with these keys."""
    return Profile.model_validate({"name": "p", "flasher": "mcuboot_smp", "format": "mcuboot", **keys})


def change(bench: Bench, before: str, after: str) -> None:
    """Say something else in the sensors' profile."""
    file = bench.profiles / f"{SENSOR}.toml"
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after, 1))


@pytest.mark.parametrize(
    ("keys", "by"),
    [
        ({}, ResetBy.NONE),
        ({"reset": "dtr"}, ResetBy.GATEWAY),
        ({"reset": "dtr", "reset_by": "watchdog"}, ResetBy.WATCHDOG),
        ({"reset_by": "power"}, ResetBy.POWER),
    ],
)
def test_what_nobody_said_counts_as_nothing(keys: Mapping[str, Any], by: ResetBy) -> None:
    assert profile(**keys).resets is by


@pytest.mark.parametrize("kind", RollbackKind)
@pytest.mark.parametrize("power_step", [False, True])
@pytest.mark.parametrize("by", ResetBy)
@pytest.mark.parametrize("cycles", [None, 86_400.0])
def test_by_itself_is_said_of_watchdogs_and_of_power_that_is_known_to_be_cut(
    kind: RollbackKind, power_step: bool, by: ResetBy, cycles: float | None
) -> None:
    said = way_back(kind, profile(reset_by=by, power_cycle_every=cycles), power_step=power_step)
    sure = by is ResetBy.WATCHDOG or (by is ResetBy.POWER and cycles is not None)
    assert ("by itself" in said) is (kind is BOOTLOADER and sure)
    if kind is BOOTLOADER and by is ResetBy.GATEWAY:
        assert "nothing happens while the gateway is gone" in said
    if kind is BOOTLOADER and by is ResetBy.NONE and not power_step:
        assert "nothing resets it" in said


def test_the_profiles_that_come_with_tender_claim_no_watchdog() -> None:
    types = NodeTypes(load_profiles((), Registry()))
    said = {name: types.get(name).profile.reset_by for name in types.profiles}
    assert said == {
        "atmegaboot-atmega328p": ResetBy.GATEWAY,
        "demo-ble-sensor": ResetBy.POWER,
        "demo-dfu-legacy": ResetBy.NONE,
        "demo-dfu-secure": ResetBy.NONE,
        "demo-relay": ResetBy.GATEWAY,
        "demo-th-sensor": ResetBy.POWER,
        "demo-zigbee-plug": ResetBy.NONE,
        "demo-zigbee-sensor": ResetBy.NONE,
        "mcuboot-ble": ResetBy.POWER,
        "mcuboot-uart": ResetBy.POWER,
        "microbit-v1": ResetBy.NONE,
        "nordic-legacy-dfu": ResetBy.NONE,
        "nordic-secure-dfu": ResetBy.NONE,
        "optiboot-atmega328p": ResetBy.GATEWAY,
        "zigbee-ota": ResetBy.NONE,
    }


@virtual
async def test_a_loader_that_nothing_resets_is_no_way_back(bench: Bench) -> None:
    change(bench, 'reset = "dtr"\n', 'reset_by = "none"\n')
    change(bench, 'rollback = ["bootloader", "slot-switch"]', 'rollback = ["bootloader"]')
    bench.node("s1")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW, Piece(SENSOR)), asked_by="test")
        await running.deploy("d", "s1")
        (record,) = await running.ended()
        assert record.result is not None
        assert [reason.code for reason in record.result.reasons] == ["no-way-back", "stays-hung"]
        assert "`reset_by`" in record.result.reasons[1].remedy
        view = await running.view("s1")
        assert (view.reset_by, "nothing resets it" in view.way_back) == ("none", True)
        assert runs(bench, "s1", SENSOR, OLD)


@virtual
async def test_a_step_that_cuts_its_power_makes_it_one(bench: Bench) -> None:
    relays = Relays(bench)
    change(bench, 'reset = "dtr"\n', 'reset_by = "none"\n')
    change(bench, 'rollback = ["bootloader", "slot-switch"]', 'rollback = ["bootloader"]')
    bench.node("s1")
    bench.tables["s1"]["ladder"] = [relays.step("r1")]
    relays.feeds("r1", "s1")
    async with bench.gateway() as running:
        release = bench.release(NEW, Piece(SENSOR, Behaviour.HANGS))
        await running.gateway.add_release(release, asked_by="test")
        await running.deploy("d", "s1")
        ended = await running.ended()
        assert ended[0].rollback is BOOTLOADER
        await running.until(lambda: running.told("rescue.step"))
        # It hung on trial: only the cut of its power took it back, and the recovery says so.
        ended = await running.ended()
        assert outcomes(ended) == ["wounded", "rolled-back"]
        assert [event.data["result"] for event in running.told("rescue.step")] == ["answered"]
        assert runs(bench, "s1", SENSOR, OLD)


@virtual
async def test_where_the_gateway_resets_the_attempt_does_it_by_the_mild_steps(bench: Bench) -> None:
    """Its ladder has RTS before DTR, and so few resets that both are needed to be sure."""
    change(bench, 'reset = "dtr"\n', 'reset_by = "gateway"\n[bounds]\nresets = 2\n')
    bench.node("s1")
    bench.tables["s1"]["ladder"] = [{"kind": "rts"}, {"kind": "dtr"}]
    async with bench.gateway() as running:
        release = bench.release(NEW, Piece(SENSOR, Behaviour.HANGS))
        await running.gateway.add_release(release, asked_by="test")
        await running.deploy("d", "s1")
        (record,) = await running.ended()
        assert outcomes([record]) == ["rolled-back"]
        told = [(event.data["step"], event.data["by"]) for event in running.told("rescue.step")]
        assert told == [("rts", f"attempt {record.id}"), ("dtr", f"attempt {record.id}")]
        assert runs(bench, "s1", SENSOR, OLD)


def test_an_attempt_keeps_the_rules_that_it_was_made_with(
    bench_rules: Mapping[str, tuple[bool, bool]],
) -> None:
    assert bench_rules == {
        "none": (False, True),
        "none, and a relay": (False, False),
        "none, and RTS": (True, True),
        "a reset that hits others": (False, False),
    }


@pytest.fixture
def bench_rules() -> Mapping[str, tuple[bool, bool]]:
    """By ladder: whether an attempt may restart the node, and whether one that hangs stays so."""
    from gateway.config.model import NodeTable

    node_type = NodeTypes(load_profiles((), Registry())).get("mcuboot-uart")
    relay = {"kind": "relay", "run": ["true"]}
    found = {}
    for name, ladder, by in (
        ("none", [], "none"),
        ("none, and a relay", [relay], "none"),
        ("none, and RTS", [{"kind": "rts"}], "none"),
        ("a reset that hits others", [{"kind": "dtr", "affects": ["b"]}], "gateway"),
    ):
        own = node_type.profile.model_copy(update={"reset_by": ResetBy(by)})
        table = NodeTable.model_validate({"profile": "p", "link": "uart:/dev/ttyUSB0", "ladder": ladder})
        rules = rules_of(own, node_type.declaration, rungs=steps_of(table, own))
        found[name] = (rules.restartable, rules.stays_hung)
    return found
