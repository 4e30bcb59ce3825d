"""A virtual node with a legacy loader: power, starts, an application, and the way into its loader.

What it does follows from its flash: at every start the loader looks whether the first
bank is whole, and stays if it is not.  Time is the event loop's.
"""

import asyncio
from collections.abc import Callable
from enum import StrEnum

from flashers.api import BadImage, Digest, Truth, VirtualSetup, plus_one
from flashers.nordic_dfu.legacy import words
from flashers.nordic_dfu.package.zipped import pick, read_package
from flashers.nordic_dfu.params import Banks as BankCount
from flashers.nordic_dfu.params import Entry, NordicParams
from flashers.nordic_dfu.virtual import legacy_personas as personas
from flashers.nordic_dfu.virtual.legacy_banks import Banks
from flashers.nordic_dfu.virtual.legacy_loader import Board, Counts, Loader
from flashers.nordic_dfu.virtual.legacy_options import BadOption, LegacyOptions
from flashers.sim import Behaviour, PowerCut, SimApp, read_app
from transports.gatt import NodeRadio, Persona

_GOODBYE = 0.005
"""Seconds from a command that ends the connection to that end."""


class Where(StrEnum):
    """What a virtual node is doing."""

    OFF = "off"
    BOOTING = "booting"
    APP = "app"
    LOADER = "loader"
    HUNG = "hung"
    """It executes, and is not on the air."""
    DEAD = "dead"
    """Something was started that is no application."""


