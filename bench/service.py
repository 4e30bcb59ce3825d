"""What the service costs while it waits, and whether it carries many nodes.

Proportional set size (PSS) is what the kernel says of the process: its own pages,
and its share of those that others use as well.
"""

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench.measure import Row
from flashers.api import VirtualSetup, uart_node
from flashers.mcuboot_smp import PLUGIN as SMP
from flashers.mcuboot_smp.make import make_image
from flashers.sim import SimApp
from gateway.api.client import Client, ServiceLost, ServiceNotRunning
from gateway.releases.make import make_release
from transports.virtual.pty import PtyHost

_START_S = 30.0


def measure(folder: Path) -> list[Row]:
    """Every row about the service."""
    return [*_idle(folder / "idle"), _many(folder / "many"), *_large(folder / "large")]


def _idle(folder: Path) -> list[Row]:
    with service(folder, _uart({f"n{number}": f"uart:/dev/nowhere{number}" for number in range(8)})) as (
        client,
        pid,
        ready_s,
    ):
        client.get("nodes")
        time.sleep(2.0)
        pss = pss_of(pid)
    return [
        Row("the service idle, UART profiles only: PSS", f"{pss:.0f} MB", "<= 60 MB", pss <= 60),
        Row("the service from start to ready", f"{ready_s:.2f} s", "<= 2 s", ready_s <= 2.0),
    ]


def _large(folder: Path) -> list[Row]:
    """Ten thousand nodes on links of their own, none of which is there."""
    nodes = _uart({f"n{number:05}": f"uart:/dev/nowhere{number}" for number in range(10_000)})
    with service(folder, nodes) as (client, pid, ready_s):
        listed_s = _seconds(client, "nodes", len(nodes))
        links_s = _seconds(client, "links", len(nodes))
        clock = time.monotonic()
        client.get("overview")
        overview_s = time.monotonic() - clock
        pss = pss_of(pid)
    return [
        Row("10,000 nodes: from start to ready", f"{ready_s:.2f} s", "<= 10 s", ready_s <= 10.0),
        Row("10,000 nodes, listed", f"{listed_s:.2f} s", "<= 1 s", listed_s <= 1.0),
        Row("10,000 links, judged", f"{links_s:.2f} s", "<= 10 s", links_s <= 10.0),
        Row("`tender status` of 10,000 nodes", f"{overview_s:.2f} s", "<= 10 s", overview_s <= 10.0),
        Row("PSS with 10,000 nodes", f"{pss:.0f} MB", "<= 200 MB", pss <= 200),
    ]


def _seconds(client: Client, what: str, count: int) -> float:
    clock = time.monotonic()
    found = len(client.get(what))
    seconds = time.monotonic() - clock
    if found != count:
        raise RuntimeError(f"{found} {what} were listed")
    return seconds


def _many(folder: Path) -> Row:
    return asyncio.run(_hundred(folder, 100))


async def _hundred(folder: Path, count: int) -> Row:
    """A hundred virtual nodes behind real PTYs in this process, updated by one service in another."""
    folder.mkdir(parents=True)  # noqa: ASYNC240 - nothing else runs yet
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    params = SMP.params.model_validate({"mode": "swap"})
    old, new = make_image(SimApp("1.0.0"), size=8_000), make_image(SimApp("1.1.0"), size=8_000)
    release = _release(folder, new)
    async with AsyncExitStack() as stack:
        for number in range(count):
            node = SMP.virtual_node(VirtualSetup(params=params, flash={"app": old}))
            await stack.enter_async_context(PtyHost(uart_node(node), link=folder / f"n{number}"))
        links = {f"n{number}": f"uart:{folder}/n{number}" for number in range(count)}
        with service(folder / "site", _uart(links), rollout=count) as (client, pid, _):
            await asyncio.to_thread(client.upload, release, "releases")
            clock = time.monotonic()
            body = {"id": "d", "product": "bench", "version": "1.1.0", "select": {"all": True}}
            body["policy"] = {"all_at_once": True}
            await asyncio.to_thread(lambda: client.post("deployments", body=body))
            outcomes = await all_done(client, count)
            seconds = time.monotonic() - clock
            pss = pss_of(pid)
    done = outcomes.get("succeeded", 0)
    return Row(
        f"{count} virtual UART nodes updated at once by one process",
        f"{done} succeeded in {seconds:.0f} s, {pss:.0f} MB",
        f"{count} succeeded",
        done == count,
        {"seconds": seconds, "pss_mb": pss},
    )


def _uart(links: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    return {name: ("mcuboot-uart", link) for name, link in links.items()}


async def all_done(client: Client, count: int) -> dict[str, int]:
    """Wait until every node of the one deployment has ended, minutes at most; the outcomes there are."""
    outcomes: dict[str, int] = {}
    end = time.monotonic() + 240
    while time.monotonic() < end:
        await asyncio.sleep(0.5)
        (deployment,) = await asyncio.to_thread(client.get, "deployments")
        outcomes = deployment["outcomes"]
        if sum(outcomes.values()) == count:
            break
    return outcomes


def _release(folder: Path, image: bytes) -> Path:
    (folder / "new.bin").write_bytes(image)
    (folder / "release.toml").write_text(
        'product = "bench"\nversion = "1.1.0"\n[[artifact]]\nfile = "new.bin"\n'
        'profile = "mcuboot-uart"\nformat = "mcuboot"\n'
    )
    return make_release(folder / "release.toml", folder / "bench.tender").path


@contextmanager
def service(
    folder: Path, nodes: Mapping[str, tuple[str, str]], *, rollout: int = 16, more: str = ""
) -> Iterator[tuple[Client, int, float]]:
    """A service of its own; gives a client, its process id, and how long it took to be ready.

    Args:
        folder: its own.
        nodes: profile and link by name.
        rollout: nodes at once.
        more: further tables of its configuration.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config, socket = folder / "gateway.toml", folder / "s"
    lines = [
        f"state = {json.dumps(str(folder / 'state'))}",
        f"socket = {json.dumps(str(socket))}",
        "[gateway]",
        'name = "bench"',
        "[trust]",
        'unsigned = "allow"',
        "[rollout]",
        f"max_in_parallel = {rollout}",
        more,
    ]
    for name, (profile, link) in nodes.items():
        lines += [f"[nodes.{name}]", f"profile = {json.dumps(profile)}", f"link = {json.dumps(link)}"]
    config.write_text("\n".join(lines) + "\n")
    with (folder / "log").open("wb") as log:
        clock = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve", "--config", str(config)], stderr=log
        )
        try:
            client = Client(socket)
            _wait(client, process)
            yield client, process.pid, time.monotonic() - clock
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _wait(client: Client, process: "subprocess.Popen[bytes]") -> Any:
    end = time.monotonic() + _START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            return client.get("status")
        except (ServiceNotRunning, ServiceLost):
            time.sleep(0.01)
    raise RuntimeError("the service does not start")


def pss_of(pid: int) -> float:
    """Megabytes of a process."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1000
    raise RuntimeError(f"the kernel says nothing of process {pid} (page size {os.sysconf('SC_PAGESIZE')})")
