"""The power may fail at every flash operation of a node, and the gateway may die at any frame."""

import asyncio
import functools

import pytest

from flashers.api import EvidenceKind, Of
from tests.flashers.zigbee_ota.site import Site, image, play
from tests.flashers.zigbee_ota.world import NEW, OLD
from transports.errors import TenderError

FORTH, BACK = image(NEW, 1500), image(OLD)

KINDS: dict[str, dict[str, str]] = {
    "blocks": {},
    "pages": {"asks": "pages"},
    "external": {"layout": "external"},
    "forgets": {"forgets": "true"},
    "advertised": {"reports_version": "advertised"},
}


async def _ends_there(site: Site) -> None:
    seen = await site.bring(FORTH)
    assert site.runs(FORTH)
    assert seen.proves(Of.BOOT, (EvidenceKind.VERSION,))


@functools.cache
def _operations(kind: str) -> int:
    async def story(site: Site) -> int:
        await _ends_there(site)
        return site.node.operations

    return play(story, **KINDS[kind])


@functools.cache
def _frames(kind: str) -> int:
    async def story(site: Site) -> int:
        await _ends_there(site)
        return site.mesh.frames

    return play(story, **KINDS[kind])


@pytest.mark.parametrize("torn", [False, True], ids=["before", "torn"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_node_whose_power_fails_at_any_operation_ends_on_the_target(kind: str, torn: bool) -> None:
    operations = _operations(kind)
    assert operations > 10
    for at in range(1, operations + 1):

        async def story(site: Site, at: int = at) -> None:
            site.node.cut_power_at(at, torn=torn, off_for=3.0)
            await _ends_there(site)

        play(story, **KINDS[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_a_node_whose_power_fails_is_never_without_firmware(kind: str) -> None:
    for torn in False, True:
        for at in range(1, _operations(kind) + 1):

            async def story(site: Site, at: int = at, torn: bool = torn) -> None:
                site.node.cut_power_at(at, torn=torn, off_for=None)
                served = asyncio.ensure_future(site.once(FORTH))
                await asyncio.wait({served}, timeout=300)
                served.cancel()
                await asyncio.gather(served, return_exceptions=True)
                assert site.node.truth().bootable, f"operation {at}, torn {torn}"
                site.node.power_on()
                await _ends_there(site)

            play(story, **KINDS[kind])


@pytest.mark.parametrize("kind", ["blocks", "pages"])
def test_a_gateway_that_dies_at_any_frame_finds_the_node_where_it_is(kind: str) -> None:
    for at in range(1, _frames(kind)):

        async def story(site: Site, at: int = at) -> None:
            died = asyncio.Event()

            def watch(number: int) -> None:
                if number == at:
                    site.network.die()
                    died.set()

            site.mesh.watch = watch
            bringing = asyncio.ensure_future(_ends_there(site))
            dying = asyncio.ensure_future(died.wait())
            await asyncio.wait({bringing, dying}, return_when=asyncio.FIRST_COMPLETED)
            for each in bringing, dying:
                each.cancel()
            await asyncio.gather(bringing, dying, return_exceptions=True)
            site.mesh.watch = None
            await asyncio.sleep(20)
            await site.session.close()
            site.host()
            await _ends_there(site)

        play(story, **KINDS[kind])


@pytest.mark.parametrize("kind", ["blocks", "pages"])
def test_a_coordinator_that_is_pulled_at_any_frame_costs_nothing_but_time(kind: str) -> None:
    frames = _frames(kind)
    for at in range(1, frames, 3):

        async def story(site: Site, at: int = at) -> None:
            def watch(number: int) -> None:
                if number == at:
                    site.network.unplug()
                    asyncio.get_running_loop().call_later(20, site.network.replug)

            site.mesh.watch = watch
            try:
                await site.once(FORTH)
            except TenderError as error:
                site.errors.append(error.code)
            await asyncio.sleep(30)
            await site.lease()
            await _ends_there(site)

        play(story, **KINDS[kind])


@pytest.mark.parametrize("loss", [0.1, 0.3])
def test_power_and_frames_may_be_lost_together(loss: float) -> None:
    for seed in range(12):

        async def story(site: Site, seed: int = seed) -> None:
            site.node.cut_power_at(1 + seed * 2, torn=bool(seed % 2), off_for=15.0)
            await _ends_there(site)

        play(story, loss=loss, seed=seed, asks="pages" if seed % 3 else "blocks")
