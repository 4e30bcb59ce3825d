"""One adapter, shared: one scan, one connect at a time, a cap, and troubles with names."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import pytest
from bleak import BleakClient

from tests.transports.air.rig import SERVICE, VALUE, Rig, persona, rig
from transports.ble.adapter import Adapter, Sighting
from transports.ble.backend import CONNECT_S, HciBackend
from transports.ble.cap import Cap
from transports.ble.errors import AdapterFull, AdapterHung, GattRefused, NodeNotHeard, PairingFailed
from transports.ble.hci import HciAdapter
from transports.ble.link import BleakLink
from transports.ble.watchdog import State
from transports.errors import LinkError, LinkLost
from transports.gatt import GattLink
from transports.virtual.air.radio import RadioController
from transports.virtual.air.timing import RADIO
from transports.virtual.clock import run_virtual


def adapter(here: Rig, links: int | None = None) -> Adapter:
    return Adapter(HciBackend(here.adapter), "main", links=links)


def address(number: int = 1) -> str:
    return persona(number).address


def test_a_link_is_written_read_and_listened_to() -> None:
    async def main() -> None:
        async with rig() as here:
            link = await adapter(here).connect(address(), within=5.0)
            assert isinstance(link, GattLink)
            assert link.has(VALUE)
            assert not link.has(SERVICE)
            assert link.room(VALUE) == 244
            assert await link.read(VALUE) == b"a value"
            await link.subscribe(VALUE)
            await link.write(VALUE, b"abc", response=False)
            assert await link.heard() == (VALUE, (3).to_bytes(4, "big"))
            with pytest.raises(GattRefused) as refused:
                await link.write(VALUE, b"no", response=True)
            assert refused.value.att_error == 0x80
            await link.aclose()
            await link.aclose()
            with pytest.raises(LinkLost):
                await link.read(VALUE)

    run_virtual(main())


def test_what_was_heard_before_the_end_is_still_handed_out() -> None:
    async def main() -> None:
        async with rig() as here:
            link = await adapter(here).connect(address(), within=5.0)
            await link.subscribe(VALUE)
            for _ in range(3):
                await link.write(VALUE, b"x", response=False)
            await here.nodes[0].has(3)
            waiting = asyncio.create_task(asyncio.sleep(2 * RADIO.interval))
            await waiting
            here.radios[0].hang_up()
            await asyncio.sleep(1)
            assert [int.from_bytes((await link.heard())[1], "big") for _ in range(3)] == [1, 2, 3]
            with pytest.raises(LinkLost):
                await link.heard()

    run_virtual(main())


def test_a_listener_hears_at_once_that_the_node_went_away() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with rig() as here:
            one = adapter(here)
            link = await one.connect(address(), within=5.0)
            await link.subscribe(VALUE)
            began = loop.time()
            loop.call_later(1.0, here.radios[0].hang_up)
            with pytest.raises(LinkLost):
                await link.heard()
            assert loop.time() - began < 1.1
            assert not one.open_links

    run_virtual(main())


def test_a_node_that_is_not_there_is_said_to_be_unheard() -> None:
    async def main() -> None:
        async with rig() as here:
            with pytest.raises(NodeNotHeard) as unheard:
                await adapter(here).connect("C0:00:00:00:00:77", within=5.0)
            assert unheard.value.code == "ble-not-heard"
            assert not here.adapter.device.is_scanning

    run_virtual(main())


def test_no_more_links_than_the_adapter_carries() -> None:
    async def main() -> None:
        async with rig(*(persona(number) for number in range(1, 5))) as here:
            one = adapter(here, links=3)
            links = [await one.connect(address(number), within=5.0) for number in (1, 2, 3)]
            with pytest.raises(AdapterFull):
                await one.connect(address(4), within=5.0)
            await links[0].aclose()
            assert await (await one.connect(address(4), within=5.0)).read(VALUE) == b"a value"

    run_virtual(main())


def test_eight_at_once_are_all_reached() -> None:
    async def main() -> None:
        async with rig(*(persona(number) for number in range(1, 9))) as here:
            one = adapter(here, links=8)
            links = await asyncio.gather(*(one.connect(address(n), within=10.0) for n in range(1, 9)))
            assert len(one.open_links) == 8
            assert [await link.read(VALUE) for link in links] == [b"a value"] * 8
            await one.aclose()
            assert not one.open_links

    run_virtual(main())


def test_a_node_that_vanishes_as_it_is_connected_to_is_named_and_keeps_nobody_waiting() -> None:
    async def main() -> None:
        async with rig(persona(1), persona(2)) as here:
            one, loop = adapter(here), asyncio.get_running_loop()
            await one.hear(lambda sighting: sighting.address == address(1), within=5.0)
            controller = the(here.radios[0].controller)

            def gone_by_now(sighting: Sighting) -> bool:
                here.air.set_power(controller, on=False)
                return False

            async def other() -> float:
                link = await one.connect(address(2), within=5.0)
                assert await link.read(VALUE) == b"a value"
                return loop.time()

            began = loop.time()
            async with asyncio.TaskGroup() as group:
                vain = group.create_task(refused(one.connect(address(1), within=5.0, pair=gone_by_now)))
                reached = group.create_task(other())
            assert "was not heard again" in vain.result()
            assert reached.result() - began < CONNECT_S + 2.0, "one try is all that it cost the other"
            here.air.set_power(controller, on=True)
            link = await one.connect(address(1), within=5.0)
            assert await link.read(VALUE) == b"a value"

    run_virtual(main())


def test_a_node_that_goes_elsewhere_as_it_is_connected_to_is_found_there() -> None:
    async def main() -> None:
        async with rig(persona(1), persona(2)) as here:
            one = adapter(here)
            for number in (1, 2):
                await one.hear(lambda heard: heard.address == address(number), within=5.0)  # noqa: B023
            places = [the(radio.controller) for radio in here.radios]
            here.air.set_power(places[1], on=False)

            def goes_elsewhere(sighting: Sighting) -> bool:
                here.air.set_power(places[0], on=False)
                here.air.set_power(places[1], on=True)
                return False

            link = await one.connect(
                address(1), within=5.0, pair=goes_elsewhere, wanted=lambda heard: bool(heard.address)
            )
            assert link.address == address(2)

    run_virtual(main())


async def refused(connecting: Awaitable[BleakLink]) -> str:
    """What is said of a connect that comes to nothing."""
    with pytest.raises(LinkError) as raised:
        await connecting
    return raised.value.message


def the(controller: RadioController | None) -> RadioController:
    """The radio that a node has for sure."""
    assert controller is not None
    return controller


def test_a_wrong_passkey_is_told_as_such() -> None:
    async def main() -> None:
        async with rig(persona(secured=True, passkey=123456)) as here:
            with pytest.raises(PairingFailed):
                await adapter(here).connect(address(), within=5.0, passkey=111111, pair=True)
            link = await adapter(here).connect(address(), within=5.0, passkey=123456, pair=True)
            await link.write(VALUE, b"x", response=True)

    run_virtual(main())


def test_a_node_that_does_not_pair_takes_the_key_of_another_role_and_no_new_one() -> None:
    willing = persona(secured=True)

    async def main() -> None:
        async with rig(willing) as here:
            radio = here.radios[0]
            one = adapter(here)
            link = await one.connect(address(), within=5.0, pair=True)
            await link.aclose()
            radio.appear(replace(willing, bondable=False))
            link = await one.connect(address(), within=5.0, pair=True)
            await link.write(VALUE, b"x", response=True)
            await link.aclose()
            radio.appear(replace(willing, bondable=False, address=address(2)))
            with pytest.raises(PairingFailed):
                await one.connect(address(2), within=5.0, pair=True)

    run_virtual(main())


def test_a_scan_that_went_deaf_is_begun_anew_and_harms_no_link() -> None:
    async def main() -> None:
        async with rig(persona(1), persona(2)) as here:
            one = adapter(here)
            link = await one.connect(address(1), within=5.0)
            async with one.scanning():
                await one.hear(lambda sighting: sighting.address == address(2), within=5.0)
                here.controller.le_scan_enable = False  # as some controllers do by themselves
                assert (await one.hear(lambda _: True, within=90.0)).address == address(2)
                assert one.power_cycles == 0
                assert await link.read(VALUE) == b"a value"

    run_virtual(main())


def test_an_adapter_that_hears_nothing_is_switched_off_and_on_and_says_so_ever_more_rarely() -> None:
    async def main() -> None:
        async with rig(persona(1), persona(2)) as here:
            one = adapter(here)
            news: list[tuple[State, str]] = []
            one.listen(lambda which, what: news.append((which.state, what)))
            async with one.scanning():
                await one.hear(lambda sighting: sighting.address == address(1), within=5.0)
                await one.hear(lambda sighting: sighting.address == address(2), within=5.0)
                for radio in here.radios:
                    radio.appear(None)  # to an adapter that is deaf it looks the same
                with pytest.raises(AdapterHung, match="2 nodes before"):
                    await one.hear(lambda _: True, within=300.0)
                assert str(one.state) == "deaf"
                assert (State.FINE, "power-cycled") in news
                assert (State.DEAF, "state") in news
                await asyncio.sleep(43_200.0)
                assert 5 <= one.power_cycles <= 20, "it is tried for ever, and rarely"
                here.radios[0].appear(persona(1))
                assert (await one.hear(lambda _: True, within=5.0)).address in {address(1), address(2)}
                assert str(one.state) == "fine"

    run_virtual(main())


def test_an_adapter_that_hangs_is_named() -> None:
    async def main() -> None:
        async with rig() as here:
            here.controller.hung = True
            with pytest.raises(AdapterHung):
                await adapter(here).connect(address(), within=5.0)

    run_virtual(main())


def test_a_connect_that_does_not_end_gets_the_adapter_switched_off_and_on_and_the_next_one_works() -> None:
    async def main() -> None:
        async with rig() as here:
            one = Adapter(Hanging(here.adapter, times=1), "main")
            with pytest.raises(AdapterHung, match="did not end"):
                await one.connect(address(), within=5.0)
            assert one.power_cycles == 1
            link = await one.connect(address(), within=5.0)
            assert await link.read(VALUE) == b"a value"

    run_virtual(main())


class Hanging(HciBackend):
    """A Bluetooth whose first connects never come to an end."""

    def __init__(self, adapter: HciAdapter, times: int) -> None:
        super().__init__(adapter)
        self.times = times

    def client(self, *args: Any, **kwargs: Any) -> BleakClient:
        """As in the contract."""
        client = super().client(*args, **kwargs)
        if self.times:
            self.times -= 1
            client.connect = self._never  # type: ignore[method-assign]
        return client

    async def _never(self, **_: Any) -> None:
        await asyncio.Event().wait()


class Clock:
    """A time that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def full_for(cap: Cap, clock: Clock, days: float, connects: int = 20) -> None:
    """Carry what it may so often, in so many days."""
    for _ in range(connects):
        clock.now += days * 86_400 / connects
        cap.connected(cap.most)


