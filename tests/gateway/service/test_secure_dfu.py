"""A real service and nodes with Nordic's secure loader: updated, refused, and the same version again."""

from pathlib import Path
from typing import Any

from flashers.api import Digest, RollbackKind, VirtualSetup
from flashers.nordic_dfu import PLUGIN
from flashers.nordic_dfu.params import Entry, NordicParams
from flashers.sim import Behaviour, SimApp
from gateway.releases.keys import PrivateKey
from gateway.releases.make import make_release, sign_release
from tests.gateway.service.airsite import MAIN, RadioBench, on_radio
from tests.gateway.service.site import NEW, OLD, PRODUCT, outcomes
from transports.virtual.air.node import AirNode

PROFILE = """
schema = 1
name = "meter"
flasher = "nordic_dfu"
media = ["ble"]
format = "nordic-dfu-zip"
reset_by = "none"
rollback = ["reflash"]
[evidence]
transfer = ["checksum"]
boot = ["version"]
[timing]
boot_deadline = 20.0
patience = 20.0
soak = 1.0
soak_interval = 0.5
[[health]]
kind = "version"
[params]
hw_version = 52
version_rule = "off"
"""
OPTIONS = {"page": "256", "pages": "4"}


def package(version: str, size: int = 700, behaviour: Behaviour = Behaviour.HEALTHY, **options: str) -> bytes:
    named = {name.replace("_", "-"): value for name, value in options.items()}
    return PLUGIN.build(SimApp(version, behaviour), size, named)


def meter(bench: RadioBench, entry: Entry = Entry.UNBONDED) -> Any:
    """A node with the old firmware, on the air."""
    pairs = '[radio]\npair = "just-works"\n' if entry is Entry.BONDED else ""
    (bench.profiles / "meter.toml").write_text(
        PROFILE.replace("[params]", f'{pairs}[params]\nentry = "{entry}"')
    )
    setup = VirtualSetup(NordicParams(entry=entry), flash={"app": package(OLD)}, options=OPTIONS, name="m1")
    node: Any = PLUGIN.virtual_node(setup)
    bench.radios["m1"] = AirNode(bench.air, node.radio("m1", "C0:00:00:00:07:10"), "m1")
    bench.nodes["m1"] = node
    bench.tables["m1"] = {"profile": "meter", "link": f"ble:{MAIN}#C0:00:00:00:07:10", "labels": {}}
    return node


def release(bench: RadioBench, name: str, version: str, data: bytes) -> Path:
    (bench.folder / f"{name}.zip").write_bytes(data)
    description = bench.folder / f"{name}.toml"
    description.write_text(
        f'product = "{PRODUCT}"\nversion = "{version}"\n'
        f'[[artifact]]\nfile = "{name}.zip"\nprofile = "meter"\nformat = "nordic-dfu-zip"\n'
    )
    made = make_release(description, bench.folder / f"{name}.tender")
    sign_release(made.path, PrivateKey.load(bench.folder / "key.pem"))
    return made.path


def runs(node: Any, data: bytes) -> bool:
    from flashers.nordic_dfu.package.zipped import pick, read_package

    found: Digest | None = node.truth().running.get(0)
    return found == Digest.sha256(pick(read_package(data)).image)


@on_radio
async def test_a_node_is_updated_and_proved_by_its_version(bench: RadioBench) -> None:
    node = meter(bench)
    async with bench.gateway() as running:
        for name, version in (("old", OLD), ("new", NEW)):
            path = release(bench, name, version, package(version))
            await running.gateway.add_release(path, asked_by="test")
        await running.deploy("there", version=OLD)
        assert outcomes(await running.ended()) == ["already-there"]
        await running.deploy()
        record = (await running.ended())[-1]
        assert outcomes([record]) == ["succeeded"]
        assert record.rollback is RollbackKind.REFLASH, "what it ran before would be taken"
        assert runs(node, package(NEW))


@on_radio
async def test_a_node_with_bonds_is_updated_over_the_bond_that_its_loader_shares(bench: RadioBench) -> None:
    node = meter(bench, Entry.BONDED)
    async with bench.gateway() as running:
        for name, version in (("old", OLD), ("new", NEW)):
            path = release(bench, name, version, package(version))
            await running.gateway.add_release(path, asked_by="test")
        await running.deploy(no_rollback="allow")
        assert outcomes(await running.ended()) == ["succeeded"]
        assert runs(node, package(NEW))


@on_radio
async def test_a_node_whose_button_was_pressed_is_found_in_its_loader(bench: RadioBench) -> None:
    node = meter(bench, Entry.NONE)
    async with bench.gateway() as running:
        for name, version in (("old", OLD), ("new", NEW)):
            path = release(bench, name, version, package(version))
            await running.gateway.add_release(path, asked_by="test")
        await running.deploy("one")
        (record,) = await running.ended()
        assert record.result is not None
        assert record.result.code == "needs-button"
        node.press_button()
        await running.deploy("two", no_rollback="allow")
        assert outcomes(await running.ended())[-1] == "succeeded"
        assert runs(node, package(NEW))


@on_radio
async def test_one_for_another_board_is_refused_and_the_node_is_not_restarted(bench: RadioBench) -> None:
    node = meter(bench)
    boots = node.boots
    async with bench.gateway() as running:
        path = release(bench, "new", NEW, package(NEW, hw_version="51"))
        await running.gateway.add_release(path, asked_by="test")
        await running.deploy(no_rollback="allow")
        (record,) = await running.ended()
        assert outcomes([record]) == ["refused"]
        assert record.result is not None
        assert record.result.code == "wrong-hardware"
        assert runs(node, package(OLD))
        assert node.boots == boots


@on_radio
async def test_other_bytes_of_the_same_version_end_as_flashed(bench: RadioBench) -> None:
    """The version that such a node names says nothing then, and nothing else proves a boot."""
    node = meter(bench)
    async with bench.gateway() as running:
        first = release(bench, "first", NEW, package(NEW))
        await running.gateway.add_release(first, asked_by="test")
        await running.deploy("one", no_rollback="allow")
        assert outcomes(await running.ended()) == ["succeeded"]
        again = release(bench, "again", "1.1.0+2", package(NEW, size=740))
        await running.gateway.add_release(again, asked_by="test")
        await running.deploy("two", version="1.1.0+2", no_rollback="allow")
        assert outcomes(await running.ended())[-1] == "flashed"
        assert runs(node, package(NEW, size=740))
