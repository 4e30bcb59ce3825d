"""A whole flasher for nodes that nobody makes: Pagelet, a protocol of two commands.

Lines of text with a checksum, in both directions.  ``?`` asks who is there, and the
answer is ``app DIGEST`` or ``loader -``; ``w PAGE HEX`` writes a page of 64 bytes and
is answered by ``ok PAGE``.  There is one slot: the first page that is written stops the
application, and the last one starts it again.  flashers/README.md walks through this.
"""

import asyncio
import struct
import zlib
from collections.abc import Mapping

from pydantic import Field

from flashers.api import (
    Activate,
    Activation,
    Backup,
    BadImage,
    Component,
    ComponentKind,
    Confirm,
    Declaration,
    Digest,
    Evidence,
    EvidenceKind,
    Exposure,
    Firmware,
    FirmwareImage,
    FlasherPlugin,
    ImageMismatch,
    ImageTooLarge,
    Initiative,
    NodeSilent,
    NotSupported,
    Of,
    Params,
    Preflight,
    Probe,
    ProbeCost,
    ProtocolError,
    Reason,
    Resume,
    Revert,
    Role,
    RollbackKind,
    Seen,
    Segment,
    Session,
    Slot,
    Transfer,
    Truth,
    VirtualSetup,
)
from flashers.sim import PowerCut, SimApp, SimFlash, build_app
from flashers.sim.options import checked
from transports.links import Medium, Transmit

PAGE = 64


# 1. What differs between nodes


class PageletParams(Params):
    """The `[params]` of a profile."""

    pages: int = Field(default=32, ge=1, le=1024)
    """Pages of the node's flash."""
    reply_timeout: float = Field(default=0.5, gt=0)
    """Seconds that an answer may take."""


# 2. What can be done with them


def declare(params: PageletParams) -> Declaration:
    return Declaration(
        media=frozenset({Medium.UART}),
        components=frozenset({ComponentKind.FIRMWARE}),
        rollback=frozenset({RollbackKind.REFLASH}),
        transfer_evidence=frozenset({EvidenceKind.COMPUTED_HASH}),
        boot_evidence=frozenset({EvidenceKind.COMPUTED_HASH}),
        resume=Resume.NONE,
        activation=Activation.WITH_LAST_BYTE,
        initiative=Initiative.PUSH,
        probe_cost=ProbeCost.NONE,
        exposure=Exposure.WINDOW,
        in_loader="The same line, on which it calls itself `loader`.",
        formats=frozenset({"pagelet"}),
    )


# 3. The format: magic, length and checksum, and then the application

HEAD = struct.Struct("<4sII")
MAGIC = b"PGLT"


def body_of(memory: bytes) -> bytes | None:
    """The application in a file or a flash, if all of it is there."""
    if len(memory) < HEAD.size:
        return None
    magic, size, checksum = HEAD.unpack_from(memory)
    body = memory[HEAD.size : HEAD.size + size]
    return body if magic == MAGIC and len(body) == size and zlib.crc32(body) == checksum else None


def parse(data: bytes, format: str, component: Component, params: PageletParams) -> FirmwareImage:  # noqa: A002
    body = body_of(data)
    if format != "pagelet" or body is None or len(data) != HEAD.size + len(body):
        raise BadImage("the file is not a whole Pagelet image")
    if len(data) > params.pages * PAGE:
        raise ImageTooLarge(f"{len(data)} bytes do not fit into {params.pages} pages of {PAGE}")
    return FirmwareImage(
        format="pagelet",
        artifact=Digest.sha256(data),
        firmware=Firmware(identity=Digest.sha256(data)),
        segments=(Segment(0, data),),
        component=component,
    )


def build(app: SimApp, size: int, options: Mapping[str, str]) -> bytes:
    checked(options)
    body = build_app(app, size)
    return HEAD.pack(MAGIC, len(body), zlib.crc32(body)) + body


# 4. The codec: bytes to messages and back, and nothing else


def encode(message: str) -> bytes:
    return f"{message}*{zlib.crc32(message.encode()):08x}\n".encode()


class Decoder:
    """Whole messages out of a stream that is cut anywhere; what is bent is left out."""

    LONGEST = 256

    def __init__(self) -> None:
        self._begun = b""

    def receive_data(self, data: bytes) -> list[str]:
        *lines, begun = (self._begun + data).split(b"\n")
        self._begun = begun[-self.LONGEST :]
        found = []
        for line in lines:
            message = line.rpartition(b"*")[0].decode("ascii", errors="replace")
            if encode(message) == line + b"\n":
                found.append(message)
        return found


# 5. The flasher


