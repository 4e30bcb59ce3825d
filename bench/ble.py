"""Bluetooth LE: our transfers against what the air can carry, and smpclient's own over the same air.

The air is written down in :mod:`transports.virtual.air.timing`; time is virtual, so that only the
procedure is measured and never this machine.  The processor's time is that of the whole process,
air and nodes included, on both sides.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.air import ADDRESS, ATT_MTU, CENTRAL, Asked, virtual_node
from bench.measure import Row
from bench.nordic import FORMULA as _NORDIC
from bench.nordic import nordic_limit, nordic_upload
from flashers.api import Calling, Component, Probe, Transfer
from flashers.conformance.session import BenchSession
from flashers.mcuboot_smp import PLUGIN
from transports.ble.adapter import Adapter
from transports.ble.backend import HciBackend
from transports.ble.hci import HciAdapter
from transports.gatt import GattLink
from transports.virtual.air.air import Air
from transports.virtual.air.node import AirNode
from transports.virtual.air.radio import RadioController
from transports.virtual.air.timing import Timing
from transports.virtual.clock import run_virtual

_NODES = 8
_BUFFERS = ((384, 4), (2475, 4))
_LOSSES = (0.0, 0.05)
_OVERHEAD = 27
"""Of a message beside the image's bytes: SMP's header and the CBOR of a later request."""
_ALIGNMENT = 32
_FORMULA = (
    "limit = min(raw, window x payload / round trip); raw = packets x (ATT MTU - 3) / interval x (1 - loss); "
    "window = buffers - 1, since a server needs one for its answer; round trip = two events"
)


@dataclass(frozen=True, slots=True)
class Took:
    """One transfer, or several at once: virtual seconds, the processor's, and those on the air."""

    seconds: float
    cpu: float
    on_air: float = 0.0


def measure(peers: Path) -> list[Row]:
    """Every row about Bluetooth LE."""
    timing = Timing()
    said = (
        f"the air: 1M PHY, {timing.octets}-byte packets, {timing.interval * 1000:g} ms interval, "
        f"{timing.packets} packets an event, an answer one event later"
    )
    rows = [Row(said, _FORMULA, "", None)]
    for size, count in _BUFFERS:
        for loss in _LOSSES:
            rows += _against_the_air(Asked(size, count, loss), peers)
    chip = "Nordic secure DFU: flash of an nRF52840, 85 ms to erase a page, 2.5 ms to write a packet"
    return [*rows, _eight(), Row(chip, _NORDIC, "", None), *(_secure(loss) for loss in _LOSSES)]


def _secure(loss: float) -> Row:
    """Nordic's secure loader answers each object; what it asks for is a limit of its own."""
    timing = Timing(loss=loss)
    best = nordic_limit(timing)
    size, seconds = run_virtual(nordic_upload(timing))
    share = size / seconds / best
    return Row(
        f"Nordic secure DFU, {loss:.0%} loss: of what its objects allow on this air ({best / 1000:.1f} kB/s)",
        f"{share:.1%}",
        ">= 85 %" if not loss else "",
        share >= 0.85 if not loss else None,
        {"limit_bytes_per_s": best, "tender_bytes_per_s": size / seconds},
    )


def limit(asked: Asked) -> float:
    """What the air can carry of an upload to such a node, in bytes of the image a second."""
    timing = Timing(loss=asked.loss)
    payload = (asked.buf_size - _OVERHEAD) // _ALIGNMENT * _ALIGNMENT
    return timing.limit(ATT_MTU, (asked.buf_count - 1) * payload)


