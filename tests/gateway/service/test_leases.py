"""Links are shared: other software is asked off and let back, and the user's own has them when it asks."""

import asyncio

import pytest

from gateway.errors import NodeBusy
from gateway.model.links import Holder
from gateway.service.links.errors import LeaseUnknown, LinkExposed, LinkLeased, LinkUnknown
from gateway.service.links.leases import Leases
from gateway.verbs.links import LeaseRequest
from tests.gateway.service.owners import Owner, shared
from tests.gateway.service.site import NEW, NEWER, OLD, RELAY, SENSOR, Bench, Running, outcomes, runs, virtual
from transports.errors import LinkBusy


def _owned(bench: Bench, **more: object) -> Owner:
    bench.programs = owner = Owner()
    bench.settings.update(shared("memory:s1", **more))
    return owner


async def _want(running: Running, bench: Bench, version: str = NEW, name: str = "d") -> None:
    await running.gateway.add_release(bench.release(version), asked_by="test")
    await running.deploy(name, version=version, all_at_once=True)


def _gates(running: Running) -> dict[str, list[str]]:
    supervisor = running.gateway.supervisor
    return {
        entry.record.node: [gate.code for gate in supervisor.gates(number)]
        for number, entry in supervisor._open.items()
    }


# Other software


@virtual
async def test_other_software_is_asked_off_before_and_let_back_after(bench: Bench) -> None:
    bench.node("s1")
    owner = _owned(bench)
    async with bench.gateway() as running:
        await _want(running, bench)
        assert owner.hooks == [], "a deployment alone takes nothing"
        await running.in_phase("s1", "transferring")
        assert owner.hooks == ["before"]
        assert outcomes(await running.ended()) == ["succeeded"]
        await running.until(lambda: owner.at_work)
        assert owner.hooks == ["before", "after"]
        assert await running.gateway.site.journal.borrowed() == []


@virtual
async def test_it_is_asked_off_once_while_several_nodes_wait(bench: Bench) -> None:
    bench.node("s1")
    for name in ("s2", "s3"):
        bench.node(name, link="memory:s1")
    owner = _owned(bench)
    async with bench.gateway() as running:
        await _want(running, bench)
        assert len(await running.ended()) == 3
        await running.until(lambda: owner.at_work)
        assert owner.hooks == ["before", "after"]


@virtual
async def test_it_has_the_link_back_by_the_deadline_and_for_a_while_though_more_nodes_wait(
    bench: Bench,
) -> None:
    bench.node("s1")
    for number in range(2, 7):
        bench.node(f"s{number}", link="memory:s1")
    owner = _owned(bench, lease_deadline=1.0, pause=40.0)
    async with bench.gateway() as running:
        await _want(running, bench)
        await running.until(lambda: "after" in owner.hooks)
        assert running.gateway.supervisor.depth, "more wait"
        await running.until(lambda: any("link-theirs" in codes for codes in _gates(running).values()))
        view = await running.gateway.links.link("bus")
        assert (view.holder.holder, view.holder.who) == (Holder.OTHER, "the reader")
        assert len(await running.ended()) == 6
        await running.until(lambda: owner.at_work)
    starts = [at for at, hook in owner.story if hook == "before"]
    backs = [at for at, hook in owner.story if hook == "after"]
    assert len(starts) >= 2
    assert all(start - back >= 40.0 for back, start in zip(backs, starts[1:], strict=False))


@virtual
async def test_a_hook_that_fails_is_a_gate_and_what_was_stopped_is_started_again(bench: Bench) -> None:
    node = bench.node("s1")
    owner = _owned(bench)
    owner.fails["before"] = 2
    async with bench.gateway() as running:
        await _want(running, bench)
        await running.until(lambda: owner.hooks[-1:] == ["after"])
        await asyncio.sleep(1.0)
        (gate,) = (await running.gateway.explain("s1")).gates
        assert "/opt/before ended with 1" in gate.message
        assert gate.code == "link-hook-failed"
        assert "Tried again in" in gate.message
        assert gate.remedy
        assert not node.operations, "the link was not taken"
        assert owner.hooks[:2] == ["before", "after"]
        assert owner.at_work
        assert outcomes(await running.ended()) == ["succeeded"], "it is tried again by itself"


