"""Two gateways on one virtual air: one node, one owner, no war."""

import asyncio
from pathlib import Path

import pytest

from gateway.errors import NodeBusy
from gateway.model.radio import Stand
from gateway.service.radio.errors import BadGateway, NotOnTheAir, NotOwner
from gateway.verbs.nodes import AdoptRequest
from tests.gateway.service.airsite import AirRunning
from tests.gateway.service.radio.mortal import Mortal
from tests.gateway.service.radio.twins import Twin, World, in_world
from tests.gateway.service.site import NEW, NEWER, THERMO, Piece, outcomes, runs


async def settled(world: World, node: str = "n") -> tuple[Twin, Twin]:
    """Wait until a node has an owner and everybody knows whose it is; the owner, and another one."""
    await world.until(lambda: world.owners(node))
    (owner,) = world.owners(node)
    await world.until(lambda: all(known(twin, node) == owner for twin in world.twins.values()))
    return world[owner], next(twin for name, twin in world.twins.items() if name != owner)


def known(twin: Twin, node: str) -> str | None:
    """The owner, as far as a gateway knows."""
    owner: str | None = twin.owners.view(node).owner
    return owner


def at_work(twin: Twin) -> AirRunning:
    assert twin.running is not None
    return twin.running


@in_world("a", "b")
async def test_one_gateway_owns_the_node_and_to_the_other_it_is_seen(world: World) -> None:
    world.node("n")
    await world.start()
    owner, other = await settled(world)
    view = await at_work(other).view("n")
    assert (view.state, view.owner) == ("seen", owner.name)
    assert f"belongs to the gateway {owner.name}" in view.next_step
    assert (await at_work(owner).view("n")).state != "seen"
    with pytest.raises(NotOwner):
        await at_work(other).gateway.probe("n", allow_restart=True)
    assert [event.data["before"] for event in owner.told("node.owned")] == [None]
    assert other.told("node.owned") == []


@in_world("a", "b")
async def test_the_owner_alone_updates_the_node_and_the_other_waits_until_it_is_handed_over(
    world: World,
) -> None:
    world.node("n")
    await world.start()
    owner, other = await settled(world)
    for twin in (owner, other):
        running = at_work(twin)
        await running.gateway.add_release(twin.release(NEW, Piece(THERMO)), asked_by="test")
        await running.deploy("d", "n")
    await world.until(lambda: not at_work(owner).gateway.supervisor.depth)
    assert outcomes(await at_work(owner).records()) == ["succeeded"]
    assert runs(owner, "n", THERMO, NEW)
    assert at_work(other).waits_for("n") == ["not-owner"]
    assert owner.name in at_work(other).says("n")

    await at_work(owner).gateway.discovery.handover("n", other.name, asked_by="somebody")
    await world.until(lambda: not at_work(other).gateway.supervisor.depth)
    assert outcomes(await at_work(other).records()) == ["already-there"]
    assert world.owners("n") == [other.name]
    assert [event.data["to"] for event in owner.told("node.handed-over")] == [other.name]
    assert [event.data["before"] for event in other.told("node.owned")] == [None]
    assert (await at_work(owner).view("n")).state == "seen"


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.3, 2.5])
def test_of_two_that_claim_at_the_same_moment_one_has_it(tmp_path: Path, delay: float) -> None:
    @in_world("a", "b", "c")
    async def test(world: World) -> None:
        assert world.board is not None
        world.board.latency = {"a": 0.01 + delay, "b": 0.01, "c": 0.01 + delay / 2}
        world.node("n")
        world.node("m")
        await world.start()
        for node in ("n", "m"):
            await settled(world, node)
        assert sum(len(twin.told("node.owned")) for twin in world.twins.values()) == 2

    test(tmp_path)


