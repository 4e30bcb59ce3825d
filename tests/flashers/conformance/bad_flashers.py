"""Flashers with one defect each, made of the good example: what the suite is there to find."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from flashers.api import (
    Component,
    Declaration,
    Digest,
    Exposure,
    Firmware,
    FirmwareImage,
    FlasherPlugin,
    NodeSilent,
    Probe,
    Resume,
    Role,
    RollbackKind,
    Seen,
    Segment,
    Slot,
    Transfer,
    VirtualSetup,
)
from flashers.sim import SimApp
from tests.flashers.conformance.example_flasher import (
    PAGE,
    PLUGIN,
    Decoder,
    PageletFlasher,
    PageletParams,
    VirtualPagelet,
    declare,
    encode,
    parse,
)
from transports.errors import TenderError


@dataclass(frozen=True, slots=True)
class Defect:
    """What is wrong, who has it, and the cases that have to find it."""

    name: str
    plugin: FlasherPlugin
    found_by: frozenset[str]


def _flasher(name: str, flasher: Callable[[Any, Any], Any], *found_by: str) -> Defect:
    return Defect(name, replace(PLUGIN, open=flasher), frozenset(found_by))


class WaitsForEver(PageletFlasher):
    async def _ask(self, request: str, answers: tuple[str, ...]) -> str:
        link, decoder = await self._session.open(), Decoder()
        await link.write(encode(request))
        while True:
            for message in decoder.receive_data(await link.read()):
                if message.startswith(answers):
                    return message


class RaisesWhatItLikes(PageletFlasher):
    async def probe(self, ask: Probe) -> Seen:
        try:
            return await super().probe(ask)
        except TenderError as error:
            raise RuntimeError("probe failed") from error


class CallsSilenceAnError(PageletFlasher):
    async def probe(self, ask: Probe) -> Seen:
        seen = await super().probe(ask)
        if seen.role is Role.SILENT:
            raise NodeSilent
        return seen


class ForgetsTheLastPage(PageletFlasher):
    async def transfer(self, ask: Transfer) -> Seen | None:
        short = ask.image.payload[: (ask.image.size - 1) // PAGE * PAGE]
        for start in range(0, len(short), PAGE):
            self._session.sent(PAGE)
            page = start // PAGE
            await self._ask(f"w {page} {short[start : start + PAGE].hex()}", (f"ok {page} ",))
        self._session.progress(ask.image.size, ask.image.size)
        return None


class BelievesItself(PageletFlasher):
    """Says what it has sent instead of what is there."""

    async def probe(self, ask: Probe) -> Seen:
        seen = await super().probe(ask)
        wanted = ask.candidates[0].firmware if ask.candidates else None
        if seen.role is not Role.APP or wanted is None:
            return seen
        return replace(seen, slots=(Slot(0, 0, wanted, active=True, confirmed=True),))


class WritesWhileItLooks(PageletFlasher):
    async def probe(self, ask: Probe) -> Seen:
        await self._ask(f"w 31 {bytes(PAGE).hex()}", ("ok 31 ",))
        return await super().probe(ask)


class SendsEverythingAgain(PageletFlasher):
    async def transfer(self, ask: Transfer) -> Seen | None:
        data = ask.image.payload
        for done in range(0, len(data), PAGE):
            piece = data[done : done + PAGE]
            self._session.sent(len(piece))
            self._session.progress(len(data) - done, len(data))
            await self._ask(f"w {done // PAGE} {piece.hex()}", (f"ok {done // PAGE} ",))
        return await self.probe(Probe())


class LeavesATaskBehind(PageletFlasher):
    async def probe(self, ask: Probe) -> Seen:
        self._pings = asyncio.create_task(asyncio.sleep(3600), name="pings")
        return await super().probe(ask)


class CleansUpOverTheLink(PageletFlasher):
    async def cleanup(self) -> None:
        link = await self._session.open()
        await link.write(encode("?"))


class KeepsWhatItHears(PageletFlasher):
    async def _ask(self, request: str, answers: tuple[str, ...]) -> str:
        link, heard = await self._session.open(), bytearray()
        await link.write(encode(request))
        for _ in range(20_000):
            try:
                async with asyncio.timeout(1):
                    heard += await link.read()
            except TimeoutError:
                break
            if heard.endswith(b"\n"):
                for message in Decoder().receive_data(bytes(heard)):
                    if f"{message} ".startswith(answers):
                        return message
        raise NodeSilent


class SaysWhatNoTextCanHold(PageletFlasher):
    async def probe(self, ask: Probe) -> Seen:
        seen = await super().probe(ask)
        return replace(seen, facts={"pages": [1, 2, 3]})  # type: ignore[dict-item]


class RollsBackSilently(PageletFlasher):
    async def rollback(self, ask: object) -> None:
        """Does nothing, and calls it done."""


class RestartsAtEveryQuestion(VirtualPagelet):
    """It is the node that restarts; the flasher's declaration does not say so."""

    def receive(self, data: bytes) -> None:
        super().receive(data)
        if self._powered:
            self.power_off()
            asyncio.get_running_loop().call_later(0.1, self.power_on)


