"""A virtual Zigbee node behaves as the specification has it, and as badly as it is told to."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashers.api import Digest, VirtualSetup, ZigbeeNode, zigbee_node
from flashers.sim import Behaviour, Operation, SimApp
from flashers.zigbee_ota import PLUGIN
from flashers.zigbee_ota.codec import (
    ImageBlockRequest,
    ImageBlockResponse,
    ImagePageRequest,
    QueryNextImageRequest,
    QueryNextImageResponse,
    Request,
    Status,
    UpgradeEndRequest,
    frame,
    general,
)
from flashers.zigbee_ota.codec.general import Reporting
from flashers.zigbee_ota.codec.words import (
    BASIC,
    OTA,
    POLL_CONTROL,
    POWER,
    TEMPERATURE,
    BasicAttribute,
    General,
    OtaAttribute,
    PowerAttribute,
    UpgradeStatus,
)
from flashers.zigbee_ota.params import OtaParams
from flashers.zigbee_ota.virtual.node import VirtualZigbeeNode, Where
from flashers.zigbee_ota.virtual.options import BadOption
from tests.flashers.zigbee_ota.world import (
    IEEE,
    NEW,
    OLD,
    Server,
    behaving,
    file,
    made,
    on_network,
    until,
)
from transports.errors import LinkError
from transports.virtual.clock import run_virtual
from transports.virtual.memory_zigbee import MemoryMesh, MemoryNetwork
from transports.zcl import Zcl

OLD_DIGEST, NEW_DIGEST = Digest.sha256(file(OLD)), Digest.sha256(file(NEW))
FORWARD, BACK = 0x02000000, 0x01000000
BLOCKS = -(-len(file(NEW)) // 50)

Story = Callable[[VirtualZigbeeNode, MemoryNetwork], Coroutine[Any, Any, None]]


def told(
    story: Story,
    params: OtaParams | None = None,
    *,
    running: bytes | None = None,
    loss: float = 0.0,
    **options: str,
) -> VirtualZigbeeNode:
    node = made(params, running=running, **options)

    async def main() -> None:
        network = on_network(node, loss=loss)
        await asyncio.sleep(2.0)
        await story(node, network)

    run_virtual(main(), limit=7 * 86400)
    return node


async def staged(
    node: VirtualZigbeeNode, network: MemoryNetwork, data: bytes | None = None, **how: Any
) -> Server:
    """The file is in the node, which waits to be told to start it."""
    server = Server(network, file() if data is None else data, **how)
    await server.notify()
    await until(lambda: node.client.status == UpgradeStatus.WAITING)
    return server


async def updated(
    node: VirtualZigbeeNode, network: MemoryNetwork, data: bytes | None = None, **how: Any
) -> Server:
    """The same, and it was told."""
    server = await staged(node, network, data, **how)
    await server.say_start()
    await until(lambda: node.counts.updates == 1 and node.where is not Where.BOOTING)
    return server


def runs(node: VirtualZigbeeNode) -> Digest | None:
    return node.truth().running.get(0)


# A good update


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"asks": "pages", "page-size": "1000"},
        {"asks": "pages", "page-size": "777", "spacing-ms": "20", "block": "64"},
        {"layout": "external"},
        {"sleepy": "", "long-poll": "5"},
        {"block": "40", "period": "false"},
    ],
)
def test_a_node_fetches_a_file_waits_starts_it_and_names_its_version(options: dict[str, Any]) -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        server = await staged(node, network)
        assert runs(node) == OLD_DIGEST
        assert await server.attribute(OtaAttribute.DOWNLOADED_FILE_VERSION) == FORWARD
        assert await server.attribute(OtaAttribute.IMAGE_UPGRADE_STATUS) == UpgradeStatus.WAITING
        await server.say_start()
        await until(lambda: node.counts.updates == 1 and node.where is Where.APP)
        await asyncio.sleep(1.0)
        assert await server.attribute(OtaAttribute.CURRENT_FILE_VERSION) == FORWARD
        assert await server.attribute(OtaAttribute.IMAGE_UPGRADE_STATUS) == UpgradeStatus.NORMAL
        assert await server.attribute(OtaAttribute.FILE_OFFSET) == 0xFFFFFFFF
        assert runs(node) == NEW_DIGEST

    node = told(story, **{name.replace("-", "_"): value for name, value in options.items()})
    assert node.truth().confirmed
    assert node.counts.refused == node.counts.gave_up == 0


def test_a_node_tells_build_id_and_application_version_by_its_profile() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        link = network.node(IEEE)
        wanted = (BasicAttribute.SW_BUILD_ID, BasicAttribute.APPLICATION_VERSION, 0x7777)
        said = await link.read(BASIC, wanted, endpoint=11, within=5.0)
        assert said == {BasicAttribute.SW_BUILD_ID: "0.1", BasicAttribute.APPLICATION_VERSION: 0x23}
        assert link.facts.clients == {11: (OTA,)}

    params = OtaParams(endpoint=11, build_id="{2}.{3}", application_byte=1)
    told(story, params, running=file(OLD, version="0x01230001"))


def test_an_end_at_a_later_time_is_counted_down_to_and_can_be_changed() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        server = await staged(node, network)
        await server.say_start(1000)
        assert node.client.status == UpgradeStatus.COUNT_DOWN
        await asyncio.sleep(500)
        assert runs(node) == OLD_DIGEST
        await server.say_start(100)
        await asyncio.sleep(99)
        assert runs(node) == OLD_DIGEST
        await asyncio.sleep(10)
        assert runs(node) == NEW_DIGEST

    told(story)


def test_a_node_that_waits_asks_again_and_starts_by_itself_only_if_nobody_answers() -> None:
    async def waits(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        server = await staged(node, network)
        await asyncio.sleep(10 * 3600)
        assert runs(node) == OLD_DIGEST
        assert len(server.asked(UpgradeEndRequest)) in (10, 11)

    async def alone(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        await staged(node, network)
        network.die()
        await asyncio.sleep(2 * 3600)
        assert runs(node) == OLD_DIGEST
        await asyncio.sleep(2 * 3600)
        assert runs(node) == NEW_DIGEST

    told(waits)
    told(alone)


def test_a_node_may_hear_when_to_start_only_as_an_answer() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        server = await staged(node, network)
        await server.say_start()
        await asyncio.sleep(60)
        assert runs(node) == OLD_DIGEST
        server.start = 0
        await asyncio.sleep(3600)
        assert runs(node) == NEW_DIGEST

    told(story, only_if_asked="")


# What is asked, and again


def test_a_block_that_is_not_answered_is_asked_for_again_and_a_node_gives_up_at_last() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        silent = False

        def interfere(request: Request) -> bool:
            return not (silent and isinstance(request, ImageBlockRequest))

        server = Server(network, file(), interfere=interfere)
        await server.notify()
        await until(lambda: node.counts.taken >= 20)
        silent = True
        offset = node.store.offset
        before = node.counts.blocks
        await until(lambda: node.counts.gave_up == 1)
        assert node.counts.blocks - before == 5
        silent = False
        await server.notify()
        await until(lambda: node.client.status == UpgradeStatus.WAITING)
        assert node.counts.taken == BLOCKS
        last = server.asked(ImageBlockRequest)[-1]
        assert isinstance(last, ImageBlockRequest)
        assert last.offset > offset

    told(story, retries="5")


def test_a_query_that_is_not_answered_is_sent_three_times_and_by_an_impatient_node_once() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        server = Server(network, file(), interfere=lambda request: False)
        await server.notify()
        await asyncio.sleep(60)
        assert len(server.asked(QueryNextImageRequest)) == (1 if node.options.impatient else 3)
        server.interfere = lambda request: True
        await server.notify()
        await until(lambda: node.client.status == UpgradeStatus.WAITING)

    told(story)
    told(story, impatient="")


def test_a_node_that_gave_up_comes_back_by_itself() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        server = Server(network, file())
        await server.notify()
        await until(lambda: node.counts.taken >= 20)
        await server.aclose()
        await until(lambda: node.counts.gave_up == 1)
        Server(network, file())
        await asyncio.sleep(3700)
        assert node.client.status == UpgradeStatus.WAITING
        assert node.counts.taken == BLOCKS

    told(story)


def test_wait_for_data_is_obeyed_and_so_is_the_period_that_it_brings() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        loop = asyncio.get_running_loop()
        asked: list[float] = []

        def interfere(request: Request) -> Zcl | bool:
            if isinstance(request, ImageBlockRequest):
                asked.append(loop.time())
                if len(asked) == 5:
                    return frame(ImageBlockResponse.wait(30, period=500))
            return True

        server = Server(network, file(), interfere=interfere)
        await server.notify()
        await until(lambda: len(asked) == 10)
        assert asked[5] - asked[4] == pytest.approx(30, abs=0.1)
        assert all(0.5 <= later - earlier < 0.6 for earlier, later in pairwise(asked[5:]))
        assert await server.attribute(OtaAttribute.MINIMUM_BLOCK_PERIOD) == 500
        assert node.counts.waits == 1

    told(story)


def test_what_is_missing_of_a_page_is_asked_for_by_block() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        def lose_some(number: int) -> None:
            lost = number % 7 == 0
            if lost and len(server.asked(ImagePageRequest)):
                network.mesh.drops.add(number)

        server = Server(network, file())
        network.mesh.watch = lose_some
        await server.notify()
        await until(lambda: node.client.status == UpgradeStatus.WAITING)
        assert node.counts.pages <= 5
        assert 0 < len(server.asked(ImageBlockRequest)) < BLOCKS
        assert node.truth().bootable

    node = told(story, asks="pages", page_size="1024", block="50")
    assert node.counts.refused == 0


def test_a_server_without_pages_is_asked_for_blocks() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        server = await staged(node, network, pages=False)
        assert len(server.asked(ImagePageRequest)) == 1
        assert len(server.asked(ImageBlockRequest)) == BLOCKS

    told(story, asks="pages")


def test_a_lossy_way_only_takes_longer() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        await updated(node, network)
        assert runs(node) == NEW_DIGEST

    told(story, loss=0.1)
    told(story, loss=0.1, asks="pages")


def test_an_abort_makes_a_node_throw_away_what_it_had() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        def interfere(request: Request) -> Zcl | bool:
            if isinstance(request, ImageBlockRequest) and request.offset > 1000:
                return frame(ImageBlockResponse(Status.ABORT))
            return True

        server = Server(network, file(), interfere=interfere)
        await server.notify()
        await until(lambda: node.counts.gave_up == 1)
        assert node.client.status == UpgradeStatus.NORMAL
        assert await server.attribute(OtaAttribute.FILE_OFFSET) == 0xFFFFFFFF

    told(story)


def test_a_node_asks_by_itself_once_a_day() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        def nothing(request: Request) -> Zcl:
            return frame(QueryNextImageResponse(Status.NO_IMAGE_AVAILABLE))

        server = Server(network, file(), interfere=nothing)
        await asyncio.sleep(3 * 86400 + 60)
        assert len(server.asked(QueryNextImageRequest)) == 3
        (asked, *_) = server.asked(QueryNextImageRequest)
        assert isinstance(asked, QueryNextImageRequest)
        assert (asked.file.version, asked.hardware) == (BACK, 7)

    told(story, hardware="7")


@given(
    st.fixed_dictionaries(
        {
            "asks": st.sampled_from(["blocks", "pages"]),
            "block": st.integers(5, 64).map(str),
            "page_size": st.integers(40, 1500).map(str),
            "spacing_ms": st.sampled_from(["0", "30"]),
            "layout": st.sampled_from(["two-slots", "external"]),
            "check_s": st.sampled_from(["0", "40"]),
        },
        optional={
            "sleepy": st.just(""),
            "floods": st.sampled_from(["1", "3"]),
            "repeats_tsn": st.just(""),
            "ignores_wait": st.just(""),
            "bent": st.just(""),
        },
    ),
    st.integers(0, 1000),
    st.sampled_from([0.0, 0.1, 0.25]),
    st.none() | st.tuples(st.integers(1, 40), st.booleans()),
)
@settings(max_examples=25, deadline=None)
def test_whatever_a_node_is_like_and_whatever_is_lost_it_ends_on_the_target(
    options: dict[str, str], seed: int, loss: float, cut: tuple[int, bool] | None
) -> None:
    small = file(NEW, 900)
    node = made(**options)  # type: ignore[arg-type]
    if cut is not None:
        node.cut_power_at(cut[0], torn=cut[1])

    async def main() -> None:
        network = on_network(node, loss=loss, hops=2, mesh=MemoryMesh(seed=seed))
        await asyncio.sleep(2.0)
        server = Server(network, small)
        for _ in range(200):
            with suppress(LinkError):
                if node.client.status is UpgradeStatus.NORMAL:
                    await server.notify()
                elif node.client.status is not UpgradeStatus.DOWNLOADING:
                    await server.say_start()
            await asyncio.sleep(120)
            assert node.truth().bootable
            if runs(node) == Digest.sha256(small):
                return
        raise AssertionError(f"{node.where} {node.client.status.name} {node.counts}")

    run_virtual(main())


# What is refused


@pytest.mark.parametrize(
    ("options", "data", "how"),
    [
        ({}, file(hardware="4-9"), {}),
        ({}, file(destination="00:12:4b:00:1c:aa:bb:cd"), {}),
        ({"strict_version": ""}, file(), {"version": FORWARD + 1}),
        ({"no_old_header": ""}, file(SimApp("0.9.0")), {"version": FORWARD}),
        ({}, file()[:400] + b"\x00" + file()[401:], {}),
        ({"bent": ""}, file(), {}),
    ],
)
def test_a_file_that_is_not_for_it_or_not_whole_is_refused_by_a_node(
    options: dict[str, Any], data: bytes, how: dict[str, Any]
) -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        server = Server(network, data, **how)
        await server.notify()
        await server.ended.wait()
        (end,) = server.asked(UpgradeEndRequest)
        assert isinstance(end, UpgradeEndRequest)
        assert end.status == Status.INVALID_IMAGE
        await server.say_start()
        await asyncio.sleep(10)
        assert node.client.status == UpgradeStatus.NORMAL
        assert node.counts.updates == 0
        assert runs(node) == OLD_DIGEST

    told(story, **options)


def test_a_node_may_want_more_files_before_it_starts_any() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        server = Server(network, file())
        await server.notify()
        await server.ended.wait()
        (end,) = server.asked(UpgradeEndRequest)
        assert isinstance(end, UpgradeEndRequest)
        assert end.status == Status.REQUIRE_MORE_IMAGE
        await server.say_start()
        await asyncio.sleep(60)
        assert runs(node) == OLD_DIGEST
        assert await server.attribute(OtaAttribute.IMAGE_UPGRADE_STATUS) == UpgradeStatus.WAIT_FOR_MORE

    told(story, wants_more="")


def test_a_header_that_is_for_others_is_found_out_before_the_rest_is_fetched() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        server = Server(network, file(hardware="4-9"))
        await server.notify()
        await server.ended.wait()
        assert len(server.asked(ImageBlockRequest)) == 2

    told(story)


def test_a_node_without_room_says_so() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        server = Server(network, file())
        await server.notify()
        await until(lambda: bool(server.others))
        assert general.decode_default(server.others[0].payload) == (0x02, Status.INSUFFICIENT_SPACE)
        assert server.asked(ImageBlockRequest) == []

    told(story, room="1000")


def test_an_older_file_is_taken_under_a_higher_number_unless_the_node_looks_at_its_header() -> None:
    older = file(SimApp("0.9.0"))

    async def refuses(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        server = Server(network, older)
        await server.notify()
        await asyncio.sleep(60)
        assert server.asked(ImageBlockRequest) == []
        assert node.operations == 0

    async def takes(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        server = await updated(node, network, older, version=BACK + 1)
        await asyncio.sleep(3)
        assert runs(node) == Digest.sha256(older)
        version = BACK + 1 if node.options.reports_version == "advertised" else 0x00090000
        assert await server.attribute(OtaAttribute.CURRENT_FILE_VERSION) == version
        link = network.node(IEEE)
        assert await link.read(BASIC, [BasicAttribute.SW_BUILD_ID], endpoint=1, within=5) == {
            BasicAttribute.SW_BUILD_ID: "0.9.0"
        }

    told(refuses, no_downgrade="")
    told(takes, no_downgrade="")
    told(takes, no_downgrade="", reports_version="advertised")


def test_what_runs_is_not_fetched_again_and_a_node_may_say_what_it_does_not_take() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        server = Server(network, file(OLD))
        await server.notify()
        await asyncio.sleep(30)
        assert server.asked(ImageBlockRequest) == []
        ends = server.asked(UpgradeEndRequest)
        assert len(ends) == (1 if node.options.says_no else 0)

    told(story)
    told(story, says_no="")


def test_a_node_that_gives_up_may_say_so_and_forget_what_it_had() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        server = Server(network, file(), interfere=lambda request: node.counts.taken < 20)
        await server.notify()
        await until(lambda: bool(server.asked(UpgradeEndRequest)))
        (end,) = server.asked(UpgradeEndRequest)
        assert isinstance(end, UpgradeEndRequest)
        assert end.status == Status.ABORT
        assert node.client.status == UpgradeStatus.NORMAL
        assert await server.attribute(OtaAttribute.FILE_OFFSET) == 0xFFFFFFFF

    told(story, aborts="", retries="3")


def test_a_newer_file_takes_the_place_of_one_that_waits_unless_the_node_is_single_minded() -> None:
    newest = file(SimApp("3.0.0"))

    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        first = await staged(node, network)
        await first.aclose()
        second = Server(network, newest)
        await second.notify()
        await asyncio.sleep(30)
        expected = FORWARD if node.options.single_minded else 0x03000000
        assert await second.attribute(OtaAttribute.DOWNLOADED_FILE_VERSION) == expected
        assert node.client.status == UpgradeStatus.WAITING
        assert await second.attribute(OtaAttribute.IMAGE_TYPE_ID) == 1
        await second.say_start()
        await until(lambda: node.counts.updates == 1 and node.where is Where.APP)
        await asyncio.sleep(2)
        assert node.true_version == expected
        assert await second.attribute(OtaAttribute.IMAGE_TYPE_ID) == 0xFFFF

    told(story, hides_type="")
    told(story, hides_type="", single_minded="")


# Starts


def test_a_node_that_boots_back_runs_what_it_had_and_says_so() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        server = await updated(node, network)
        await asyncio.sleep(3)
        assert runs(node) == OLD_DIGEST
        assert await server.attribute(OtaAttribute.CURRENT_FILE_VERSION) == BACK

    told(story, boots_back="")


@pytest.mark.parametrize("behaviour", [Behaviour.CRASHES, Behaviour.HANGS])
def test_an_application_that_does_not_come_up_is_taken_back_where_the_loader_does_that(
    behaviour: Behaviour,
) -> None:
    async def reverts(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        await updated(node, network, file(behaving(behaviour)))
        assert not node.truth().confirmed
        await until(lambda: node.where is Where.APP)
        assert runs(node) == OLD_DIGEST
        assert node.truth().confirmed

    async def stays(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        server = await updated(node, network, file(behaving(behaviour)))
        await asyncio.sleep(100)
        assert node.where is Where.HUNG
        assert server.network.nodes()[IEEE].last_heard < asyncio.get_running_loop().time() - 90  # type: ignore[operator]

    told(reverts, OtaParams(reverts=True))
    told(stays)


def test_a_node_that_goes_mute_comes_back_after_its_time() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        signs: list[float] = []
        loop = asyncio.get_running_loop()
        await updated(node, network)
        booted = loop.time()
        network.hear(lambda ieee, zcl: signs.append(loop.time()))
        await asyncio.sleep(600)
        assert signs[0] - booted == pytest.approx(240, abs=1)

    told(story, mute_after_boot="240")


def test_a_liar_tells_another_version_than_it_runs() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        server = await updated(node, network, file(behaving(Behaviour.LIES, "9.9.9")))
        await asyncio.sleep(3)
        assert await server.attribute(OtaAttribute.CURRENT_FILE_VERSION) == 0x09090900
        assert node.true_version == FORWARD

    told(story)


# Power


@pytest.mark.parametrize("layout", ["two-slots", "external"])
@pytest.mark.parametrize("torn", [False, True])
def test_no_loss_of_power_leaves_a_node_without_firmware_and_all_come_to_the_end(
    layout: str, torn: bool
) -> None:
    unbootable: list[int] = []

    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        def look(operation: Operation) -> None:
            if not node.truth().bootable:
                unbootable.append(operation.number)

        node.store.flash.watch = look
        server = Server(network, small)
        for _ in range(6):
            if node.client.status is UpgradeStatus.NORMAL:
                await server.notify()
            else:
                await server.say_start()
            await asyncio.sleep(20)
            if runs(node) == Digest.sha256(small):
                break
        assert runs(node) == Digest.sha256(small)
        assert node.truth().confirmed

    small = file(NEW, 600)
    operations = told(story, layout=layout).operations
    assert 10 < operations < 60
    for cut in range(1, operations + 1):
        node = made(layout=layout)
        node.cut_power_at(cut, torn=torn)

        async def main(node: VirtualZigbeeNode = node) -> None:
            network = on_network(node)
            await asyncio.sleep(2.0)
            await story(node, network)

        run_virtual(main())
        assert node.counts.boots >= 3
    assert unbootable == []


def test_a_node_goes_on_where_it_was_after_a_loss_of_power_unless_it_forgets() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        server = Server(network, file())
        await server.notify()
        await until(lambda: node.counts.taken >= 40)
        node.power_off()
        await asyncio.sleep(60)
        before = len(server.requests)
        node.power_on()
        if node.options.forgets:
            await asyncio.sleep(60)
            assert len(server.requests) == before
            await server.notify()
        await until(lambda: len(server.requests) > before + 1)
        first = server.requests[before + 1]
        assert isinstance(first, ImageBlockRequest)
        assert (first.offset == 0) == node.options.forgets
        await until(lambda: node.client.status == UpgradeStatus.WAITING)

    told(story)
    told(story, forgets="")


def test_a_staged_file_outlives_a_loss_of_power_and_a_count_down_does_not() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        server = await staged(node, network)
        await server.say_start(100)
        node.power_off()
        await asyncio.sleep(10)
        node.power_on()
        await asyncio.sleep(1000)
        assert runs(node) == OLD_DIGEST
        assert node.client.status == UpgradeStatus.WAITING

    told(story)


# Sleep


def test_a_sleepy_node_is_heard_at_its_check_in_and_stays_awake_if_it_is_asked_to() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        link = network.node(IEEE)
        link.listen(POLL_CONTROL)
        heard = await link.heard()
        loop = asyncio.get_running_loop()
        assert loop.time() == pytest.approx(3600, abs=1)
        assert (heard.command, heard.to_client) == (0x00, True)
        answer = Zcl(POLL_CONTROL, 0x00, b"\x01\x28\x00", tsn=heard.tsn)
        await link.send(answer, acknowledged=True)
        began = loop.time()
        said = await link.read(POWER, [PowerAttribute.BATTERY_VOLTAGE], endpoint=1, within=5.0)
        assert said == {PowerAttribute.BATTERY_VOLTAGE: 27}
        assert loop.time() - began < 0.6
        await link.send(Zcl(POLL_CONTROL, 0x01), acknowledged=True)
        began = loop.time()
        assert await link.read(BASIC, [BasicAttribute.MODEL_IDENTIFIER], endpoint=1, within=8.0)
        assert loop.time() - began > 2

    told(story, sleepy="", battery="27", long_poll="6")


def test_a_deep_sleeper_is_not_reached_between_its_check_ins() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        await asyncio.sleep(60)
        link = network.node(IEEE)
        with pytest.raises(Exception, match="not"):
            await link.send(frame(QueryNextImageResponse(Status.ABORT)), acknowledged=False)
        server = Server(network, file())
        node.wake()
        await until(lambda: node.client.status == UpgradeStatus.WAITING)
        assert server.asked(QueryNextImageRequest)

    told(story, sleepy="", deep="")


# Reports


def test_reports_come_as_asked_for_and_go_on_after_an_update_unless_they_are_forgotten() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        link = network.node(IEEE)
        wanted = general.encode_reporting([Reporting(0x0000, general.I16, 1, 20, 10)])
        asked = Zcl(TEMPERATURE, General.CONFIGURE_REPORTING, wanted, general=True)
        assert (await link.ask(asked, within=5.0)).payload == b"\x00"
        before = node.counts.reports
        await asyncio.sleep(101)
        assert node.counts.reports - before == 5
        await updated(node, network)
        before = node.counts.reports
        await asyncio.sleep(101)
        assert node.counts.reports - before == (0 if node.options.drops_reports else 5)

    told(story)
    told(story, drops_reports="")


def test_an_unwell_application_reports_nothing() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        await updated(node, network, file(behaving(Behaviour.UNHEALTHY)))
        before = node.counts.reports
        await asyncio.sleep(600)
        assert node.counts.reports == before
        assert runs(node) == Digest.sha256(file(behaving(Behaviour.UNHEALTHY)))

    told(story)


# Bad manners


def test_a_node_that_ignores_notifications_does_not_ask() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        server = Server(network, file())
        await server.notify()
        await asyncio.sleep(60)
        assert server.requests == []

    told(story, ignores_notify="")


def test_strange_requests_are_made_when_they_are_asked_for() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        odd: list[Request] = []

        def interfere(request: Request) -> bool:
            strange = isinstance(request, ImageBlockRequest) and (
                request.offset > len(file()) or request.file.image_type != 1
            )
            if strange:
                odd.append(request)
            return not strange

        await updated(node, network, interfere=interfere)
        assert len(odd) == 3
        assert runs(node) == NEW_DIGEST

    told(story, beyond_end="", other_image="")


def test_a_flood_is_of_the_same_requests_and_a_repeated_number_is_one() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        numbers: set[int | None] = set()
        network.hear(lambda ieee, zcl: numbers.add(zcl.tsn) if zcl is not None else None)
        server = await staged(node, network)
        assert len(server.asked(ImageBlockRequest)) == 4 * BLOCKS
        assert len(numbers) == 1

    told(story, floods="3", repeats_tsn="", report_every="0")


def test_an_impatient_node_gives_up_when_it_is_told_to_wait_and_a_deaf_one_asks_on() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        def interfere(request: Request) -> Zcl | bool:
            if isinstance(request, ImageBlockRequest) and node.counts.blocks == 10:
                return frame(ImageBlockResponse.wait(1000))
            return True

        server = Server(network, file(), interfere=interfere)
        await server.notify()
        await asyncio.sleep(60)
        if node.options.impatient:
            assert (node.counts.gave_up, node.counts.blocks) == (1, 10)
        else:
            assert node.client.status == UpgradeStatus.WAITING

    told(story, impatient="")
    told(story, ignores_wait="")


def test_a_node_that_cannot_wait_starts_at_once() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        server = Server(network, file())
        await server.notify()
        await until(lambda: node.counts.updates == 1)
        assert runs(node) == NEW_DIGEST

    told(story, no_waiting="")


def test_whatever_is_sent_to_a_node_does_it_no_harm() -> None:
    async def story(node: VirtualZigbeeNode, network: MemoryNetwork) -> None:
        server = await staged(node, network)
        place = network.mesh.nodes[IEEE]
        for cluster in (BASIC, OTA, POLL_CONTROL, TEMPERATURE, 0x1234):
            for command in range(16):
                for payload in (b"", b"\xff", b"\x00" * 4, b"\x05\x00\x41\xff" * 3):
                    for general_one in (True, False):
                        sent = Zcl(cluster, command, payload, tsn=1, general=general_one, no_default=False)
                        await place.give(sent, acknowledged=False)
                        if (cluster, command, general_one) != (OTA, 0x05, False):
                            down = Zcl(cluster, command, payload, tsn=1, general=general_one, to_client=True)
                            await place.give(down, acknowledged=False)
        assert node.client.status == UpgradeStatus.WAITING
        await server.say_start()
        await until(lambda: node.counts.updates == 1 and node.where is Where.APP)
        assert runs(node) == NEW_DIGEST

    told(story, retries="30")


# How it is made


def test_a_node_is_made_by_the_plugin_and_named_options_only() -> None:
    node = PLUGIN.virtual_node(VirtualSetup(OtaParams(), flash={"app": file(OLD)}))
    assert isinstance(node, ZigbeeNode)
    assert zigbee_node(node).zigbee("lamp", IEEE).description.ieee == IEEE
    assert node.truth().running == {0: OLD_DIGEST}
    with pytest.raises(BadOption):
        made(nonsense="1")
    with pytest.raises(BadOption):
        made(OtaParams(reverts=True), layout="external")
    with pytest.raises(BadOption):
        made(running=b"nothing")
    with pytest.raises(BadOption):
        made(running=file(OLD, 8000))


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": "many"},
        {"hardware": "1"},
        {"elements": "nonsense"},
        {"nonsense": "1"},
        {"destination": "1"},
    ],
)
def test_a_file_that_cannot_be_made_is_a_value_error(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        PLUGIN.build(NEW, 500, wrong)


@pytest.mark.parametrize("version", ["1.2.3.4.5", "1.x", "256.0", "4294967295", ""])
def test_a_version_that_is_none_is_a_value_error(version: str) -> None:
    with pytest.raises(ValueError):
        PLUGIN.build(SimApp(version), 500, {})
