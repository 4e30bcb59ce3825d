"""Who answers is who is meant: another node is never flashed, and it is said who is where."""

import pytest

from flashers.api import IdentityChanged
from gateway.service.identity.errors import IdentityUnread
from gateway.service.nodes.errors import NotAcceptable
from tests.gateway.service.site import (
    MUTE,
    NEW,
    NEWER,
    OLD,
    PROFILES,
    RELAY,
    SENSOR,
    Bench,
    Running,
    outcomes,
    runs,
    virtual,
)
from transports.links import ByteLink, LinkSpec

_ASKS = {
    SENSOR: """
[identity]
request = '{"group": 0, "id": 7, "payload": {"format": "n"}}'
pattern = '"output": "(?P<id>[^"]+)"'
""",
    RELAY: "\n[identity]\nrequest = 'id?'\npattern = '^id (\\S+)'\n",
}


def asks_who(bench: Bench) -> None:
    """Profiles that have a way to ask."""
    for kind, text in _ASKS.items():
        (bench.profiles / f"{kind}.toml").write_text(PROFILES[kind] + text)


def swap(bench: Bench, one: str, other: str) -> None:
    """The cables of two nodes are put into each other's sockets."""
    lines = bench.lines.lines
    lines[one], lines[other] = lines[other], lines[one]


def codes(running: Running, node: str) -> list[str]:
    """The gates that are in the way of an open attempt."""
    supervisor = running.gateway.supervisor
    return [
        gate.code
        for number, entry in supervisor._open.items()
        if entry.record.node == node
        for gate in supervisor.gates(number)
    ]


@virtual
async def test_a_node_is_known_by_what_it_says_from_the_first_sight_on(bench: Bench) -> None:
    asks_who(bench)
    bench.node("s1", options={"hw-id": "4711"})
    async with bench.gateway() as running:
        assert (await running.view("s1")).identity_strength == "position"
        view = await running.gateway.probe("s1", allow_restart=False)
        assert (view.identity, view.identity_strength) == ("4711", "hw-id")
        assert view.identity_at is not None
        (event,) = running.told("node.identified")
        assert event.data == {"identity": "4711", "strength": "hw-id"}
        await running.gateway.probe("s1", allow_restart=False)
        assert len(running.told("node.identified")) == 1
    async with bench.gateway() as running:
        assert (await running.view("s1")).identity == "4711"


