"""Transfers over BlueZ that are cut, and eight at once; whole updates are in ``test_gateway``."""

import asyncio
from contextlib import AsyncExitStack

from tests.bluez.inside.world import World, bench, image
from transports.errors import LinkLost

SIZE = 10_000
OLD = image("1.0.0", SIZE)
NEW = image("2.0.0", SIZE)


async def test_a_tail_that_was_lost_is_noticed_and_sent_again(world: World) -> None:
    """Hanging up right after the last write: what BlueZ had not sent yet is gone, and the node says so."""
    async with bench(world, OLD) as node:
        await node.answering()
        left = len(NEW) * 2 // 3
        write = node.links[-1].write

        async def cut(characteristic: str, data: bytes, *, response: bool) -> None:
            nonlocal left
            await write(characteristic, data, response=response)
            left -= len(data)
            if left < 0:
                await node.links[0].aclose()
                raise LinkLost("the host hung up")

        node.links[-1].write = cut  # type: ignore[method-assign]
        await node.brought(NEW)
        assert node.runs(NEW)
        assert len(node.links) >= 3, "one was cut, one went on, and the restart ended that"


async def test_a_node_that_loses_power_in_the_transfer_goes_on_when_it_is_back(world: World) -> None:
    async with bench(world, OLD) as node:
        await node.answering()
        node.node.cut_power_at(node.node.operations + 3, torn=True, off_for=3.0)
        await node.brought(NEW)
        assert node.runs(NEW)


async def test_eight_links_at_once_all_carry_an_image_whatever_bluez_drops(world: World) -> None:
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(bench(world, OLD, number=n)) for n in range(1, 9)]
        async with asyncio.TaskGroup() as group:
            for node in nodes:
                group.create_task(node.brought(NEW))
        assert [node.runs(NEW) for node in nodes] == [True] * 8
        assert all(node.node.truth().confirmed for node in nodes)
        assert world.adapter.limit.carried == 8
