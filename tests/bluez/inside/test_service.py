"""The service as people run it, over BlueZ: a process, a configuration, the commands of the command line."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.bluez.inside.test_gateway import BluezBench
from tests.bluez.inside.world import World
from tests.gateway.service.airsite import MAIN
from tests.gateway.service.site import NEW, PRODUCT, THERMO, Piece, runs

_WITHIN_S = 300.0
"""For one command: a processor is emulated, and each command is a process of its own."""


async def tender(bench: BluezBench, *arguments: str | Path) -> Any:
    """What a command answers, as JSON."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", *arguments, "--json", "--socket", bench.folder / "sock"),
        stdout=PIPE,
        stderr=PIPE,
    )
    async with asyncio.timeout(_WITHIN_S):
        out, err = await process.communicate()
    assert process.returncode == 0, (arguments, process.returncode, out, err)
    return json.loads(out)


@asynccontextmanager
async def served(bench: BluezBench) -> AsyncIterator[None]:
    """The service, until it was asked to stop, and did."""
    (bench.folder / "gateway.toml").write_text(
        f'state = "{bench.folder}/state"\nsocket = "{bench.folder}/sock"\nprofiles = ["{bench.profiles}"]\n'
        f'[gateway]\nname = "gw"\n[trust]\nkeys.team = "{bench.public}"\n'
        f'[adapters.{MAIN}]\naddress = "{bench.settings["adapters"][MAIN]["address"]}"\n'
        + "".join(
            f'[nodes.{name}]\nprofile = "{table["profile"]}"\nlink = "{table["link"]}"\n'
            for name, table in bench.tables.items()
        )
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "serve", "--config", bench.folder / "gateway.toml"),
        stderr=PIPE,
    )
    assert process.stderr is not None
    said = b""
    try:
        async with asyncio.timeout(_WITHIN_S):
            while b"ready:" not in said:
                line = await process.stderr.readline()
                assert line, said.decode()
                said += line
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        _, rest = await process.communicate()
    assert process.returncode == 0, (said + rest).decode()


async def test_the_service_and_its_commands_bring_a_node_to_a_release(world: World, tmp_path: Path) -> None:
    bench = BluezBench(tmp_path, world)
    node = bench.on_air("t1")
    path = bench.release(NEW, Piece(THERMO))
    try:
        async with served(bench):
            await tender(bench, "release", "add", path)
            await tender(bench, "deploy", PRODUCT, NEW, "--node", "t1", "--wait")
            (shown,) = await tender(bench, "nodes")
            assert shown["name"] == "t1"
            (attempt,) = await tender(bench, "attempts")
            assert attempt["outcome"] == "succeeded", attempt
        assert runs(bench, "t1", THERMO, NEW)
        assert node.truth().confirmed
    finally:
        await bench.aclose()