def _against_the_air(asked: Asked, peers: Path) -> list[Row]:
    ours, best = run_virtual(_upload(asked, 1)), limit(asked)
    theirs = _smpclient(asked, peers)
    rate, share = asked.size / ours.seconds, asked.size / ours.seconds / best
    megabytes = asked.size / 1e6
    name = f"SMP over BLE, {asked.buf_count} x {asked.buf_size} B, {asked.loss:.0%} loss"
    detail: dict[str, float | str] = {
        "limit_bytes_per_s": best,
        "tender_bytes_per_s": rate,
        "smpclient_bytes_per_s": asked.size / theirs.seconds,
        "tender_cpu_s_per_mb": ours.cpu / megabytes,
        "smpclient_cpu_s_per_mb": theirs.cpu / megabytes,
        "air_ms": ours.on_air * 1000,
    }
    bound = asked.loss == 0.0
    return [
        Row(
            f"{name}: of the air's limit ({best / 1000:.1f} kB/s)",
            f"{share:.1%}",
            ">= 85 %" if bound else "",
            share >= 0.85 if bound else None,
            detail,
        ),
        Row(
            "  the same, smpclient's time over ours (its own procedure and bumble transport)",
            f"{theirs.seconds / ours.seconds:.2f} x",
            "> 1",
            theirs.seconds > ours.seconds,
        ),
        Row(
            "  the same, on the air for an image of 256 kB; CPU per megabyte, ours (with the simulated air)",
            f"{ours.on_air * 1000:.0f} ms; {ours.cpu / megabytes:.2f} s",
            "",
            None,
        ),
    ]


def _eight() -> Row:
    asked = Asked(2475, size=100_000)
    alone, together = run_virtual(_upload(asked, 1)), run_virtual(_upload(asked, _NODES))
    share = alone.seconds / together.seconds
    return Row(
        f"{_NODES} nodes at once on one adapter: of what {_NODES} paced links give together",
        f"{share:.1%}",
        ">= 90 %",
        share >= 0.9,
        {
            "one_s": alone.seconds,
            "eight_s": together.seconds,
            "cpu_s_per_mb": together.cpu / (_NODES * asked.size / 1e6),
        },
    )


async def _upload(asked: Asked, nodes: int) -> Took:
    """Upload to so many nodes at once, each connected before."""
    loop = asyncio.get_running_loop()
    air = Air(Timing(loss=asked.loss))
    addresses = [f"{ADDRESS[:-2]}{number:02X}" for number in range(1, nodes + 1)]
    radios = [AirNode(air, virtual_node(asked, address), "bench") for address in addresses]
    controller = RadioController("hci0", link=air, public_address=CENTRAL)
    adapter = Adapter(
        HciBackend(HciAdapter(controller, controller, CENTRAL, "hci0")), "bench", links=nodes + 1
    )
    params = PLUGIN.params.model_validate({})
    image = PLUGIN.parse(asked.image(), "mcuboot", Component(), params)
    sessions = []
    for address in addresses:

        async def connect(callings: tuple[Calling, ...]) -> GattLink:
            return await adapter.connect(str(callings[0].address), within=30.0)

        sessions.append(BenchSession(radio=connect, address=address))
    flashers = [PLUGIN.open(session, params) for session in sessions]
    try:
        for flasher in flashers:
            await flasher.probe(Probe())
        clock, cpu = loop.time(), time.process_time()
        await asyncio.gather(*(flasher.transfer(Transfer(image)) for flasher in flashers))
        packets = sum(_packets(radio, air) for radio in radios)
        # 2,500 us: a full packet, its acknowledgement and two inter frame spaces on the 1M PHY.
        return Took(loop.time() - clock, time.process_time() - cpu, packets * 0.0025 / nodes)
    finally:
        for session in sessions:
            await session.close()
        await adapter.aclose()
        for radio in radios:
            await radio.aclose()


def _packets(radio: AirNode, air: Air) -> int:
    connection = radio.connection
    found = air.channel(connection.self_address, connection.peer_address) if connection is not None else None
    return found.counters.packets if found is not None else 0


def _smpclient(asked: Asked, peers: Path) -> Took:
    script = Path(__file__).parent / "peers" / "smp_air.py"
    command = [str(peers / "bin" / "python"), str(script), json.dumps(asked.plain())]
    surroundings = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=surroundings)
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise RuntimeError("smpclient could not upload over the air")
    said = json.loads(done.stdout.splitlines()[-1])
    return Took(said["seconds"], said["cpu"])
