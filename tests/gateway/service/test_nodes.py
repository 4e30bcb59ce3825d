"""Nodes come, go, are replaced, renamed and labelled; and what is kept follows, or is left behind."""

import pytest

from gateway.control import Selector
from gateway.errors import NodeBusy, NodeUnknown
from gateway.service.nodes.errors import BadNode, LinkTaken, NodeExists, NodeInFile
from gateway.verbs.nodes import AdoptRequest, NodeQuery
from tests.gateway.service.site import NEW, NEWER, SENSOR, Bench, Running, outcomes, runs, virtual
from transports.errors import TenderError


def unlisted(bench: Bench, name: str) -> AdoptRequest:
    """Put a node on a line, and into no file."""
    bench.node(name)
    table = bench.tables.pop(name)
    return AdoptRequest(name, table["profile"], table["link"], {"hall": "3"})


async def adopted(running: Running, request: AdoptRequest) -> None:
    await running.gateway.roster.adopt(request, asked_by="ann")


@virtual
async def test_an_adopted_node_is_a_node_like_any_other_also_after_a_restart(bench: Bench) -> None:
    bench.node("s1")
    request = unlisted(bench, "s2")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        for _ in range(2):
            await adopted(running, request)
        (event,) = running.told("node.adopted")
        assert (event.node, event.data["by"]) == ("s2", "ann")
    async with bench.gateway() as running:
        view = await running.view("s2")
        assert (view.origin, dict(view.labels)) == ("adopted by ann", {"hall": "3"})
        assert (await running.view("s1")).origin == "configuration"
        deployed = await running.deploy("d", select=Selector(labels={"hall": "3"}))
        assert deployed.nodes == ("s2",)
        assert outcomes(await running.ended()) == ["succeeded"]
        assert runs(bench, "s2", SENSOR, NEW)


@virtual
async def test_two_nodes_that_could_not_be_told_apart_are_not_both_taken(bench: Bench) -> None:
    bench.node("s1")
    async with bench.gateway() as running:
        roster = running.gateway.roster
        for request, error in (
            (AdoptRequest("s1", SENSOR, "memory:other"), NodeExists),
            (AdoptRequest("s9", SENSOR, "memory:s1?baud=9600"), LinkTaken),
            (AdoptRequest("a b", SENSOR, "memory:x"), BadNode),
            (AdoptRequest("s9", SENSOR, "nothing"), BadNode),
            (AdoptRequest("s9", "no-such", "memory:x"), TenderError),
        ):
            with pytest.raises(error):
                await roster.adopt(request, asked_by="ann")
        assert [view.name for view in await running.gateway.nodes()] == ["s1"]
        assert running.told("node.adopted") == []


@virtual
async def test_the_file_wins_over_what_was_adopted_and_says_so(bench: Bench) -> None:
    request = unlisted(bench, "s1")
    async with bench.gateway() as running:
        await adopted(running, request)
    bench.tables["s1"] = {"profile": SENSOR, "link": "memory:elsewhere", "labels": {}}
    async with bench.gateway() as running:
        view = await running.view("s1")
        assert (view.link, view.origin) == ("memory:elsewhere", "configuration")
        assert "node-in-both" in {warning.code for warning in (await running.gateway.status()).warnings}
        await running.gateway.roster.forget("s1", asked_by="ann")
        assert (await running.view("s1")).link == "memory:elsewhere"
        assert (await running.gateway.status()).warnings == ()
        with pytest.raises(NodeInFile):
            await running.gateway.roster.forget("s1", asked_by="ann")
    request = unlisted(bench, "s2")
    async with bench.gateway() as running:
        await adopted(running, request)
    bench.tables["s1"]["link"] = request.link
    async with bench.gateway() as running:
        assert [view.name for view in await running.gateway.nodes()] == ["s1"]
        assert "link-taken" in {warning.code for warning in (await running.gateway.status()).warnings}


