"""To whom a frame goes: exactly once, and never to zigpy where that would end a transfer."""

import asyncio

import pytest

from transports.zcl import Zcl
from transports.zigbee.network import OTA
from transports.zigbee.traffic import ANSWERS, KEPT, Inbox, Traffic

NODE, OTHER = "00:12:4b:00:1c:aa:bb:cc", "00:12:4b:00:1c:aa:bb:dd"
BLOCK = Zcl(OTA, 0x03, b"block", tsn=9)
"""An Image Block Request."""
ANSWER = Zcl(OTA, 0x05, b"\x97", tsn=9, to_client=True)


class World:
    """Traffic whose air is a list, and whose answers stay under way until somebody says otherwise."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Zcl]] = []
        self.checked_in: list[str] = []
        self.heard: list[tuple[str, Zcl | None]] = []
        self.delivered = asyncio.Event()
        self.traffic = Traffic(self.send, lambda ieee, _: self.checked_in.append(ieee))
        self.traffic.hear(lambda ieee, frame: self.heard.append((ieee, frame)))

    def send(self, ieee: str, frame: Zcl) -> "asyncio.Task[None]":
        self.sent.append((ieee, frame))
        return asyncio.get_running_loop().create_task(self._wait())

    async def _wait(self) -> None:
        await self.delivered.wait()


@pytest.fixture
async def world() -> World:
    return World()


async def test_a_block_request_that_nobody_awaits_gets_silence_and_never_goes_to_zigpy(world: World) -> None:
    for command in range(0x0A):
        assert world.traffic.received(NODE, Zcl(OTA, command, tsn=command))
    assert world.sent == []


async def test_the_stand_in_answers_what_nobody_listens_to(world: World) -> None:
    world.traffic.stand_in(lambda ieee, frame: ANSWER if ieee == NODE else None)
    assert world.traffic.received(NODE, BLOCK)
    assert world.traffic.received(OTHER, BLOCK)
    assert world.sent == [(NODE, ANSWER)]


async def test_who_listens_gets_a_nodes_frames_and_the_stand_in_gets_them_again_afterwards(
    world: World,
) -> None:
    world.traffic.stand_in(lambda *_: ANSWER)
    inbox = Inbox()
    world.traffic.listen(NODE, OTA, inbox)
    assert world.traffic.received(NODE, BLOCK)
    assert await inbox.get() == BLOCK
    assert world.sent == []
    world.traffic.leave(inbox)
    world.traffic.received(NODE, BLOCK)
    assert len(world.sent) == 1


async def test_a_frame_that_a_node_repeats_is_handed_out_each_time(world: World) -> None:
    inbox = Inbox()
    world.traffic.listen(NODE, OTA, inbox)
    for _ in range(3):
        world.traffic.received(NODE, BLOCK)
    assert [await inbox.get() for _ in range(3)] == [BLOCK] * 3


async def test_a_node_that_floods_neither_fills_the_memory_nor_the_air(world: World) -> None:
    world.traffic.stand_in(lambda *_: ANSWER)
    for _ in range(50):
        world.traffic.received(NODE, BLOCK)
    world.traffic.received(OTHER, BLOCK)
    assert [ieee for ieee, _ in world.sent] == [NODE] * ANSWERS + [OTHER]
    world.delivered.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    world.traffic.received(NODE, BLOCK)
    assert len(world.sent) == ANSWERS + 2
    inbox = Inbox()
    world.traffic.listen(NODE, OTA, inbox)
    for offset in range(KEPT + 10):
        world.traffic.received(NODE, Zcl(OTA, 3, offset.to_bytes(4, "little"), tsn=1))
    first = await inbox.get()
    assert first is not None
    assert int.from_bytes(first.payload, "little") == 10


async def test_an_answer_goes_to_who_asked_and_not_to_another_node_with_its_number(world: World) -> None:
    question = Zcl(0x0000, 0x00, b"\0\0", tsn=5, general=True)
    answer = Zcl(0x0000, 0x01, b"\0\0\0\x20\x03", tsn=5, general=True, to_client=True)
    future = world.traffic.ask(NODE, question)
    assert future is not None
    assert world.traffic.ask(NODE, question) is None
    assert not world.traffic.received(OTHER, answer), "another node's answer is zigpy's"
    assert world.traffic.received(NODE, answer)
    assert future.result() == answer


async def test_a_report_with_the_number_of_a_question_is_not_its_answer(world: World) -> None:
    future = world.traffic.ask(NODE, Zcl(0x0000, 0x00, tsn=5, general=True))
    assert future is not None
    assert not world.traffic.received(NODE, Zcl(0x0000, 0x0A, tsn=5, general=True, to_client=True))
    assert not future.done()
    refused = Zcl(0x0000, 0x0B, b"\x00\x82", tsn=5, general=True, to_client=True)
    assert world.traffic.received(NODE, refused)
    assert future.result() == refused


async def test_zigpys_own_answers_in_the_ota_cluster_reach_zigpy(world: World) -> None:
    """Its interview reads the file version; a transfer that goes on meanwhile does not take that away."""
    answer = Zcl(OTA, 0x01, tsn=5, general=True)
    assert not world.traffic.received(NODE, answer)
    world.traffic.listen(NODE, OTA, Inbox())
    assert not world.traffic.received(NODE, answer)


async def test_a_check_in_is_answered_here_and_a_node_that_somebody_waits_for_stays_awake(
    world: World,
) -> None:
    check_in = Zcl(0x0020, 0x00, tsn=3, to_client=True)
    assert world.traffic.received(NODE, check_in)
    assert world.checked_in == [NODE]
    assert not world.traffic.stays_awake(NODE)
    world.traffic.wants_fast_poll(lambda ieee: ieee == OTHER)
    assert world.traffic.stays_awake(OTHER)
    assert not world.traffic.stays_awake(NODE)
    world.traffic.ask(NODE, Zcl(0x0000, 0x00, tsn=5, general=True))
    assert world.traffic.stays_awake(NODE)


async def test_everybody_hears_a_sign_of_life_also_behind_one_that_stumbles(world: World) -> None:
    def stumbles(ieee: str, frame: Zcl | None) -> None:
        raise ValueError(ieee)

    more: list[str] = []
    end = world.traffic.hear(stumbles)
    world.traffic.hear(lambda ieee, _: more.append(ieee))
    world.traffic.received(NODE, BLOCK)
    world.traffic.sign_of_life(NODE)
    end()
    end()
    assert more == [NODE, NODE]
    assert world.heard == [(NODE, BLOCK), (NODE, None)]


async def test_whoever_waits_is_told_that_the_coordinator_is_gone(world: World) -> None:
    inbox = Inbox()
    world.traffic.listen(NODE, OTA, inbox)
    waiting = asyncio.ensure_future(inbox.get())
    future = world.traffic.ask(NODE, Zcl(0x0000, 0x00, tsn=5, general=True))
    assert future is not None
    await asyncio.sleep(0)
    world.traffic.lost()
    assert await waiting is None
    assert future.cancelled()


async def test_waiting_for_a_frame_may_be_given_up_without_losing_one() -> None:
    inbox = Inbox()
    waiting = asyncio.ensure_future(inbox.get())
    await asyncio.sleep(0)
    inbox.put(BLOCK)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await inbox.get() == BLOCK
