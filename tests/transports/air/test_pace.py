"""What timing.py says beforehand, against a transfer that is counted byte by byte."""

import asyncio

import pytest

from tests.transports.air.rig import VALUE, Rig, rig
from transports.ble.adapter import Adapter
from transports.ble.backend import HciBackend
from transports.ble.link import BleakLink
from transports.virtual.air.timing import RADIO, Timing
from transports.virtual.clock import run_virtual

MTU = 247
SIZE = 244
COUNT = 600

SLOW = Timing.paced(20_000, 0.06)
PACES = (RADIO, SLOW, Timing(packets=1), Timing(interval=0.0075, packets=2), Timing(octets=27))


async def linked(here: Rig) -> BleakLink:
    link = await Adapter(HciBackend(here.adapter), "main").connect(here.nodes[0].who.address, within=5.0)
    await link.subscribe(VALUE)
    return link


@pytest.mark.parametrize("loss", [0.0, 0.05])
@pytest.mark.parametrize("timing", PACES, ids=str)
def test_values_pass_as_fast_as_the_formula_says(timing: Timing, loss: float) -> None:
    timing = Timing(timing.interval, timing.packets, timing.octets, loss)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with rig(timing=timing) as here:
            link = await linked(here)
            began = loop.time()
            for _ in range(COUNT):
                await link.write(VALUE, bytes(SIZE), response=False)
            await here.nodes[0].has(COUNT * SIZE)
            rate = COUNT * SIZE / (loop.time() - began)
            assert rate == pytest.approx(timing.raw_rate(MTU), rel=0.02 if not loss else 0.05)

    run_virtual(main())


@pytest.mark.parametrize("loss", [0.0, 0.05])
@pytest.mark.parametrize("window", [1, 2, 4, 6, 9, 40])
def test_a_transfer_with_a_window_reaches_the_smaller_of_the_two_limits(window: int, loss: float) -> None:
    """So many values may be unanswered; without loss the limit is reached, and with it never passed."""
    timing = Timing(loss=loss)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with rig(timing=timing) as here:
            link = await linked(here)
            began = loop.time()
            for sent in range(COUNT):
                if sent >= window:
                    await link.heard()
                await link.write(VALUE, bytes(SIZE), response=False)
            await here.nodes[0].has(COUNT * SIZE)
            rate = COUNT * SIZE / (loop.time() - began)
            limit = timing.limit(MTU, window * SIZE)
            assert rate < 1.03 * limit
            # A window that is no whole number of events' worth leaves turns unused.
            assert rate > (0.75 if loss else 0.85) * limit

    run_virtual(main())


def test_packets_and_air_time_are_counted() -> None:
    count = 5 * COUNT

    async def main() -> None:
        async with rig(timing=Timing(loss=0.05)) as here:
            link = await linked(here)
            (channel,) = here.air.channels
            before, resent = channel.counters.packets, channel.counters.resent
            for _ in range(count):
                await link.write(VALUE, bytes(SIZE), response=False)
            await here.nodes[0].has(count * SIZE)
            again = channel.counters.resent - resent
            # Its answers are counted as well, and the last of them are still to come.
            assert 2 * count - 30 <= channel.counters.packets - before - again <= 2 * count
            assert again == pytest.approx(0.05 * 2 * count, rel=0.25)
            assert channel.counters.air_seconds > count * RADIO.air_time(251)

    run_virtual(main())


def test_a_pace_that_is_none_is_refused() -> None:
    for rate, latency in ((0, 1), (1, 0), (-1, 1)):
        with pytest.raises(ValueError, match="above zero"):
            Timing.paced(rate, latency)