@virtual
async def test_a_new_board_has_nothing_of_the_old_one_but_its_name(bench: Bench) -> None:
    bench.node("s1")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy()
        await running.ended()
        assert (await running.view("s1")).known_good
        view = await running.gateway.roster.replace("s1", asked_by="ann")
        assert (view.generation, view.state, dict(view.known_good)) == (2, "unknown", {})
        again = await running.gateway.roster.replace("s1", asked_by="ann")
        assert again.generation == 2, "a board of which nothing is known needs no replacing"
        assert [event.data["generation"] for event in running.told("node.replaced")] == [2]
        with pytest.raises(TenderError, match="could go back to"):
            await running.gateway.rollback("s1", asked_by="test")
    async with bench.gateway() as running:
        view = await running.view("s1")
        assert (view.generation, view.last_attempt) == (2, None)
        (old,) = await running.gateway.attempts(node="s1")
        assert (old.generation, old.outcome) == (1, "succeeded")
        await running.deploy("d2")
        assert outcomes(await running.ended()) == ["succeeded", "already-there"]
        assert [each.generation for each in await running.gateway.attempts(node="s1")] == [2, 1]


@virtual
async def test_the_wounds_of_a_board_go_with_it(bench: Bench) -> None:
    bench.node("s1")
    async with bench.gateway(first_look_s=10_000) as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy()
        await running.in_phase("s1", "activating")
        bench.nodes["s1"].power_off()
        assert outcomes(await running.ended()) == ["wounded"]
        assert (await running.view("s1")).state == "wounded"
        await running.gateway.roster.replace("s1", asked_by="ann")
        assert (await running.view("s1")).state == "unknown"
    async with bench.gateway(first_look_s=10_000) as running:
        assert (await running.gateway.status()).wounded == ()


@virtual
async def test_a_forgotten_node_leaves_its_history_and_nothing_else(bench: Bench) -> None:
    bench.node("s1")
    request = unlisted(bench, "s2")
    async with bench.gateway() as running:
        roster = running.gateway.roster
        await adopted(running, request)
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy()
        await running.ended()
        with pytest.raises(NodeInFile):
            await roster.forget("s1", asked_by="ann")
        with pytest.raises(NodeUnknown):
            await roster.forget("nobody", asked_by="ann")
        for _ in range(2):
            await roster.forget("s2", asked_by="ann")
        assert len(running.told("node.forgotten")) == 1
        with pytest.raises(NodeUnknown):
            await running.view("s2")
    async with bench.gateway() as running:
        assert [view.name for view in await running.gateway.nodes()] == ["s1"]
        (old,) = await running.gateway.attempts(node="s2")
        assert old.outcome == "succeeded"
        await adopted(running, request)
        view = await running.view("s2")
        assert (view.generation, view.state, dict(view.known_good)) == (2, "unknown", {})


@virtual
async def test_a_renamed_node_keeps_all_that_is_known_of_it(bench: Bench) -> None:
    request = unlisted(bench, "s1")
    async with bench.gateway() as running:
        roster = running.gateway.roster
        await adopted(running, request)
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy()
        await running.ended()
        before = await running.view("s1")
        after = await roster.rename("s1", "north", asked_by="ann")
        for _ in range(2):
            assert after == await roster.rename("s1", "north", asked_by="ann")
        assert after.known_good == before.known_good
        assert (after.last_attempt, after.generation, after.state) == (before.last_attempt, 1, "ok")
        assert len(running.told("node.renamed")) == 1
        with pytest.raises(NodeUnknown):
            await running.view("s1")
    async with bench.gateway() as running:
        view = await running.view("north")
        assert (view.known_good, view.components) == (before.known_good, before.components)
        (attempt,) = await running.gateway.attempts(node="north")
        assert attempt.node == "north"
        await running.gateway.add_release(bench.release(NEWER), asked_by="test")
        await running.deploy("d2", version=NEWER)
        await running.ended()
        assert runs(bench, "s1", SENSOR, NEWER)


@virtual
async def test_a_node_of_the_file_is_renamed_there_and_its_history_follows(bench: Bench) -> None:
    bench.node("s1")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy()
        await running.ended()
        with pytest.raises(NodeInFile) as caught:
            await running.gateway.roster.rename("s1", "north", asked_by="ann")
        assert "north" in caught.value.what_to_do
    bench.tables["north"] = bench.tables.pop("s1")
    async with bench.gateway() as running:
        assert (await running.view("north")).last_attempt is None
        view = await running.gateway.roster.rename("s1", "north", asked_by="ann")
        assert view.last_outcome == "succeeded"
        assert view.known_good["app"].version == NEW


