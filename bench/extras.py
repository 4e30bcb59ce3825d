"""What each medium costs that a site has: memory and start, and fifty nodes behind one radio.

The service is started as on a site, with a configuration for one medium, and has looked at a
node of it (which is not there) before it is measured, so that the libraries are loaded.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.measure import Row
from bench.service import all_done, pss_of, service
from flashers.mcuboot_smp.make import make_image
from flashers.sim import SimApp
from gateway.api.client import Client, Refused
from gateway.releases.make import make_release

_PROFILE = "demo-ble-sensor"
_COUNT = 50
_BYTES = 20_000
_START_S = 20.0
_IDLE_S = 5.0


def measure_extras(folder: Path) -> list[Row]:
    """Resident size and start of a site with one medium, and what the others would have added."""
    sites = {
        "nothing at all": ({}, ""),
        "UART nodes (extra uart)": ({"n": ("mcuboot-uart", "uart:/dev/nowhere")}, ""),
        "BLE nodes over BlueZ (extra ble)": (
            {"n": (_PROFILE, "ble:00:1A:7D:DA:71:13#C0:00:00:00:00:01")},
            "",
        ),
        "BLE nodes on a virtual air (extra air)": (
            {"n": (_PROFILE, "ble:air#C0:00:00:00:00:01")},
            f'[adapters.air]\nhci = "unix:{folder}/air"\n',
        ),
    }
    rows: list[Row] = []
    with _air(folder, 1):
        for number, (what, (nodes, more)) in enumerate(sites.items()):
            with service(folder / f"site{number}", nodes, more=more) as (client, pid, ready_s):
                for name in nodes:
                    _look(client, name)
                pss = pss_of(pid)
            goal, held = ("<= 60 MB", pss <= 60) if "uart" in what else ("", None)
            detail: dict[str, float | str] = {"pss_mb": pss, "ready_s": ready_s}
            figure = f"{pss:.0f} MB, ready in {ready_s:.2f} s"
            rows.append(Row(f"a site with {what}: PSS and start", figure, goal, held, detail))
    return rows


def measure_fifty(folder: Path) -> list[Row]:
    """Fifty nodes on one air, one adapter, one gateway process."""
    folder.mkdir(parents=True, exist_ok=True)
    return asyncio.run(_fifty(folder))


async def _fifty(folder: Path) -> list[Row]:
    new = make_image(SimApp("1.1.0"), size=_BYTES)
    (folder / "new.bin").write_bytes(new)
    (folder / "release.toml").write_text(
        'product = "bench"\nversion = "1.1.0"\n[[artifact]]\nfile = "new.bin"\n'
        f'profile = "{_PROFILE}"\nformat = "mcuboot"\nhardware = ["ble-sensor"]\n'
    )
    release = make_release(folder / "release.toml", folder / "bench.tender").path
    nodes = {f"n{number}": (_PROFILE, f"ble:air#{_address(number)}") for number in range(_COUNT)}
    more = f'[adapters.air]\nhci = "unix:{folder}/air"\n'
    with (
        _air(folder, _COUNT) as air,
        service(folder / "s", nodes, more=more, rollout=_COUNT) as (client, pid, _),
    ):
        await asyncio.to_thread(client.upload, release, "releases")
        before = _cpu(air)
        await asyncio.sleep(_IDLE_S)  # the nodes call, and nobody is connected
        idle = (_cpu(air) - before) / _IDLE_S
        clock, cpu, air_cpu = time.monotonic(), _cpu(pid), _cpu(air)
        body = {"id": "d", "product": "bench", "version": "1.1.0", "select": {"all": True}}
        body["policy"] = {"all_at_once": True}
        await asyncio.to_thread(lambda: client.post("deployments", body=body))
        outcomes = await all_done(client, _COUNT)
        seconds, used, pss = time.monotonic() - clock, _cpu(pid) - cpu, pss_of(pid)
        air_pss, busy = pss_of(air), (_cpu(air) - air_cpu) / seconds
    done = outcomes.get("succeeded", 0)
    updated = Row(
        f"{_COUNT} virtual BLE nodes updated through one adapter by one process, {_BYTES // 1000} kB each",
        f"{done} succeeded in {seconds:.0f} s, {pss:.0f} MB, {used:.0f} s CPU",
        f"{_COUNT} succeeded",
        done == _COUNT,
        {"seconds": seconds, "pss_mb": pss, "cpu_s": used},
    )
    alone = Row(
        f"the air with these {_COUNT} nodes, in a process of its own",
        f"{idle:.1%} CPU idle, {busy:.0%} while they are updated, {air_pss:.0f} MB",
        "<= 10 % CPU idle",
        idle <= 0.1,
        {"idle": idle, "busy": busy, "air_pss_mb": air_pss},
    )
    return [updated, alone]


def _look(client: Client, name: str) -> None:
    try:
        client.post("nodes", name, "probe", body={"allow_restart": True})
    except Refused:
        return  # it is not there; what it takes to look is loaded all the same


@contextmanager
def _air(folder: Path, count: int) -> Iterator[int]:
    """`tender virtual air` in a process of its own; gives its id."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "air.toml"
    file.write_text(
        f"[adapters.main]\nlisten = {json.dumps(f'unix:{folder}/air')}\naddress = '00:1A:7D:00:00:01'\n"
        f"[nodes.n]\nprofile = '{_PROFILE}'\naddress = '{_address(0)}'\ncount = {count}\n"
    )
    command = [sys.executable, "-m", "gateway", "virtual", "air", str(file), "--json"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        if process.stdout is None or not process.stdout.readline():
            raise RuntimeError("the air does not start")
        yield process.pid
    finally:
        process.terminate()
        process.wait(_START_S)
        if process.stdout is not None:
            process.stdout.close()


def _address(number: int) -> str:
    return f"C0:00:00:00:01:{2 * number:02X}"


def _cpu(pid: int) -> float:
    """Seconds of the processor that a process has used (proc(5), stat: utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