@virtual
async def test_a_hook_that_overruns_is_a_gate_too(bench: Bench) -> None:
    bench.node("s1")
    owner = _owned(bench, hook_deadline=3.0)
    owner.takes["before"] = 60.0
    async with bench.gateway() as running:
        await _want(running, bench)
        await running.until(lambda: _gates(running).get("s1") == ["link-hook-overran"])
        assert owner.at_work
        with pytest.raises(NodeBusy):
            await running.gateway.probe("s1", allow_restart=True)
        owner.takes.clear()
        assert outcomes(await running.ended()) == ["succeeded"]


@virtual
async def test_what_was_out_when_we_died_is_given_back_before_anything_else(bench: Bench) -> None:
    bench.node("s1")
    owner = _owned(bench)
    async with bench.gateway(killed=True) as running:
        await _want(running, bench)
        await running.in_phase("s1", "transferring")
        assert not owner.at_work
    assert owner.hooks == ["before"]
    async with bench.gateway() as running:
        assert outcomes(await running.ended()) == ["succeeded"]
        await running.until(lambda: owner.at_work)
    assert owner.hooks == ["before", "after", "before", "after"]


@virtual
async def test_it_is_let_back_though_the_link_is_no_longer_configured(bench: Bench) -> None:
    bench.node("s1")
    owner = _owned(bench)
    async with bench.gateway(killed=True) as running:
        await _want(running, bench)
        await running.in_phase("s1", "transferring")
    bench.settings.clear()
    async with bench.gateway() as running:
        await running.until(lambda: owner.at_work)
        assert outcomes(await running.ended()) == ["succeeded"]
    assert owner.hooks == ["before", "after"]


@virtual
async def test_letting_back_is_tried_until_it_succeeds_and_told_meanwhile(bench: Bench) -> None:
    bench.node("s1")
    owner = _owned(bench)
    owner.fails["after"] = 3
    async with bench.gateway() as running:
        await _want(running, bench)
        await running.ended()
        await running.until(lambda: running.told("link.not-given-back"))
        view = await running.gateway.links.link("bus")
        assert view.trouble is not None
        assert (view.trouble.code, view.trouble.remedy != "") == ("link-hook-failed", True)
        await running.until(lambda: running.told("link.given-back"))
        assert owner.at_work
        assert len(running.told("link.not-given-back")) == 1, "once, however often it is tried"
        assert (await running.gateway.links.link("bus")).trouble is None


@virtual
async def test_a_stopping_service_lets_it_back(bench: Bench) -> None:
    bench.node("s1")
    owner = _owned(bench)
    async with bench.gateway() as running:
        await _want(running, bench)
        await running.in_phase("s1", "transferring")
    assert owner.at_work
    async with bench.gateway() as running:
        assert outcomes(await running.ended()) == ["succeeded"]


@virtual
async def test_a_look_asks_it_off_as_well(bench: Bench) -> None:
    bench.node("s1")
    owner = _owned(bench)
    async with bench.gateway() as running:
        view = await running.gateway.probe("s1", allow_restart=True)
        assert view.role.value == "app"
        await running.until(lambda: owner.hooks == ["before", "after"])


@virtual
async def test_who_waits_longer_than_the_deadline_is_told_of(bench: Bench) -> None:
    bench.node("s1")
    owner = _owned(bench, lease_deadline=2.0)
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy("d", soak=30.0, all_at_once=True)
        await running.until(lambda: running.told("link.overdue"))
        assert not owner.at_work, "a node in the middle of something is not left for it"
        view = await running.gateway.links.link("bus")
        assert view.holder.left_s is not None
        assert view.holder.left_s < 0
        assert outcomes(await running.ended()) == ["succeeded"]
        await running.until(lambda: owner.at_work)