@virtual
async def test_a_name_that_another_board_had_counts_on(bench: Bench) -> None:
    first, second = unlisted(bench, "s1"), unlisted(bench, "s2")
    async with bench.gateway() as running:
        roster = running.gateway.roster
        await adopted(running, first)
        await adopted(running, second)
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy()
        await running.ended()
        with pytest.raises(NodeExists):
            await roster.rename("s2", "s1", asked_by="ann")
        await roster.forget("s1", asked_by="ann")
        view = await roster.rename("s2", "s1", asked_by="ann")
        assert view.generation == 2
        assert {each.generation for each in await running.gateway.attempts(node="s1")} == {1, 2}
    async with bench.gateway() as running:
        view = await running.view("s1")
        assert (view.generation, view.last_outcome) == (2, "succeeded")


@virtual
async def test_labels_are_changed_and_deployments_see_it(bench: Bench) -> None:
    bench.node("s1", labels={"hall": "3", "floor": "0"})
    bench.node("s2")
    async with bench.gateway() as running:
        roster = running.gateway.roster
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        view = await running.view("s1")
        for _ in range(2):
            view = await roster.label("s1", {"hall": "4", "floor": None}, asked_by="ann")
        assert dict(view.labels) == {"hall": "4"}
        await roster.label("s2", {"hall": "4"}, asked_by="ann")
        assert len(running.told("node.labelled")) == 2
        with pytest.raises(BadNode):
            await roster.label("s1", {"two words": "x"}, asked_by="ann")
    async with bench.gateway() as running:
        assert (await running.deploy("d", select=Selector(labels={"hall": "4"}))).nodes == ("s1", "s2")
        await running.ended()
        view = await running.gateway.roster.label("s1", {"hall": "3", "floor": "0"}, asked_by="ann")
        assert dict(view.labels) == {"hall": "3", "floor": "0"}
        found = await running.gateway.roster.find(NodeQuery(where={"hall": "4"}))
        assert [each.name for each in found] == ["s2"]


@virtual
async def test_nothing_is_said_of_a_node_while_an_attempt_is_open(bench: Bench) -> None:
    request = unlisted(bench, "s1")
    async with bench.gateway() as running:
        roster = running.gateway.roster
        await adopted(running, request)
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy()
        for verb in (
            roster.replace("s1", asked_by="ann"),
            roster.forget("s1", asked_by="ann"),
            roster.rename("s1", "s2", asked_by="ann"),
            roster.label("s1", {"a": "b"}, asked_by="ann"),
            roster.accept("s1", asked_by="ann"),
        ):
            with pytest.raises(NodeBusy):
                await verb
        assert outcomes(await running.ended()) == ["succeeded"]
        await roster.forget("s1", asked_by="ann")


@virtual
async def test_an_open_deployment_takes_along_who_comes_to_be_selected(bench: Bench) -> None:
    bench.node("s1", labels={"hall": "4"})
    bench.node("s2")
    request = unlisted(bench, "s3")
    async with bench.gateway() as running:
        roster = running.gateway.roster
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.gateway.rollout.pause(None, why="wait", asked_by="ann")
        await running.deploy("d", select=Selector(labels={"hall": "4"}), all_at_once=True)
        await roster.label("s2", {"hall": "4"}, asked_by="ann")
        await adopted(running, request)
        await roster.label("s3", {"hall": "4"}, asked_by="ann")
        await running.until(lambda: running.gateway.supervisor.depth == 3)
        await running.gateway.rollout.resume(None, asked_by="ann")
        assert outcomes(await running.ended()) == ["succeeded"] * 3
        assert [running.told("deployment.done")[-1].data["outcomes"]] == [{"succeeded": 3}]
        await roster.label("s1", {"hall": "5"}, asked_by="ann")
        await roster.label("s1", {"hall": "4"}, asked_by="ann")
        assert len(await running.ended()) == 3, "what is done is done"


@virtual
async def test_a_new_board_has_its_own_attempt_in_an_open_deployment(bench: Bench) -> None:
    bench.node("s1")
    bench.node("s2")
    bench.nodes["s2"].power_off()
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy("d", all_at_once=True)
        await running.until(
            lambda: runs(bench, "s1", SENSOR, NEW) and not running.gateway.supervisor.holds("s1")
        )
        bench.node("s1")
        await running.gateway.roster.replace("s1", asked_by="ann")
        await running.until(lambda: running.gateway.supervisor.holds("s1"))
        bench.nodes["s2"].power_on()
        assert outcomes(await running.ended()) == ["succeeded"] * 3
        assert runs(bench, "s1", SENSOR, NEW)
