"""What no node should send: it harms nobody else, is bounded, and is named in the log."""

import asyncio
import random

import pytest

from flashers.api import Stalled, Transfer
from flashers.conformance.session import BenchSession
from flashers.zigbee_ota.codec import Command, File, ImageBlockRequest, ImageBlockResponse, UpgradeEndRequest
from flashers.zigbee_ota.codec.words import OTA, POLL_CONTROL, General
from flashers.zigbee_ota.flasher import ZigbeeFlasher
from tests.flashers.zigbee_ota.hand import IEEE, MANUFACTURER, TYPE, Hand, World, image, play
from transports.errors import TenderError
from transports.zcl import Zcl

NEW = image(2)


def _blocks(hand: Hand) -> list[ImageBlockResponse]:
    answers = [
        each for each in hand.told if each.command == Command.IMAGE_BLOCK_RESPONSE and not each.general
    ]
    return [ImageBlockResponse.decode(each.payload) for each in answers]


async def _begun(world: World) -> "asyncio.Task[object]":
    task = world.transfer(NEW)
    await world.hand.hears(Command.IMAGE_NOTIFY)
    return task


async def _finished(world: World, task: "asyncio.Task[object]") -> None:
    """After all that it is still served."""
    world.hand.told.clear()
    assert await world.hand.takes(NEW.payload) == NEW.payload
    world.hand.end()
    await task


def test_a_flood_of_one_question_gets_as_many_answers_as_fit_one_after_the_other() -> None:
    async def story(world: World) -> None:
        task = await _begun(world)
        loop = asyncio.get_running_loop()
        began = loop.time()
        for _ in range(1000):
            world.hand.block(0)
            await asyncio.sleep(0.001)
        took = loop.time() - began
        assert len(_blocks(world.hand)) <= took / 0.1 + 2
        assert world.network.most_under_way <= 3
        await asyncio.sleep(1)
        await _finished(world, task)
        assert "duplicates" in world.session.notes[-1]

    play(story)


def test_a_flood_of_different_questions_is_answered_as_fast_as_answers_are_confirmed() -> None:
    async def story(world: World) -> None:
        task = await _begun(world)
        chance = random.Random(1)
        for _ in range(1000):
            world.hand.block(chance.randrange(1000))
        await asyncio.sleep(1)
        assert world.network.most_under_way <= 3
        assert len(_blocks(world.hand)) <= 70, "an inbox is bounded, and what is old in it is worth nothing"
        await _finished(world, task)

    play(story)


def test_one_number_for_every_question_confuses_nobody() -> None:
    async def story(world: World) -> None:
        task = await _begun(world)
        taken = b""
        while len(taken) < NEW.size:
            world.hand.block(len(taken), tsn=9)
            taken += ImageBlockResponse.decode(
                (await world.hand.hears(Command.IMAGE_BLOCK_RESPONSE)).payload
            ).data
        assert taken == NEW.payload
        world.hand.ask(UpgradeEndRequest(0, File(MANUFACTURER, TYPE, 2)), tsn=9)
        await task

    play(story)


@pytest.mark.parametrize("seed", range(8))
def test_garbage_is_counted_named_and_forgotten(seed: int) -> None:
    async def story(world: World) -> None:
        chance = random.Random(seed)
        task = await _begun(world)
        for _ in range(300):
            world.hand.say(
                Zcl(
                    chance.choice((OTA, OTA, OTA, POLL_CONTROL)),
                    chance.choice((*range(10), 0xFF)),
                    chance.randbytes(chance.randrange(0, 20)),
                    tsn=chance.randrange(256),
                    to_client=chance.random() < 0.2,
                    general=chance.random() < 0.2,
                    manufacturer=chance.choice((None, None, 0x1234)),
                )
            )
            await asyncio.sleep(chance.choice((0.0, 0.01, 0.5)))
        assert not task.done()
        await _finished(world, task)
        assert len(world.session.notes) < 40, "one line for each of thousands would hide all others"
        assert "malformed" in world.session.notes[-1]

    play(story)


def test_what_is_no_question_is_not_answered() -> None:
    """A default response to a default response would never end."""

    async def story(world: World) -> None:
        task = await _begun(world)
        world.hand.told.clear()
        for frame in (
            Zcl(OTA, General.DEFAULT_RESPONSE, bytes((5, 0x80)), tsn=1, general=True),
            Zcl(OTA, Command.IMAGE_BLOCK_RESPONSE, b"\x00", tsn=1, to_client=True),
            Zcl(OTA, General.REPORT, bytes(4), tsn=1, general=True, to_client=True),
            Zcl(OTA, 0x03, bytes(14), tsn=1, manufacturer=0x1111),
        ):
            world.hand.say(frame)
            await asyncio.sleep(1)
        assert world.hand.told == []
        await _finished(world, task)

    play(story)


def test_a_node_that_takes_its_image_over_and_over_is_left_at_last() -> None:
    async def story(world: World) -> int:
        task = await _begun(world)
        rounds = 0
        while not task.done() and rounds < 100:
            try:
                await world.hand.takes(NEW.payload)
            except TimeoutError:
                break
            rounds += 1
        with pytest.raises(Stalled, match="over"):
            await task
        return rounds

    assert 4 <= play(story) <= 12


def test_the_same_offset_for_ever_is_no_progress_and_ends() -> None:
    async def story(world: World) -> None:
        task = await _begun(world)
        for _ in range(4000):
            world.hand.block(50)
            await asyncio.sleep(1)
            if task.done():
                break
        with pytest.raises(TenderError):
            await task

    play(story)


def test_two_nodes_are_served_side_by_side_and_one_that_floods_costs_the_other_little() -> None:
    async def story(world: World) -> None:
        other = Hand()
        ieee = IEEE[:-1] + "2"
        object.__setattr__(other.description, "ieee", ieee)
        world.mesh.add(other)
        task = await _begun(world)

        async def flood() -> None:
            while True:
                world.hand.block(0)
                world.hand.say(Zcl(OTA, 0x03, b"", tsn=1))
                await asyncio.sleep(0.005)

        flooding = asyncio.ensure_future(flood())
        session = BenchSession(zigbee=lambda: world.network.node(ieee))
        beside = ZigbeeFlasher(session, world.params)
        served = asyncio.ensure_future(beside.transfer(Transfer(NEW)))
        await other.hears(Command.IMAGE_NOTIFY)
        began = asyncio.get_running_loop().time()
        assert await other.takes(NEW.payload) == NEW.payload
        assert asyncio.get_running_loop().time() - began < 20 * 0.05
        other.end()
        await served
        await session.close()
        for each in flooding, task:
            each.cancel()
        await asyncio.gather(flooding, task, return_exceptions=True)

    play(story)


def test_a_block_that_was_asked_for_is_served_while_a_page_is_on_its_way() -> None:
    async def story(world: World) -> None:
        task = await _begun(world)
        world.hand.page(0, 1000, spacing=100)
        await asyncio.sleep(0.3)
        world.hand.told.clear()
        world.hand.ask(ImageBlockRequest(File(MANUFACTURER, TYPE, 2), 900, 50))
        await asyncio.sleep(0.05)
        assert 900 in {each.offset for each in _blocks(world.hand)}
        await _finished(world, task)

    play(story)