@in_world("a", "b")
async def test_an_owner_without_its_broker_goes_on_and_nobody_takes_its_node(world: World) -> None:
    assert world.board is not None
    world.node("n")
    await world.start()
    owner, other = await settled(world)
    world.board.go_down()
    await at_work(owner).gateway.add_release(owner.release(NEW, Piece(THERMO)), asked_by="test")
    await at_work(owner).deploy("d", "n")
    await world.until(lambda: not at_work(owner).gateway.supervisor.depth)
    assert runs(owner, "n", THERMO, NEW)
    await owner.kill()
    await other.kill()
    await world.start()  # offline, both of them
    await world.until(lambda: owner.owns("n"))
    await owner.kill()
    world.board.come_up()
    with pytest.raises(TimeoutError):
        await world.until(lambda: other.owns("n"), within=3600.0)
    await owner.start()
    await world.until(lambda: owner.owns("n"))
    assert known(other, "n") == owner.name


@in_world("a", "b")
async def test_a_broker_that_forgets_takes_no_node_from_its_owner(world: World) -> None:
    assert world.board is not None
    world.node("n")
    await world.start()
    owner, other = await settled(world)
    world.board.go_down()
    await owner.kill()
    world.board.come_up(forgetful=True)
    with pytest.raises(TimeoutError):
        await world.until(lambda: other.owns("n"), within=600.0)
    await owner.start()
    await settled(world)
    assert world.owners("n") == [owner.name]
    board = world.board
    await world.until(lambda: any(b'"has"' in kept for kept in board.retained.values()))


@in_world("a", "b")
async def test_a_node_under_way_is_not_handed_over(world: World) -> None:
    world.node("n")
    await world.start()
    owner, other = await settled(world)
    discovery = at_work(owner).gateway.discovery
    await at_work(owner).gateway.add_release(owner.release(NEW, Piece(THERMO)), asked_by="test")
    await at_work(owner).deploy("d", "n")
    with pytest.raises(NodeBusy):
        await discovery.handover("n", other.name, asked_by="somebody")
    await world.until(lambda: not at_work(owner).gateway.supervisor.depth)
    with pytest.raises(BadGateway):
        await discovery.handover("n", owner.name, asked_by="somebody")
    with pytest.raises(NotOwner):
        await at_work(other).gateway.discovery.handover("n", "c", asked_by="somebody")
    view = await discovery.handover("n", other.name, asked_by="somebody")
    assert (view.stand, view.owner, view.offered_to) == (Stand.GAVE, None, other.name)
    again = await discovery.handover("n", other.name, asked_by="somebody")
    assert again.epoch == view.epoch
    await world.until(lambda: other.owns("n"))
    assert len(owner.told("node.handed-over")) == 1


@in_world("a", "b", "c")
async def test_a_node_that_was_handed_over_is_nobodys_until_the_one_that_it_is_for_takes_it(
    world: World,
) -> None:
    world.node("n")
    await world.start()
    owner, _ = await settled(world)
    to, third = (twin for name, twin in world.twins.items() if name != owner.name)
    await to.kill()
    await at_work(owner).gateway.discovery.handover("n", to.name, asked_by="somebody")
    with pytest.raises(TimeoutError):
        await world.until(lambda: world.owners("n"), within=600.0)
    assert to.name in (await at_work(third).view("n")).next_step
    await to.start()
    await world.until(lambda: to.owns("n"))
    await world.until(lambda: known(owner, "n") == known(third, "n") == to.name)


@in_world("a", "b")
async def test_a_node_that_its_owner_forgets_is_free_for_the_other(world: World) -> None:
    world.node("n", known=False)
    for twin in world.twins.values():
        await twin.start()
        await adopt(world, twin)
    owner, other = await settled(world)
    await at_work(owner).gateway.roster.forget("n", asked_by="somebody")
    await world.until(lambda: other.owns("n"))
    assert [event.data["owner"] for event in owner.told("node.disowned")] == [None]


async def adopt(world: World, twin: Twin) -> None:
    request = AdoptRequest("n", THERMO, world.link(twin.name, "n"))
    await at_work(twin).gateway.roster.adopt(request, asked_by="somebody")


