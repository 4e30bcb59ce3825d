"""Nodes are found by what they call out, and become this gateway's only on somebody's word."""

import asyncio
import shlex

from flashers.api import Calling, Role, plus_one
from gateway.cli.nodes import register
from gateway.cli.parsing import Parser
from gateway.model.radio import CandidateView
from gateway.service.radio.matching import Call
from gateway.verbs.nodes import AdoptRequest
from tests.gateway.service.airsite import MAIN, SECOND, AirRunning, RadioBench, on_radio
from tests.gateway.service.radio.twins import Twin, World, in_world
from tests.gateway.service.site import NEW, THERMO, Piece, outcomes, runs
from transports.gatt import Advertisement, Characteristic, NodeRadio, Persona, Property, Service
from transports.virtual.air.node import AirNode

SMP = "8d53dc1d-1db7-4cd3-868b-8a527460aa84"
"""The service of SMP over Bluetooth (mcumgr, `doc/smp_transport`), which these nodes call out."""
KNOWN_BY = f'[discovery]\nservices = ["{SMP}"]\nname = "n.*"\n'


def discovering(bench: RadioBench, said: str = KNOWN_BY) -> RadioBench:
    """With a profile that says how its nodes are known."""
    bench.profile(swap={"[params]": f"{said}\n[params]"})
    return bench


def stranger(bench: RadioBench, number: int, name: str) -> None:
    """Something else on the air."""
    read = Characteristic("00002a29-0000-1000-8000-00805f9b34fb", frozenset({Property.READ}))
    service = Service("0000180a-0000-1000-8000-00805f9b34fb", (read,))
    persona = Persona(f"D0:00:00:00:00:{number:02X}", Advertisement(name, (service.uuid,)), (service,))
    bench.radios[name] = AirNode(bench.air, _Calls(persona), name)


class _Calls:
    """A peer that calls out, and is of no use."""

    def __init__(self, persona: Persona) -> None:
        self._persona = persona

    def attach(self, radio: NodeRadio) -> None:
        radio.appear(self._persona)

    def connected(self) -> None:
        return None

    def disconnected(self) -> None:
        return None

    def written(self, characteristic: str, data: bytes) -> int:
        del characteristic, data
        return 0

    def value(self, characteristic: str) -> bytes:
        del characteristic
        return b""

    def listened(self, characteristic: str, *, on: bool) -> None:
        del characteristic, on


async def candidates(running: AirRunning) -> dict[str, CandidateView]:
    """By the name that they call out."""
    air = await running.gateway.discovery.listen(5.0, asked_by="test")
    return {each.name: each for each in air.candidates}


def unknown(bench: RadioBench, *names: str) -> None:
    """These are on the air, and in nobody's file."""
    for name in names:
        bench.on_air(name)
        del bench.tables[name]


@on_radio
async def test_what_looks_like_a_node_is_a_candidate_and_is_left_alone(bench: RadioBench) -> None:
    unknown(discovering(bench), "n1", "n2")
    bench.on_air("n3")
    stranger(bench, 1, "n-kettle")
    async with bench.gateway() as running:
        found = await candidates(running)
        assert set(found) == {"n1", "n2"}, "a node of ours is none, nor is what offers another service"
        one = found["n1"]
        assert (one.adapter, one.addressed, one.owner) == (MAIN, "static", None)
        assert THERMO in one.profiles
        assert one.services == (SMP,)
        assert -100 < one.rssi < 0
        assert one.heard_s < 5.0
        await asyncio.sleep(600)
        assert not running.told("node.adopted")
        assert bench.nodes["n1"].operations == 0


@on_radio
async def test_the_command_that_is_shown_adopts_the_candidate(bench: RadioBench) -> None:
    unknown(discovering(bench), "n1")
    async with bench.gateway() as running:
        one = (await candidates(running))["n1"]
        parser = Parser(prog="tender")
        register(parser.add_subparsers(dest="command"))
        (command,) = (each for each in one.adopt if f"--profile {THERMO} " in each)
        said = parser.parse_args(shlex.split(command)[1:])
        request = AdoptRequest(said.node, said.profile, said.link)
        await running.gateway.roster.adopt(request, asked_by="somebody")
        assert await candidates(running) == {}
        await running.until(lambda: running.gateway.site.not_ours(said.node) is None)
        await running.gateway.add_release(bench.release(NEW, Piece(THERMO)), asked_by="test")
        await running.deploy("d", said.node)
        assert outcomes(await running.ended()) == ["succeeded"]
        assert runs(bench, "n1", THERMO, NEW)


