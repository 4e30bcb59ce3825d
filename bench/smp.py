"""SMP upload: our window against one request at a time, and against smpclient.

The node is our virtual one, in a process of its own, over a PTY without a rate limit;
its answers come 20 ms after the request, or at once, or it loses what overlaps.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.board import board
from bench.measure import Contender, Row, Sample, interleave
from flashers.api import Component, Transfer
from flashers.mcuboot_smp import PLUGIN
from flashers.mcuboot_smp.make import make_image
from flashers.sim import SimApp
from gateway.attempt.session import HostSession
from transports.links import LinkSpec
from transports.open import open_link

_BUF_SIZE, _BUF_COUNT = 384, 4
_WINDOW = _BUF_COUNT - 1
_NODE = {"buf-size": str(_BUF_SIZE), "buf-count": str(_BUF_COUNT), "slot-pages": "64"}
_PARAMS = {"mode": "swap"}


def measure(folder: Path, *, runs: int, peers: Path) -> list[Row]:
    """Every row about SMP."""
    return [
        *_latency(folder, runs, peers),
        _not_slower(folder, runs, "without latency", {}, size=200_000),
        _not_slower(
            folder,
            runs,
            "a node that loses overlapping requests",
            {"loses-overlap": "", "work": "0.004"},
            size=100_000,
        ),
    ]


def _latency(folder: Path, runs: int, peers: Path) -> list[Row]:
    with _world(folder, {"latency": "0.02"}, size=60_000) as (port, image):
        single = Contender("tender, one at a time", lambda: _ours(port, image, buf_count=2))
        window = Contender("tender, window", lambda: _ours(port, image))
        smpclient = Contender("smpclient", lambda: _smpclient(port, image, peers))
        interleave([single, window, smpclient], runs)
    gain = single.seconds / window.seconds
    with _world(folder, {}, size=400_000) as (port, image):
        ours = Contender("tender", lambda: _ours(port, image))
        theirs = Contender("smpclient", lambda: _smpclient(port, image, peers))
        interleave([ours, theirs], runs)
    megabytes = image.stat().st_size / 1e6
    return [
        Row(
            "SMP upload, 20 ms round trip, four buffers: window over one at a time",
            f"{gain:.2f} x",
            f">= {0.85 * _WINDOW:.2f} x (0.85 x window of {_WINDOW})",
            gain >= 0.85 * _WINDOW,
            {"one_at_a_time_s": single.seconds, "window_s": window.seconds},
        ),
        Row(
            "the same, smpclient's time over ours",
            f"{smpclient.seconds / window.seconds:.2f} x",
            "> 1",
            smpclient.seconds > window.seconds,
            {"smpclient_s": smpclient.seconds, "window_s": window.seconds},
        ),
        Row(
            "CPU per megabyte uploaded, ours over smpclient's",
            f"{ours.cpu / theirs.cpu:.2f} x",
            "< 1",
            ours.cpu < theirs.cpu,
            {"tender_cpu_s_per_mb": ours.cpu / megabytes, "smpclient_cpu_s_per_mb": theirs.cpu / megabytes},
        ),
    ]


def _not_slower(folder: Path, runs: int, where: str, options: Mapping[str, str], *, size: int) -> Row:
    with _world(folder, options, size=size) as (port, image):
        single = Contender("one at a time", lambda: _ours(port, image, buf_count=2))
        window = Contender("window", lambda: _ours(port, image))
        interleave([single, window], runs)
    ratio = window.seconds / single.seconds
    return Row(
        f"SMP upload, {where}: our time over one at a time",
        f"{ratio:.2f} x",
        "<= 1.05 x",
        ratio <= 1.05,
        {"one_at_a_time_s": single.seconds, "window_s": window.seconds},
    )


@contextmanager
def _world(folder: Path, options: Mapping[str, str], *, size: int) -> Iterator[tuple[Path, Path]]:
    """A board and an image for it, which is another one at each upload."""
    port, running, image = folder / "smp", folder / "old.bin", folder / "new.bin"
    running.write_bytes(make_image(SimApp("1.0.0"), size=2000))
    image.write_bytes(make_image(SimApp("1.0.1"), size=size))
    with board(port, "mcuboot_smp", _PARAMS, {**_NODE, **options, **_slots(size)}, running):
        yield port, image


def _slots(size: int) -> dict[str, str]:
    return {"slot-pages": str(size // 4096 + 8)}


_version = iter(range(2, 1_000_000))


def _fresh(image: Path) -> bytes:
    """The same size, other bytes: a node that has the image already would be sent nothing."""
    number = next(_version)
    data = make_image(SimApp(f"1.0.{number}"), size=image.stat().st_size - 200, seed=number)
    image.write_bytes(data)
    return data


def _ours(port: Path, image: Path, *, buf_count: int | None = None) -> Sample:
    return asyncio.run(_upload(port, _fresh(image), buf_count))


async def _upload(port: Path, data: bytes, buf_count: int | None) -> Sample:
    params = PLUGIN.params.model_validate({**_PARAMS, **({"buf_count": buf_count} if buf_count else {})})
    parsed = PLUGIN.parse(data, "mcuboot", Component(), params)
    session = HostSession("bench", LinkSpec("uart", str(port)), open_link)
    flasher = PLUGIN.open(session, params)
    try:
        await flasher.command(b"echo:warm", reply_timeout=2.0)
        clock, cpu = time.monotonic(), time.process_time()
        await flasher.transfer(Transfer(parsed))
        return Sample(time.monotonic() - clock, time.process_time() - cpu)
    finally:
        await flasher.cleanup()
        await session.close()


def _smpclient(port: Path, image: Path, peers: Path) -> Sample:
    _fresh(image)
    script = Path(__file__).parent / "peers" / "smp_upload.py"
    command = [str(peers / "bin" / "python"), str(script), str(port), str(image)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise RuntimeError("smpclient could not upload")
    said = json.loads(done.stdout.splitlines()[-1])
    return Sample(said["seconds"], said["cpu"])
