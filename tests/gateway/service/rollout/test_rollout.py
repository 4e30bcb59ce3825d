"""Rollouts in a whole service: waves, stops, pauses, holds, recalls, over restarts."""

import asyncio

import pytest

from flashers.sim import Behaviour
from gateway.errors import ReleaseUnknown
from gateway.model.records import Record
from gateway.model.rollout import PauseAnswer
from gateway.model.views import DeploymentView, Event
from gateway.releases.keys import PrivateKey
from gateway.releases.make import make_release, sign_release
from gateway.service.rollout.errors import DeploymentUnknown, ReleaseRecalled
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

RELEASE = f"{PRODUCT}:{NEW}"
FLEET = 50


async def ready(running: Running, bench: Bench, *pieces: Piece, version: str = NEW) -> None:
    """A baseline for single-slot nodes, and a release."""
    for kind in (RELAY, MUTE):
        file = bench.folder / f"{kind}-baseline.hex"
        file.write_bytes(firmware(kind, OLD))
        await running.gateway.add_baseline(file, profile=kind, component="app", version=OLD)
    await running.gateway.add_release(bench.release(version, *pieces), asked_by="test")


async def shown(running: Running, name: str = "d") -> DeploymentView:
    return await running.gateway.rollout.deployment(name)


async def gate(running: Running, node: str) -> tuple[str, str]:
    (reason,) = (await running.gateway.explain(node)).gates
    assert reason.remedy
    return reason.code, reason.message


def by_node(records: list[Record]) -> dict[str, str]:
    return dict(zip([record.node for record in records], outcomes(records), strict=True))


async def at_rest(running: Running, name: str = "d") -> DeploymentView:
    """Wait until the rollout has stopped and nobody is under way."""
    await running.until(lambda: running.told("rollout.stopped"))
    await running.until(lambda: not running.gateway.turns.busy)
    return await shown(running, name)


# The show


