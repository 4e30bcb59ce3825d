"""A virtual node's life: power, boots, a console, requests one after the other.

What it does follows from its flash alone: at every restart the bootloader chooses,
and the application that is found there behaves as its bytes say.  Time is the
event loop's, so a virtual clock serves as well as the real one.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from flashers.api import Truth, VirtualSetup
from flashers.mcuboot_smp.codec import (
    ConsoleDecoder,
    Message,
    encode_answer,
    encode_lines,
    encode_packet,
    max_packet,
)
from flashers.mcuboot_smp.params import Mode, SmpParams
from flashers.mcuboot_smp.virtual.bootloader import Bootloader, Running
from flashers.mcuboot_smp.virtual.options import BadOption, NodeOptions
from flashers.mcuboot_smp.virtual.recovery import RecoveryServer
from flashers.mcuboot_smp.virtual.server import AppServer, Reply
from flashers.mcuboot_smp.virtual.slots import Slots
from flashers.sim import Behaviour, PowerCut, SimApp, read_app
from transports.links import Transmit


class Life(StrEnum):
    """What a virtual node is doing."""

    OFF = "off"
    BOOTING = "booting"
    APP = "app"
    LOADER = "loader"
    HUNG = "hung"
    """It executes, and answers nothing."""
    DEAD = "dead"
    """No image runs, and its bootloader talks to nobody."""


@dataclass(slots=True)
class Counts:
    """What tests ask about afterwards."""

    requests: int = 0
    dropped: int = 0
    boots: int = 0
    most_outstanding: int = 0


class VirtualMcubootNode:
    """Implements :class:`flashers.api.VirtualNode`."""

    def __init__(self, setup: VirtualSetup) -> None:
        params = setup.params
        if not isinstance(params, SmpParams):
            raise BadOption(f"{type(params).__name__} are no parameters of an MCUmgr node")
        self.params = params
        self.options = NodeOptions.parse(setup.options)
        images = 1 + max((component.image for component in setup.components), default=0)
        self.slots = Slots.made(images, self.options.page, self.options.slot_pages)
        for component in setup.components:
            if component.id in setup.flash:
                self._preload(component.image, setup.flash[component.id])
        self.bootloader = Bootloader(self.slots, params.mode, self.options)
        self.counts = Counts()
        self.life = Life.OFF
        self._running: Mapping[int, Running] = {}
        self._server: AppServer | RecoveryServer | None = None
        self._transmit: Transmit | None = None
        self._timers: set[asyncio.TimerHandle] = set()
        self._decoder = ConsoleDecoder()
        self._outstanding = 0
        self._working = False
        self._queue: deque[Message] = deque()
        self._modem = (False, False)
        self._off_for: float | None = None
        self._into_loader = False
        self._asked = False
        self._postponed: list[tuple[float, Callable[[], None]]] = []
        # It has been running for long when its life begins here.
        self._start(self.bootloader.boot())

    def _preload(self, image: int, data: bytes) -> None:
        if len(data) > self.slots.room:
            raise BadOption(f"{len(data)} bytes do not fit into a slot of {self.slots.room}")
        self.slots.preload(image, data)

    # What a test may ask and do

    @property
    def flash_size(self) -> int:
        """Bytes of the whole flash."""
        return len(self.slots.flash)

    @property
    def operations(self) -> int:
        """Flash operations since the node was made."""
        return self.slots.flash.operations

    def cut_power_at(self, operation: int, *, torn: bool = False, off_for: float | None = 1.0) -> None:
        """Lose power at this flash operation, and come back after ``off_for`` seconds."""
        self._off_for = off_for
        self.slots.flash.cut_power_at(operation, torn=torn)

    def truth(self) -> Truth:
        """What is really the case, from the flash itself."""
        running = dict(self._running) if self.life in {Life.APP, Life.HUNG} else {}
        settled = all(self.bootloader.settled(image, one.slot) for image, one in running.items())
        return Truth(
            running={image: one.image.identity for image, one in running.items()},
            confirmed=bool(running) and settled,
            bootable=bool(running) or self._would_boot(),
            powered=self.life is not Life.OFF,
        )

    def _would_boot(self) -> bool:
        return Bootloader(self.slots.copy(), self.params.mode, self.options).boot() is not None

    def power_off(self) -> None:
        """Cut the power: all but the flash is gone."""
        self._stop()
        self.life = Life.OFF

    def power_on(self) -> None:
        """Give power again."""
        if self.life is Life.OFF:
            self.counts.requests = 0
            self._boot()

    # The line

    def attach(self, transmit: Transmit) -> None:
        """As in the contract."""
        self._transmit = transmit
        postponed, self._postponed = self._postponed, []
        for seconds, what in postponed:
            self._later(seconds, what)

    def lines(self, *, dtr: bool, rts: bool) -> None:
        """As in the contract.  A line that rises alone is the reset; an open raises both."""
        before, self._modem = self._modem, (dtr, rts)
        rose = {
            name
            for name, was, now in zip(("dtr", "rts"), before, self._modem, strict=True)
            if now and not was
        }
        if rose == {str(self.params.reset)} and self.life is not Life.OFF:
            self._into_loader = self.params.mode is Mode.SERIAL_RECOVERY
            self._boot()
            self._later(self.options.boot_time + self.options.recovery_wait, self._leave_recovery)

    def receive(self, data: bytes) -> None:
        """As in the contract."""
        if self.life is Life.BOOTING and self.options.hangs_if_asked_at_boot:
            self._stop()
            self.life = Life.HUNG
        if self._server is None or self.options.silent:
            return
        if self.options.loses_overlap and self._outstanding:
            self.counts.dropped += 1
            return
        for message in self._decoder.receive_data(data):
            if self._fits(message):
                self._request(message)

    def _fits(self, request: Message) -> bool:
        lines = self.options.max_lines
        return lines is None or len(encode_packet(request)) <= max_packet(lines)

    def _request(self, request: Message) -> None:
        self.counts.requests += 1
        self._asked = True
        muted = self.options.mute_after
        if self._server is None or (muted is not None and self.counts.requests > muted):
            return
        if self._outstanding >= self.options.buf_count:
            self.counts.dropped += 1
            return
        self._outstanding += 1
        self.counts.most_outstanding = max(self.counts.most_outstanding, self._outstanding)
        self._queue.append(request)
        if not self._working:
            self._work()

    def _work(self) -> None:
        """Carry out what waits, one request after the other."""
        self._working = False
        while self._queue and self._server is not None:
            request = self._queue.popleft()
            try:
                reply = self._server.handle(request)
            except PowerCut:
                self._power_failed()
                return
            pause = self.options.work + reply.takes
            if pause:
                self._working = True
                self._later(pause, partial(self._worked, request, reply))
                return
            self._answer_later(request, reply)

    def _worked(self, request: Message, reply: Reply) -> None:
        self._answer_later(request, reply)
        self._work()

    def _answer_later(self, request: Message, reply: Reply) -> None:
        if self.options.latency:
            self._later(self.options.latency, partial(self._answer, request, reply))
        else:
            self._answer(request, reply)

    def _answer(self, request: Message, reply: Reply) -> None:
        self._outstanding -= 1
        self._send(encode_lines(encode_packet(encode_answer(request, reply.body))))
        if reply.restart:
            self._into_loader = reply.into_loader and self.params.mode is Mode.SERIAL_RECOVERY
            self._boot()

    def _send(self, data: bytes) -> None:
        if self._transmit is not None and not self.options.silent:
            self._transmit(data)

    # Boots

    def _boot(self) -> None:
        self._stop()
        self.life = Life.BOOTING
        self.counts.boots += 1
        self._send(b"*** boot ***\r\n")
        try:
            booted = self.bootloader.boot()
        except PowerCut:
            self._power_failed()
            return
        self._later(self.options.boot_time, lambda: self._start(booted))

    def _start(self, booted: Mapping[int, Running] | None) -> None:
        if booted is None or self._into_loader:
            self._into_loader = False
            recovery = self.params.mode is Mode.SERIAL_RECOVERY
            self._server = RecoveryServer(self.bootloader) if recovery else None
            self.life = Life.LOADER if recovery else Life.DEAD
            return
        apps = {image: read_app(one.body) for image, one in booted.items()}
        behaviours = {app.behaviour for app in apps.values() if app is not None}
        if Behaviour.CRASHES in behaviours:
            self._later(self.options.boot_time, self._boot)
            return
        self._running = booted
        if Behaviour.HANGS in behaviours:
            self.life = Life.HUNG
            if self.options.watchdog is not None:
                self._later(self.options.watchdog, self._boot)
            return
        self._run_application(booted, apps, behaviours)

    def _run_application(
        self,
        booted: Mapping[int, Running],
        apps: Mapping[int, SimApp | None],
        behaviours: set[Behaviour],
    ) -> None:
        self.life = Life.APP
        app = apps[0]
        claims = None
        if app is not None and app.behaviour is Behaviour.LIES:
            claims = (app.spoken_version, hashlib.sha256(app.spoken_version.encode()).digest())
        sick = bool(behaviours & {Behaviour.UNHEALTHY, Behaviour.CONFIRMS_EARLY})
        self._server = server = AppServer(self.bootloader, booted, sick=sick, claims=claims)
        try:
            if Behaviour.CONFIRMS_EARLY in behaviours:
                for image in booted:
                    server.confirm(image)
        except PowerCut:
            self._power_failed()
            return
        self._send(f"fw {app.spoken_version if app else booted[0].image.version}\r\n".encode())

    def _leave_recovery(self) -> None:
        """Nobody has asked serial recovery for anything: it starts the application."""
        if self.life is Life.LOADER and not self._asked:
            self._boot()

    def _power_failed(self) -> None:
        self.power_off()
        if self._off_for is not None:
            self._later(self._off_for, self.power_on)

    def _stop(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._running = {}
        self._server = None
        self._asked = False
        self._decoder = ConsoleDecoder()
        self._outstanding = 0
        self._working = False
        self._queue.clear()

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        handle: asyncio.TimerHandle

        def run() -> None:
            self._timers.discard(handle)
            what()

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # made before any loop runs: it begins when it is attached
            self._postponed.append((seconds, what))
            return
        handle = loop.call_later(seconds, run)
        self._timers.add(handle)
