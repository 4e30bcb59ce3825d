"""A Zigbee network from a file: what may stand in it, what is in it then, and what it can be told."""

import textwrap
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.mesh import EPILOG
from gateway.mesh.description import BadMesh, MeshDescription, read_mesh
from gateway.mesh.orders import HELP, obey
from gateway.mesh.world import MeshWorld
from gateway.orders import listen, send_order
from gateway.profiles.load import load_profiles
from transports.ble.place import HciPlace

PROFILES = load_profiles()
IEEE = "00:12:4b:00:00:00:01:01"


def described(**nodes: Any) -> MeshDescription:
    return MeshDescription.model_validate({"coordinator": {"listen": "tcp:0"}, "nodes": nodes})


def plug(**rest: Any) -> dict[str, Any]:
    return {"profile": "demo-zigbee-plug", "ieee": IEEE} | rest


def test_the_example_of_the_help_is_a_good_description(tmp_path: Path) -> None:
    _, _, example = EPILOG.partition("(zStack):\n")
    example, _, _ = example.partition("then, while it runs")
    file = tmp_path / "hall.toml"
    file.write_text(textwrap.dedent(example))
    read = read_mesh(file)
    assert [name for name, _ in read.nodes["plug"].copies("plug")] == [f"plug-{n}" for n in range(1, 9)]
    assert read.nodes["plug"].copies("plug")[7][1] == "00:12:4b:00:00:00:01:08"
    assert read.coordinator.listen == "pty:/tmp/ttyZ0"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "coordinator"),
        ('[coordinator]\nlisten = "usb:1"', "pty:/path or at tcp:PORT"),
        ('[coordinator]\nlisten = "tcp:host:1"', "this machine alone"),
        ('[coordinator]\nlisten = "tcp:0"\n[nodes.a]\nprofile = "x"\nieee = "C0:01"', "00:12:4b"),
        ('[coordinator]\nlisten = "tcp:0"\nspeed = 3', "speed"),
        (
            '[coordinator]\nlisten = "tcp:0"\n'
            + "".join(f'[nodes.{name}]\nprofile = "x"\nieee = "{IEEE}"\n' for name in "ab"),
            "b has the address",
        ),
        ("[coordinator", "hall.toml"),
    ],
)
def test_what_makes_no_sense_is_said_with_its_key(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "hall.toml"
    file.write_text(text)
    with pytest.raises(BadMesh, match=said):
        read_mesh(file)


@pytest.mark.parametrize(
    "node",
    [
        plug(firmware={"nothing": "x.ota"}),
        plug(traits={"no-such-trait": ""}),
        plug() | {"profile": "demo-relay"},
    ],
)
async def test_a_node_that_cannot_be_made_is_named(tmp_path: Path, node: dict[str, Any]) -> None:
    with pytest.raises(BadMesh, match=r"nodes\.odd"):
        async with MeshWorld(described(odd=node), PROFILES, tmp_path):
            pass


async def test_orders_change_nodes_and_tell_the_truth_about_them(tmp_path: Path) -> None:
    async with MeshWorld(described(plug=plug(count=2, joined=True, hops=2)), PROFILES, tmp_path) as world:
        assert world.path.startswith("socket://127.0.0.1:")
        place = HciPlace.parse(f"unix:{tmp_path}/control")
        server = await listen(partial(obey, world), place)
        try:
            assert (await send_order(place, "help"))["help"] == list(HELP)
            truth = await send_order(place, "plug-2 truth")
            assert (truth["powered"], truth["bootable"], truth["joined"], truth["hops"]) == (
                True,
                True,
                True,
                2,
            )
            assert (await send_order(place, "plug-2 power off"))["powered"] is False
            assert world.nodes["plug-2"].node.truth().powered is False
            assert (await send_order(place, "plug-2 power on"))["powered"] is True
            assert await send_order(place, "plug-1 range out") == {"range": "out"}
            assert await send_order(place, "plug-1 range in") == {"range": "in"}
            assert (await send_order(place, "plug-1 cut 3 off"))["cut_at"] == 3
            assert set((await send_order(place, "nodes"))["nodes"]) == {"plug-1", "plug-2"}
            assert (await send_order(place, "air"))["blocks"] == 0
            for what in ("unplug", "replug", "reset"):
                assert await send_order(place, f"coordinator {what}") == {"coordinator": what}
            for nonsense in ("plug-9 truth", "plug-1 dance", "coordinator eat", "plug-1 power maybe", "so"):
                assert "error" in await send_order(place, nonsense)
        finally:
            server.close()


async def test_it_remembers_who_joined(tmp_path: Path) -> None:
    table = {
        "coordinator": {"listen": f"pty:{tmp_path}/tty", "state": "kept"},
        "nodes": {"a": plug(joined=True)},
    }
    one = MeshDescription.model_validate(table)
    async with MeshWorld(one, PROFILES, tmp_path) as world:
        short = world.network.truth(IEEE).nwk
        assert (tmp_path / "tty").exists()
    table["nodes"] = {"a": plug()}
    async with MeshWorld(MeshDescription.model_validate(table), PROFILES, tmp_path) as world:
        assert world.network.truth(IEEE).joined
        assert world.network.truth(IEEE).nwk == short
