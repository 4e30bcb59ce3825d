"""Play the demo: start everything, ask for the release, watch, and compare with the script."""

import asyncio
import json
import signal
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from flashers.api import Digest
from gateway.api.client import Client, Refused, ServiceLost, ServiceNotRunning
from gateway.demo.boards import RATE, Boards, air_in, coordinator_in, links_in
from gateway.demo.broker import broker
from gateway.demo.listener import Listener
from gateway.demo.screen import Screen, final_table, make_console, save_picture
from gateway.demo.script import FLEET, NEW, OLD, ON_AIR, ON_MESH, Actor
from gateway.demo.stage import HALL, PRODUCT, Stage, set_stage
from gateway.plugins.registry import Registry
from gateway.profiles.load import load_profiles
from gateway.service.node_types import NodeTypes

_ALL_ENDED_S = 150.0
_READY_S = 20.0
_STOP_S = 15.0
_JOIN_S = 120


async def play(*, keep: Path | None = None, picture: Path | None = None) -> int:
    """Play it; 0 if every node ended as scripted and upstream was told so, else 1.

    Args:
        keep: leave the gateway's folder here instead of in a temporary one.
        picture: an SVG of what was shown at the end goes here.
    """
    console = make_console(record=picture is not None)
    code = await _play(console, keep)
    if picture is not None:
        save_picture(console, picture)
    return code


async def _play(console: Console, keep: Path | None) -> int:
    async with AsyncExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tender-demo-")))
        folder.mkdir(parents=True, exist_ok=True)
        host, port = await stack.enter_async_context(broker(folder))
        node_types = NodeTypes(load_profiles((), Registry()))
        links, air = links_in(folder, FLEET), air_in(folder)
        coordinator, upstream = coordinator_in(folder), f"mqtt://{host}:{port}"
        stage = set_stage(folder, FLEET, links, air, coordinator, upstream, node_types)
        boards = await stack.enter_async_context(Boards(stage, FLEET, node_types))
        listener = Listener(host, port)
        stack.callback(listener.close)
        client = Client(stage.socket)
        _say_what_is_there(console, stage, host, port)
        async with _gateway(stage, client):
            return await _act(console, stage, client, listener, boards)


@asynccontextmanager
async def _gateway(stage: Stage, client: Client) -> AsyncIterator[None]:
    """The service as a process of its own, as a site runs it."""
    with (stage.folder / "tender.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", "serve", "--config", str(stage.config), stderr=log
        )
        try:
            await _until_ready(client, process, stage)
            yield
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), _STOP_S)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _until_ready(client: Client, process: asyncio.subprocess.Process, stage: Stage) -> None:
    async with asyncio.timeout(_READY_S):
        while True:
            try:
                await asyncio.to_thread(client.get, "status")
            except (ServiceNotRunning, ServiceLost):
                if process.returncode is not None:
                    sys.stderr.write((stage.folder / "tender.log").read_text())
                    raise
                await asyncio.sleep(0.05)
            else:
                return


async def _act(console: Console, stage: Stage, client: Client, listener: Listener, boards: Boards) -> int:
    loop = asyncio.get_running_loop()
    happened: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    await asyncio.to_thread(client.upload, stage.release, "releases")
    for profile, file in stage.baselines.items():
        await asyncio.to_thread(
            client.upload, file, "baselines", profile=profile, version=OLD, name=file.name
        )
    await _let_join(client)
    watching = client.watch()

    def follow() -> None:
        try:
            for item in watching:
                loop.call_soon_threadsafe(happened.put_nowait, item)
        except (ServiceLost, Refused, OSError, RuntimeError):
            return  # the demo is over

    # It ends with the service; a thread that waits for the next line cannot be asked to.
    threading.Thread(target=follow, name="watch", daemon=True).start()
    began = loop.time()
    listener.want(
        {
            "schema": 1,
            "revision": 1,
            "deployments": [
                {
                    "id": "demo-1",
                    "release": {"product": PRODUCT, "version": NEW},
                    "select": {"all": True},
                    "policy": {"all_at_once": True},
                }
            ],
        }
    )
    with Screen(FLEET, console) as screen:
        complete = await _until_all_ended(screen, happened, boards)
    seconds = loop.time() - began
    await _until_told(listener, client)
    views = await asyncio.to_thread(client.get, "attempts")
    findings = [] if complete else ["not every node came to its end in time"]
    findings += _compare(views, listener, boards)
    if console.record:
        console.export_text(clear=True)  # the picture is of the end
    _show_end(console, views, listener, seconds)
    for finding in findings:
        console.print(f"[bold red]not as scripted:[/] {finding}")
    if not findings:
        console.print(f"\nEvery one of the {len(FLEET)} nodes ended as scripted.", style="bold green")
    return 1 if findings else 0


async def _let_join(client: Client) -> None:
    """Let the Zigbee nodes join, once their network is there; they do so while the others are updated."""
    for _ in range(100):
        (network,) = await asyncio.to_thread(client.get, "zigbee")
        if network["up"]:
            break
        await asyncio.sleep(0.1)
    await asyncio.to_thread(client.post, "zigbee", HALL, "permit", body={"seconds": _JOIN_S})


async def _until_all_ended(screen: Screen, happened: "asyncio.Queue[dict[str, Any]]", boards: Boards) -> bool:
    """Follow the fleet; give power again to those that were reported wounded, carry off who is to leave."""
    left = {actor.name: len(actor.ends) for actor in FLEET}
    actors = {actor.name: actor for actor in FLEET}
    try:
        async with asyncio.timeout(_ALL_ENDED_S):
            while any(left.values()):
                item = await happened.get()
                screen.happened(item)
                if "progress" in item:
                    boards.progressed(item["progress"])
                event = item.get("event")
                if event is None or event["kind"] != "attempt.done":
                    continue
                name = event["node"]
                left[name] = max(left[name] - 1, 0)
                if event["data"]["outcome"] == "wounded" and actors[name].stays_off:
                    boards.nodes[name].power_on()
    except TimeoutError:
        return False
    return True