class PageletFlasher:
    """One node for one lease."""

    TRIES = 4

    def __init__(self, session: Session, params: PageletParams) -> None:
        self._session = session
        self._params = params

    async def probe(self, ask: Probe) -> Seen:
        try:
            role, _, digest = (await self._ask("?", ("app ", "loader "))).partition(" ")
        except NodeSilent:
            return Seen(Role.SILENT)
        if role == "loader":
            return Seen(Role.LOADER, (Slot(0, 0, None, active=True, bootable=False),))
        firmware = Firmware(identity=Digest("sha256", _from_hex(digest)))
        return Seen(
            Role.APP,
            (Slot(0, 0, firmware, active=True, confirmed=True),),
            (
                Evidence(Of.BOOT, EvidenceKind.COMPUTED_HASH, "who is there"),
                Evidence(Of.TRANSFER, EvidenceKind.COMPUTED_HASH, "who is there"),
            ),
        )

    async def preflight(self, ask: Preflight) -> tuple[Reason, ...]:
        room = self._params.pages * PAGE
        if ask.image.size <= room:
            return ()
        return (Reason("image-too-large", f"{ask.image.size} bytes, and room for {room}"),)

    async def transfer(self, ask: Transfer) -> Seen | None:
        data = ask.image.payload
        seen = await self.probe(Probe())
        if _runs(seen, ask.image):
            self._session.progress(len(data), len(data))
            return seen
        for start in range(0, len(data), PAGE):
            piece = data[start : start + PAGE]
            self._session.sent(len(piece))
            await self._ask(f"w {start // PAGE} {piece.hex()}", (f"ok {start // PAGE} ",))
            self._session.progress(start + len(piece), len(data))
        seen = await self.probe(Probe())
        if not _runs(seen, ask.image):
            raise ImageMismatch("the node has taken every page, and does not run the image")
        return seen

    async def _ask(self, request: str, answers: tuple[str, ...]) -> str:
        """Ask until it is answered; both commands may be carried out twice."""
        link, decoder = await self._session.open(), Decoder()
        for _ in range(self.TRIES):
            await link.write(encode(request))
            try:
                async with asyncio.timeout(self._params.reply_timeout):
                    while True:
                        for message in decoder.receive_data(await link.read()):
                            if f"{message} ".startswith(answers):
                                return message
            except TimeoutError:
                continue
        raise NodeSilent(f"no answer to {request[:20]!r} in {self.TRIES} times")

    # 6. What such a node cannot do, or does by itself

    async def enter_loader(self) -> None:
        """The application takes pages as well."""

    async def activate(self, ask: Activate) -> Seen | None:
        """The last page has started it."""
        return None

    async def confirm(self, ask: Confirm) -> Seen | None:
        """What lies in the only slot stays."""
        return None

    async def backup(self, ask: Backup) -> bytes:
        raise NotSupported("a Pagelet node cannot be read")

    async def rollback(self, ask: Revert) -> Seen | None:
        raise NotSupported("a Pagelet node keeps no older image; send the known-good instead")

    async def command(self, request: bytes, *, reply_timeout: float) -> bytes:
        raise NotSupported("a Pagelet application answers nothing else")

    async def identify(self) -> None:
        raise NotSupported("a Pagelet node has no light")

    async def cleanup(self) -> None:
        """Nothing is left open."""


def _runs(seen: Seen, image: FirmwareImage) -> bool:
    active = seen.active(0)
    return seen.role is Role.APP and active is not None and image.firmware.same(active.firmware)


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ProtocolError(f"{text[:80]!r} is no digest") from None


# 7. The virtual node, which may use the codec and knows nothing of the flasher


class VirtualPagelet:
    """A node whose life follows from its flash."""

    def __init__(self, setup: VirtualSetup) -> None:
        params = setup.params
        if not isinstance(params, PageletParams):
            raise TypeError(f"{type(params).__name__} are no settings of a Pagelet node")
        self._mute = "mute" in checked(setup.options, mute=None)
        self.flash = SimFlash(params.pages * PAGE, PAGE)
        self.flash.preload(0, setup.flash.get("app", b""))
        self._transmit: Transmit | None = None
        self._powered = True
        self._off_for: float | None = None
        self._decoder = Decoder()

    def attach(self, transmit: Transmit) -> None:
        self._transmit = transmit

    def lines(self, *, dtr: bool, rts: bool) -> None:
        """It does not care."""

    def receive(self, data: bytes) -> None:
        if not self._powered or self._mute:
            return
        for message in self._decoder.receive_data(data):
            try:
                answer = self._answer(message)
            except PowerCut:
                self.power_off()
                if self._off_for is not None:
                    asyncio.get_running_loop().call_later(self._off_for, self.power_on)
                return
            if self._transmit is not None:
                self._transmit(encode(answer))

    def _answer(self, message: str) -> str:
        command, *arguments = message.split(" ")
        if command == "w":
            page, data = int(arguments[0]), bytes.fromhex(arguments[1])
            self.flash.erase(page * PAGE)
            self.flash.program(page * PAGE, data)
            return f"ok {page}"
        running = self._running()
        return "loader -" if running is None else f"app {running.value.hex()}"

    def _running(self) -> Digest | None:
        body = body_of(bytes(self.flash.data))
        return None if body is None else Digest.sha256(self.flash.read(0, HEAD.size + len(body)))

    def truth(self) -> Truth:
        running = self._running()
        return Truth(
            running={0: running} if running is not None and self._powered else {},
            confirmed=running is not None,
            bootable=running is not None,
            powered=self._powered,
        )

    def power_off(self) -> None:
        self._powered = False
        self._decoder = Decoder()

    def power_on(self) -> None:
        self._powered = True

    @property
    def operations(self) -> int:
        return self.flash.operations

    def cut_power_at(self, operation: int, *, torn: bool = False, off_for: float | None = 1.0) -> None:
        self.flash.cut_power_at(operation, torn=torn)
        self._off_for = off_for


# 8. The introduction

PLUGIN = FlasherPlugin(
    name="pagelet",
    summary="Pagelet nodes: a fictional protocol of two commands",
    params=PageletParams,
    declare=declare,
    parse=parse,
    open=PageletFlasher,
    virtual_node=VirtualPagelet,
    build=build,
    faults={"mute": "it never answers"},
)