@pytest.mark.parametrize("kind", [RELAY])
def test_a_bad_release_for_fifty_single_slot_nodes_touches_one_and_says_so(
    kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    @virtual
    async def touches_one(bench: Bench) -> None:
        names = [f"r{number:02}" for number in range(1, FLEET + 1)]
        nodes = {name: bench.node(name, kind) for name in names}
        before = {name: nodes[name].operations for name in names}
        async with bench.gateway() as running:
            await ready(running, bench, Piece(kind, Behaviour.UNHEALTHY))
            await running.deploy()
            view = await at_rest(running)
            touched = [name for name in names if nodes[name].operations != before[name]]
            assert touched == ["r01"]
            assert all(runs(bench, name, kind, OLD) for name in names)
            records = by_node(await running.records())
            assert records["r01"] == "rolled-back"
            assert set(records.values()) == {"rolled-back", "waiting"}
            (told,) = running.told("rollout.stopped")
            assert told.deployment == "d"
            assert told.data["nodes"] == ["r01"]
            assert told.data["waiting"] == FLEET - 1
            assert "tender resume d" in str(told.data["remedy"])
            assert view.state == "stopped"
            assert view.outcomes == {"rolled-back": 1}
            assert view.rollout.stopped is not None
            assert view.rollout.stopped.nodes == ("r01",)
            assert (view.rollout.finishing, view.rollout.waiting) == ((), FLEET - 1)
            assert view.rollout.gates == {"rollout-stopped": FLEET - 1}
            code, message = await gate(running, "r37")
            assert code == "rollout-stopped"
            assert "r01" in message
            assert (await running.gateway.status()).deployments == (view,)
        async with bench.gateway() as running:  # and it stays so
            await asyncio.sleep(3600)
            assert (await shown(running)).state == "stopped"
            assert running.told("rollout.stopped") == []
            assert all(nodes[name].operations == before[name] for name in names if name != "r01")

    touches_one(tmp_path_factory.mktemp("bench"))


@virtual
async def test_all_at_once_treats_every_node_and_all_come_back_to_their_known_good(bench: Bench) -> None:
    names = [f"r{number:02}" for number in range(1, FLEET + 1)]
    for name in names:
        bench.node(name, RELAY)
    async with bench.gateway() as running:
        await ready(running, bench, Piece(RELAY, Behaviour.UNHEALTHY))
        view = await running.deploy(all_at_once=True)
        assert view.rollout.all_at_once
        records = await running.ended()
        assert outcomes(records) == ["rolled-back"] * FLEET
        assert all(record.all_at_once and record.rules.no_rollback == "refuse" for record in records)
        assert all(runs(bench, name, RELAY, OLD) for name in names)
        assert running.told("rollout.stopped") == []
        assert (await shown(running)).state == "done"
        (accepted,) = running.told("deployment.accepted")
        assert accepted.data["waves"] == []


# Waves


@virtual
async def test_a_good_release_goes_to_one_then_three_then_ten_at_a_time(bench: Bench) -> None:
    names = [f"s{number:02}" for number in range(20)]
    for name in names:
        bench.node(name)
    most: dict[int, int] = {}
    async with bench.gateway() as running:
        await ready(running, bench)
        await running.deploy()
        while running.gateway.supervisor.depth:
            (wave,) = (await shown(running)).rollout.waves or (None,)
            if wave is not None:
                most[wave.wave] = max(most.get(wave.wave, 0), len(wave.under_way))
                if wave.wave == 1:
                    assert wave.proved == ()
            await asyncio.sleep(0.1)
        assert outcomes(await running.ended()) == ["succeeded"] * 20
    assert most == {1: 1, 2: 3, 3: 10}


@virtual
async def test_who_waits_is_told_in_which_wave_and_after_whom(bench: Bench) -> None:
    for number in range(1, 7):
        bench.node(f"s{number}")
    async with bench.gateway() as running:
        await ready(running, bench)
        await running.deploy()
        await running.under_way("s1")
        last = (await running.records("s6"))[0].id
        await running.until(lambda: running.gateway.supervisor.gates(last))
        code, message = await gate(running, "s3")
        assert code == "wave"
        assert message.startswith("Wave 1 of 3: ")
        assert "s1" in message
        assert "wave 2" in message
        assert "wave 3" in (await gate(running, "s6"))[1]
        await running.ended()


@virtual
async def test_each_type_of_node_is_proved_on_its_own(bench: Bench) -> None:
    for number in (1, 2):
        bench.node(f"s{number}")
        bench.node(f"m{number}", MUTE)
    async with bench.gateway() as running:
        await ready(running, bench)
        await running.deploy()
        await running.until(lambda: len(running.gateway.turns.busy) == 2)
        assert {wave.profile for wave in (await shown(running)).rollout.waves} == {SENSOR, MUTE}
        records = by_node(await running.ended())
        # Where no boot can be proved the bytes are the proof that there is.
        assert records == {"s1": "succeeded", "s2": "succeeded", "m1": "flashed", "m2": "flashed"}


@virtual
async def test_a_node_that_is_there_already_or_does_not_answer_proves_nothing_and_stops_nothing(
    bench: Bench,
) -> None:
    bench.node("a1", version=NEW)
    bench.node("a2")
    bench.node("a3")
    bench.node("a4")
    bench.nodes["a2"].power_off()
    async with bench.gateway() as running:
        await ready(running, bench)
        await running.deploy()
        records = by_node(await running.ended())
    assert records == {"a1": "already-there", "a2": "not-reached", "a3": "succeeded", "a4": "succeeded"}


@virtual
async def test_a_resumed_rollout_tries_the_next_one_and_stops_again(bench: Bench) -> None:
    for number in (1, 2, 3):
        bench.node(f"r{number}", RELAY)
    async with bench.gateway() as running:
        await ready(running, bench, Piece(RELAY, Behaviour.UNHEALTHY))
        await running.deploy()
        await at_rest(running)
        answer = await running.gateway.rollout.resume("d", asked_by="ann")
        assert answer.still_held == ()
        await running.until(lambda: len(running.told("rollout.stopped")) == 2)
        assert outcomes(await running.records()) == ["rolled-back", "rolled-back", "waiting"]
        (resumed,) = running.told("rollout.resumed")
        assert resumed.data == {"by": "ann", "forgiven": ["r1"]}
        await running.gateway.cancel("d", asked_by="ann")
        assert outcomes(await running.ended()) == ["rolled-back", "rolled-back", "cancelled"]


@virtual
async def test_waves_survive_a_restart_in_the_middle(bench: Bench) -> None:
    for number in range(6):
        bench.node(f"s{number}")
    async with bench.gateway(killed=True) as running:
        await ready(running, bench)
        await running.deploy()
        await running.until(lambda: len(running.told("attempt.done")) == 1)
        await running.until(lambda: len(running.gateway.turns.busy) == 3)
        await asyncio.sleep(0.5)
    async with bench.gateway() as running:
        await asyncio.sleep(0.1)
        (wave,) = (await shown(running)).rollout.waves
        assert (wave.wave, wave.proved) == (2, ("s0",))
        assert len(wave.under_way) <= 3
        assert outcomes(await running.ended()) == ["succeeded"] * 6


@virtual
async def test_a_stop_that_was_not_written_down_when_the_power_went_is_come_to_again(bench: Bench) -> None:
    for number in (1, 2, 3):
        bench.node(f"r{number}", RELAY)
    async with bench.gateway(killed=True) as running:
        await ready(running, bench, Piece(RELAY, Behaviour.UNHEALTHY))

        async def dies(*_: object, **__: object) -> None:
            raise asyncio.CancelledError

        running.gateway.site.journal.save_concluded = dies  # type: ignore[method-assign]
        await running.deploy()
        await running.until(lambda: running.told("attempt.done"))
        await asyncio.sleep(5)
        assert running.told("rollout.stopped") == []
    async with bench.gateway() as running:
        await at_rest(running)
        await asyncio.sleep(600)
        assert outcomes(await running.records()) == ["rolled-back", "waiting", "waiting"]


@virtual
async def test_a_newer_deployment_supersedes_a_stopped_one_and_is_not_held_by_its_waves(bench: Bench) -> None:
    for number in (1, 2, 3):
        bench.node(f"r{number}", RELAY)
    async with bench.gateway() as running:
        await ready(running, bench, Piece(RELAY, Behaviour.UNHEALTHY))
        await running.gateway.add_release(bench.release(NEWER), asked_by="test")
        await running.deploy("bad")
        await at_rest(running, "bad")
        await running.deploy("good", version=NEWER)
        records = await running.ended()
        mine = {name: [r for r in records if r.deployment == name] for name in ("bad", "good")}
        assert outcomes(mine["bad"]) == ["rolled-back", "superseded", "superseded"]
        assert outcomes(mine["good"]) == ["succeeded"] * 3
        assert {(await shown(running, name)).state for name in ("bad", "good")} == {"done"}


@virtual
async def test_a_newer_deployment_takes_a_touched_node_to_a_proved_state_first(bench: Bench) -> None:
    for number in (1, 2):
        bench.node(f"r{number}", RELAY)
    async with bench.gateway() as running:
        await ready(running, bench)
        await running.gateway.add_release(bench.release(NEWER), asked_by="test")
        await running.deploy("old")
        await running.in_phase("r1", "transferring")
        await running.deploy("new", version=NEWER)
        records = await running.ended()
        old, new = ([r for r in records if r.deployment == name] for name in ("old", "new"))
        assert outcomes(old) == ["superseded", "superseded"]
        assert old[0].touched
        assert old[0].result is not None
        assert old[0].result.evidence, "it was not proved where the older one left it"
        assert outcomes(new) == ["succeeded", "succeeded"]
        assert all(runs(bench, name, RELAY, NEWER) for name in ("r1", "r2"))


# Pauses


@virtual
async def test_a_paused_rollout_finishes_who_is_touched_and_stays_paused_after_a_restart(
    bench: Bench,
) -> None:
    for number in (1, 2, 3):
        bench.node(f"r{number}", RELAY)
    async with bench.gateway(killed=True) as running:
        await ready(running, bench)
        await running.deploy(all_at_once=True, max_in_parallel=1)
        await running.in_phase("r1", "transferring")
        answer = await running.gateway.rollout.pause("d", asked_by="ann", why="storm")
        assert (answer.finishing, answer.waiting) == (("r1",), 2)
        again = await running.gateway.rollout.pause("d", asked_by="ben")
        assert again.paused == answer.paused, "the first one counts"
        await running.until(lambda: running.told("attempt.done"))
        assert runs(bench, "r1", RELAY, NEW)
        (told,) = running.told("rollout.paused")
        assert (told.deployment, told.data) == ("d", {"by": "ann", "why": "storm", "finishing": ["r1"]})
    async with bench.gateway() as running:
        await asyncio.sleep(3600)
        view = await shown(running)
        assert view.state == "paused"
        assert view.rollout.paused == answer.paused
        code, message = await gate(running, "r2")
        assert code == "paused"
        assert "by ann since " in message
        assert message.endswith(": storm.")
        assert runs(bench, "r2", RELAY, OLD)
        answer = await running.gateway.rollout.resume("d", asked_by="ben")
        assert answer.paused is None
        await running.gateway.rollout.resume("d", asked_by="ben")
        assert outcomes(await running.ended()) == ["succeeded"] * 3
        assert len(running.told("rollout.resumed")) == 1


@virtual
async def test_a_pause_of_everything_holds_rollbacks_and_later_deployments_too(bench: Bench) -> None:
    bench.node("r1", RELAY)
    bench.node("r2", RELAY)
    async with bench.gateway() as running:
        await ready(running, bench)
        await running.deploy("first", "r1")
        await running.ended()
        assert (await running.gateway.rollout.pause(None, asked_by="ann")).waiting == 0
        await running.deploy("second", "r2")
        await running.gateway.rollback("r1", asked_by="ann")
        await asyncio.sleep(600)
        assert outcomes(await running.records()) == ["succeeded", "waiting", "waiting"]
        for node in ("r1", "r2"):
            assert "Everything is paused by ann" in (await gate(running, node))[1]
        assert (await running.gateway.status()).paused is not None
        answer = await running.gateway.rollout.resume("second", asked_by="ben")
        assert "Everything is paused" in answer.still_held[0]
        await running.gateway.rollout.resume(None, asked_by="ben")
        assert outcomes(await running.ended()) == ["succeeded"] * 3
        assert runs(bench, "r1", RELAY, OLD)
        assert runs(bench, "r2", RELAY, NEW)


@virtual
async def test_a_node_that_was_only_looked_at_is_not_touched_after_a_pause(bench: Bench) -> None:
    node = bench.node("r1", RELAY)
    async with bench.gateway() as running:
        await ready(running, bench)
        pausing: list[asyncio.Task[PauseAnswer]] = []

        def pause(event: Event) -> None:
            if event.data.get("phase") == "preparing" and not pausing:
                ask = running.gateway.rollout.pause(None, asked_by="ann")
                pausing.append(asyncio.create_task(ask))

        running.gateway.site.journal.listen(pause)
        await running.deploy()
        await running.until(lambda: pausing and pausing[0].done())
        assert pausing[0].result().finishing == ()
        written = node.operations
        await asyncio.sleep(600)
        assert node.operations == written
        assert (await gate(running, "r1"))[0] == "paused"
        await running.gateway.rollout.resume(None, asked_by="ann")
        assert outcomes(await running.ended()) == ["succeeded"]


@virtual
async def test_a_wounded_node_is_brought_back_under_a_pause(bench: Bench) -> None:
    node = bench.node("r1", RELAY)
    async with bench.gateway() as running:
        await ready(running, bench)
        await running.deploy()
        await running.in_phase("r1", "transferring")
        node.cut_power_at(node.operations + 5, off_for=None)
        await running.until(lambda: running.told("attempt.done"))
        await running.gateway.rollout.pause(None, asked_by="ann")
        node.power_on()
        await running.until(lambda: len(running.told("attempt.done")) == 2)
        assert outcomes(await running.records()) == ["wounded", "succeeded"]


@virtual
async def test_nothing_is_paused_that_nobody_knows(bench: Bench) -> None:
    bench.node("s1")
    async with bench.gateway() as running:
        verbs = running.gateway.rollout
        for ask in (verbs.pause, verbs.resume):
            with pytest.raises(DeploymentUnknown):
                await ask("nothing", asked_by="ann")
        with pytest.raises(ReleaseUnknown):
            await verbs.hold("no:1", asked_by="ann")
        with pytest.raises(ReleaseUnknown):
            await verbs.recall("no:1", back=True, asked_by="ann")
        assert await verbs.marks() == []


# Releases


@virtual
async def test_a_held_release_begins_nobody_until_it_is_let_go(bench: Bench) -> None:
    for number in (1, 2):
        bench.node(f"s{number}")
    async with bench.gateway() as running:
        await ready(running, bench)
        await running.gateway.rollout.hold(RELEASE, asked_by="ann", why="smells")
        await running.deploy()
        await asyncio.sleep(600)
        assert (await gate(running, "s2"))[0] == "release-held"
    async with bench.gateway() as running:
        await asyncio.sleep(600)
        code, message = await gate(running, "s1")
        assert code == "release-held"
        assert "by ann" in message
        (release,) = await running.gateway.releases()
        assert release.mark is not None
        assert outcomes(await running.records()) == ["waiting", "waiting"]
        await running.gateway.rollout.unhold(RELEASE, asked_by="ben")
        assert outcomes(await running.ended()) == ["succeeded", "succeeded"]
        assert [event.data["by"] for event in running.told("release.unheld")] == ["ben"]
        assert await running.gateway.rollout.marks() == []


@virtual
async def test_a_recalled_release_is_taken_back_from_who_runs_it_and_never_used_again(bench: Bench) -> None:
    for number in (1, 2, 3):
        bench.node(f"r{number}", RELAY)
    bench.node("s1")
    async with bench.gateway() as running:
        verbs = running.gateway.rollout
        await ready(running, bench)
        await running.gateway.add_release(bench.release(NEWER), asked_by="test")
        await running.deploy("d", "r1", "r2", "s1")
        await running.ended()
        await verbs.pause(None, asked_by="ann")
        await running.deploy("late", "r3")
        await asyncio.sleep(5)
        answer = await verbs.recall(RELEASE, back=True, asked_by="ann", why="leaks")
        assert answer.running == ("r1", "r2", "s1")
        assert set(answer.going_back) == {"r1", "r2"}
        assert answer.stranded == ("s1",), "nobody ever vouched for what it had before"
        await verbs.resume(None, asked_by="ann")
        records = await running.ended()
        (late,) = [record for record in records if record.deployment == "late"]
        assert late.result is not None
        assert (late.result.outcome, late.result.code) == ("refused", "release-recalled")
        assert all(runs(bench, name, RELAY, OLD) for name in ("r1", "r2"))
        with pytest.raises(ReleaseRecalled):
            await running.deploy("again", "r3")
        (told,) = running.told("release.recalled")
        assert told.data["running"] == ["r1", "r2", "s1"]
    async with bench.gateway() as running:
        with pytest.raises(ReleaseRecalled):
            await running.deploy("again", "r3")
        with pytest.raises(ReleaseRecalled):
            await running.gateway.rollout.unhold(RELEASE, asked_by="ann")
        banned = running.gateway.site.inventory.banned
        assert banned
        for name in ("r1", "r2", "r3", "s1"):
            goods = running.gateway.site.inventory.known_goods(name).values()
            assert not {good.artifact for good in goods} & banned
        # What runs it may be brought to another release, with something else to go back to.
        await running.deploy("mend", version=NEWER, no_rollback="allow")
        mended = [record for record in await running.ended() if record.deployment == "mend"]
        assert outcomes(mended) == ["succeeded"] * 4
        assert all(not {p.known_good.artifact for p in r.parts if p.known_good} & banned for r in mended)


@virtual
async def test_a_node_that_gets_a_recalled_release_this_moment_is_taken_off_it(bench: Bench) -> None:
    bench.node("r1", RELAY)
    async with bench.gateway() as running:
        await ready(running, bench)
        await running.deploy()
        await running.in_phase("r1", "transferring")
        answer = await running.gateway.rollout.recall(RELEASE, back=False, asked_by="ann")
        assert len(answer.cancelled) == 1
        assert outcomes(await running.ended()) == ["cancelled"]
        assert runs(bench, "r1", RELAY, OLD)


# Ways back


@virtual
async def test_only_the_first_node_may_be_without_a_way_back_until_it_has_proved_the_release(
    bench: Bench,
) -> None:
    for number in (1, 2, 3):
        bench.node(f"r{number}", RELAY)
    async with bench.gateway() as running:
        await running.gateway.add_release(
            bench.release(NEW, Piece(RELAY, Behaviour.UNHEALTHY)), asked_by="test"
        )
        await running.gateway.add_release(bench.release(NEWER), asked_by="test")
        await running.deploy("refuse")
        assert outcomes(await running.ended()) == ["refused"] * 3
        view = await running.deploy("canary", no_rollback="canary-only")
        assert view.rollout.no_rollback == "canary-only"
        view = await at_rest(running, "canary")
        records = [record for record in await running.records() if record.deployment == "canary"]
        assert outcomes(records) == ["wounded", "waiting", "waiting"]
        assert {record.rules.no_rollback for record in records} == {"canary-only"}
        assert all(runs(bench, name, RELAY, OLD) for name in ("r2", "r3"))
        await running.deploy("good", version=NEWER, no_rollback="canary-only", waves=(2,))
        assert [wave.waves for wave in (await shown(running, "good")).rollout.waves] == [2]
        good = [record for record in await running.ended() if record.deployment == "good"]
        assert outcomes(good) == ["succeeded"] * 3


@virtual
async def test_without_waves_nobody_is_the_first_and_nobody_goes_without_a_way_back(bench: Bench) -> None:
    bench.node("r1", RELAY)
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy(no_rollback="canary-only", all_at_once=True)
        assert outcomes(await running.ended()) == ["refused"]


@virtual
async def test_a_recall_that_the_power_cut_short_is_done_at_the_next_start(bench: Bench) -> None:
    for number in (1, 2):
        bench.node(f"r{number}", RELAY)
    async with bench.gateway(killed=True) as running:
        await ready(running, bench)
        await running.gateway.rollout.pause(None, asked_by="ann")
        await running.deploy()

        async def dies(*_: object, **__: object) -> None:
            raise asyncio.CancelledError

        running.gateway.supervisor.cancel = dies  # type: ignore[method-assign]
        with pytest.raises(asyncio.CancelledError):
            await running.gateway.rollout.recall(RELEASE, back=False, asked_by="ann")
    async with bench.gateway() as running:
        assert outcomes(await running.ended()) == ["refused", "refused"]


@virtual
async def test_a_recalled_release_stays_banned_when_its_manifest_is_gone(bench: Bench) -> None:
    bench.node("r1", RELAY)
    async with bench.gateway() as running:
        await ready(running, bench)
        await running.gateway.rollout.recall(RELEASE, back=False, asked_by="ann")
        banned = running.gateway.site.inventory.banned
        await running.gateway.site.shelf.remove(RELEASE)
    async with bench.gateway() as running:
        assert running.gateway.site.inventory.banned == banned


@virtual
async def test_what_another_release_vouches_for_stays_what_it_is(bench: Bench) -> None:
    bench.node("m1", MUTE)
    async with bench.gateway() as running:
        await ready(running, bench)
        description = (bench.folder / f"{NEW}.toml").read_text()
        text = description.replace(f'version = "{NEW}"', f'version = "{NEWER}"', 1)
        (bench.folder / f"{NEWER}.toml").write_text(text)
        made = make_release(bench.folder / f"{NEWER}.toml", bench.folder / "again.tender")
        sign_release(made.path, PrivateKey.load(bench.folder / "key.pem"))
        await running.gateway.add_release(made.path, asked_by="test")
        await running.gateway.rollout.recall(RELEASE, back=False, asked_by="ann")
        assert running.gateway.site.inventory.banned == frozenset()
        with pytest.raises(ReleaseRecalled):
            await running.deploy()
        await running.deploy("again", "m1", version=NEWER)
        assert outcomes(await running.ended()) == ["flashed"]