async def test_a_port_that_a_stranger_has_is_not_opened_and_the_stranger_is_named() -> None:
    strangers = {"uart:/dev/ttyUSB7": "process 7 (minicom)"}
    leases = Leases(holder=strangers.get)
    assert leases.take("uart:/dev/ttyUSB7", "n1") is None
    reason = leases.reason("uart:/dev/ttyUSB7")
    assert reason is not None
    assert (reason.code, "minicom" in reason.message) == ("link-held", True)
    with pytest.raises(LinkBusy, match="minicom"):
        async with leases.hold("uart:/dev/ttyUSB7", "a look"):
            pytest.fail("it is not ours")
    strangers.clear()
    lease = leases.take("uart:/dev/ttyUSB7", "n1")
    assert lease is not None
    strangers["uart:/dev/ttyUSB7"] = "ourselves"
    assert leases.reason("uart:/dev/ttyUSB7") is not None
    leases.give_back(lease)
    leases.give_back(lease)
    assert not leases.held


# The user's own


@virtual
async def test_a_users_lease_keeps_us_off_until_its_deadline_and_says_who_has_it(bench: Bench) -> None:
    bench.node("s1")
    async with bench.gateway() as running:
        links = running.gateway.links
        lease = await links.lease(LeaseRequest("s1", 600.0, "ann (pid 7)", "reading the meter"))
        assert (lease.holder, lease.who) == (Holder.USER, "ann (pid 7)")
        began = asyncio.get_running_loop().time()
        with pytest.raises(NodeBusy, match="leased to ann"):
            await running.gateway.probe("s1", allow_restart=True)
        await _want(running, bench)
        await running.until(lambda: _gates(running).get("s1") == ["link-leased"])
        (gate,) = (await running.gateway.explain("s1")).gates
        assert gate.message == "memory://s1 is leased to ann (pid 7) (reading the meter) for 10 min more."
        assert outcomes(await running.ended()) == ["succeeded"]
        assert asyncio.get_running_loop().time() - began >= 599.0
        assert [event.data["by"] for event in running.told("link.lease-ended")] == ["deadline"]


@virtual
async def test_a_users_lease_survives_a_crash_and_goes_on_counting(bench: Bench) -> None:
    bench.node("s1")
    async with bench.gateway(killed=True) as running:
        lease = await running.gateway.links.lease(LeaseRequest("s1", 600.0, "ann"))
        await asyncio.sleep(100.0)
    async with bench.gateway() as running:
        (still,) = await running.gateway.links.leases()
        assert (still.id, still.who) == (lease.id, "ann")
        assert still.left_s == pytest.approx(500.0, abs=1.0)
        await running.gateway.links.give_back("s1", asked_by="bob")
        assert await running.gateway.links.leases() == []
        (ended,) = running.told("link.lease-ended")
        assert (ended.data["who"], ended.data["by"]) == ("ann", "bob")


@virtual
async def test_a_lease_is_refused_while_a_node_has_no_firmware_and_given_to_who_waits(bench: Bench) -> None:
    bench.node("r1", RELAY)
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy("d", no_rollback="allow", all_at_once=True)
        await running.until(lambda: "r1" in running.gateway.supervisor.finishing)
        with pytest.raises(LinkExposed, match="r1"):
            await running.gateway.links.lease(LeaseRequest("r1", 60.0, "ann"))
        assert "r1" in running.gateway.supervisor.finishing, "it was not disturbed"
        lease = await running.gateway.links.lease(LeaseRequest("r1", 60.0, "ann", wait_s=60.0))
        assert lease.who == "ann"
        assert "r1" not in running.gateway.supervisor.finishing
        assert not running.gateway.site.leases.held
        assert outcomes(await running.ended()) == ["succeeded"]
        assert runs(bench, "r1", RELAY, NEW)


@virtual
async def test_an_attempt_that_can_be_left_steps_aside_and_goes_on_later(bench: Bench) -> None:
    bench.node("s1", faults="")
    async with bench.gateway() as running:
        await _want(running, bench)
        await running.in_phase("s1", "transferring")
        await running.gateway.links.lease(LeaseRequest("s1", 300.0, "ann"))
        assert not running.gateway.site.leases.held
        assert (await running.view("s1")).attempt is not None, "it is still open"
        await running.until(lambda: _gates(running).get("s1") == ["link-leased"])
        assert outcomes(await running.ended()) == ["succeeded"]
        assert runs(bench, "s1", SENSOR, NEW)


