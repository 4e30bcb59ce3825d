"""A virtual node with the secure loader: power, starts, an application, and the way into its loader.

What it does follows from its flash: at every start an image that waits is copied to its
place, and the loader stays where there is no application that is whole.  Time is the
event loop's.
"""

import asyncio
from collections.abc import Callable
from enum import StrEnum

from flashers.api import BadImage, Digest, Truth, VirtualSetup, plus_one
from flashers.nordic_dfu.package.secure_init import read_init
from flashers.nordic_dfu.package.zipped import pick, read_package
from flashers.nordic_dfu.params import Banks, Entry, NordicParams, VersionText
from flashers.nordic_dfu.secure import build, words
from flashers.nordic_dfu.secure.words import Door, DoorResult
from flashers.nordic_dfu.virtual import secure_personas as personas
from flashers.nordic_dfu.virtual.legacy_options import BadOption
from flashers.nordic_dfu.virtual.secure_flash import Store
from flashers.nordic_dfu.virtual.secure_loader import Board, Faults, SecureLoader
from flashers.nordic_dfu.virtual.secure_options import SecureOptions
from flashers.sim import Behaviour, PowerCut, SimApp, read_app
from transports.gatt import NodeRadio, Persona

_GOODBYE = 0.1
"""Seconds from an answer that is the last to the end of the connection."""
_GOES = 0.1
"""Seconds from there to the restart (``nrf_dfu_ble.c`` has the loader disconnect before it resets)."""


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


