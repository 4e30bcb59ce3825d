"""Nodes behind a radio, with a real service, over the virtual air: updated, taken back, lost and found."""

import asyncio
from typing import Any, cast

from flashers.sim import Behaviour
from gateway.model.links import Culprit
from tests.gateway.service.airsite import MAIN, SECOND, RadioBench, on_radio
from tests.gateway.service.site import NEW, NEWER, OLD, THERMO, Piece, outcomes, runs
from transports.ble.backend import Backend


@on_radio
async def test_a_node_on_the_air_is_updated_proved_and_confirmed(bench: RadioBench) -> None:
    node = bench.on_air("t1")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW, Piece(THERMO)), asked_by="test")
        await running.deploy()
        assert outcomes(await running.ended()) == ["succeeded"]
        assert runs(bench, "t1", THERMO, NEW)
        assert node.truth().confirmed
        link = await running.link()
        assert link.traffic.bytes_down > 900
        assert link.traffic.bytes_up > 0
        assert link.finding.culprit is Culprit.NOTHING
        assert link.radio is not None
        assert (link.radio.connected, link.radio.cap, link.radio.hears) == ((), 8, 1)


@on_radio
async def test_one_that_is_not_well_is_taken_back_by_its_loader(bench: RadioBench) -> None:
    bench.on_air("t1")
    async with bench.gateway() as running:
        ill = bench.release(NEW, Piece(THERMO, Behaviour.UNHEALTHY))
        await running.gateway.add_release(ill, asked_by="test")
        await running.deploy()
        (record,) = await running.ended()
        assert outcomes([record]) == ["rolled-back"]
        assert record.result is not None
        assert record.result.rollback.value == "bootloader"
        assert runs(bench, "t1", THERMO, OLD)


@on_radio
async def test_what_passed_over_the_air_is_kept_of_an_attempt_that_did_not_succeed(bench: RadioBench) -> None:
    bench.on_air("t1")
    async with bench.gateway() as running:
        ill = bench.release(NEW, Piece(THERMO, Behaviour.UNHEALTHY))
        await running.gateway.add_release(ill, asked_by="test")
        await running.deploy()
        (record,) = await running.ended()
        trace = (await running.gateway.attempt(record.id)).trace
        assert any("characteristic da2e7828" in line for line in trace)
        assert any(" > " in line for line in trace)
        assert any(" < " in line for line in trace)


@on_radio
async def test_a_link_that_is_lost_in_the_transfer_costs_a_connection_and_nothing_else(
    bench: RadioBench,
) -> None:
    bench.on_air("t1")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW, Piece(THERMO)), asked_by="test")
        await running.deploy()
        await running.in_phase("t1", "transferring")
        bench.radios["t1"].hang_up()
        assert outcomes(await running.ended()) == ["succeeded"]
        assert runs(bench, "t1", THERMO, NEW)


@on_radio
async def test_a_node_out_of_reach_waits_holding_nothing_and_begins_by_itself_when_it_is_back(
    bench: RadioBench,
) -> None:
    bench.on_air("t1")
    bench.reach("t1", reach=False)
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW, Piece(THERMO)), asked_by="test")
        await running.deploy()
        await running.until(lambda: running.waits_for("t1") == ["ble-not-heard"])
        await asyncio.sleep(3600.0)
        assert running.waits_for("t1") == ["ble-not-heard"]
        assert not running.gateway.site.leases.held
        (record,) = await running.records()
        assert (record.starts, record.seconds, record.touched) == ({}, 0.0, False)
        bench.reach("t1", reach=True)
        assert outcomes(await running.ended(within=120.0)) == ["succeeded"]


@on_radio
async def test_one_that_is_carried_away_in_the_transfer_gives_its_place_back_and_goes_on_later(
    bench: RadioBench,
) -> None:
    bench.on_air("t1")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW, Piece(THERMO)), asked_by="test")
        await running.deploy()
        await running.in_phase("t1", "transferring")
        bench.reach("t1", reach=False)
        await running.until(lambda: running.waits_for("t1") == ["ble-not-heard"], within=300.0)
        assert not running.gateway.site.leases.held
        await asyncio.sleep(7200.0)
        assert runs(bench, "t1", THERMO, OLD)
        bench.reach("t1", reach=True)
        assert outcomes(await running.ended(within=300.0)) == ["succeeded"]
        assert runs(bench, "t1", THERMO, NEW)