async def _until_told(listener: Listener, client: Client) -> None:
    """Let the broker have everything."""
    for _ in range(100):
        status = await asyncio.to_thread(client.get, "status")
        if not status["outbox_depth"] and all(listener.ends(actor.name) for actor in FLEET):
            return
        await asyncio.sleep(0.05)


def _compare(views: list[dict[str, Any]], listener: Listener, boards: Boards) -> list[str]:
    """Everything that is not as the script, the nodes and upstream together say."""
    findings = [f"{name} was never out of reach" for name in boards.never_left]
    for actor in FLEET:
        mine = sorted((view for view in views if view["node"] == actor.name), key=lambda view: view["id"])
        got = [view["outcome"] for view in mine]
        want = [outcome.value for outcome in actor.ends]
        if got != want:
            findings.append(f"{actor.name} ended {got}, and the script has {want}")
            continue
        told = [data["outcome"] for data in listener.ends(actor.name)]
        if told != want:
            findings.append(f"upstream was told {told} of {actor.name}")
        last = mine[-1]
        if last["rollback_done"] != actor.rollback:
            findings.append(f"{actor.name} was taken back by {last['rollback_done']}, not {actor.rollback}")
        if actor.sends_nothing and last["bytes_sent"]:
            findings.append(f"{actor.name} was sent {last['bytes_sent']} bytes")
        if not _really_runs(boards, last, actor):
            findings.append(f"{actor.name} itself runs something else than was reported")
    if not listener.in_order:
        findings.append("upstream was not told in order")
    return findings


def _really_runs(boards: Boards, view: Mapping[str, Any], actor: Actor) -> bool:
    """Ask the virtual node itself, past every protocol."""
    truth = boards.nodes[actor.name].truth()
    if not truth.bootable:
        return False
    after = (view["after"] or {}).get("app")
    if after is None:
        return actor.sends_nothing
    runs, identity = truth.running.get(0), after.get("identity")
    if identity is None:  # only a version was said
        expected, version = boards.firmware(actor)
        return after.get("version") == version and runs == expected
    return runs == Digest(identity["algorithm"], bytes.fromhex(identity["value"]))


def _say_what_is_there(console: Console, stage: Stage, host: str, port: int) -> None:
    on_air, on_mesh = sum(actor.on_air for actor in FLEET), sum(actor.on_mesh for actor in FLEET)
    console.print(
        f"[bold]{len(FLEET)} virtual nodes[/]: {len(FLEET) - on_air - on_mesh} on real PTYs, of two "
        f"bootloader families, {on_air} behind a [bold]simulated radio[/] of {RATE / 1000:g} kB/s each,"
    )
    console.print(
        f"and {on_mesh} in a [bold]simulated Zigbee network[/], one channel of 250 kbit/s for all of them;"
    )
    console.print(
        f"a gateway with its state in {stage.folder}, and a mosquitto at {host}:{port} as its upstream."
    )
    console.print(f"Upstream wants [bold]{PRODUCT} {NEW}[/], signed, on all of them.\n")


def _show_end(console: Console, views: list[dict[str, Any]], listener: Listener, seconds: float) -> None:
    headers = ["node", "profile", "before", "after", "outcome", "evidence", "rollback", "bytes", "seconds"]
    rows = []
    for actor in FLEET:
        mine = sorted((view for view in views if view["node"] == actor.name), key=lambda view: view["id"])
        rows += [_row(view) for view in mine]
    console.print(final_table(rows, headers))
    console.print(f"\n[bold]What upstream was told[/], read back from the broker in {seconds:.0f} s:")
    for event in listener.events:
        if event["kind"] in ("attempt.done", "deployment.accepted", "deployment.done"):
            console.print("  " + _told(event), soft_wrap=True)
    phases = sum(1 for event in listener.events if event["kind"] == "attempt.phase")
    console.print(
        f"  and {phases} phases, {listener.progress} progress messages, "
        f"{len(listener.states)} retained node states, status {listener.statuses[-1]['state']}"
    )


def _row(view: Mapping[str, Any]) -> list[str]:
    proof = ", ".join(f"{piece['of']} {piece['kind']}" for piece in view["evidence"]) or "-"
    outcome = view["outcome"] or view["phase"]
    return [
        view["node"],
        view["profile"] + (" (simulated radio)" if view["profile"] in ON_AIR | ON_MESH else ""),
        _version(view["before"]) if any((view["before"] or {}).values()) else _version(view["after"]),
        _version(view["after"]),
        outcome + (f", {view['code']}" if view["code"] else ""),
        proof,
        view["rollback_done"] if view["rollback_done"] != "none" else f"({view['rollback_available']})",
        f"{view['bytes_sent']:,}",
        f"{view['seconds']:.1f}",
    ]


def _version(firmwares: Mapping[str, Any] | None) -> str:
    found = (firmwares or {}).get("app")
    return (found.get("version") or "?") if found else "-"


def _told(event: Mapping[str, Any]) -> str:
    number = f"{event['gateway']}/{event['epoch']}/{event['sequence']}"
    data = event["data"]
    if event["kind"] != "attempt.done":
        return f"{number} {event['kind']} {json.dumps(data.get('outcomes') or data.get('release'))}"
    after = _version(data.get("after"))
    why = f" ({data['code']})" if data.get("code") else ""
    return f"{number} {event['node']} {data['outcome']}{why}, runs {after}, rollback {data['rollback']}"