@virtual
async def test_a_lease_of_a_shared_link_first_lets_the_other_software_back(bench: Bench) -> None:
    bench.node("s1")
    owner = _owned(bench)
    async with bench.gateway() as running:
        await _want(running, bench)
        await running.in_phase("s1", "transferring")
        await running.gateway.links.lease(LeaseRequest("bus", 60.0, "ann"))
        assert owner.at_work
        assert outcomes(await running.ended()) == ["succeeded"]


@virtual
async def test_one_link_has_one_lease_and_it_can_be_renewed(bench: Bench) -> None:
    bench.node("s1")
    async with bench.gateway() as running:
        links = running.gateway.links
        lease = await links.lease(LeaseRequest("s1", 60.0, "ann"))
        with pytest.raises(LinkLeased, match="ann"):
            await links.lease(LeaseRequest("memory:s1", 60.0, "bob"))
        assert lease.id is not None
        assert (await links.renew(lease.id, 900.0, asked_by="ann")).left_s == pytest.approx(900.0)
        await asyncio.sleep(800.0)
        assert (await links.leases())[0].who == "ann"
        await asyncio.sleep(101.0)
        assert await links.leases() == []
        with pytest.raises(LeaseUnknown):
            await links.renew(lease.id, 1.0, asked_by="ann")
        with pytest.raises(LeaseUnknown):
            await links.give_back("s1", asked_by="ann")
        with pytest.raises(LinkUnknown):
            await links.lease(LeaseRequest("nowhere", 60.0, "ann"))


# What is shown


@virtual
async def test_links_show_what_passed_and_the_numbers_outlive_a_restart(bench: Bench) -> None:
    bench.node("s1")
    async with bench.gateway() as running:
        await _want(running, bench)
        await running.ended()
        (link,) = await running.gateway.links.links()
        traffic = link.traffic
        assert [node.name for node in link.nodes] == ["s1"]
        assert traffic.bytes_down > 900, "the image went out"
        assert traffic.bytes_up > 0
        assert traffic.last_good is not None
        assert (link.holder.holder, link.finding.culprit.value) == (Holder.NOBODY, "nothing")
    async with bench.gateway() as running:
        (link,) = await running.gateway.links.links()
        assert link.traffic.bytes_down == traffic.bytes_down
        assert link.traffic.last_good is not None
        assert runs(bench, "s1", SENSOR, NEW)
        assert not runs(bench, "s1", SENSOR, OLD)
        await _want(running, bench, NEWER, "e")
        await running.ended()
        (link,) = await running.gateway.links.links()
        assert link.traffic.bytes_down > traffic.bytes_down


@virtual
async def test_a_node_that_does_not_answer_is_told_from_a_cable(bench: Bench) -> None:
    bench.node("s1").power_off()
    bench.node("s2")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy("d", all_at_once=True)
        await running.ended()
        found = await running.gateway.links.diagnose("s1")
        assert (found.culprit.value, found.nodes) == ("cable", ("s1",)), "not one byte ever came"
        assert "bytes went out, 0 came in" in " ".join(found.reasoning)
        assert (await running.gateway.links.diagnose("s2")).culprit.value == "nothing"
        explained = await running.gateway.explain("s1")
        assert explained.finding == found


@virtual
async def test_a_node_whose_profile_is_gone_keeps_no_link_from_being_shown_or_leased(bench: Bench) -> None:
    bench.node("s1")
    bench.node("s2", link="memory:s1")
    bench.tables["s2"]["profile"] = "nowhere"
    async with bench.gateway() as running:
        explained = await running.gateway.explain("s2")
        assert explained.finding is not None
        (link,) = await running.gateway.links.links()
        assert [node.name for node in link.nodes] == ["s1", "s2"]
        assert (await running.gateway.links.lease(LeaseRequest("s2", 60.0, "ann"))).who == "ann"
