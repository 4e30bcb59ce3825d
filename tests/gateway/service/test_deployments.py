"""Deployments: who is chosen, what is refused, and what a crash in the middle leaves."""

import asyncio

import pytest

from flashers.api import Digest
from flashers.sim import Behaviour
from gateway.control import DeploymentPolicy, DeployRequest, Selector
from gateway.errors import NodeUnknown, NothingSelected, ReleaseUnknown
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
    firmware,
    outcomes,
    runs,
    virtual,
)
from transports.errors import TenderError


@virtual
async def test_every_selected_node_is_brought_to_the_release_and_its_known_good_is_kept(bench: Bench) -> None:
    bench.node("s1")
    bench.node("r1", RELAY)
    async with bench.gateway() as running:
        await _baseline(running, bench)
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        view = await running.deploy()
        assert view.nodes == ("r1", "s1")
        records = await running.ended()
        assert outcomes(records) == ["succeeded", "succeeded"]
        assert runs(bench, "s1", SENSOR, NEW)
        assert runs(bench, "r1", RELAY, NEW)
        (done,) = running.told("deployment.done")
        assert done.data == {"outcomes": {"succeeded": 2}}
        for name, kind in (("s1", SENSOR), ("r1", RELAY)):
            known = (await running.view(name)).known_good
            assert known["app"].version == NEW, "the next rollback leads here"
            assert Digest.sha256(firmware(kind, NEW)) in await running.gateway.site.journal.pinned()
        assert (await running.gateway.deployments())[0].state == "done"


@virtual
async def test_the_same_id_again_is_the_same_deployment(bench: Bench) -> None:
    bench.node("s1")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy("d")
        await running.ended()
        await running.deploy("d")
        assert len(await running.ended()) == 1


@virtual
async def test_labels_profiles_and_names_all_have_to_fit(bench: Bench) -> None:
    bench.node("s1", labels={"house": "north"})
    bench.node("s2", labels={"house": "south"})
    bench.node("s3", labels={"house": "north"})
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        view = await running.deploy(
            "d", select=Selector(nodes=("s1", "s2"), profiles=(SENSOR,), labels={"house": "north"})
        )
        assert view.nodes == ("s1",)
        with pytest.raises(NothingSelected):
            await running.deploy("e", select=Selector())
        with pytest.raises(NodeUnknown):
            await running.deploy("f", "nobody")
        with pytest.raises(ReleaseUnknown):
            await running.deploy("g", version="9.9.9")
        await running.ended()
        assert runs(bench, "s3", SENSOR, OLD)


@virtual
async def test_the_variant_of_a_node_decides_which_artifact_it_gets(bench: Bench) -> None:
    bench.node("s1", labels={"variant": "rev-b"})
    bench.node("s2")
    async with bench.gateway() as running:
        file = bench.release(NEW, Piece(SENSOR), Piece(SENSOR, Behaviour.UNHEALTHY, variant="rev-b"))
        await running.gateway.add_release(file, asked_by="test")
        await running.deploy(all_at_once=True)
        records = {record.node: record for record in await running.ended()}
        assert records["s1"].result is not None
        assert records["s1"].result.outcome == "rolled-back"
        assert records["s2"].result is not None
        assert records["s2"].result.outcome == "succeeded"


