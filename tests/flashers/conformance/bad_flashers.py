"""Flashers with one defect each, made of good ones: what the suite is there to find."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import Field

from flashers import mcuboot_smp, stk500, zigbee_ota
from flashers.api import (
    Activate,
    Backup,
    Component,
    Confirm,
    Declaration,
    Digest,
    EvidenceKind,
    Exposure,
    Firmware,
    FirmwareImage,
    FlasherPlugin,
    NodeRefused,
    NodeSilent,
    Probe,
    Resume,
    Role,
    RollbackKind,
    Seen,
    Segment,
    Slot,
    Transfer,
    TransferRefused,
    Unattended,
    VirtualSetup,
)
from flashers.conformance import Subject, subject_of
from flashers.conformance.subject import OLD
from flashers.mcuboot_smp.codec import Group, ImageCommand, Op
from flashers.mcuboot_smp.flasher import McubootFlasher
from flashers.mcuboot_smp.state import ImageState
from flashers.sim import SimApp, read_app
from flashers.stk500.flasher import Stk500Flasher
from flashers.zigbee_ota.codec import (
    Command,
    ImageBlockResponse,
    Status,
    UpgradeEndRequest,
    UpgradeEndResponse,
)
from flashers.zigbee_ota.codec import answer as said
from flashers.zigbee_ota.codec import read_request as asks
from flashers.zigbee_ota.unattended import unattended
from tests.flashers.conformance.example_flasher import (
    HEAD,
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
from transports.zcl import Zcl


@dataclass(frozen=True, slots=True)
class Defect:
    """What is wrong, who has it, and the cases that have to find it."""

    name: str
    plugin: FlasherPlugin
    found_by: frozenset[str]
    params: Mapping[str, Any] = field(default_factory=dict)
    traits: Mapping[str, Any] = field(default_factory=dict)

    @property
    def subject(self) -> Subject:
        return subject_of(self.plugin, self.params, **self.traits)


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


class ReadsWhatItDidNotPromise(PageletFlasher):
    async def backup(self, ask: Backup) -> bytes:
        return b""


class CallsTheLoaderAnApplication(PageletFlasher):
    async def probe(self, ask: Probe) -> Seen:
        seen = await super().probe(ask)
        return replace(seen, role=Role.APP) if seen.role is Role.LOADER else seen


class TakesAnyAnswer(PageletFlasher):
    async def _ask(self, request: str, answers: tuple[str, ...]) -> str:
        link = await self._session.open()
        await link.write(encode(request))
        try:
            async with asyncio.timeout(1):
                return f"{answers[0]}{(await link.read()).hex()}"
        except TimeoutError:
            raise NodeSilent from None


class CannotReadNoise(PageletFlasher):
    async def _ask(self, request: str, answers: tuple[str, ...]) -> str:
        link, heard = await self._session.open(), ""
        await link.write(encode(request))
        try:
            async with asyncio.timeout(1):
                while not heard.endswith("\n"):
                    heard += (await link.read()).decode("ascii")
        except TimeoutError:
            raise NodeSilent from None
        return heard.partition("*")[0]


class WritesWhenItStarts(PageletFlasher):
    async def activate(self, ask: Activate) -> None:
        await self._ask(f"w 0 {ask.images[0].payload[:PAGE].hex()}", ("ok 0 ",))


class AnswersWithABug(PageletFlasher):
    async def command(self, request: bytes, *, reply_timeout: float) -> bytes:
        return {b"health?": b"ok"}[request]


class NeverGoesBack(PageletFlasher):
    async def transfer(self, ask: Transfer) -> Seen | None:
        app = read_app(ask.image.payload[HEAD.size :])
        if app is None or app.version == OLD:
            raise TransferRefused
        return await super().transfer(ask)


class ParamsWithASecret(PageletParams):
    secret: str = Field(default="", exclude=True)


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


def _misnaming_parse(data: bytes, format: str, component: Component, params: PageletParams) -> FirmwareImage:  # noqa: A002
    return replace(parse(data, format, component, params), artifact=Digest.sha256(data[8:]))


def _careless_parse(data: bytes, format: str, component: Component, params: PageletParams) -> FirmwareImage:  # noqa: A002
    assert data[:4] == b"PGLT"
    return parse(data, format, component, params)


def _restless(setup: VirtualSetup) -> VirtualPagelet:
    return RestartsAtEveryQuestion(setup)


def _random_build(app: SimApp, size: int, options: Any) -> bytes:
    del options
    return PLUGIN.build(SimApp(app.version, hardware=str(next(_COUNT))), size, {})


_COUNT = iter(range(10_000))


class ConfirmsWhateverRuns(McubootFlasher):
    async def confirm(self, ask: Confirm) -> None:
        await self.node.write_state({"confirm": True})


class SkipsTheTrial(McubootFlasher):
    async def _arm(self, number: int, identity: Digest, state: ImageState) -> None:
        await self.node.write_state({"hash": identity.value, "confirm": True})


class OnlyRestarts(McubootFlasher):
    async def activate(self, ask: object) -> None:
        await self.node.restart()


class TakesNothingBack(McubootFlasher):
    async def rollback(self, ask: object) -> None:
        """Does nothing, and calls it done."""


class ForgetsWhereItStood(McubootFlasher):
    async def transfer(self, ask: Transfer) -> Seen | None:
        # Another upload begins, and the node forgets the first.
        with suppress(NodeRefused):
            body = {"off": 0, "len": ask.image.size, "sha": bytes(32), "data": ask.image.payload[:64]}
            await self.node.requests.ask(Op.WRITE, Group.IMAGE, ImageCommand.UPLOAD, body)
        return await super().transfer(ask)


class ReadsTheFirstPageOnly(Stk500Flasher):
    async def backup(self, ask: Backup) -> bytes:
        first = (await super().backup(ask)).splitlines(keepends=True)
        return b"".join([*first[:8], first[-1]])


def _mcuboot(name: str, flasher: Callable[[Any, Any], Any], *found_by: str) -> Defect:
    node = {"page": "256", "slot-pages": "5", "buf-size": "160"}
    plugin = replace(mcuboot_smp.PLUGIN, open=flasher)
    return Defect(name, plugin, frozenset(found_by), traits={"node": node, "size": 552})


def aborts(asked: Zcl, opened: bool) -> Unattended:
    """As zigpy does outside of a session."""
    if asked.command == Command.IMAGE_BLOCK_REQUEST:
        return Unattended(said(asked, ImageBlockResponse(Status.ABORT)))
    return unattended(asked, opened)


def lets_it_start(asked: Zcl, opened: bool) -> Unattended:
    """Whoever says that it has an image is told to start it."""
    if asked.command == Command.UPGRADE_END_REQUEST:
        ask = asks(asked)
        if isinstance(ask, UpgradeEndRequest):
            return Unattended(said(asked, UpgradeEndResponse(ask.file, 0, 0)))
    return unattended(asked, opened)


class Counts:
    """Waits for longer each time."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, asked: Zcl, opened: bool) -> Unattended:
        self.asked += 1
        if asked.command == Command.IMAGE_BLOCK_REQUEST:
            return Unattended(said(asked, ImageBlockResponse.wait(self.asked)))
        return unattended(asked, opened)


