"""An AVR with Optiboot or ATmegaBOOT that exists in memory only.

A rising edge of DTR resets it into its loader, which goes away when nobody speaks to
it; then whatever lies in the flash runs.  Power can fail at any flash operation.  It
uses this flasher's codec and none of the flasher; that avrdude gets along with it is
what says that it is right.
"""

import asyncio
from collections.abc import Callable, Mapping
from enum import Enum, auto

from flashers.api import FirmwareImage, ResetKind, Truth, VirtualSetup
from flashers.sim import PowerCut, SimFlash
from flashers.stk500.image import format_of, parse
from flashers.stk500.params import Stk500Params
from flashers.stk500.parts import PARTS, Loader
from flashers.stk500.virtual_app import RunningProgram, program_in
from flashers.stk500.virtual_loader import SimLoader
from transports.links import Transmit

LOADER_WINDOW = 1.0
"""Seconds without a byte after which the loader starts the application (``WATCHDOG_1S`` in Optiboot)."""

START_UP = 0.05
"""Seconds from the application's start to its first line."""

WATCHDOG_BITES = 0.016
"""Seconds from the loader's decision to leave until the application runs (``WATCHDOG_16MS`` in Optiboot)."""

CHATTER_EVERY = 0.1

FAULTS: Mapping[str, str] = {
    "pages": "the flash has only this many pages for the application (pages=8)",
    "loader": "the loader that is really on it: optiboot or atmegaboot",
    "boot-line": "what firmware that is not ours prints at boot (boot-line=hello)",
    "wrong-signature": "it is another part than the profile says (a signature, or empty for an ATmega8)",
    "mute": "its line is cut: it neither hears nor speaks",
    "silent": "it has no loader: every reset starts the application",
    "deaf-resets": "so many resets do not reach it (deaf-resets=1)",
    "led": "seconds that the loader flashes its LED before it listens (led=0.375)",
    "hw-id": "the serial number that the application answers to the line id? (hw-id=4711)",
    "text-noise": "the application talks all the time, also while it is reset",
    "drop-reply": "the loader's Nth answer is lost (drop-reply=40)",
    "drop-from": "from its Nth answer on the loader is not heard any more (drop-from=40)",
    "flip-bit": "the Nth page written is stored with a bent bit (flip-bit=3)",
    "bad-cell": "the flash cell at this address never keeps its lowest bit (bad-cell=0x100)",
    "mute-after": "it falls silent after so many pages, for mute-for seconds (mute-after=20)",
    "mute-for": "how long mute-after lasts, in seconds (default 30)",
}
"""Options of the virtual node."""


class _State(Enum):
    OFF = auto()
    LOADER = auto()
    APP = auto()