def learned(most: int) -> tuple[Cap, Clock, list[int]]:
    """One that was found to carry so many."""
    clock, told = Clock(), list[int]()
    cap = Cap(8, learns=True, changed=told.append, ceiling=8, now=clock)
    for name in "AB":
        cap.failed(name, most)
    return cap, clock, told


def test_a_cap_rises_by_one_after_a_day_of_carrying_what_it_may() -> None:
    cap, clock, told = learned(3)
    full_for(cap, clock, 0.9)
    assert cap.most == 3, "often, and not for long"
    full_for(cap, clock, 0.2, connects=1)
    assert (cap.most, told) == (4, [3, 4])
    full_for(cap, clock, 1.1)
    assert cap.most == 5, "it carried four, for a day"
    for _ in range(10):
        full_for(cap, clock, 1.1)
    assert cap.most == 8, "and no more than it began with"


def test_a_cap_that_is_never_reached_does_not_rise() -> None:
    cap, clock, _ = learned(3)
    for _ in range(100):
        clock.now += 86_400
        cap.connected(2)
    assert cap.most == 3, "nobody wants more"


def test_one_failure_ends_the_trial_and_the_next_one_is_later() -> None:
    cap, clock, told = learned(3)
    full_for(cap, clock, 1.1)
    assert cap.most == 4
    cap.failed("C", 3)
    assert cap.most == 3, "one node is enough: nothing is lost by going back"
    full_for(cap, clock, 1.5)
    assert cap.most == 3, "twice as long this time"
    full_for(cap, clock, 0.6, connects=1)
    assert cap.most == 4
    cap.connected(4)
    cap.failed("C", 3)
    cap.failed("D", 3)
    assert cap.most == 4, "it has carried four"
    assert told == [3, 4, 3, 4]


def test_what_was_learned_in_an_earlier_life_is_tried_again_too_and_what_is_configured_is_not() -> None:
    clock = Clock()
    kept = Cap(3, learns=True, ceiling=8, now=clock)
    configured = Cap(3, learns=False, ceiling=8, now=clock)
    for cap in (kept, configured):
        clock.now = 0.0
        full_for(cap, clock, 1.2, connects=30)
    assert (kept.most, configured.most) == (4, 3)


def test_a_cap_is_learned_from_two_different_nodes_and_never_from_one() -> None:
    told: list[int] = []
    cap = Cap(8, learns=True, changed=told.append)
    for links in (1, 2, 3):
        cap.connected(links)
    cap.failed("A", 3)
    cap.failed("A", 3)
    assert cap.most == 8, "one node alone may be at fault itself"
    cap.failed("B", 2)
    assert cap.most == 8, "it has carried three before"
    cap.failed("B", 3)
    assert (cap.most, told) == (3, [3])
    configured = Cap(8, learns=False)
    configured.failed("A", 3)
    configured.failed("B", 3)
    assert configured.most == 8