@on_radio
async def test_a_weak_signal_is_waited_out_and_shown_with_its_figure(bench: RadioBench) -> None:
    bench.profile(radio="min_rssi = -85")
    bench.on_air("t1")
    bench.rssi("t1", -92)
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW, Piece(THERMO)), asked_by="test")
        await running.deploy()
        await running.until(lambda: running.waits_for("t1") == ["rssi-low"], within=60.0)
        assert "-92 dBm" in running.says("t1")
        assert "-85 dBm" in running.says("t1")
        assert not running.gateway.site.leases.held
        bench.rssi("t1", -70)
        assert outcomes(await running.ended(within=120.0)) == ["succeeded"]


@on_radio
async def test_a_low_battery_is_waited_out_and_read_again_without_holding_anything(bench: RadioBench) -> None:
    bench.profile(radio="min_battery = 30\nbattery_every = 600.0")
    bench.on_air("t1", battery=12)
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW, Piece(THERMO)), asked_by="test")
        await running.deploy()
        await running.until(lambda: running.waits_for("t1") == ["battery-low"], within=60.0)
        assert "12 %" in running.says("t1")
        assert "30 %" in running.says("t1")
        assert not running.gateway.site.leases.held
        await asyncio.sleep(3000.0)
        (record,) = await running.records()
        assert not record.touched
        bench.batteries["t1"].level = 80
        assert outcomes(await running.ended(within=900.0)) == ["succeeded"]


@on_radio
async def test_a_node_that_does_not_say_how_full_its_battery_is_waits_and_says_why(bench: RadioBench) -> None:
    bench.profile(radio="min_battery = 30")
    bench.on_air("t1")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW, Piece(THERMO)), asked_by="test")
        await running.deploy()
        await running.until(lambda: running.waits_for("t1") == ["battery-unread"], within=60.0)
        assert runs(bench, "t1", THERMO, OLD)


@on_radio
async def test_a_gateway_that_is_killed_in_the_transfer_goes_on_where_it_was(bench: RadioBench) -> None:
    bench.on_air("t1")
    async with bench.gateway(killed=True) as running:
        await running.gateway.add_release(bench.release(NEW, Piece(THERMO)), asked_by="test")
        await running.deploy()
        await running.in_phase("t1", "transferring")
    async with bench.gateway() as running:
        assert outcomes(await running.ended()) == ["succeeded"]
        assert runs(bench, "t1", THERMO, NEW)


@on_radio
async def test_eight_nodes_at_once_on_one_adapter_all_finish(bench: RadioBench) -> None:
    for number in range(1, 9):
        bench.on_air(f"t{number}")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW, Piece(THERMO)), asked_by="test")
        most = 0

        async def watch() -> None:
            nonlocal most
            while True:
                link = await running.link()
                assert link.radio is not None
                most = max(most, len(link.radio.connected))
                await asyncio.sleep(0.2)

        watching = asyncio.create_task(watch())
        await running.deploy(waves=())
        assert outcomes(await running.ended()) == ["succeeded"] * 8
        watching.cancel()
        assert all(runs(bench, f"t{number}", THERMO, NEW) for number in range(1, 9))
        assert most > 4, "an adapter carries more than one node at a time"


@on_radio
async def test_an_adapter_is_given_no_more_nodes_than_it_carries(bench: RadioBench) -> None:
    bench.settings["adapters"] = {MAIN: {"hci": "tcp:127.0.0.1:9", "links": 2}}
    for number in range(1, 6):
        bench.on_air(f"t{number}")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW, Piece(THERMO)), asked_by="test")
        await running.deploy(waves=())
        told = running.gateway.site
        most = 0
        while running.gateway.supervisor.depth:
            most = max(most, *(len(held) for held in told.leases.held.values()), 0)
            await asyncio.sleep(0.1)
        assert most == 2
        assert outcomes(await running.records()) == ["succeeded"] * 5


@on_radio
async def test_two_adapters_work_side_by_side(bench: RadioBench) -> None:
    hci = {"hci": "tcp:127.0.0.1:9"}
    bench.settings["adapters"] = {MAIN: hci, SECOND: hci}
    bench.on_air("t1")
    bench.on_air("t2", adapter=SECOND)
    bench.reach("t2", reach=False)  # of the first adapter alone
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW, Piece(THERMO)), asked_by="test")
        await running.deploy(waves=())
        assert outcomes(await running.ended(within=300.0)) == ["succeeded"] * 2
        names = {view.name for view in await running.gateway.links.links()}
        assert {f"ble:{MAIN}", f"ble:{SECOND}"} <= names