class VirtualLegacyNode:
    """Implements :class:`flashers.api.RadioNode`, and is what the air drives."""

    def __init__(self, setup: VirtualSetup) -> None:
        params = setup.params
        if not isinstance(params, NordicParams):
            raise BadOption(f"{type(params).__name__} are no parameters of a Nordic node")
        self.params = params
        self.options = options = LegacyOptions.parse(setup.options)
        self.banks = Banks(options.page, options.pages, two=params.banks is BankCount.DUAL)
        for data in setup.flash.values():
            self._preload(data)
        self.counts = Counts()
        self.where = Where.OFF
        self._faults_left = {"flip-bit"} if options.flip_bit else set[str]()
        self._running: bytes | None = None
        self._app: SimApp | None = None
        self._loader: Loader | None = None
        self._radio: NodeRadio | None = None
        self._name, self._address = setup.name, "C0:00:00:00:00:00"
        self._timers: set[asyncio.TimerHandle] = set()
        self._off_for: float | None = None
        self._listens = False
        self._into_loader = False
        self._heard = 0
        self._boot(at_once=True)

    def _preload(self, data: bytes) -> None:
        # Nobody looks at its init packet any more, so a secure package will do as well.
        try:
            image = pick(read_package(data)).image
        except BadImage as error:
            raise BadOption(f"that is no package for a virtual node: {error.message}") from error
        if len(image) > self.banks.size:
            raise BadOption(f"{len(image)} bytes do not fit into a bank of {self.banks.size}")
        self.banks.preload(image, by_wire=self.options.by_wire)

    # What a test may ask and do

    @property
    def operations(self) -> int:
        """Flash operations since the node was made."""
        return self.banks.flash.operations

    def cut_power_at(self, operation: int, *, torn: bool = False, off_for: float | None = 1.0) -> None:
        """Lose power at this flash operation, and come back after ``off_for`` seconds."""
        self._off_for = off_for
        self.banks.flash.cut_power_at(operation, torn=torn)

    def truth(self) -> Truth:
        """What is really the case, from the flash itself."""
        runs = self.where in {Where.APP, Where.HUNG} and self._running is not None
        running = {0: Digest.sha256(self._running)} if runs and self._running is not None else {}
        image = self.banks.application()
        bootable = image is not None and read_app(image) is not None
        return Truth(running, confirmed=bool(running), bootable=bootable, powered=self.where is not Where.OFF)

    def power_off(self) -> None:
        """Cut the power: all but the flash is gone."""
        self._stop()
        self._into_loader = False
        self.where = Where.OFF

    def power_on(self) -> None:
        """Give power again."""
        if self.where is Where.OFF:
            self._boot()

    # Starts

    def _boot(self, *, at_once: bool = False) -> None:
        self._stop()
        self.where = Where.BOOTING
        self.counts.boots += 1
        if at_once:  # it has been running for long when its life begins here
            self._start()
        else:
            self.later(self.options.boot_time, self._start)

    def _start(self) -> None:
        image, into_loader = self.banks.application(), self._into_loader
        self._into_loader = False
        if image is None or into_loader:
            self._enter()
            return
        self._app = read_app(image)
        if self._app is None:
            self.where = Where.DEAD
            return
        self._running = image
        match self._app.behaviour:
            case Behaviour.CRASHES:
                self.where = Where.HUNG
                self.later(self.options.boot_time, self._boot)
            case Behaviour.HANGS:
                self.where = Where.HUNG
            case _:
                self.where = Where.APP
        self._show()

    def _enter(self) -> None:
        self.where = Where.LOADER
        self.counts.loader_visits += 1
        options, params = self.options, self.params
        board = Board(
            options.device_type if options.device_type is not None else params.device_type,
            options.device_revision if options.device_revision is not None else params.device_revision,
            options.softdevice if options.softdevice is not None else params.softdevice,
            options.least_version,
        )
        self._loader = Loader(self.banks, board, options, self.counts, self, self._faults_left)
        self._show()
        self._wait_idle()

    def _wait_idle(self) -> None:
        heard = self._heard

        def nobody() -> None:
            if self._heard == heard:
                self._boot()
            else:
                self._wait_idle()

        self.later(self.options.idle, nobody)

    def _stop(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._running = self._app = self._loader = None
        self._listens = False
        if self._radio is not None:
            self._radio.appear(None)

    def _power_failed(self) -> None:
        self.power_off()
        if self._off_for is not None:
            self.later(self._off_for, self.power_on)

    # What the loader needs

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        """Do it then, unless the node is restarted before; without a loop there is no time."""
        handle: asyncio.TimerHandle

        def run() -> None:
            self._timers.discard(handle)
            try:
                what()
            except PowerCut:
                self._power_failed()

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        handle = loop.call_later(seconds, run)
        self._timers.add(handle)

    def say(self, value: bytes) -> None:
        """Notify at the control point."""
        if self._radio is not None and self._listens and not self.options.mute_loader:
            self._radio.notify(words.CONTROL, value)

    def restart(self) -> None:
        """Hang up, and start anew; what asked for it is acknowledged first."""
        self.later(_GOODBYE, self._hang_up)

    def _hang_up(self) -> None:
        if self._radio is not None:
            self._radio.hang_up()
        self._boot()

    # The air

    def radio(self, name: str, address: str) -> "VirtualLegacyNode":
        """As in the contract."""
        self._name, self._address = name, address
        return self

    def attach(self, radio: NodeRadio) -> None:
        """As in the contract."""
        self._radio = radio
        if self.where is Where.LOADER:
            self._wait_idle()
        self._show()

    def connected(self) -> None:
        """As in the contract."""
        self._heard += 1

    def disconnected(self) -> None:
        """As in the contract; what a loader has begun outlives the connection."""
        self._listens = False

    def listened(self, characteristic: str, *, on: bool) -> None:
        """As in the contract."""
        if characteristic == words.CONTROL:
            self._listens = on

    def value(self, characteristic: str) -> bytes:
        """As in the contract."""
        if characteristic == words.REVISION:
            return personas.LOADER_REVISION if self._loader is not None else personas.DOOR_REVISION
        if characteristic == personas.FIRMWARE_REVISION and self._app is not None:
            return self._app.spoken_version.encode()
        return b"\0"

    def written(self, characteristic: str, data: bytes) -> int:
        """As in the contract."""
        self._heard += 1
        try:
            return self._written(characteristic, data)
        except PowerCut:
            self._power_failed()
            return 0

    def _written(self, characteristic: str, data: bytes) -> int:
        if characteristic == words.CONTROL and not self._listens:
            return words.CCCD_IMPROPER
        if self._loader is not None:
            if characteristic == words.CONTROL:
                self._loader.command(data)
            elif characteristic == words.PACKET:
                self._loader.packet(data)
        elif characteristic == words.CONTROL and data[:1] == bytes((words.Op.START,)):
            self._leave(0.0)
        elif characteristic == words.MICROBIT_CONTROL and data[:1] == words.MICROBIT_ENTER:
            self._leave(1.0)
        return 0

    def _leave(self, after: float) -> None:
        """The application was told to go into the loader."""
        if self.options.stays_in_app:
            return

        def go() -> None:
            self._into_loader = True
            self.restart()

        self.later(after, go)

    def _show(self) -> None:
        if self._radio is not None:
            self._radio.appear(self._persona())

    def _persona(self) -> Persona | None:
        options, params = self.options, self.params
        if options.silent or self.where not in {Where.APP, Where.LOADER}:
            return None
        if self.where is Where.LOADER:
            kept = params.entry in {Entry.BONDED, Entry.NONE}
            address = self._address if kept else plus_one(self._address)
            return personas.loader(params.loader_name, address, revision=not options.no_revision)
        return personas.application(
            self._name,
            self._address,
            microbit=params.entry is Entry.MICROBIT,
            information=not options.no_information,
            revision=not options.no_revision,
            secured=options.secured,
        )
