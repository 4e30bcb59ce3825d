"""`tender flash`: one image on one node without a service, as a process and over a real PTY."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flashers.api import Segment, VirtualNode, VirtualSetup, uart_node
from flashers.images import write_ihex
from flashers.mcuboot_smp.make import make_image
from flashers.sim import Behaviour, SimApp, build_app
from gateway.plugins.registry import Registry
from gateway.profiles.load import load_profiles
from gateway.service.node_types import NodeTypes
from transports.links import LinkSpec
from transports.open import open_link
from transports.virtual.pty import PtyHost

RELAY, SENSOR, MUTE = "demo-relay", "demo-th-sensor", "optiboot-atmega328p"
OLD, NEW = "1.0.0", "2.0.0"
ENDS_S = 90.0
FIELDS = {
    *("node", "profile", "outcome", "evidence", "before", "after", "rollback_available", "rollback_done"),
    *("error", "bytes_sent", "seconds"),
}


def file(kind: str, version: str, behaviour: Behaviour = Behaviour.HEALTHY, size: int = 2000) -> bytes:
    """A firmware file for a kind of node."""
    hardware = {RELAY: "relay", SENSOR: "th-sensor", MUTE: ""}[kind]
    app = SimApp(version, behaviour, hardware)
    return make_image(app, size=size) if kind == SENSOR else write_ihex([Segment(0, build_app(app, size))])


@dataclass(slots=True)
class Desk:
    """A node on a PTY, and files to flash."""

    folder: Path
    kind: str
    node: VirtualNode
    host: PtyHost

    @property
    def link(self) -> str:
        return f"uart:{self.folder / 'port'}"

    def put(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    async def start(self, image: Path, *more: str) -> asyncio.subprocess.Process:
        command = ["flash", str(image), "--profile", self.kind, "--link", self.link, "--json", *more]
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", *command),
            *("--state", str(self.folder / "state")),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "HOME": str(self.folder)},
        )

    async def flash(self, image: Path, *more: str) -> tuple[int, dict[str, Any], str]:
        """Exit code, the JSON that was printed, and what was said on standard error."""
        return await self.end(await self.start(image, *more))

    async def end(self, process: asyncio.subprocess.Process) -> tuple[int, dict[str, Any], str]:
        async with asyncio.timeout(ENDS_S):
            out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, json.loads(out) if out.strip() else {}, err.decode()


@pytest.fixture
async def desk(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    """A node of the kind that the test is parametrised with, on the old firmware."""
    kind, baud, options = request.param
    node_type = NodeTypes(load_profiles((), Registry())).get(kind)
    setup = VirtualSetup(node_type.params, flash={"app": file(kind, OLD)}, options=options)
    node = node_type.plugin.virtual_node(setup)
    async with PtyHost(uart_node(node), link=tmp_path / "port", baud=baud) as host:
        yield Desk(tmp_path, kind, node, host)


def on(
    kind: str, *, baud: int | None = None, options: Mapping[str, str] | None = None
) -> pytest.MarkDecorator:
    """Run a test on a desk with such a node."""
    return pytest.mark.parametrize("desk", [(kind, baud, options or {})], indirect=True, ids=[kind])


@on(SENSOR)
async def test_an_image_is_brought_to_a_node_and_what_came_of_it_is_one_json_object(desk: Desk) -> None:
    code, said, _ = await desk.flash(desk.put("new.bin", file(SENSOR, NEW)))
    assert code == 0
    assert set(said) == FIELDS
    assert (said["outcome"], said["profile"], said["error"]) == ("succeeded", SENSOR, None)
    assert said["before"]["version"].startswith(OLD)
    assert said["after"]["version"].startswith(NEW)
    assert said["after"]["digest"] == str(desk.node.truth().running[0])
    assert (said["rollback_available"], said["rollback_done"]) == ("bootloader", None)
    assert ("boot", "reported-hash") in {(piece["of"], piece["kind"]) for piece in said["evidence"]}
    assert said["bytes_sent"] >= 2000
    assert said["seconds"] > 0
    code, said, _ = await desk.flash(desk.folder / "new.bin")
    assert (code, said["outcome"], said["bytes_sent"]) == (0, "already-there", 0)


@on(RELAY)
async def test_a_bad_image_is_taken_back_to_the_known_good_that_was_given(desk: Desk) -> None:
    known_good = desk.put("old.hex", file(RELAY, OLD))
    bad = desk.put("bad.hex", file(RELAY, NEW, Behaviour.UNHEALTHY))
    code, said, _ = await desk.flash(bad, "--known-good", str(known_good))
    assert (code, said["outcome"], said["rollback_done"]) == (4, "rolled-back", "reflash")
    assert said["error"]["code"] == "health-failed"
    assert said["error"]["remedy"]
    assert said["after"]["version"] == OLD


@on(MUTE)
async def test_a_node_that_cannot_prove_its_boot_is_flashed_and_that_may_be_accepted(desk: Desk) -> None:
    known_good = desk.put("old.hex", file(MUTE, OLD))
    image = desk.put("new.hex", file(MUTE, NEW))
    code, said, _ = await desk.flash(image, "--known-good", str(known_good))
    assert (code, said["outcome"]) == (3, "flashed")
    assert {piece["of"] for piece in said["evidence"]} == {"transfer"}
    code, said, _ = await desk.flash(image, "--known-good", str(known_good), "--accept", "readback")
    assert (code, said["outcome"], said["bytes_sent"]) == (0, "flashed", 0)


@on(SENSOR)
@pytest.mark.parametrize(
    ("name", "data", "wrong"),
    [
        ("text.bin", b"this is no image at all" * 20, "wrong-magic"),
        ("half.bin", file(SENSOR, NEW)[:900], "image-truncated"),
        ("relay.hex", file(RELAY, NEW), "wrong-magic"),
    ],
)
async def test_what_is_no_image_is_refused_before_the_port_is_opened(
    desk: Desk, name: str, data: bytes, wrong: str
) -> None:
    code, said, err = await desk.flash(desk.put(name, data))
    assert code == 2
    assert said["error"]["code"] == wrong
    assert said["error"]["remedy"]
    assert wrong in err
    assert (desk.node.operations, desk.host.opens) == (0, 0)


@on(SENSOR)
async def test_a_port_that_is_held_is_left_alone(desk: Desk) -> None:
    link = await open_link(LinkSpec.parse(desk.link))
    try:
        code, said, err = await desk.flash(desk.put("new.bin", file(SENSOR, NEW)), "--wait", "2")
    finally:
        await link.aclose()
    assert code != 0
    assert "link-busy" in json.dumps(said) + err
    assert desk.node.operations == 0


@pytest.mark.slow
@pytest.mark.parametrize("moment", [3, 12])
@on(RELAY, baud=57_600)
async def test_the_same_command_goes_on_after_it_was_killed(desk: Desk, moment: int) -> None:
    known_good = desk.put("old.hex", file(RELAY, OLD))
    image = desk.put("new.hex", file(RELAY, NEW))
    process = await desk.start(image, "--known-good", str(known_good))
    async with asyncio.timeout(ENDS_S):
        while desk.node.operations < moment:  # noqa: ASYNC110 - a node's flash rings no bell
            await asyncio.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    await process.communicate()
    assert not desk.node.truth().bootable, "half of it is written"
    code, said, err = await desk.flash(image, "--known-good", str(known_good))
    assert (code, said["outcome"]) == (0, "succeeded"), err
    assert said["before"]["version"] == OLD, "what it had before was not forgotten"


@pytest.mark.slow
@on(RELAY, baud=57_600)
async def test_ctrl_c_takes_the_node_back_before_the_command_ends(desk: Desk) -> None:
    known_good = desk.put("old.hex", file(RELAY, OLD))
    process = await desk.start(desk.put("new.hex", file(RELAY, NEW)), "--known-good", str(known_good))
    async with asyncio.timeout(ENDS_S):
        while desk.node.operations < 5:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.005)
    process.send_signal(signal.SIGINT)
    code, said, _ = await desk.end(process)
    assert (code, said["outcome"], said["rollback_done"]) == (7, "cancelled", "reflash")
    assert said["after"]["version"] == OLD
    assert desk.node.truth().bootable
