"""STK500 against the real Optiboot on a simulated board: ours beside avrdude's.

Both do the same work: reset, write 30 KB, read it back and compare.  Two builds of
one application take turns, so that each run writes something new.
"""

import asyncio
import itertools
import time
from pathlib import Path

from bench.measure import Contender, Row, Sample, interleave
from flashers.api import Component, FirmwareImage, Transfer
from flashers.stk500 import PLUGIN
from gateway.attempt.session import HostSession
from tests.peers.avr import SimulatedAvr, optiboot_board
from tests.peers.avrdude import run_avrdude
from tests.peers.simavr import build
from transports.links import LinkSpec
from transports.open import open_link

_PAD = 29_000
_PARAMS = PLUGIN.params.model_validate({"part": "atmega328p", "reset": "none"})


def measure(folder: Path, *, runs: int) -> list[Row]:
    """The row about STK500; needs Debian's AVR packages."""
    builds = itertools.cycle([build.application(version, pad=_PAD) for version in ("1.2.0", "1.3.0")])
    with SimulatedAvr(optiboot_board(), folder / "avr") as avr:
        ours = Contender("tender", lambda: asyncio.run(_ours(avr.pty, next(builds).read_bytes())))
        avrdude = Contender("avrdude", lambda: _avrdude(avr.pty, next(builds)))
        interleave([ours, avrdude], runs)
    ratio = ours.seconds / avrdude.seconds
    return [
        Row(
            "STK500, 30 KB written and read back on the real Optiboot: our time over avrdude's",
            f"{ratio:.2f} x",
            "<= 1.05 x",
            ratio <= 1.05,
            {"tender_s": ours.seconds, "avrdude_s": avrdude.seconds},
        )
    ]


async def _ours(port: Path, data: bytes) -> Sample:
    image: FirmwareImage = PLUGIN.parse(data, "ihex", Component(), _PARAMS)
    session = HostSession("bench", LinkSpec("uart", str(port), (("baud", "115200"),)), open_link)
    flasher = PLUGIN.open(session, _PARAMS)
    clock, cpu = time.monotonic(), time.process_time()
    try:
        await flasher.enter_loader()
        await flasher.transfer(Transfer(image))
        return Sample(time.monotonic() - clock, time.process_time() - cpu)
    finally:
        await flasher.cleanup()
        await session.close()


def _avrdude(port: Path, image: Path) -> Sample:
    clock = time.monotonic()
    done = run_avrdude(port, f"flash:w:{image}:i")
    if done.returncode:
        raise RuntimeError(f"avrdude could not write: {done.stderr[-400:]}")
    return Sample(time.monotonic() - clock)
