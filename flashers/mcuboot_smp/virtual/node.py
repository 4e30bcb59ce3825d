"""A virtual node's life: power, boots, a console, requests one after the other.

What it does follows from its flash alone: at every restart the bootloader chooses,
and the application that is found there behaves as its bytes say.  Time is the
event loop's, so a virtual clock serves as well as the real one.
"""

import hashlib
from collections.abc import Mapping
from enum import StrEnum

from flashers.api import Truth, VirtualSetup
from flashers.mcuboot_smp.codec import Message, encode_answer, encode_lines, encode_packet
from flashers.mcuboot_smp.params import Mode, SmpParams
from flashers.mcuboot_smp.virtual.answers import Reply
from flashers.mcuboot_smp.virtual.bootloader import Bootloader, Running
from flashers.mcuboot_smp.virtual.desk import Counts, Desk, Timers
from flashers.mcuboot_smp.virtual.options import BadOption, NodeOptions
from flashers.mcuboot_smp.virtual.radio import RadioFace
from flashers.mcuboot_smp.virtual.recovery import RecoveryServer
from flashers.mcuboot_smp.virtual.server import AppServer
from flashers.mcuboot_smp.virtual.slots import Slots
from flashers.sim import Behaviour, PowerCut, SimApp, read_app
from transports.gatt import GattPeer
from transports.links import Transmit

_VAIN, _VAIN_MOST = 8, 14
"""Restarts that come to nothing at the node's own pace, and how often the pause is doubled after them."""


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
        self._radio: RadioFace | None = None
        self._timers = Timers()
        self._desk = Desk(self.options, self._timers, self.counts, self._carry_out, self._answer)
        self._modem = (False, False)
        self._off_for: float | None = None
        self._into_loader = False
        self._vain = 0
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
            self.counts.requests = self._vain = 0
            self._boot()

    # The air

    def radio(self, name: str, address: str) -> GattPeer:
        """The same node behind a radio instead of a line."""
        self._desk.on_air()
        self._radio = RadioFace(name, address, self.receive, self._timers.begin)
        self._show()
        return self._radio

    def _show(self) -> None:
        """Be on the air while something runs that answers; a start drops every connection."""
        if self._radio is not None:
            self._radio.appear(here=self._server is not None)

    # The line

    def attach(self, transmit: Transmit) -> None:
        """As in the contract."""
        self._transmit = transmit
        self._timers.begin()

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
            self._vain = 0
            self._boot()
            self._timers.later(self.options.boot_time + self.options.recovery_wait, self._leave_recovery)

    def receive(self, data: bytes) -> None:
        """As in the contract."""
        if self.life is Life.BOOTING and self.options.hangs_if_asked_at_boot:
            self._stop()
            self.life = Life.HUNG
        if self._server is not None and not self.options.silent:
            self._desk.receive(data)

    def _carry_out(self, request: Message) -> Reply | None:
        if self._server is None:
            return None
        try:
            return self._server.handle(request)
        except PowerCut:
            self._power_failed()
            return None

    def _answer(self, request: Message, reply: Reply) -> None:
        packet = encode_packet(encode_answer(request, reply.body))
        if self._radio is None:
            self._send(encode_lines(packet))
        elif not self.options.silent:
            self._radio.answer(packet)
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
        self._timers.later(self.options.boot_time, lambda: self._start(booted))

    def _start(self, booted: Mapping[int, Running] | None) -> None:
        if booted is None or self._into_loader:
            self._into_loader = False
            recovery = self.params.mode is Mode.SERIAL_RECOVERY or self.options.recovery
            self._server = RecoveryServer(self.bootloader) if recovery else None
            self.life = Life.LOADER if recovery else Life.DEAD
            self._show()
            return
        apps = {image: read_app(one.body) for image, one in booted.items()}
        behaviours = {app.behaviour for app in apps.values() if app is not None}
        if Behaviour.CRASHES in behaviours:
            self._boot_again(self.options.boot_time)
            return
        self._running = booted
        if Behaviour.HANGS in behaviours:
            self.life = Life.HUNG
            if self.options.watchdog is not None:
                self._boot_again(self.options.watchdog)
            return
        self._run_application(booted, apps, behaviours)

    def _boot_again(self, after: float) -> None:
        """Restart by itself; later each time it comes to nothing, since of years of boots one is enough."""
        self._vain += 1
        self._timers.later(after * 2 ** min(max(self._vain - _VAIN, 0), _VAIN_MOST), self._boot)

    def _run_application(
        self,
        booted: Mapping[int, Running],
        apps: Mapping[int, SimApp | None],
        behaviours: set[Behaviour],
    ) -> None:
        self.life = Life.APP
        self._vain = 0
        app = apps[0]
        claims = None
        if app is not None and app.behaviour is Behaviour.LIES:
            claims = (app.spoken_version, hashlib.sha256(app.spoken_version.encode()).digest())
        sick = bool(behaviours & {Behaviour.UNHEALTHY, Behaviour.CONFIRMS_EARLY})
        self._server = server = AppServer(self.bootloader, booted, sick=sick, claims=claims)
        try:
            if Behaviour.CONFIRMS_EARLY in behaviours:
                for image in booted:
                    server.images.confirm(image)
        except PowerCut:
            self._power_failed()
            return
        self._show()
        self._send(f"fw {app.spoken_version if app else booted[0].image.version}\r\n".encode())

    def _leave_recovery(self) -> None:
        """Nobody has asked serial recovery for anything: it starts the application."""
        if self.life is Life.LOADER and not self._desk.asked:
            self._boot()

    def _power_failed(self) -> None:
        self.power_off()
        if self._off_for is not None:
            self._timers.later(self._off_for, self.power_on)

    def _stop(self) -> None:
        self._timers.forget()
        self._desk.clear()
        self._running = {}
        self._server = None
        self._show()