@on_radio
async def test_a_rule_adopts_what_it_names_and_nothing_else(bench: RadioBench) -> None:
    unknown(discovering(bench), "n1", "n2", "nx")
    bench.settings["adopt"] = [
        {
            "profile": THERMO,
            "adapters": [MAIN],
            "name": "n[0-9]",
            "labels": {"hall": "3"},
            "node": "{name}-{address}",
        }
    ]
    bench.settings["gateway"] = {"name": "gw"}
    async with bench.gateway() as running:
        site = running.gateway.site
        await running.until(lambda: len(site.nodes) == 2)
        names = sorted(site.nodes)
        assert [name[:2] for name in names] == ["n1", "n2"]
        assert all(site.nodes[name].labels == {"hall": "3"} for name in names)
        assert {event.data["by"] for event in running.told("node.adopted")} == {f"rule:{THERMO}"}
        assert set(await candidates(running)) == {"nx"}
        await asyncio.sleep(600)
        views = [await running.view(name) for name in names]
        assert {view.state for view in views} == {"seen"}, "no upstream could say whether others have them"
        assert "tender node claim" in views[0].next_step
        await running.gateway.discovery.claim(names[0], over=False, asked_by="somebody")
        assert (await running.view(names[0])).owner == "gw"


@on_radio
async def test_a_rule_that_vouches_for_it_makes_nodes_ours_without_an_upstream(bench: RadioBench) -> None:
    unknown(discovering(bench), "n1")
    bench.settings["adopt"] = [{"profile": THERMO, "adapters": [MAIN], "alone": True}]
    async with bench.gateway() as running:
        site = running.gateway.site
        await running.until(lambda: [name for name in site.nodes if site.not_ours(name) is None])
        assert len(running.told("node.owned")) == 1


@on_radio
async def test_a_rule_listens_to_the_adapters_that_it_names_and_to_nodes_that_are_near(
    bench: RadioBench,
) -> None:
    unknown(discovering(bench), "n1", "n2")
    bench.settings["adapters"] = {name: {"hci": "tcp:127.0.0.1:9"} for name in (MAIN, SECOND)}
    bench.settings["adopt"] = [
        {"profile": THERMO, "adapters": [SECOND], "rssi": -45, "node": "{name}.{address}"}
    ]
    async with bench.gateway() as running:
        site = running.gateway.site
        assert set(await candidates(running)) == {"n1", "n2"}
        bench.rssi("n1", -30, adapter=MAIN)
        await asyncio.sleep(300)
        assert not site.nodes, "the one is near the other adapter, the other is near none"
        bench.rssi("n2", -40, adapter=SECOND)
        await running.until(lambda: site.nodes)
        assert [table.link for table in site.nodes.values()] == [f"ble:{SECOND}#{bench.address('n2')}"]


@on_radio
async def test_what_people_forgot_is_not_adopted_again_by_a_rule(bench: RadioBench) -> None:
    unknown(discovering(bench), "n1")
    bench.settings["adopt"] = [{"profile": THERMO, "adapters": [MAIN], "alone": True}]
    async with bench.gateway() as running:
        site = running.gateway.site
        await running.until(lambda: site.nodes)
        (name,) = site.nodes
        await running.until(lambda: site.not_ours(name) is None)
        await running.gateway.roster.forget(name, asked_by="somebody")
        await asyncio.sleep(600)
        assert not site.nodes
        assert "forgot" in (await candidates(running))["n1"].note


@on_radio
async def test_a_node_in_its_bootloader_is_no_candidate_to_adopt(bench: RadioBench) -> None:
    """Known by the address after its own, or by how its flasher said that it would be called there."""
    discovering(bench, '[discovery]\nname = ".*"\n')
    bench.on_air("n1")
    bench.settings["adopt"] = [{"profile": THERMO, "adapters": [MAIN]}]
    async with bench.gateway() as running:
        site, discovery = running.gateway.site, running.gateway.discovery
        now = asyncio.get_running_loop().time()
        await site.reach.callings.keep(
            f"ble:{MAIN}#{bench.address('n1')}", Role.LOADER, Calling(name="DfuTarg", unique=False)
        )
        discovery.heard(Call(plus_one(bench.address("n1")), MAIN, -50, now, "boot", random=True))
        discovery.heard(Call("C9:00:00:00:00:01", MAIN, -50, now, "DfuTarg", random=True))
        await asyncio.sleep(60)
        assert list(site.nodes) == ["n1"]
        air = await discovery.air()
        assert [(each.note, each.adopt) for each in air.candidates] == 2 * [
            ("it may be n1 in its bootloader", ())
        ]