@in_world("a", "b")
async def test_peoples_word_takes_a_node_from_a_gateway_that_is_in_the_middle_of_it(world: World) -> None:
    node = world.node("n")
    await world.start()
    owner, other = await settled(world)
    await at_work(owner).gateway.add_release(owner.release(NEW, Piece(THERMO)), asked_by="test")
    await at_work(owner).deploy("d", "n")
    await at_work(owner).in_phase("n", "transferring")
    with pytest.raises(NotOwner):
        await at_work(other).gateway.discovery.claim("n", over=False, asked_by="somebody")
    await at_work(other).gateway.discovery.claim("n", over=True, asked_by="somebody")
    # Both are owners by people's word, until the old one has read it.
    await at_work(other).until(lambda: not owner.owns("n"), within=5.0)
    await world.until(lambda: at_work(owner).waits_for("n") == ["not-owner"])
    assert node.truth().bootable
    assert [event.data["owner"] for event in owner.told("node.disowned")] == [other.name]
    assert [event.data["before"] for event in other.told("node.owned")] == [owner.name]

    await at_work(other).gateway.add_release(other.release(NEWER, Piece(THERMO)), asked_by="test")
    await at_work(other).deploy("e", "n", version=NEWER)
    await world.until(lambda: not at_work(other).gateway.supervisor.depth)
    assert runs(other, "n", THERMO, NEWER)
    assert at_work(owner).waits_for("n") == ["not-owner"]


@in_world("a", "b", upstream=False)
async def test_without_an_upstream_the_word_of_people_counts(world: World) -> None:
    """Both files name the node, as a file copied from one to the other does: that is their word, twice."""
    world.node("n", known=False)
    await world.start()
    await adopt(world, world["a"])
    await world.until(lambda: world["a"].owns("n"))
    assert not world["b"].owns("n") or "n" not in at_work(world["b"]).gateway.site.nodes

    await at_work(world["a"]).gateway.discovery.handover("n", "b", asked_by="somebody")
    assert (await at_work(world["a"]).view("n")).state == "seen"
    await adopt(world, world["b"])
    await world.until(lambda: world["b"].owns("n"))
    await world["a"].kill()
    await world["a"].start()
    await at_work(world["a"]).until(lambda: not world["a"].owns("n"), within=60.0)
    assert world.owners("n") == ["b"]


@in_world("a")
async def test_a_node_on_a_wire_has_no_owner(world: World) -> None:
    node = world["a"]
    world.node("n")
    node.tables["wire"] = {"profile": THERMO, "link": "uart:/dev/null", "labels": {}}
    await node.start()
    with pytest.raises(NotOnTheAir):
        await at_work(node).gateway.discovery.owner("wire")
    assert node.owners.gate("wire") is None


@pytest.mark.parametrize("written", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("side", ["giver", "taker"])
def test_a_kill_at_any_write_of_a_handover_leaves_none_or_one_owner(
    tmp_path: Path, side: str, written: bool
) -> None:
    """As many writes as the handover has on that side; the last run is one that nothing killed."""
    kills = 0
    for number in range(1, 30):
        died = [False]
        folder = tmp_path / f"{number}"
        folder.mkdir()
        killed_at(side, number, written, died)(folder)
        if not died[0]:
            break
        kills += 1
    else:
        raise AssertionError("a handover has not so many writes")
    assert kills >= 1


def killed_at(side: str, number: int, written: bool, died: list[bool]):  # type: ignore[no-untyped-def] # a test
    @in_world("a", "b")
    async def test(world: World) -> None:
        world.node("n")
        for twin in world.twins.values():
            twin.database = Mortal
        await world.start()
        giver, taker = await settled(world)
        victim = giver if side == "giver" else taker
        journal = at_work(victim).gateway.site.journal.database
        assert isinstance(journal, Mortal)
        journal.arm(number, written=written)
        asked = at_work(giver).gateway.discovery.handover("n", taker.name, asked_by="somebody")
        asking = asyncio.create_task(asked)
        await world.until(lambda: journal.died.is_set() or world.owners("n") == [taker.name], within=60.0)
        died[0] = journal.died.is_set()
        if died[0]:
            asking.cancel()
            await victim.kill()
            world.no_war()
            victim.database = Mortal
            await victim.start()
        await world.until(lambda: world.owners("n"), within=60.0)
        told = len(giver.told("node.handed-over")) > 0
        stands = giver.owners.view("n").stand
        assert (stands is Stand.GAVE) or not told
        if stands is Stand.GAVE:
            await world.until(lambda: world.owners("n") == [taker.name], within=60.0)
        else:
            assert world.owners("n") == [giver.name], "what was not written was not said"

    return test