@on_radio
async def test_one_dead_adapter_is_named_and_does_not_stop_the_other(bench: RadioBench) -> None:
    hci = {"hci": "tcp:127.0.0.1:9"}
    bench.settings["adapters"] = {MAIN: hci, SECOND: hci}
    bench.on_air("t1")
    bench.on_air("t2", adapter=SECOND)
    async with bench.gateway() as running:
        await running.gateway.site.adapters.get(MAIN)
        bench.controllers[MAIN].hung = True
        await running.gateway.add_release(bench.release(NEW, Piece(THERMO)), asked_by="test")
        await running.deploy(waves=())
        await running.until(lambda: running.waits_for("t1") == ["ble-adapter-hung"], within=300.0)
        await running.until(lambda: runs(bench, "t2", THERMO, NEW), within=300.0)
        assert (await running.link()).finding.culprit is Culprit.ADAPTER
        await running.until(lambda: running.told("gateway.degraded"), within=1200.0)
        assert "ble-adapter-hung" in {event.data["code"] for event in running.told("gateway.degraded")}
        bench.controllers[MAIN].hung = False
        assert outcomes(await running.ended(within=600.0)) == ["succeeded"] * 2
        await running.until(lambda: running.told("gateway.recovered"), within=1200.0)
        assert (await running.link()).finding.culprit is Culprit.NOTHING


@on_radio
async def test_what_an_adapter_carries_is_learned_and_kept_over_a_restart(bench: RadioBench) -> None:
    bench.on_air("t1")
    async with bench.gateway() as running:
        adapter = await running.gateway.site.adapters.get(MAIN)
        for address in ("A", "B"):
            adapter.limit.failed(address, 3)
        await asyncio.sleep(1.0)
    async with bench.gateway() as running:
        assert running.gateway.site.adapters.cap(MAIN) == 3
        link = await running.link()
        assert link.radio is not None
        assert (link.radio.cap, link.radio.learned) == (3, True)
        await running.gateway.add_release(bench.release(NEWER, Piece(THERMO)), asked_by="test")
        await running.deploy(version=NEWER)
        assert outcomes(await running.ended()) == ["succeeded"]


@on_radio
async def test_whoever_is_waited_for_takes_little_air_from_one_that_is_connected(bench: RadioBench) -> None:
    bench.on_air("t1")
    bench.on_air("t2")
    bench.reach("t2", reach=False)
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW, Piece(THERMO)), asked_by="test")
        await running.deploy("d", "t2")
        adapter = await running.gateway.site.adapters.get(MAIN)
        await running.until(lambda: running.waits_for("t2") == ["ble-not-heard"])
        await asyncio.sleep(120.0)
        link = await adapter.connect(bench.address("t1"), within=5.0)
        await asyncio.sleep(10.0)
        listened = 0
        for _ in range(600):
            listened += adapter._scanner is not None
            await asyncio.sleep(0.5)
        assert 0.05 < listened / 600 < 0.25
        bench.reach("t2", reach=True)
        assert outcomes(await running.ended(within=120.0)) == ["succeeded"]
        await link.aclose()


@on_radio
async def test_an_adapter_that_hangs_in_a_connect_is_switched_off_and_on_and_that_is_told(
    bench: RadioBench,
) -> None:
    bench.on_air("t1")
    bench.spoil = lambda _, backend: cast("Backend", Hanging(backend, times=1))
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW, Piece(THERMO)), asked_by="test")
        await running.deploy()
        assert outcomes(await running.ended()) == ["succeeded"]
        (told,) = running.told("adapter.power-cycled")
        assert (told.data["adapter"], told.data["nodes"]) == (MAIN, ["t1"])
        link = await running.link()
        assert link.radio is not None
        assert link.radio.power_cycles == 1
        assert "switched off and on" in " ".join(link.finding.reasoning).lower()


class Hanging:
    """A Bluetooth whose first connects never come to an end."""

    def __init__(self, backend: Any, times: int) -> None:
        self._backend = backend
        self._times = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def client(self, *args: Any, **kwargs: Any) -> Any:
        """As in the contract."""
        client = self._backend.client(*args, **kwargs)
        if self._times:
            self._times -= 1
            client.connect = asyncio.Event().wait
        return client