def _declares(**more: Any) -> FlasherPlugin:
    def declared(params: PageletParams) -> Declaration:
        return replace(declare(params), **more)

    return replace(PLUGIN, declare=declared)


def _believing_parse(data: bytes, format: str, component: Component, params: PageletParams) -> FirmwareImage:  # noqa: A002
    if not data.startswith(b"PGLT"):
        return parse(data, format, component, params)
    named = Firmware(version=str(data[20]) if len(data) > 20 else "0")
    return FirmwareImage("pagelet", Digest.sha256(data), named, (Segment(0, data),), component)


def _careless_parse(data: bytes, format: str, component: Component, params: PageletParams) -> FirmwareImage:  # noqa: A002
    assert data[:4] == b"PGLT"
    return parse(data, format, component, params)


def _restless(setup: VirtualSetup) -> VirtualPagelet:
    return RestartsAtEveryQuestion(setup)


def _random_build(app: SimApp, size: int, options: Any) -> bytes:
    del options
    return PLUGIN.build(SimApp(app.version, hardware=str(next(_COUNT))), size, {})


_COUNT = iter(range(10_000))

DEFECTS = (
    _flasher(
        "waits for ever", WaitsForEver, "a_node_without_power_is_silent", "power_may_fail_at_any_operation"
    ),
    _flasher(
        "raises unnamed errors",
        RaisesWhatItLikes,
        "the_cable_may_be_pulled",
        "the_link_may_be_cut_at_any_byte",
    ),
    _flasher("calls silence an error", CallsSilenceAnError, "a_node_without_power_is_silent"),
    _flasher(
        "forgets the last page",
        ForgetsTheLastPage,
        "a_transfer_puts_the_image_where_it_belongs",
        "an_update_ends_with_the_image_running_for_good",
    ),
    _flasher(
        "believes itself",
        BelievesItself,
        "a_fresh_node_tells_what_it_runs",
        "an_update_ends_with_the_image_running_for_good",
    ),
    _flasher("writes while it looks", WritesWhileItLooks, "looking_does_not_write"),
    _flasher(
        "sends everything again",
        SendsEverythingAgain,
        "what_is_there_is_not_sent_again",
        "progress_grows_to_the_size_of_the_image",
    ),
    _flasher("leaves a task behind", LeavesATaskBehind, "a_fresh_node_tells_what_it_runs"),
    _flasher(
        "cleans up over the link",
        CleansUpOverTheLink,
        "the_cable_may_be_pulled",
        "a_session_leaves_nothing_behind",
    ),
    _flasher("keeps what it hears", KeepsWhatItHears, "a_flood_does_not_fill_the_memory"),
    _flasher("says what no text can hold", SaysWhatNoTextCanHold, "a_fresh_node_tells_what_it_runs"),
    _flasher("rolls back silently", RollsBackSilently, "a_rollback_that_was_not_promised_is_refused"),
    Defect(
        "restarts the node with every look",
        replace(PLUGIN, virtual_node=_restless),
        frozenset({"a_look_that_may_cost_nothing_costs_nothing"}),
    ),
    Defect(
        "promises a bootloader's rollback",
        _declares(rollback=frozenset({RollbackKind.BOOTLOADER})),
        frozenset({"declaration_does_not_contradict_itself"}),
    ),
    Defect(
        "promises to have no exposure",
        _declares(exposure=Exposure.NONE),
        frozenset(
            {"declaration_does_not_contradict_itself", "no_loss_of_power_leaves_a_node_without_firmware"}
        ),
    ),
    Defect(
        "promises to resume",
        _declares(resume=Resume.SURVIVES_RESET),
        frozenset({"a_transfer_goes_on_where_the_link_was_lost"}),
    ),
    Defect(
        "promises a backup",
        _declares(rollback=frozenset({RollbackKind.RESTORE})),
        frozenset({"a_backup_brings_the_node_back"}),
    ),
    Defect(
        "takes a part for the whole",
        replace(PLUGIN, parse=_believing_parse),
        frozenset({"a_part_of_a_file_is_not_an_image", "firmware_files_are_made_as_asked"}),
    ),
    Defect(
        "parses by assertion",
        replace(PLUGIN, parse=_careless_parse),
        frozenset({"only_images_are_taken_for_images"}),
    ),
    Defect(
        "builds at random",
        replace(PLUGIN, build=_random_build),
        frozenset({"firmware_files_are_made_as_asked"}),
    ),
    Defect(
        "has no manners",
        replace(PLUGIN, name="Bad Name", summary="", faults={"mute": ""}),
        frozenset({"introduces_itself"}),
    ),
)
