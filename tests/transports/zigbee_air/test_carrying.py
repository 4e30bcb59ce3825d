"""The channel carries what is written down, and pays for what it should pay for."""

import asyncio
import dataclasses

import pytest

from tests.transports.zigbee_air.peers import Bench, Lamp, Loader
from transports.virtual.clock import run_virtual
from transports.virtual.zigbee import VirtualNetwork, timing
from transports.virtual.zigbee.channel import Counters, Outcome

IMAGE = 20_000


@dataclasses.dataclass
class Ran:
    rate: float
    air: float
    counters: Counters
    stamps: list[float]


async def load(
    nodes: int = 1, *, hops: int = 1, loss: float = 0.0, block: int = 50, acknowledged: bool = False,
    speed: float = 1.0, seed: int = 1,
) -> Ran:  # fmt: skip
    """Nodes ask for their blocks, all at once, from a host that answers at once."""
    async with VirtualNetwork(seed=seed, speed=speed) as network:
        Bench(network, block, acknowledged)
        loaders = [Loader(number, IMAGE) for number in range(nodes)]
        for loader in loaders:
            network.add(loader, hops=hops, loss=loss)
        await asyncio.sleep(5)
        before = dataclasses.replace(network.counters)
        began = asyncio.get_running_loop().time()
        for loader in loaders:
            loader.ask()
        ended = [await loader.done - began for loader in loaders]
        took = max(ended)
        air = (network.counters.air_seconds - before.air_seconds) / took / speed
        return Ran(nodes * IMAGE / took, air, network.counters, ended)


async def page(*, hops: int = 1, block: int = 64, flying: int = 4) -> float:
    """Blocks that nobody asked for, a few at a time; returns bytes a second."""
    async with VirtualNetwork(seed=1) as network:
        bench = Bench(network, block)
        loader = Loader(1, IMAGE)
        node = network.add(loader, hops=hops)
        await asyncio.sleep(5)
        began = asyncio.get_running_loop().time()

        def next_one(outcome: Outcome) -> None:
            if loader.missing > 0:
                bench.send_block(node.nwk, next_one)

        for _ in range(flying):
            bench.send_block(node.nwk, next_one)
        rate = IMAGE / (await loader.done - began)
        assert network.blocks == -(-IMAGE // block)
        return rate


@pytest.mark.parametrize(
    ("hops", "block", "acknowledged"), [(1, 64, False), (1, 50, True), (2, 60, False), (3, 50, False)]
)
def test_one_node_gets_its_blocks_as_fast_as_the_formula_says(
    hops: int, block: int, acknowledged: bool
) -> None:
    ran = run_virtual(load(hops=hops, block=block, acknowledged=acknowledged))
    written = timing.limit(block, hops=hops, asked=True, acknowledged=acknowledged)
    assert ran.rate == pytest.approx(written, rel=0.04)


def test_a_page_comes_as_fast_as_the_formula_says() -> None:
    assert run_virtual(page()) == pytest.approx(timing.limit(64), rel=0.03)
    assert timing.limit(64) == pytest.approx(9340, rel=0.01)


def test_no_number_of_nodes_gets_more_than_one_conversation_may() -> None:
    ran = run_virtual(load(16))
    assert 0.5 * timing.limit(50, asked=True) < ran.rate < timing.limit(50, asked=True)
    assert ran.counters.collisions > 0
    assert ran.air < 1


def test_a_lost_frame_is_sent_again_and_costs_time() -> None:
    clean, lossy = run_virtual(load(hops=2)), run_virtual(load(hops=2, loss=0.1))
    assert lossy.counters.lost > 50
    assert lossy.counters.retries > clean.counters.retries + 50
    assert lossy.rate < 0.85 * clean.rate
    assert lossy.rate > 0.3 * clean.rate


def test_every_try_ends_in_one_way() -> None:
    counters = run_virtual(load(8, hops=2, loss=0.1)).counters
    ends = counters.delivered + counters.retries + counters.failed
    # Broadcasts have no acknowledgement, and a frame is on the air when it all ends.
    assert 0 <= counters.frames - ends < 150


def test_the_same_seed_is_the_same_run() -> None:
    again = [run_virtual(load(4, hops=2, loss=0.1, seed=seed)).stamps for seed in (3, 3, 4)]
    assert again[0] == again[1]
    assert again[0] != again[2]


def test_time_on_the_air_may_pass_faster() -> None:
    usual, fast = run_virtual(load()), run_virtual(load(speed=10))
    assert fast.rate == pytest.approx(10 * usual.rate, rel=0.05)


def test_what_does_not_fit_with_its_route_is_refused() -> None:
    async def main() -> None:
        async with VirtualNetwork(seed=1) as network:
            bench = Bench(network)
            near, far = Lamp(1), Lamp(2)
            nodes = network.add(near), network.add(far, hops=3)
            await asyncio.sleep(5)
            for node, peer, hops in ((nodes[0], near, 1), (nodes[1], far, 3)):
                fits = timing.ZCL_BLOCK + timing.largest_block(hops)
                for size, outcome in ((fits, Outcome.DELIVERED), (fits + 1, Outcome.TOO_LONG)):
                    told = bench.send(node, bytes((0x09, 1, 5)) + bytes(size - 3), acknowledged=False)
                    await asyncio.sleep(1)
                    assert told == [outcome]
                assert [len(frame.payload) + 3 for frame in peer.heard] == [fits]

    run_virtual(main())


def test_where_nobody_is_the_channel_stays_silent() -> None:
    async def main() -> float:
        async with VirtualNetwork(seed=1) as network:
            Bench(network)
            await asyncio.sleep(3600)
            return network.counters.air_seconds

    assert run_virtual(main(), limit=10_000) == 0