@on_radio
async def test_somebody_who_calls_out_a_thousand_names_fills_neither_memory_nor_roster(
    bench: RadioBench,
) -> None:
    discovering(bench, '[discovery]\nname = "n.*"\n')
    bench.settings["adopt"] = [{"profile": THERMO, "adapters": [MAIN], "most": 3}]
    async with bench.gateway() as running:
        discovery = running.gateway.discovery
        now = asyncio.get_running_loop().time()
        for number in range(5000):
            address = f"C1:00:00:00:{number >> 8:02X}:{number & 0xFF:02X}"
            discovery.heard(Call(address, MAIN, -50, now, f"n{number}", random=True))
        await asyncio.sleep(300)
        assert len(running.gateway.site.nodes) == 3
        assert len(discovery.candidates) <= 256
        air = await discovery.air()
        assert any("no more" in each.note for each in air.candidates)


@on_radio
async def test_an_adapter_listens_its_share_and_not_while_it_carries_a_transfer(bench: RadioBench) -> None:
    discovering(bench)
    bench.on_air("n1", options={"slot-pages": "24"})
    bench.settings["adapters"] = {MAIN: {"hci": "tcp:127.0.0.1:9", "scan": 6}}
    async with bench.gateway() as running:
        await asyncio.sleep(1200)
        (ear,) = (await running.gateway.discovery.air()).adapters
        assert ear.scan == "6 s a minute"
        assert 100 <= ear.listened_s <= 130, "of twenty minutes a tenth"
        assert ear.advertisements > 0
        adapter = running.gateway.site.adapters.made[MAIN]
        link = await adapter.connect(bench.address("n1"), within=10.0)
        before = (await running.gateway.discovery.air()).adapters[0].listened_s
        await asyncio.sleep(1200)
        after = (await running.gateway.discovery.air()).adapters[0].listened_s
        assert after - before <= 2.0
        await link.aclose()


@on_radio
async def test_an_adapter_that_listens_on_demand_hears_nobody_until_somebody_asks(bench: RadioBench) -> None:
    unknown(discovering(bench), "n1")
    bench.settings["adapters"] = {MAIN: {"hci": "tcp:127.0.0.1:9", "scan": "on-demand"}}
    async with bench.gateway() as running:
        await asyncio.sleep(600)
        air = await running.gateway.discovery.air()
        assert (air.candidates, air.adapters[0].listened_s) == ((), 0.0)
        assert set(await candidates(running)) == {"n1"}


@on_radio
async def test_an_adapter_that_is_missing_is_told_and_keeps_nobody_from_listening(bench: RadioBench) -> None:
    unknown(discovering(bench), "n1")
    bench.settings["adapters"] = {name: {"hci": "tcp:127.0.0.1:9"} for name in (MAIN, SECOND)}

    async with bench.gateway() as running:
        await running.gateway.discovery.listen(1.0, asked_by="test")
        bench.controllers[SECOND].hung = True
        running.gateway.site.adapters.made[SECOND]._powered = False
        await asyncio.sleep(300)
        ears = {ear.adapter: ear for ear in (await running.gateway.discovery.air()).adapters}
        assert ears[SECOND].trouble
        assert not ears[MAIN].trouble
        assert ears[MAIN].listened_s > 30


@in_world("a", "b")
async def test_two_gateways_adopt_one_node_by_their_rules_and_one_of_them_has_it(world: World) -> None:
    for twin in world.twins.values():
        discovering(twin)
        twin.settings["adopt"] = [{"profile": THERMO, "adapters": [twin.name], "node": "n" + "-{address}"}]
    world.node("n", known=False)
    await world.start()
    name = f"n-{world['a'].address('n').replace(':', '').lower()}"
    site = {each: at_work(twin).gateway.site for each, twin in world.twins.items()}
    await world.until(lambda: all(name in each.nodes for each in site.values()))
    await world.until(lambda: world.owners(name))
    (owner,) = world.owners(name)
    (other,) = set(world.twins) - {owner}
    for twin in world.twins.values():
        await at_work(twin).gateway.add_release(twin.release(NEW, Piece(THERMO)), asked_by="test")
        await at_work(twin).deploy("d", name)
    running = at_work(world[owner])
    await world.until(lambda: not running.gateway.supervisor.depth)
    assert outcomes(await running.records()) == ["succeeded"]
    assert at_work(world[other]).waits_for(name) == ["not-owner"]
    assert runs(world[owner], "n", THERMO, NEW)


def at_work(twin: Twin) -> AirRunning:
    assert twin.running is not None
    return twin.running
