"""An AVR board behind a PTY, with the real bootloader on it.

simavr is the processor, Optiboot or ATmegaBOOT are the bootloaders as Debian ships them.
Opening the port resets the board, as DTR does; :meth:`SimulatedAvr.lose_power` takes the
power away at once, and the flash keeps what was written.
"""

import io
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import intelhex
import pytest

from tests.peers.simavr import build

PATIENCE = 30.0
"""Seconds for anything that the board should do at once; the machine may be busy."""


@dataclass(frozen=True, slots=True)
class Board:
    """A part and its bootloader. Sizes and addresses in bytes."""

    mcu: str
    flash_size: int
    page_size: int
    boot_address: int
    baud: int
    bootloader: Path

    @property
    def link(self) -> str:
        """The options of a link to this board."""
        return f"baud={self.baud}"


def optiboot_board() -> Board:
    """An ATmega328P at 16 MHz with Optiboot at 115200 baud: an Arduino Uno."""
    return Board("atmega328p", 32768, 128, 0x7E00, 115200, build.optiboot())


def atmegaboot_board() -> Board:
    """An ATmega328P at 16 MHz with ATmegaBOOT at 57600 baud: an Arduino Nano of old."""
    return Board("atmega328p", 32768, 128, 0x7800, 57600, build.atmegaboot())


class SimulatedAvr:
    """One board; its flash lives in ``folder`` as long as that does."""

    def __init__(self, board: Board, folder: Path, *, application: Path | None = None) -> None:
        """A new board with an empty application area, or with ``application`` (Intel HEX) in it."""
        folder.mkdir(parents=True, exist_ok=True)
        self.board = board
        self.pty = folder / "pty"
        self.flash_file = folder / "flash"
        self.events: list[str] = []
        self._changed = threading.Condition()
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        flash = bytearray(b"\xff" * board.flash_size)
        for file in [board.bootloader, application]:
            for address, data in segments(file) if file else ():
                flash[address : address + len(data)] = data
        self.flash_file.write_bytes(flash)

    # ---- power

    def start(self) -> Self:
        """Give it power, and return when its port is there."""
        assert self._process is None, "it has power"
        self.events.clear()
        board = [self.board.mcu, str(self.flash_file), hex(self.board.boot_address), str(self.pty)]
        self._process = subprocess.Popen(
            [str(build.host()), *board], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()
        self.wait_for("ready")
        return self

    def lose_power(self) -> None:
        """Take the power away at once, whatever it does."""
        assert self._process is not None, "it has no power"
        self._process.kill()
        self.wait_for_power_loss()

    stop = lose_power
    """There is no gentler way to switch a board off."""

    def wait_for_power_loss(self) -> None:
        """Wait until a power cut that was ordered has happened, and clear up after it."""
        assert self._process is not None, "it has no power"
        assert self._reader is not None
        self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process = None

    @property
    def powered(self) -> bool:
        """Whether it runs; false also right after a power cut that was ordered."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.lose_power()

    # ---- what one can do to a board

    def reset(self) -> None:
        """Press the reset button."""
        self._command("reset")

    def cut_after_page(self, count: int, *, torn: bool = False) -> None:
        """Lose power after the ``count``-th page write from now; ``torn`` writes half of that page."""
        self._command(f"{'tear' if torn else 'cut'} {count}")

    def mute(self, *, muted: bool = True) -> None:
        """Cut the wires of its line, or mend them."""
        self._command(f"mute {int(muted)}")

    def _command(self, text: str) -> None:
        assert self._process is not None, "it has no power"
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n")
        self._process.stdin.flush()

    # ---- what one can see of it

    def wait_for(self, event: str, *, since: int = 0, timeout: float = PATIENCE) -> str:
        """Wait for an event that starts with these words: ``page 5``, ``reset``, ``open``.

        ``since`` leaves out the first so many of :attr:`events`.  Blocks the thread.
        """

        def found() -> str | None:
            return next((text for text in self.events[since:] if f"{text} ".startswith(f"{event} ")), None)

        with self._changed:
            seen = self._changed.wait_for(lambda: found() is not None or self._ended(), timeout)
            answer = found()
            assert answer is not None, (
                f"no {event!r} in {timeout if not seen else 0} s, only {self.events[-5:]}"
            )
            return answer

    def _ended(self) -> bool:
        return self._reader is not None and not self._reader.is_alive()

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with self._changed:
                self.events.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    @property
    def pages_written(self) -> int:
        """How many pages have been written since it got its power."""
        return sum(event.startswith("page ") for event in self.events)

    @property
    def flash(self) -> bytes:
        """All of its flash, as it is now."""
        return self.flash_file.read_bytes()

    def holds(self, application: Path) -> bool:
        """Whether its flash has every byte of this Intel HEX file at its place."""
        flash = self.flash
        return all(flash[address : address + len(data)] == data for address, data in segments(application))


def segments(file: Path) -> Iterator[tuple[int, bytes]]:
    """The address and the bytes of each piece of an Intel HEX file."""
    parsed: Any = intelhex.IntelHex(io.StringIO(file.read_text()))
    for first, end in parsed.segments():
        yield first, parsed.tobinstr(start=first, size=end - first)


@pytest.fixture
def optiboot_node(tmp_path: Path) -> Iterator[SimulatedAvr]:
    """A board with Optiboot and an application that says ``fw 1.0.0`` at boot."""
    node = SimulatedAvr(optiboot_board(), tmp_path / "optiboot", application=build.application("1.0.0"))
    with node:
        yield node


@pytest.fixture
def atmegaboot_node(tmp_path: Path) -> Iterator[SimulatedAvr]:
    """A board with ATmegaBOOT and an application that says ``fw 1.0.0`` at boot."""
    board = atmegaboot_board()
    application = build.application("1.0.0", baud=board.baud)
    with SimulatedAvr(board, tmp_path / "atmegaboot", application=application) as node:
        yield node