@pytest.mark.parametrize("kind", [SENSOR, RELAY])
def test_swapped_cables_flash_nobody_and_it_is_said_who_is_where(
    kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    @virtual
    async def swapped(bench: Bench) -> None:
        asks_who(bench)
        for name in ("n1", "n2"):
            bench.node(name, kind, options={"hw-id": f"hw-{name}"})
        async with bench.gateway() as running:
            for name in ("n1", "n2"):
                await running.gateway.probe(name, allow_restart=True)
            swap(bench, "n1", "n2")
            before = [node.operations for node in bench.nodes.values()]
            await running.gateway.add_release(bench.release(NEW), asked_by="test")
            await running.deploy(no_rollback="allow", all_at_once=True)
            records = await running.ended()
            assert outcomes(records) == ["refused", "refused"]
            assert {record.result.code for record in records if record.result} == {"identity-changed"}
            assert [node.operations for node in bench.nodes.values()] == before
            told = {event.node: event.data["looks_like"] for event in running.told("node.identity-changed")}
            assert told == {"n1": "n2", "n2": "n1"}
            for name, other in (("n1", "n2"), ("n2", "n1")):
                said = await running.gateway.explain(name)
                assert said.node.state == "identity-changed"
                (gate,) = said.gates
                assert gate.code == "identity-changed"
                assert f"hw-{other} (looks like {other}) answers at the link of {name}" in gate.message
                assert f"{name} itself answered at the link of {other}" in said.summary
                with pytest.raises(IdentityChanged):
                    await running.gateway.probe(name, allow_restart=True)
                with pytest.raises(NotAcceptable):
                    await running.gateway.roster.accept(name, asked_by="ann")
        assert len([e for e in running.kept if e.kind == "node.identity-changed"]) == 2, "told once"
        swap(bench, "n1", "n2")
        async with bench.gateway() as running:
            assert (await running.view("n1")).state == "identity-changed"
            for name in ("n1", "n2"):
                view = await running.gateway.probe(name, allow_restart=True)
                assert (view.state, view.identity) == ("ok", f"hw-{name}")
            await running.deploy("d2", no_rollback="allow", all_at_once=True)
            assert outcomes(await running.ended())[-2:] == ["succeeded", "succeeded"]
            assert runs(bench, "n1", kind, NEW)

    swapped(tmp_path_factory.mktemp("bench"))


@virtual
async def test_a_node_whose_first_word_is_the_name_of_another_is_not_believed(bench: Bench) -> None:
    asks_who(bench)
    bench.node("s1", options={"hw-id": "4711"})
    bench.node("s2", options={"hw-id": "4712"})
    async with bench.gateway() as running:
        await running.gateway.probe("s1", allow_restart=False)
        swap(bench, "s1", "s2")
        with pytest.raises(IdentityChanged, match="looks like s1"):
            await running.gateway.probe("s2", allow_restart=False)
        said = await running.gateway.explain("s1")
        assert "s1 itself answered at the link of s2" in said.gates[0].message
        swap(bench, "s1", "s2")
        assert (await running.gateway.probe("s2", allow_restart=False)).identity == "4712"
        # A board that moved for good has to be let go of first.
        swap(bench, "s1", "s2")
        for name in ("s1", "s2"):
            await running.gateway.roster.replace(name, asked_by="ann")
        assert (await running.gateway.probe("s2", allow_restart=False)).identity == "4711"
        assert (await running.gateway.probe("s1", allow_restart=False)).identity == "4712"


@virtual
async def test_a_node_in_its_loader_is_not_taken_for_one_that_answered_elsewhere(bench: Bench) -> None:
    asks_who(bench)
    bench.node("s1", options={"hw-id": "hw-1"})
    bench.node("s2", options={"hw-id": "hw-2"})
    async with bench.gateway() as running:
        for name in ("s1", "s2"):
            await running.gateway.probe(name, allow_restart=False)
        swap(bench, "s1", "s2")
        with pytest.raises(IdentityChanged):
            await running.gateway.probe("s1", allow_restart=False)
        with pytest.raises(IdentityChanged, match="does not say who it is"):
            await running.gateway.site.identities.met("s2", None, must=False)


@virtual
async def test_a_node_that_stops_saying_who_it_is_is_left_alone_until_somebody_accepts(bench: Bench) -> None:
    asks_who(bench)
    bench.node("s1", options={"hw-id": "4711"})
    async with bench.gateway() as running:
        await running.gateway.probe("s1", allow_restart=False)
        bench.node("s1")  # nobody knows whether it is the same board
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy()
        (record,) = await running.ended()
        assert record.result is not None
        assert (record.result.outcome, record.result.code) == ("not-reached", "identity-unread")
        assert bench.nodes["s1"].operations == 0
        with pytest.raises(IdentityUnread):
            await running.gateway.probe("s1", allow_restart=False)
        view = await running.gateway.roster.accept("s1", asked_by="ann")
        assert view.identity_strength == "position"
        await running.deploy("d2")
        assert outcomes(await running.ended())[-1] == "succeeded"


@virtual
async def test_a_bent_answer_makes_nobody_a_stranger(bench: Bench) -> None:
    asks_who(bench)
    bench.node("r1", RELAY, options={"hw-id": "4711"})
    real, sound, bent = bench.opener, list[bytes](), list[bytes]()

    async def noisy(spec: LinkSpec) -> ByteLink:
        link = await real(spec)
        read = link.read

        async def once_bent() -> bytes:
            data = await read()
            if b"id 4711" in data:
                said, other = (bent, b"id 9711") if sound and not bent else (sound, b"id 4711")
                said.append(data)
                data = data.replace(b"id 4711", other)
            return data

        link.read = once_bent  # type: ignore[method-assign]
        return link

    bench.opener = noisy
    async with bench.gateway() as running:
        await running.gateway.probe("r1", allow_restart=True)
        view = await running.gateway.probe("r1", allow_restart=True)
        assert bent, "the bent answer was heard"
        assert (view.identity, view.state) == ("4711", "ok")


@virtual
async def test_a_wounded_node_is_not_recovered_by_flashing_another(bench: Bench) -> None:
    asks_who(bench)
    bench.node("s1", options={"hw-id": "hw-1"})
    async with bench.gateway() as running:
        await running.gateway.probe("s1", allow_restart=False)
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy()
        await running.in_phase("s1", "activating")
        real, own = bench.lines.lines["s1"], bench.nodes["s1"]
        own.power_off()
        await running.until(lambda: running.gateway.supervisor.depth == 0)
        assert (await running.view("s1")).state == "wounded"
        other = bench.node("s1", options={"hw-id": "hw-9"})
        await running.until(lambda: running.told("node.identity-changed"))
        assert other.operations == 0
        assert (await running.view("s1")).state == "wounded"
        assert "hw-9" in (await running.gateway.explain("s1")).gates[0].message
        bench.lines.lines["s1"] = real
        own.power_on()
        await running.until(lambda: running.gateway.site.inventory.wound("s1") is None)
        assert (await running.view("s1")).state in ("ok", "updating")


@virtual
async def test_a_cable_that_is_swapped_in_the_middle_of_an_update_ends_it_as_wounded(bench: Bench) -> None:
    asks_who(bench)
    bench.node("s1", options={"hw-id": "hw-1"})
    other = bench.node("s2", options={"hw-id": "hw-2"})
    async with bench.gateway(first_look_s=10_000) as running:
        await running.gateway.probe("s1", allow_restart=False)
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy("d", "s1")
        await running.in_phase("s1", "proving")
        swap(bench, "s1", "s2")
        bench.lines.lines["s2"].unplug()
        (record,) = await running.ended()
        assert record.result is not None
        assert (record.result.outcome, record.result.code) == ("wounded", "identity-changed")
        assert other.operations == 0
        assert runs(bench, "s2", SENSOR, OLD)


# Places


class Sockets:
    """Which socket of the machine each link leads to."""

    def __init__(self, bench: Bench) -> None:
        self.at = {f"memory:{name}": f"socket-{name}" for name in bench.nodes}

    def __call__(self, spec: LinkSpec) -> str | None:
        return self.at.get(spec.channel.replace("//", ""))


@virtual
async def test_a_node_that_cannot_say_who_it_is_is_known_by_its_socket(bench: Bench) -> None:
    bench.node("r1", MUTE)
    bench.node("r2", MUTE)
    sockets = Sockets(bench)
    async with bench.gateway() as running:
        running.gateway.site.identities.places = sockets
        for name in ("r1", "r2"):
            view = await running.gateway.probe(name, allow_restart=True)
            assert (view.identity, view.identity_strength) == (f"socket-{name}", "position")
        sockets.at["memory:r1"], sockets.at["memory:r2"] = "socket-r2", "socket-r1"
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy(no_rollback="allow", all_at_once=True)
        await running.until(lambda: codes(running, "r1") == codes(running, "r2") == ["identity-changed"])
        assert [node.operations for node in bench.nodes.values()] == [0, 0]
        said = await running.gateway.explain("r1")
        assert "leads to socket-r2 now, where r2 was" in said.summary
        (waiting,) = await running.gateway.attempts(node="r2", open_only=True)
        await running.gateway.cancel(str(waiting.id), asked_by="test")
        with pytest.raises(IdentityChanged):
            await running.gateway.probe("r2", allow_restart=True)
        assert bench.lines.lines["r2"].opens == 1, "what may be another node is not even opened"
        # One is put back, the other is meant to be where it is.
        sockets.at["memory:r1"] = "socket-r1"
        sockets.at["memory:r2"] = "socket-7"
        await running.until(lambda: codes(running, "r1") == [])
        view = await running.gateway.roster.accept("r2", asked_by="ann")
        assert (view.place, view.state) == ("socket-7", "ok")
        await running.deploy("d2", "r2", no_rollback="allow")
        assert set(outcomes((await running.ended())[-1:])) == {"flashed"}
        assert (await running.view("r1")).state == "ok"


@virtual
async def test_a_node_that_says_who_it_is_may_move(bench: Bench) -> None:
    asks_who(bench)
    bench.node("s1", options={"hw-id": "4711"})
    sockets = Sockets(bench)
    async with bench.gateway() as running:
        running.gateway.site.identities.places = sockets
        await running.gateway.probe("s1", allow_restart=False)
        sockets.at["memory:s1"] = "socket-5"
        view = await running.gateway.probe("s1", allow_restart=False)
        assert (view.state, view.place) == ("ok", "socket-5")


@virtual
async def test_a_link_that_was_configured_anew_leads_elsewhere_on_purpose(bench: Bench) -> None:
    bench.node("r1", MUTE)
    async with bench.gateway() as running:
        await running.gateway.probe("r1", allow_restart=True)
    bench.lines.lines["elsewhere"] = bench.lines.lines.pop("r1")
    bench.tables["r1"]["link"] = "memory:elsewhere"
    async with bench.gateway() as running:
        view = await running.gateway.probe("r1", allow_restart=True)
        assert (view.state, view.place) == ("ok", "memory://elsewhere")


@virtual
async def test_a_new_board_introduces_itself(bench: Bench) -> None:
    asks_who(bench)
    bench.node("s1", options={"hw-id": "old"})
    async with bench.gateway() as running:
        await running.gateway.probe("s1", allow_restart=False)
        bench.node("s1", options={"hw-id": "new"})
        with pytest.raises(IdentityChanged):
            await running.gateway.probe("s1", allow_restart=False)
        view = await running.gateway.roster.replace("s1", asked_by="ann")
        assert (view.state, view.identity_strength) == ("unknown", "position")
        view = await running.gateway.probe("s1", allow_restart=False)
        assert (view.identity, view.state, view.generation) == ("new", "ok", 2)
        await running.gateway.add_release(bench.release(NEWER), asked_by="test")
        await running.deploy(version=NEWER)
        assert outcomes(await running.ended()) == ["succeeded"]