def _alone(name: str, alone: Callable[[Zcl, bool], Unattended], *found_by: str) -> Defect:
    params: Mapping[str, Any] = {"reply_timeout": 2, "stall_timeout": 30, "verify_deadline": 30}
    plugin = replace(zigbee_ota.PLUGIN, unattended=alone)
    node = {"page": "256", "slot-pages": "8"}
    return Defect(name, plugin, frozenset(found_by), params, {"node": node, "size": 900})


DEFECTS = (
    _alone("tells a node to give up", aborts, "a_node_in_mid_image_is_never_told_to_give_up"),
    _alone("lets what is complete start", lets_it_start, "what_is_complete_waits_until_it_is_started"),
    _alone("counts questions", Counts(), "what_is_said_unattended_follows_from_the_question_alone"),
    _mcuboot(
        "confirms whatever runs", ConfirmsWhateverRuns, "a_new_image_runs_on_trial_until_it_is_confirmed"
    ),
    _mcuboot(
        "skips the trial",
        SkipsTheTrial,
        "a_new_image_runs_on_trial_until_it_is_confirmed",
        "an_image_on_trial_is_taken_back",
        "an_image_that_crashes_is_left_by_itself",
    ),
    _mcuboot(
        "only restarts",
        OnlyRestarts,
        "an_image_that_is_nowhere_is_not_activated",
        "the_old_image_is_still_in_the_other_slot",
        "power_may_fail_at_any_operation",
    ),
    _mcuboot("takes nothing back", TakesNothingBack, "an_image_on_trial_is_taken_back"),
    _mcuboot("forgets where it stood", ForgetsWhereItStood, "a_transfer_goes_on_where_the_link_was_lost"),
    Defect(
        "reads the first page only",
        replace(stk500.PLUGIN, open=ReadsTheFirstPageOnly),
        frozenset({"a_backup_brings_the_node_back"}),
        {"part": "atmega328p"},
        {"node": {"pages": "5"}, "size": 400},
    ),
    _flasher(
        "waits for ever", WaitsForEver, "a_node_without_power_is_silent", "power_may_fail_at_any_operation"
    ),
    _flasher(
        "raises unnamed errors",
        RaisesWhatItLikes,
        "the_cable_may_be_pulled",
        "the_link_may_be_cut_anywhere",
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
    _flasher(
        "reads without a promise", ReadsWhatItDidNotPromise, "a_backup_that_was_not_promised_is_refused"
    ),
    _flasher("calls the loader an application", CallsTheLoaderAnApplication, "a_blank_node_claims_nothing"),
    _flasher("takes any answer", TakesAnyAnswer, "a_stranger_is_not_taken_for_a_node"),
    _flasher("cannot read noise", CannotReadNoise, "noise_on_the_line_does_no_harm"),
    _flasher("writes when it starts", WritesWhenItStarts, "activating_what_runs_changes_nothing"),
    _flasher("answers with a bug", AnswersWithABug, "every_verb_ends_by_name_or_well"),
    _flasher("never goes back", NeverGoesBack, "the_old_image_can_be_sent_again"),
    Defect(
        "has settings that are lost on the way",
        replace(PLUGIN, params=ParamsWithASecret),
        frozenset({"arguments_can_be_written_to_another_process"}),
        {"secret": "x"},
    ),
    Defect(
        "promises a version at boot",
        _declares(boot_evidence=frozenset({EvidenceKind.VERSION})),
        frozenset({"boot_evidence_of_a_declared_kind_is_there", "a_fresh_node_tells_what_it_runs"}),
    ),
    Defect(
        "names the file after something else",
        replace(PLUGIN, parse=_misnaming_parse),
        frozenset({"an_image_says_what_it_is"}),
    ),
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
        frozenset(
            {"a_transfer_goes_on_where_the_link_was_lost", "a_transfer_goes_on_where_the_node_lost_power"}
        ),
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
