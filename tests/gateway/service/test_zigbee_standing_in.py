"""What nodes are told while no flasher is with them, and who is listened to for how long."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from flashers.api import FlasherPlugin, Unattended
from tests.gateway.service.site import LAMP, NEW, OLD, outcomes
from tests.gateway.service.test_zigbee import ready
from tests.gateway.service.zigbeesite import HALL, ZigbeeBench, on_zigbee, running_versions
from transports.zcl import Zcl
from transports.zigbee.networks import NetworkSettings

QUERY = Zcl(0x0019, 0x01, bytes.fromhex("00 3412 0100 00000001"), tsn=7)
"""Query Next Image: manufacturer, image type, file version (ZCL revision 8, 11.13.4)."""


def a_plugin_that(answers: Unattended | Exception) -> Callable[[FlasherPlugin], FlasherPlugin]:
    """The real one, but for what it says when nobody is with a node."""

    def unattended(request: Zcl, open: bool) -> Unattended:  # noqa: A002 - as the contract has it
        del request, open
        if isinstance(answers, Exception):
            raise answers
        return answers

    return lambda plugin: replace(plugin, unattended=unattended)


@on_zigbee
async def test_a_plugin_that_stumbles_over_a_request_is_silence_and_said_once(bench: ZigbeeBench) -> None:
    bench.on_network("l1")
    bench.swap_plugin[LAMP] = a_plugin_that(ValueError("a frame that nobody thought of"))
    log = Kept()
    async with bench.gateway() as running:
        answer = running.gateway.networks._standing_in.answer
        assert [answer(HALL, bench.places["l1"].ieee, QUERY) for _ in range(100)] == [None] * 100
        assert log.of("l1") == ["node=l1 could not be answered: ValueError('a frame that nobody thought of')"]
    log.close()


@on_zigbee
async def test_what_is_odd_is_said_once_for_each_node_and_not_for_each_request(bench: ZigbeeBench) -> None:
    for name in ("l1", "l2"):
        bench.on_network(name)
    bench.swap_plugin[LAMP] = a_plugin_that(Unattended(note="it asks for what there is not"))
    log = Kept()
    async with bench.gateway() as running:
        answer = running.gateway.networks._standing_in.answer
        for _ in range(50):
            answer(HALL, bench.places["l1"].ieee, QUERY)
            answer(HALL, bench.places["l2"].ieee, QUERY)
            answer(HALL, "00:12:4b:00:00:00:09:09", QUERY)
        assert len(log.of("l1")) == len(log.of("l2")) == 1
        assert len(log.of("zigbee:hall#00:12:4b:00:00:00:09:09")) == 1
    log.close()


@on_zigbee
async def test_a_node_that_queries_hears_that_there_is_nothing_only_while_nothing_is_to_come(
    bench: ZigbeeBench,
) -> None:
    bench.on_network("l1")
    async with bench.gateway() as running:
        answer = running.gateway.networks._standing_in.answer
        told = answer(HALL, bench.places["l1"].ieee, QUERY)
        assert told is not None
        assert told.payload == b"\x98", "NO_IMAGE_AVAILABLE (ZCL revision 8, table 2-12)"
        await ready(bench, running)
        await running.gateway.rollout.pause(None, asked_by="test")
        await running.deploy(no_rollback="allow")
        assert answer(HALL, bench.places["l1"].ieee, QUERY) is None, "it asks again, and is notified then"
        await running.gateway.rollout.resume(None, asked_by="test")
        assert outcomes(await running.ended()) == ["succeeded"]


@on_zigbee
async def test_a_block_request_before_the_journal_is_loaded_gets_silence(bench: ZigbeeBench) -> None:
    node = bench.on_network("l1")
    async with bench.gateway(killed=True) as running:
        await ready(bench, running)
        await running.deploy(no_rollback="allow")
        await running.until(lambda: node.counts.taken >= 20)
    gave_up, down = node.counts.gave_up, bench.places["l1"].counts.down
    # The coordinator is there, and whoever has it has not read anything yet.
    network = await bench._make(HALL, NetworkSettings("/dev/coordinator"))
    await asyncio.sleep(12.0)
    assert bench.places["l1"].counts.down == down
    await network.aclose()
    async with bench.gateway() as running:
        assert outcomes(await running.ended(within=7200.0)) == ["succeeded"]
    assert node.counts.gave_up == gave_up
    assert running_versions(bench)["l1"] == NEW


@on_zigbee
async def test_who_was_heard_is_written_down_rarely_and_of_strangers_nothing(bench: ZigbeeBench) -> None:
    bench.on_network("l1")
    bench.on_network("l2")
    del bench.tables["l2"]
    async with bench.gateway() as running:
        journal = running.gateway.site.journal
        await asyncio.sleep(300.0)
        assert await journal.heard() == {}, "cards wear"
        await asyncio.sleep(600.0)
        assert set(await journal.heard()) == {f"zigbee:{HALL}#{bench.places['l1'].ieee}"}
    assert running_versions(bench)["l1"] == OLD


class Kept(logging.Handler):
    """What was logged of Zigbee, by node."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        logging.getLogger("tender.zigbee").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(record.getMessage())

    def of(self, node: str) -> list[str]:
        """Lines about one node."""
        return [line for line in self.lines if line.startswith(f"node={node} ")]

    def close(self) -> None:
        """Listen no more."""
        logging.getLogger("tender.zigbee").removeHandler(self)
        super().close()