class VirtualSecureNode:
    """Implements :class:`flashers.api.RadioNode`, and is what the air drives."""

    def __init__(self, setup: VirtualSetup) -> None:
        params = setup.params
        if not isinstance(params, NordicParams):
            raise BadOption(f"{type(params).__name__} are no parameters of a Nordic node")
        self.params = params
        self.options = options = SecureOptions.parse(setup.options)
        self.store = Store(options.page, options.pages, two=params.banks is Banks.DUAL)
        for data in setup.flash.values():
            self._preload(data)
        self.boots = 0
        self.where = Where.OFF
        self._board = _board(params, options)
        self._faults = Faults(options.lose, options.drop_receipt, options.flip_bit)
        self._running: bytes | None = None
        self._app: SimApp | None = None
        self._loader: SecureLoader | None = None
        self._radio: NodeRadio | None = None
        self._name, self._address = setup.name, "C0:00:00:00:00:00"
        self._loader_name = words.LOADER_NAME
        self._timers: set[asyncio.TimerHandle] = set()
        self._leaving = False
        self._off_for: float | None = None
        self._listens: set[str] = set()
        self._into_loader = False
        self._named = self._bond = False
        self._goes_off = 0.0
        self._boot(at_once=True)

    def _preload(self, data: bytes) -> None:
        try:
            firmware = pick(read_package(data))
            said = read_init(firmware.init)
        except BadImage as error:
            raise BadOption(f"that is no package for a virtual node: {error.message}") from error
        if len(firmware.image) > self.store.room:
            raise BadOption(f"{len(firmware.image)} bytes do not fit into a bank of {self.store.room}")
        self.store.preload(firmware.image, said.fw_version or 0)

    # What a test may ask and do

    @property
    def operations(self) -> int:
        """Flash operations since the node was made."""
        return self.store.flash.operations

    def cut_power_at(self, operation: int, *, torn: bool = False, off_for: float | None = 1.0) -> None:
        """Lose power at this flash operation, and come back after ``off_for`` seconds."""
        self._off_for = off_for
        self.store.flash.cut_power_at(operation, torn=torn)

    def truth(self) -> Truth:
        """What is really the case, from the flash itself."""
        runs = self._running if self.where in {Where.APP, Where.HUNG} else None
        running = {} if runs is None else {0: Digest.sha256(runs)}
        return Truth(running, bool(running), self._would_boot(), powered=self.where is not Where.OFF)

    def _would_boot(self) -> bool:
        settings, store = self.store.settings, self.store
        image = store.waiting() if settings.waits else store.application()
        return image is not None and read_app(image) is not None

    def power_off(self) -> None:
        """Cut the power: all but the flash is gone."""
        self._stop()
        self._into_loader = False
        self.where = Where.OFF

    def press_button(self) -> None:
        """Restart it with its button held: it stays in its loader then, whatever its application knows."""
        self._into_loader = True
        self._boot()

    def power_on(self) -> None:
        """Give power again."""
        if self.where is Where.OFF:
            self._boot()

    # Starts

    def _boot(self, *, at_once: bool = False) -> None:
        self._stop()
        self.where = Where.BOOTING
        self.boots += 1
        if at_once:  # it has been running for long when its life begins here
            self._start()
        else:
            self._later(self.options.boot_time, self._start)

    def _start(self) -> None:
        self.store.load()
        self.store.finish_copy()
        image, into_loader = self.store.application(), self._into_loader
        self._into_loader = False
        if image is None or into_loader:
            self._enter()
            return
        self._app = read_app(image)
        if self._app is None:
            self.where = Where.DEAD
            return
        self._running = image
        self.where = Where.APP
        # A loader that starts an application erases the name, or the bond, that it had of it
        # (nrf_bootloader.c).
        self._loader_name, self._named, self._bond = words.LOADER_NAME, False, False
        if self._app.behaviour is Behaviour.CRASHES:
            self.where = Where.HUNG
            self._later(self.options.boot_time, self._boot)
        elif self._app.behaviour is Behaviour.HANGS:
            self.where = Where.HUNG
        self._show()

    def _enter(self) -> None:
        if self.params.entry is Entry.BONDED and not self._bond:
            # Without a bond it ends in an error, which restarts it (nrf_dfu_ble.c).
            self.where = Where.HUNG
            self._later(self.options.boot_time, self._boot)
            return
        self.where = Where.LOADER
        self._loader = SecureLoader(
            self.store,
            self._board,
            self.options,
            self._faults,
            say=self._say,
            restart=self._restart,
            awake=self._awake,
            later=self._later,
        )
        self._show()
        self._wait_idle()

    def _awake(self) -> None:
        """It goes off later; a connection, or a question, changes nothing about that."""
        self._goes_off = _now() + self.options.idle

    def _wait_idle(self) -> None:
        self._awake()

        def due() -> None:
            left = self._goes_off - _now()
            if left > 0:
                self._later(left, due)
            else:
                self._boot()

        self._later(self.options.idle, due)

    def _stop(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._leaving = False
        self._running = self._app = self._loader = None
        self._listens.clear()
        if self._radio is not None:
            self._radio.appear(None)

    def _power_failed(self) -> None:
        self.power_off()
        if self._off_for is not None:
            self._later(self._off_for, self.power_on)

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
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

    def _say(self, value: bytes) -> None:
        if self._radio is not None and words.CONTROL in self._listens and not self.options.mute_loader:
            self._radio.notify(words.CONTROL, value)

    def _restart(self) -> None:
        """Hang up, and start anew; what asked for it is answered first."""
        self._later(_GOODBYE, self._hang_up)

    def _hang_up(self) -> None:
        self._leaving = True
        if self._radio is not None:
            self._radio.hang_up()
        self._later(_GOES, self._boot)  # what is said last needs its time on the air

    # The air

    def radio(self, name: str, address: str) -> "VirtualSecureNode":
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

    def disconnected(self) -> None:
        """As in the contract."""
        self._listens.clear()
        if self._leaving and self._radio is not None:
            self._radio.appear(None)
        if self._loader is not None:
            self._loader.disconnected()

    def listened(self, characteristic: str, *, on: bool) -> None:
        """As in the contract."""
        if on:
            self._listens.add(characteristic)
        else:
            self._listens.discard(characteristic)

    def value(self, characteristic: str) -> bytes:
        """As in the contract."""
        if characteristic == self.params.version_characteristic and self._app is not None:
            return self._spoken(self._app).encode()
        return b""

    def _spoken(self, app: SimApp) -> str:
        if self.params.version_text is VersionText.NUMBER:
            return str(build.number_of(app.spoken_version))
        return app.spoken_version

    def written(self, characteristic: str, data: bytes) -> int:
        """As in the contract."""
        loader = self._loader
        if loader is None:
            return self._at_the_door(characteristic, data)
        if characteristic == words.CONTROL:
            if words.CONTROL not in self._listens:
                return words.CCCD_IMPROPER
            self._guarded(lambda: loader.request(data))
        elif characteristic == words.PACKET:
            self._guarded(lambda: loader.packet(data))
        return 0

    def _guarded(self, what: Callable[[], None]) -> None:
        try:
            what()
        except PowerCut:
            self._power_failed()

    # The application

    def _at_the_door(self, characteristic: str, data: bytes) -> int:
        if characteristic not in {words.BUTTONLESS, words.BUTTONLESS_BONDED}:
            return 0
        if characteristic not in self._listens:
            return words.CCCD_IMPROPER
        op = data[0] if data else 0
        result = self._door(data)
        if self._radio is not None:
            self._radio.notify(characteristic, bytes((Door.RESPONSE, op, result)))
        if op == Door.ENTER and result is DoorResult.SUCCESS and not self.options.stays_in_app:
            self._into_loader = True
            self._restart()
        return 0

    def _door(self, data: bytes) -> DoorResult:
        bonded = self.params.entry is Entry.BONDED
        match data[:1]:
            case b"\x01":
                if self.options.refuse == "enter":
                    return DoorResult.FAILED
                self._bond = bonded
                return DoorResult.SUCCESS
            case b"\x02" if not bonded:
                name = data[2:]
                if not 0 < len(name) <= words.NAME_BYTES or data[1] != len(name):
                    return DoorResult.NAME_INVALID
                if self._named or self.options.refuse == "name":
                    return DoorResult.FAILED  # once in an application's life (nrf_dfu_svci_handler.c)
                self._named, self._loader_name = True, name.decode("ascii", "replace")
                return DoorResult.SUCCESS
        return DoorResult.NOT_SUPPORTED

    def _show(self) -> None:
        if self._radio is not None:
            self._radio.appear(self._persona())

    def _persona(self) -> Persona | None:
        options, params = self.options, self.params
        if options.silent or self.where not in {Where.APP, Where.LOADER}:
            return None
        if self.where is Where.LOADER:
            shares = params.entry is Entry.BONDED
            address = self._address if shares else plus_one(self._address)
            return personas.loader(self._loader_name, address, options.att_mtu, bonded=shares)
        bonded = None if params.entry is Entry.NONE else params.entry is Entry.BONDED
        version = None if options.no_information else params.version_characteristic
        return personas.application(
            self._name, self._address, options.att_mtu, bonded=bonded, version=version
        )


def _now() -> float:
    """The loop's time; without a loop there is none."""
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return 0.0


def _board(params: NordicParams, options: SecureOptions) -> Board:
    def first(*values: int | None) -> int:
        return next(value for value in values if value is not None)

    return Board(
        key=None if options.key == "none" else build.bench_key(options.key).public_key(),
        hw_version=first(options.hw_version, params.hw_version, build.HARDWARE),
        softdevice=first(options.softdevice, params.softdevice, build.SOFTDEVICE),
        rule=options.rule or params.version_rule,
        keeps=options.keeps or params.keeps,
        spares=options.force_dual or params.force_dual,
    )