@pytest.mark.parametrize(
    ("piece", "code"),
    [
        (Piece(SENSOR, hardware="other-board"), "wrong-hardware"),
        (Piece(SENSOR, format="ihex"), "wrong-format"),
        (Piece(RELAY), "no-way-back"),
        (Piece(SENSOR, lines='follows = "1.0.5"\n'), "too-old-to-follow"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_rule_that_says_no_leaves_the_node_untouched_and_says_why(
    piece: Piece, code: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    @virtual
    async def refused(bench: Bench) -> None:
        node = bench.node("n1", piece.kind)
        async with bench.gateway() as running:
            await running.gateway.add_release(bench.release(NEW, piece), asked_by="test")
            await running.deploy()
            (record,) = await running.ended()
            assert outcomes([record]) == ["refused"]
            assert record.result is not None
            assert record.result.code == code
            assert record.result.reasons[0].code == code
            assert record.result.remedy
            assert (node.operations, record.bytes_sent) == (0, 0)
            explanation = await running.gateway.explain("n1")
            assert record.result.message in explanation.summary
            assert "operator" in explanation.summary

    refused(tmp_path_factory.mktemp("bench"))


@virtual
async def test_a_file_that_is_no_image_is_refused_and_not_tried_again(bench: Bench) -> None:
    node = bench.node("s1")
    async with bench.gateway() as running:
        file = bench.release(NEW, Piece(SENSOR, format="mcuboot"))  # holds a relay's file
        await running.gateway.add_release(file, asked_by="test")
        await running.deploy()
        (record,) = await running.ended()
        assert outcomes([record]) == ["refused"]
        assert record.result is not None
        assert record.result.code == "wrong-magic"
        assert node.operations == 0


@virtual
async def test_an_unsigned_release_is_not_taken(bench: Bench) -> None:
    bench.node("s1")
    async with bench.gateway() as running:
        with pytest.raises(TenderError) as caught:
            await running.gateway.add_release(bench.release(NEW, signed=False), asked_by="test")
        assert "sign" in caught.value.code
        with pytest.raises(ReleaseUnknown):
            await running.deploy()


@virtual
async def test_what_was_taken_when_the_power_went_gets_all_its_attempts(bench: Bench) -> None:
    bench.node("s1")
    bench.node("s2")
    request = DeployRequest("d", PRODUCT, NEW, Selector(all=True), DeploymentPolicy(), asked_by="test")
    async with bench.gateway(killed=True) as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        journal = running.gateway.site.journal
        create, made = journal.create, 0

        async def dies_before_the_second(make: object, tell: object) -> object:
            nonlocal made
            made += 1
            if made == 2:
                raise asyncio.CancelledError
            return await create(make, tell)  # type: ignore[arg-type]

        journal.create = dies_before_the_second  # type: ignore[method-assign, assignment]
        with pytest.raises(asyncio.CancelledError):
            await running.gateway.deploy(request)
        journal.create = create  # type: ignore[method-assign]
        assert len(await running.records()) == 1
    async with bench.gateway() as running:
        records = await running.ended()
        assert sorted(record.node for record in records) == ["s1", "s2"]
        assert outcomes(records) == ["succeeded", "succeeded"]
        assert [event.deployment for event in running.told("deployment.done")] == ["d"]


@virtual
async def test_an_attempt_goes_on_after_the_service_was_gone(bench: Bench) -> None:
    node = bench.node("s1")
    async with bench.gateway(killed=True) as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy()
        await running.in_phase("s1", "proving")
    written = node.operations
    async with bench.gateway() as running:
        (record,) = await running.ended()
        assert outcomes([record]) == ["succeeded"]
        assert node.operations <= written + 1, "it was sent again"  # one byte confirms it


@virtual
async def test_a_newer_deployment_takes_the_place_of_an_older_one(bench: Bench) -> None:
    bench.node("s1")
    bench.node("s2", link="memory:s1#2")  # waits for the same line
    bench.tables["s2"]["link"] = "memory:s1"
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.gateway.add_release(bench.release(NEWER), asked_by="test")
        await running.deploy("old", "s1", "s2")
        await running.under_way("s1")
        await running.deploy("new", "s2", version=NEWER)
        records = [record for record in await running.ended() if record.node == "s2"]
        assert outcomes(records)[0] == "superseded"
        assert records[1].deployment == "new"


@virtual
async def test_a_node_that_had_no_turn_before_the_deadline_is_not_reached(bench: Bench) -> None:
    bench.node("s1")
    bench.node("s2")
    bench.tables["s2"]["link"] = "memory:s1"
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy("d", deadline_s=0.5, all_at_once=True)
        records = {record.node: record for record in await running.ended()}
        assert outcomes([records["s1"], records["s2"]]) == ["succeeded", "not-reached"]
        assert records["s2"].result is not None
        assert records["s2"].result.code == "deadline"


@virtual
async def test_a_deployment_may_be_slower_than_the_gateway(bench: Bench) -> None:
    for number in range(4):
        bench.node(f"s{number}")
    most = 0
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy("d", max_in_parallel=1, all_at_once=True)
        supervisor = running.gateway.supervisor
        seen_gate = False
        while supervisor.depth:
            most = max(most, sum(1 for entry in supervisor._open.values() if entry.runner is not None))
            seen_gate = seen_gate or any(
                gate.code == "parallel-limit" for e in supervisor._open.values() for gate in e.gates
            )
            await asyncio.sleep(0.05)
        assert outcomes(await running.records()) == ["succeeded"] * 4
    assert most == 1
    assert seen_gate


@virtual
async def test_no_more_nodes_are_under_way_than_the_gateway_allows(bench: Bench) -> None:
    for number in range(5):
        bench.node(f"s{number}")
    bench.settings["rollout"] = {"max_in_parallel": 2}
    most = 0
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy(all_at_once=True)
        supervisor = running.gateway.supervisor
        while supervisor.depth:
            most = max(most, sum(1 for entry in supervisor._open.values() if entry.runner is not None))
            await asyncio.sleep(0.05)
        assert outcomes(await running.records()) == ["succeeded"] * 5
    assert most == 2


@virtual
async def test_nodes_whose_boot_cannot_be_proved_end_as_flashed(bench: Bench) -> None:
    bench.node("m1", MUTE)
    async with bench.gateway() as running:
        await _baseline(running, bench, MUTE)
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy()
        (record,) = await running.ended()
        assert outcomes([record]) == ["flashed"]
        assert runs(bench, "m1", MUTE, NEW)


async def _baseline(running: object, bench: Bench, kind: str = RELAY) -> None:
    file = bench.folder / "baseline.hex"
    file.write_bytes(firmware(kind, OLD))
    await running.gateway.add_baseline(file, profile=kind, component="app", version=OLD)  # type: ignore[attr-defined]