class VirtualStk500:
    """A virtual node; see :class:`flashers.api.VirtualNode` and ``FAULTS``."""

    def __init__(self, setup: VirtualSetup) -> None:
        params = setup.params
        assert isinstance(params, Stk500Params)  # noqa: S101 - the plugin's own parameters
        self._options = options = setup.options
        self._params = params
        self._part = part = params.avr
        self._kind = Loader(options.get("loader", params.loader))
        count = int(options.get("pages", len(params.area.application) // part.page_size))
        self.flash = SimFlash(count * part.page_size, part.page_size)
        self._signature = part.signature
        if "wrong-signature" in options:
            other = options["wrong-signature"] or PARTS["atmega8"].signature.hex()
            self._signature = bytes.fromhex(other)
        for component in setup.components:
            if component.id in setup.flash:
                data = setup.flash[component.id]
                self._preload(parse(data, format_of(data), component, params))
        self._transmit: Transmit | None = None
        self._state = _State.APP
        self._loader: SimLoader | None = None
        self._running: RunningProgram | None = None
        self._run()
        self._reset_line = False
        self._deaf_resets = int(options.get("deaf-resets", 0))
        self._listens_from = 0.0
        self._early = bytearray()
        self._last_heard = 0.0
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._off_for: float | None = None
        self._replies = 0
        self._pages_written = 0
        self._mute_until = 0.0

    # What a medium does

    def attach(self, transmit: Transmit) -> None:
        """As in the contract."""
        self._transmit = transmit

    def lines(self, *, dtr: bool, rts: bool) -> None:
        """As in the contract; a rising edge is a reset, as over the usual capacitor."""
        level = rts if self._params.reset is ResetKind.RTS else dtr
        rising, self._reset_line = level and not self._reset_line, level
        if not rising or self._state is _State.OFF:
            return
        if self._deaf_resets:
            self._deaf_resets -= 1
            return
        self._reset()

    def receive(self, data: bytes) -> None:
        """As in the contract."""
        if self._state is _State.OFF or self._is_mute():
            return
        if self._loader is None:
            if self._running is not None:
                self._say(self._running.receive(data))
            return
        self._last_heard = now = _now()
        if now < self._listens_from:
            # A UART keeps two bytes, and of what comes after them the latest.
            self._early = (self._early + data)[:2] + (self._early + data)[2:][-1:]
            return
        try:
            answer = self._loader.receive(data)
        except PowerCut:
            self._power_failed()
            return
        self._say(self._with_lost_reply(answer))

    # What a test does

    def truth(self) -> Truth:
        """As in the contract; what only crashes counts as nothing that runs."""
        program = program_in(self.flash.read(0, len(self.flash)))
        if program is not None and not program.stays:
            program = None
        running = {0: program.identity} if program and self._state is _State.APP else {}
        return Truth(
            running=running,
            confirmed=program is not None,
            bootable=program is not None,
            powered=self._state is not _State.OFF,
        )

    def power_off(self) -> None:
        """As in the contract."""
        self._state = _State.OFF
        self._loader = self._running = None
        self._early.clear()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def power_on(self) -> None:
        """As in the contract.  Optiboot only listens after a reset by its pin."""
        if self._state is not _State.OFF:
            return
        self._mute_until = 0.0
        if self._kind is Loader.OPTIBOOT:
            self._start()
        else:
            self._reset()

    @property
    def operations(self) -> int:
        """As in the contract."""
        return self.flash.operations

    def cut_power_at(self, operation: int, *, torn: bool = False, off_for: float | None = 1.0) -> None:
        """As in the contract."""
        self.flash.cut_power_at(operation, torn=torn)
        self._off_for = off_for

    # What happens inside

    def _preload(self, image: FirmwareImage) -> None:
        for segment in image.segments:
            if segment.end > len(self.flash):
                raise ValueError(f"the firmware does not fit the {len(self.flash)} bytes of this node")
            self.flash.preload(segment.address, segment.data)

    def _power_failed(self) -> None:
        self.power_off()
        if self._off_for is not None:
            self._later("power", self._off_for, self.power_on)

    def _reset(self) -> None:
        """The reset pin: the loader runs, and listens for a while."""
        if "text-noise" in self._options:
            self._say(b"temp=21.5 hum")
        if "silent" in self._options:
            self._start()
            return
        self._state = _State.LOADER
        self._running = None
        self._loader = SimLoader(
            self._kind,
            self._part,
            self.flash,
            signature=self._signature,
            on_page=self._stored,
            leave=self._leave,
        )
        self._early.clear()
        led = float(self._options.get("led", 0))
        self._last_heard = self._listens_from = _now() + led
        self._cancel("start")
        if led:
            self._later("led", led, self._listen)
        self._later("watchdog", led + LOADER_WINDOW, self._watch)

    def _listen(self) -> None:
        if self._loader is not None and self._early:
            early, self._early = bytes(self._early), bytearray()
            self.receive(early)

    def _watch(self) -> None:
        """The watchdog; re-armed rarely rather than at every byte."""
        if self._loader is None:
            return
        left = self._last_heard + LOADER_WINDOW - _now()
        if left > 1e-6:
            self._later("watchdog", left, self._watch)
            return
        try:
            self._loader.give_up()
        except PowerCut:
            self._power_failed()

    def _leave(self) -> None:
        self._later("start", WATCHDOG_BITES, self._start)

    def _start(self) -> None:
        """The application runs; an empty part falls through into its loader again."""
        self._cancel("watchdog")
        self._loader = None
        self._state = _State.APP
        self._run()
        if self._running is None and self._kind is Loader.ATMEGABOOT and "silent" not in self._options:
            self._reset()
            return
        self._later("announce", START_UP, self._announce)

    def _run(self) -> None:
        program = program_in(self.flash.read(0, len(self.flash)))
        plain = self._options.get("boot-line", "")
        self._running = (
            None if program is None else RunningProgram(program, plain, self._options.get("hw-id", ""))
        )

    def _announce(self) -> None:
        if self._running is not None:
            self._say(self._running.announce())
            if "text-noise" in self._options:
                self._chatter()

    def _chatter(self) -> None:
        if self._running is not None:
            self._say(b"temp=21.5 hum=40\r\n")
            self._later("chatter", CHATTER_EVERY, self._chatter)

    def _stored(self, address: int, data: bytes) -> bytes:
        """What a page becomes in a flash that is not as good as it was."""
        self._pages_written += 1
        stored = bytearray(data)
        if self._pages_written == int(self._options.get("flip-bit", 0)):
            stored[self._pages_written % len(data)] ^= 0x10
        bad = int(self._options.get("bad-cell", "-1"), 0)
        if address <= bad < address + len(data):
            stored[bad - address] ^= 1
        if self._pages_written == int(self._options.get("mute-after", 0)):
            self._mute_until = _now() + float(self._options.get("mute-for", 30))
        return bytes(stored)

    def _with_lost_reply(self, answer: bytes) -> bytes:
        if answer:
            self._replies += 1
        lost = self._replies == int(self._options.get("drop-reply", 0))
        return b"" if lost or self._replies >= int(self._options.get("drop-from", 1 << 30)) else answer

    def _is_mute(self) -> bool:
        return "mute" in self._options or _now() < self._mute_until

    def _say(self, data: bytes) -> None:
        if data and self._transmit is not None and not self._is_mute():
            self._transmit(data)

    def _later(self, name: str, seconds: float, then: Callable[[], None]) -> None:
        self._cancel(name)
        self._timers[name] = asyncio.get_running_loop().call_later(seconds, then)

    def _cancel(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()


def _now() -> float:
    return asyncio.get_running_loop().time()
