"""One bad node, plugin or link stops nothing but itself; and what is wounded is brought back."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from flashers.api import Flasher, FlasherPlugin, Identity, Probe, Seen, Session, Strength, Transfer
from flashers.sim import Behaviour
from gateway.attempt.session import HostSession
from gateway.control import DeployRequest, Selector
from gateway.errors import NodeBusy, NodeUnknown, NoKnownGood, ProbeCosts
from gateway.journal.errors import JournalFull
from gateway.journal.journal import Told
from gateway.lock import StateInUse
from gateway.model.outcomes import Outcome
from gateway.model.records import Record
from tests.gateway.service.site import (
    MUTE,
    NEW,
    NEWER,
    OLD,
    PRODUCT,
    RELAY,
    SENSOR,
    Bench,
    Piece,
    Running,
    firmware,
    outcomes,
    runs,
    virtual,
)
from transports.errors import TenderError


def _plugin_where(verb: str, behave: Callable[..., Awaitable[Any]], node: str) -> Any:
    """A plugin that does one verb its own way on one node."""

    def swap(plugin: FlasherPlugin) -> FlasherPlugin:
        def opened(session: Session, params: Any) -> Flasher:
            flasher = plugin.open(session, params)
            if isinstance(session, HostSession) and session.node == node:
                setattr(flasher, verb, behave)
            return flasher

        return replace(plugin, open=opened)

    return swap


class _Passing:
    """A flasher that passes everything on to the real one."""

    def __init__(self, session: Session, flasher: Flasher) -> None:
        self.session = session
        self.flasher = flasher

    def __getattr__(self, name: str) -> Any:
        return getattr(self.flasher, name)


def _wrapped(wrapper: type[_Passing]) -> Any:
    def swap(plugin: FlasherPlugin) -> FlasherPlugin:
        def opened(session: Session, params: Any) -> Any:
            return wrapper(session, plugin.open(session, params))

        return replace(plugin, open=opened)

    return swap


async def _ready(running: Running, bench: Bench, *versions: str, baseline: str | None = None) -> None:
    for version in versions or (NEW,):
        await running.gateway.add_release(bench.release(version), asked_by="test")
    if baseline is not None:
        file = bench.folder / "baseline.hex"
        file.write_bytes(firmware(baseline, OLD))
        await running.gateway.add_baseline(file, profile=baseline, component="app", version=None)


# Containment


@virtual
async def test_a_bug_in_a_plugin_stays_with_its_node(bench: Bench) -> None:
    async def crashes(ask: Transfer) -> Seen | None:
        raise ZeroDivisionError("a bug")

    for name in ("s1", "s2", "s3"):
        bench.node(name)
    bench.swap_plugin[SENSOR] = _plugin_where("transfer", crashes, "s2")
    async with bench.gateway() as running:
        await _ready(running, bench)
        await running.deploy()
        records = {record.node: record for record in await running.ended()}
        assert outcomes([records["s1"], records["s3"]]) == ["succeeded"] * 2
        bad = records["s2"].result
        assert bad is not None
        assert (bad.outcome, bad.code) == (Outcome.FAILED, "plugin-bug")
        assert runs(bench, "s2", SENSOR, OLD)
        assert (await running.gateway.attempt(records["s2"].id)).trace, "its last frames were kept"


@virtual
async def test_a_bug_of_ours_puts_one_attempt_aside_and_shows_it(bench: Bench) -> None:
    bench.node("s1")
    bench.node("s2")
    async with bench.gateway() as running:
        await _ready(running, bench)
        inventory = running.gateway.site.inventory
        save = inventory.save

        async def fails(record: Record, told: Any = (), **more: Any) -> None:
            if record.node == "s1" and record.prepared:
                raise KeyError("a bug")
            await save(record, told, **more)

        inventory.save = fails  # type: ignore[method-assign]
        await running.deploy()
        await running.until(lambda: runs(bench, "s2", SENSOR, NEW) and inventory.quarantined())
        assert (await running.view("s1")).state == "quarantined"
        status = await running.gateway.status()
        assert status.quarantined == ("s1",)
        explained = await running.gateway.explain("s1")
        assert [gate.code for gate in explained.gates] == ["quarantined"]
        assert running.work is not None
        assert not running.work.done(), "the supervisor goes on"
        inventory.save = save  # type: ignore[method-assign]
    async with bench.gateway() as running:
        assert outcomes(await running.ended()) == ["succeeded", "succeeded"], "a restart tries it again"


@virtual
async def test_a_flasher_that_hangs_is_stopped_and_the_others_never_wait_for_it(bench: Bench) -> None:
    async def hangs(ask: Transfer) -> Seen | None:
        await asyncio.Event().wait()
        return None

    bench.node("s1")
    bench.node("s2")
    bench.swap_plugin[SENSOR] = _plugin_where("transfer", hangs, "s1")
    async with bench.gateway() as running:
        await _ready(running, bench)
        await running.deploy(all_at_once=True)
        await running.until(lambda: runs(bench, "s2", SENSOR, NEW), within=60)
        records = {record.node: record for record in await running.ended(within=600)}
        bad = records["s1"].result
        assert bad is not None
        assert (bad.outcome, bad.code) == (Outcome.FAILED, "stalled")
        assert runs(bench, "s1", SENSOR, OLD)


@virtual
async def test_a_look_that_hangs_or_crashes_gives_its_link_back(bench: Bench) -> None:
    async def hangs(ask: Probe) -> Seen:
        await asyncio.Event().wait()
        raise AssertionError

    async def crashes(ask: Probe) -> Seen:
        raise ZeroDivisionError

    bench.node("s1")
    for behave, code in ((hangs, "stalled"), (crashes, "plugin-bug")):
        bench.swap_plugin[SENSOR] = _plugin_where("probe", behave, "s1")
        async with bench.gateway() as running:
            with pytest.raises(TenderError) as caught:
                await running.gateway.probe("s1", allow_restart=True)
            assert caught.value.code == code
            assert not running.gateway.site.leases.held
            assert not bench.lines.lines["s1"].held


@virtual
async def test_a_full_disk_makes_attempts_wait_and_is_over_when_there_is_room(bench: Bench) -> None:
    bench.node("s1")
    bench.node("s2")
    async with bench.gateway() as running:
        await _ready(running, bench)
        database = running.gateway.site.journal.database
        run, full = database.run, False

        async def may_be_full(work: Any, **more: Any) -> Any:
            if full:
                raise JournalFull("the journal could not be written")
            return await run(work, **more)

        database.run = may_be_full  # type: ignore[method-assign]
        for moment in ("queued", "transferring", "proving", "confirming"):
            await running.deploy(f"d-{moment}", version=NEW) if moment == "queued" else None
            await running.in_phase("s1", moment)
            full = True
            await asyncio.sleep(40)
            assert running.work is not None
            assert not running.work.done(), f"the service fell over a disk that was full while {moment}"
            full = False
        records = await running.ended()
        assert outcomes(records) == ["succeeded", "succeeded"]
        assert len(running.told("attempt.done")) == 2, "no end was lost"


@virtual
async def test_the_end_of_a_deployment_is_told_once_however_its_attempts_end(bench: Bench) -> None:
    bench.node("s1")
    bench.node("s2")
    async with bench.gateway() as running:
        await _ready(running, bench)
        journal = running.gateway.site.journal
        save, tries = journal.save_deployment, 0

        async def full_at_first(*given: Any, **more: Any) -> Any:
            nonlocal tries
            tries += not more.get("is_open", True)
            if tries == 1 and not more.get("is_open", True):
                raise JournalFull("the journal could not be written")
            return await save(*given, **more)

        journal.save_deployment = full_at_first  # type: ignore[method-assign]
        await running.deploy()
        await running.until(lambda: running.told("deployment.done"))
        await asyncio.sleep(600)
        (told,) = running.told("deployment.done")
        assert told.data["outcomes"] == {"succeeded": 2}
        assert [view.state for view in await running.gateway.deployments()] == ["done"]
        # Both attempts end at once: each asks whether it was the last.
        deployments = running.gateway._deployments
        deployments._requests["d"] = DeployRequest("d", PRODUCT, NEW, Selector(all=True))
        await asyncio.gather(deployments.close_if_done("d"), deployments.close_if_done("d"))
        assert len(running.told("deployment.done")) == 2


@virtual
async def test_two_names_of_one_port_are_one_link(bench: Bench) -> None:
    port = bench.folder / "ttyUSB0"
    port.touch()
    by_path = bench.folder / "by-path"
    by_path.symlink_to(port)
    bench.node("s1")
    bench.node("s2")
    bench.tables["s1"]["link"] = f"uart:{port}"
    bench.tables["s2"]["link"] = f"uart:{by_path}"
    async with bench.gateway() as running:
        site = running.gateway.site
        assert site.channel("s1") == site.channel("s2")


@virtual
async def test_nodes_of_one_line_have_their_turn_one_after_the_other(bench: Bench) -> None:
    for name in ("s1", "s2", "s3"):
        bench.node(name)
        bench.tables[name]["link"] = "memory:s1"  # each finds the first; what counts is the line
    async with bench.gateway() as running:
        await _ready(running, bench)
        await running.deploy(all_at_once=True)
        await running.under_way("s1")
        number = (await running.records("s3"))[0].id
        await running.until(lambda: running.gateway.supervisor.gates(number))
        for name in ("s2", "s3"):
            (gate,) = (await running.gateway.explain(name)).gates
            assert (gate.code, "s1" in gate.message) == ("link-busy", True)
        assert (await running.view("s3")).state == "waiting"
        assert len(running.gateway.site.leases.held["memory://s1"]) == 1
        await running.ended()


@virtual
async def test_a_second_process_is_kept_from_the_state_folder(bench: Bench) -> None:
    bench.node("s1")
    async with bench.gateway():
        with pytest.raises(StateInUse):
            async with bench.gateway():
                pass
    async with bench.gateway():
        pass


# Wounded


@virtual
async def test_a_wounded_node_is_brought_back_by_itself_when_it_answers(bench: Bench) -> None:
    node = bench.node("r1", RELAY)
    node.cut_power_at(4, torn=True, off_for=None)
    async with bench.gateway() as running:
        await _ready(running, bench, baseline=RELAY)
        await running.deploy()
        await running.until(lambda: running.told("attempt.done"))
        assert (await running.view("r1")).state == "wounded"
        assert (await running.gateway.status()).wounded == ("r1",)
        assert "recovery" in (await running.gateway.explain("r1")).summary
        await asyncio.sleep(1000)
        assert outcomes(await running.records()) == ["wounded"], "it is looked at, and nothing is begun"
        node.power_on()
        await running.until(lambda: runs(bench, "r1", RELAY, NEW))
        records = await running.ended()
        assert outcomes(records) == ["wounded", "succeeded"]
        assert (records[1].origin, records[1].recovers) == ("recovery", records[0].id)
        assert (await running.view("r1")).state == "ok"


@virtual
async def test_a_wound_is_remembered_over_a_restart_and_over_what_never_began(bench: Bench) -> None:
    node = bench.node("r1", RELAY)
    node.cut_power_at(4, torn=True, off_for=None)
    async with bench.gateway() as running:
        await _ready(running, bench, NEW, NEWER, baseline=RELAY)
        await running.deploy()
        await running.until(lambda: running.told("attempt.done"))
        # It stays silent, so this one never begins; the wound is as open as before.
        await running.deploy("d2", version=NEWER)
        await running.until(lambda: len(running.told("attempt.done")) == 2)
        assert outcomes(await running.records()) == ["wounded", "not-reached"]
        assert (await running.view("r1")).state == "wounded"
    async with bench.gateway() as running:
        assert (await running.view("r1")).state == "wounded"
        node.power_on()
        await running.until(lambda: runs(bench, "r1", RELAY, NEW))
        assert outcomes(await running.ended())[-1] == "succeeded"
        assert (await running.view("r1")).state == "ok"


@virtual
async def test_what_is_said_of_a_wounded_node_is_not_what_it_was_before(bench: Bench) -> None:
    node = bench.node("r1", RELAY)
    bench.node("r2", RELAY)
    bench.tables["r2"]["link"] = "memory:r1"
    node.cut_power_at(4, torn=True, off_for=None)
    async with bench.gateway(first_look_s=10_000) as running:
        await _ready(running, bench, NEW, NEWER, baseline=RELAY)
        await running.deploy("d", "r1")
        await running.until(lambda: running.told("attempt.done"))
        node.power_on()
        await running.deploy("hold", "r2")
        await running.under_way("r2")
        await running.deploy("d2", "r1", version=NEWER)
        (last,) = [record for record in await running.records("r1") if record.deployment == "d2"]
        await running.gateway.cancel(str(last.id), asked_by="test")
        # One that has just got its link ends a moment later.
        await running.until(lambda: running.gateway.supervisor.record(last.id) is None)
        cancelled = await running.gateway.attempt(last.id)
        assert cancelled.view.outcome is Outcome.CANCELLED
        assert cancelled.view.after == {"app": None}, "it is half-written: nobody knows what it runs"
        await running.ended()


@virtual
async def test_recoveries_are_bounded_and_then_an_operator_has_to_ask(bench: Bench) -> None:
    class WritesHalf(_Passing):
        """The first transfer is cut short, and every later one meets a bug."""

        begun = False

        async def transfer(self, ask: Transfer) -> Seen | None:
            if WritesHalf.begun:
                raise ZeroDivisionError("a bug")
            WritesHalf.begun = True
            return await self.flasher.transfer(ask)

    bench.node("r1", RELAY).cut_power_at(4, torn=True, off_for=60.0)
    bench.swap_plugin[RELAY] = _wrapped(WritesHalf)
    async with bench.gateway() as running:
        await _ready(running, bench, NEW, NEWER, baseline=RELAY)
        await running.deploy()
        await asyncio.sleep(20_000)
        assert outcomes(await running.records()) == ["wounded"] * 4, "the first, and three recoveries"
        assert (await running.view("r1")).state == "wounded"
        del WritesHalf.transfer  # the bug is mended
        await running.deploy("asked", version=NEWER)
        assert outcomes(await running.ended())[-1] == "succeeded"
        assert runs(bench, "r1", RELAY, NEWER)
        assert (await running.view("r1")).state == "ok"


# Asked to end


@virtual
async def test_a_queued_attempt_that_is_cancelled_leaves_its_node_untouched(bench: Bench) -> None:
    bench.node("s1")
    second = bench.node("s2")
    bench.tables["s2"]["link"] = "memory:s1"
    async with bench.gateway() as running:
        await _ready(running, bench)
        await running.deploy()
        await running.under_way("s1")
        (waiting,) = await running.records("s2")
        (view,) = await running.gateway.cancel(str(waiting.id), asked_by="me")
        assert view.outcome is Outcome.CANCELLED
        await running.ended()
        assert second.operations == 0


@pytest.mark.parametrize("phase", ["transferring", "proving", "soaking"])
@pytest.mark.parametrize("kind", [SENSOR, RELAY])
def test_an_attempt_under_way_that_is_cancelled_ends_where_the_node_was_before(
    phase: str, kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    @virtual
    async def cancelled(bench: Bench) -> None:
        bench.node("n1", kind)
        async with bench.gateway() as running:
            await _ready(running, bench, baseline=RELAY)
            await running.deploy()
            await running.in_phase("n1", phase)
            await running.gateway.cancel("d", asked_by="me")
            (record,) = await running.ended()
            assert outcomes([record]) == ["cancelled"]
            assert runs(bench, "n1", kind, OLD)
            assert bench.nodes["n1"].truth().confirmed
            (told,) = running.told("deployment.done")
            assert told.data == {"outcomes": {"cancelled": 1}}

    cancelled(tmp_path_factory.mktemp("bench"))


@virtual
async def test_what_was_confirmed_can_no_longer_be_cancelled(bench: Bench) -> None:
    bench.node("s1")
    async with bench.gateway() as running:
        await _ready(running, bench)
        await running.deploy()
        await running.in_phase("s1", "confirming")
        await running.gateway.cancel("d", asked_by="me")
        assert outcomes(await running.ended()) == ["succeeded"]
        assert runs(bench, "s1", SENSOR, NEW)


# On request


@virtual
async def test_a_node_is_taken_back_on_request_to_what_it_ran_before(bench: Bench) -> None:
    bench.node("s1")
    async with bench.gateway() as running:
        await _ready(running, bench, NEW, NEWER)
        with pytest.raises(NoKnownGood):
            await running.gateway.rollback("s1", asked_by="me")
        with pytest.raises(NodeUnknown):
            await running.gateway.rollback("nobody", asked_by="me")
        for version in (NEW, NEWER):
            await running.deploy(version, version=version)
            await running.ended()
        assert runs(bench, "s1", SENSOR, NEWER)
        view = await running.gateway.rollback("s1", asked_by="me")
        assert (view.origin, view.asked_by) == ("operator", "me")
        assert outcomes(await running.ended())[-1] == "succeeded"
        assert runs(bench, "s1", SENSOR, NEW)


@virtual
async def test_a_relay_without_any_release_before_is_taken_back_to_its_baseline(bench: Bench) -> None:
    bench.node("r1", RELAY)
    async with bench.gateway() as running:
        await _ready(running, bench, baseline=RELAY)
        await running.deploy()
        await running.ended()
        await running.gateway.rollback("r1", asked_by="me")
        assert outcomes(await running.ended()) == ["succeeded", "succeeded"]
        assert runs(bench, "r1", RELAY, OLD)


@pytest.mark.parametrize("kind", [RELAY, MUTE])
def test_a_baseline_that_the_node_is_seen_to_run_is_its_way_back(
    kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    @virtual
    async def taken_back(bench: Bench) -> None:
        bench.node("n1", kind)
        async with bench.gateway() as running:
            for version in ("0.1.0", OLD, "0.2.0"):
                file = bench.folder / f"{version}.hex"
                file.write_bytes(firmware(kind, version))
                await running.gateway.add_baseline(file, profile=kind, component="app", version=None)
            await running.gateway.add_release(
                bench.release(NEW, Piece(kind, Behaviour.UNHEALTHY)), asked_by="test"
            )
            await running.deploy()
            (record,) = await running.ended()
            known = record.parts[0].known_good
            assert known is not None
            parsed = (
                bench.types()
                .get(kind)
                .plugin.parse(
                    firmware(kind, OLD), "ihex", record.parts[0].component, bench.types().get(kind).params
                )
            )
            assert known.artifact == parsed.artifact
            if kind == RELAY:
                assert outcomes([record]) == ["rolled-back"]
                assert runs(bench, "n1", kind, OLD)
                assert (await running.gateway.site.journal.way_back_seen(kind, "reflash")) is True

    taken_back(tmp_path_factory.mktemp("bench"))


@virtual
async def test_a_look_that_costs_a_restart_has_to_be_allowed(bench: Bench) -> None:
    bench.node("r1", RELAY)
    bench.node("s1")
    async with bench.gateway() as running:
        await _ready(running, bench, baseline=RELAY)
        with pytest.raises(ProbeCosts):
            await running.gateway.probe("r1", allow_restart=False)
        assert bench.lines.lines["r1"].opens == 0
        view = await running.gateway.probe("r1", allow_restart=True)
        assert view.components[0].firmware is not None
        assert view.components[0].firmware.version == OLD
        assert (await running.gateway.probe("s1", allow_restart=False)).state == "ok"
        await running.deploy("d", "s1")
        with pytest.raises(NodeBusy):
            await running.gateway.probe("s1", allow_restart=True)
        await running.ended()
        assert [event.node for event in running.told("node.changed")] == []
        bench.nodes["s1"].power_off()
        with pytest.raises(TenderError, match="does not answer"):
            await running.gateway.probe("s1", allow_restart=False)


@virtual
async def test_another_node_at_the_same_place_is_refused(bench: Bench) -> None:
    class SaysWho(_Passing):
        name = "first"

        async def probe(self, ask: Probe) -> Seen:
            seen = await self.flasher.probe(ask)
            self.session.expect(Identity(self.name, Strength.HW_ID))
            return seen

    bench.node("s1")
    bench.swap_plugin[SENSOR] = _wrapped(SaysWho)
    async with bench.gateway() as running:
        await _ready(running, bench, NEW, NEWER)
        await running.deploy()
        assert outcomes(await running.ended()) == ["succeeded"]
        written = bench.nodes["s1"].operations
        SaysWho.name = "somebody else"
        await running.deploy("d2", version=NEWER)
        last = (await running.ended())[-1]
        assert last.result is not None
        assert (last.result.outcome, last.result.code) == (Outcome.REFUSED, "identity-changed")
        assert bench.nodes["s1"].operations == written
        with pytest.raises(TenderError) as caught:
            await running.gateway.probe("s1", allow_restart=True)
        assert caught.value.code == "identity-changed"


@virtual
async def test_a_node_that_left_the_configuration_waits_and_can_be_cancelled(bench: Bench) -> None:
    bench.node("s1")
    bench.node("s2")
    async with bench.gateway(killed=True) as running:
        await _ready(running, bench)
        await running.deploy()
        await running.in_phase("s1", "queued")
    table = bench.tables.pop("s1")
    async with bench.gateway() as running:
        await running.until(lambda: runs(bench, "s2", SENSOR, NEW))
        await running.until(lambda: running.gateway.supervisor.depth == 1)
        (number,) = running.gateway.supervisor._open
        await running.until(lambda: running.gateway.supervisor.gates(number))
        assert [gate.code for gate in running.gateway.supervisor.gates(number)] == ["node-not-configured"]
        (view,) = await running.gateway.deployments()
        assert view.state == "open"
    bench.tables["s1"] = table
    async with bench.gateway() as running:
        assert outcomes(await running.ended()) == ["succeeded", "succeeded"]


# Stopping


@virtual
async def test_a_stop_brings_an_exposed_node_through_and_leaves_the_rest_to_the_next_start(
    bench: Bench,
) -> None:
    bench.lines.lines.clear()
    bench.node("r1", RELAY)
    bench.node("s1")
    bench.lines.lines["r1"].line.down.baud = None
    async with bench.gateway() as running:
        await _ready(running, bench, baseline=RELAY)
        await running.deploy()
        await running.until(lambda: "r1" in running.gateway.supervisor.exposed)
        await running.gateway.stop()
        assert running.gateway.supervisor.exposed == ()
        assert bench.nodes["r1"].truth().bootable, "it has firmware that runs"
        assert len(running.told("gateway.stopping")) == 1
    async with bench.gateway() as running:
        assert outcomes(await running.ended()) == ["succeeded", "succeeded"]


@virtual
async def test_nobody_waits_longer_than_the_stop_budget(bench: Bench) -> None:
    async def hangs(ask: Transfer) -> Seen | None:
        await asyncio.Event().wait()
        return None

    bench.node("r1", RELAY)
    bench.settings["stop_budget"] = 5.0
    bench.swap_plugin[RELAY] = _plugin_where("transfer", hangs, "r1")
    async with bench.gateway() as running:
        await _ready(running, bench, baseline=RELAY)
        await running.deploy()
        await running.until(lambda: "r1" in running.gateway.supervisor.exposed)
        began = asyncio.get_running_loop().time()
        await running.gateway.stop()
        assert 5.0 <= asyncio.get_running_loop().time() - began < 6.0
    bench.swap_plugin.clear()
    async with bench.gateway() as running:
        assert outcomes(await running.ended()) == ["succeeded"]


# Watching


@virtual
async def test_a_slow_watcher_misses_progress_and_no_event(bench: Bench) -> None:
    bench.node("s1")
    async with bench.gateway() as running:
        await _ready(running, bench)
        watching = running.gateway.watch()
        first = asyncio.ensure_future(anext(watching))
        await asyncio.sleep(0)
        await running.deploy()
        await running.ended()
        await running.gateway.site.journal.tell(Told("gateway.stopping"))
        got = [await first]
        while getattr(got[-1], "kind", "") != "gateway.stopping":
            got.append(await anext(watching))
        kinds = [item.kind for item in got if hasattr(item, "kind")]
        assert kinds == [event.kind for event in running.kept][2:], "since it watches"
        assert sum(1 for item in got if not hasattr(item, "kind")) <= 2, "the latest progress is enough"
        await watching.aclose()  # type: ignore[attr-defined]
        assert not running.gateway.watchers._queues
