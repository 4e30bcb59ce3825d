"""Nordic's legacy loaders behind a real service: all of them called alike, and no nodes mixed up."""

import functools
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from flashers.api import VirtualSetup
from flashers.nordic_dfu import FORMAT, PLUGIN
from flashers.nordic_dfu.virtual.legacy import VirtualLegacyNode, Where
from flashers.sim import Behaviour, SimApp
from gateway.plugins.registry import Registry
from gateway.profiles.load import load_profiles
from gateway.releases.keys import PrivateKey
from gateway.releases.make import make_release, sign_release
from gateway.service.node_types import NodeTypes
from tests.gateway.service.airsite import MAIN, RadioBench
from tests.gateway.service.site import NEW, OLD, PRODUCT, outcomes
from transports.virtual.air.node import AirNode
from transports.virtual.clock import run_virtual

LEGACY = "legacy"
_PROFILE = f"""
schema = 1
name = "{LEGACY}"
flasher = "nordic_dfu"
media = ["ble"]
format = "{FORMAT}"
reset_by = "none"
rollback = ["reflash"]
[evidence]
transfer = ["checksum"]
boot = ["version"]
[timing]
boot_deadline = 15.0
patience = 60.0
soak = 1.0
soak_interval = 0.5
[[health]]
kind = "version"
[params]
protocol = "legacy"
banks = "single"
version_rule = "off"
version_text = "decimal"
boot_deadline = 15.0
loader_deadline = 15.0
device_type = 1
"""


class LegacyBench(RadioBench):
    """Nodes with legacy loaders on one air."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (self.profiles / f"{LEGACY}.toml").write_text(_PROFILE)

    def package(self, version: str, behaviour: Behaviour = Behaviour.HEALTHY, **options: str) -> bytes:
        named = {name.replace("_", "-"): value for name, value in options.items()}
        app = SimApp(version, behaviour, claims="9.9.9" if behaviour is Behaviour.LIES else "")
        return PLUGIN.build(app, 500, {"protocol": "legacy", "device-type": "1", **named})

    def legacy(self, name: str, **options: str) -> VirtualLegacyNode:
        """Put a node on the air."""
        params = NodeTypes(load_profiles([self.profiles], Registry())).get(LEGACY).params
        traits = {"page": "256", "pages": "6"} | {k.replace("_", "-"): v for k, v in options.items()}
        node = VirtualLegacyNode(
            VirtualSetup(params, flash={"app": self.package(OLD)}, options=traits, name=name)
        )
        address = f"C0:00:00:00:{len(self.radios):02X}:10"
        self.radios[name] = AirNode(self.air, node.radio(name, address), name)
        self.nodes[name] = node
        self.tables[name] = {"profile": LEGACY, "link": f"ble:{MAIN}#{address}", "labels": {}}
        return node

    def shipped(self, version: str, data: bytes) -> Path:
        """A signed release with this package."""
        (self.folder / f"{version}.zip").write_bytes(data)
        description = self.folder / f"{version}-legacy.toml"
        description.write_text(
            f'product = "{PRODUCT}"\nversion = "{version}"\n'
            f'[[artifact]]\nfile = "{version}.zip"\nprofile = "{LEGACY}"\nformat = "{FORMAT}"\n'
        )
        made = make_release(description, self.folder / f"{version}-legacy.tender")
        sign_release(made.path, PrivateKey.load(self.folder / "key.pem"))
        return made.path

    def runs(self, name: str, data: bytes) -> bool:
        """Whether the node really executes this package's image."""
        params = self.types().get(LEGACY).params
        component = self.types().get(LEGACY).profile.components[0].value()
        wanted = PLUGIN.parse(data, FORMAT, component, params).firmware.identity
        return self.nodes[name].truth().running.get(0) == wanted


def on_legacy_air(test: Callable[[LegacyBench], Coroutine[Any, Any, None]]) -> Callable[[Path], None]:
    """Run a test in virtual time, on a bench in a folder of its own."""

    def run(tmp_path: Path) -> None:
        async def main() -> None:
            bench = LegacyBench(tmp_path)
            try:
                await test(bench)
            finally:
                await bench.aclose()

        run_virtual(main())

    functools.update_wrapper(run, test)
    del run.__wrapped__  # type: ignore[attr-defined] # pytest would ask for the test's own arguments
    return run


@on_legacy_air
async def test_nodes_that_are_alike_in_their_loader_are_updated_one_at_a_time(bench: LegacyBench) -> None:
    nodes = {name: bench.legacy(name) for name in ("n1", "n2")}
    data = bench.package(NEW)
    most = 0

    def watched(node: VirtualLegacyNode) -> None:
        nonlocal most
        most = max(most, sum(each.where is Where.LOADER for each in nodes.values()))

    for node in nodes.values():
        node.banks.flash.watch = lambda _, node=node: watched(node)
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.shipped(NEW, data), asked_by="test")
        await running.deploy(no_rollback="allow", all_at_once=True)
        assert outcomes(await running.ended()) == ["succeeded"] * 2
    assert most == 1
    for name, node in nodes.items():
        assert bench.runs(name, data)
        assert node.counts.loader_visits == 1


@on_legacy_air
async def test_other_bytes_of_the_same_version_end_as_flashed(bench: LegacyBench) -> None:
    """Two banks, and a version that says nothing: the loader took them for whole, and that is all."""
    (bench.profiles / f"{LEGACY}.toml").write_text(_PROFILE.replace('"single"', '"dual"'))
    node = bench.legacy("n1")
    first, again = bench.package(NEW), bench.package(NEW, seed="7")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.shipped(NEW, first), asked_by="test")
        await running.deploy("one", no_rollback="allow")
        assert outcomes(await running.ended()) == ["succeeded"]
        visits = node.counts.loader_visits
        await running.gateway.add_release(bench.shipped("1.1.0+2", again), asked_by="test")
        await running.deploy("two", version="1.1.0+2", no_rollback="allow")
        assert outcomes(await running.ended())[-1] == "flashed"
        assert bench.runs("n1", again)
        assert node.counts.loader_visits == visits + 1


@on_legacy_air
async def test_with_one_bank_the_old_bytes_are_gone_so_their_version_proves_the_new_ones(
    bench: LegacyBench,
) -> None:
    bench.legacy("n1")
    again = bench.package(NEW, seed="7")
    async with bench.gateway() as running:
        for version, data in ((NEW, bench.package(NEW)), ("1.1.0+2", again)):
            await running.gateway.add_release(bench.shipped(version, data), asked_by="test")
            await running.deploy(f"to {version}", version=version, no_rollback="allow")
            assert outcomes(await running.ended())[-1] == "succeeded"
        assert bench.runs("n1", again)


@on_legacy_air
async def test_a_package_for_another_board_is_refused_and_the_node_is_untouched(bench: LegacyBench) -> None:
    node = bench.legacy("n1")
    async with bench.gateway() as running:
        other = bench.package(NEW, device_type="2")
        await running.gateway.add_release(bench.shipped(NEW, other), asked_by="test")
        await running.deploy(no_rollback="allow")
        (record,) = await running.ended()
        assert outcomes([record]) == ["refused"]
        assert record.result is not None
        assert [reason.code for reason in record.result.reasons] == ["wrong-device-type"]
    assert node.operations == 0
    assert node.counts.loader_visits == 0


@on_legacy_air
async def test_a_gateway_that_dies_in_the_transfer_finds_the_node_in_its_loader_and_goes_on(
    bench: LegacyBench,
) -> None:
    node = bench.legacy("n1")
    data = bench.package(NEW)
    async with bench.gateway(killed=True) as running:
        await running.gateway.add_release(bench.shipped(NEW, data), asked_by="test")
        await running.deploy(no_rollback="allow")
        await running.until(lambda: node.counts.packets > 5)
    assert not node.truth().bootable
    assert node.where is Where.LOADER
    async with bench.gateway() as running:
        assert outcomes(await running.ended()) == ["succeeded"]
    assert bench.runs("n1", data)


@on_legacy_air
async def test_an_image_that_names_another_version_is_taken_back_by_the_known_good(
    bench: LegacyBench,
) -> None:
    bench.legacy("n1")
    good, bad = bench.package("1.0.1"), bench.package(NEW, Behaviour.LIES)
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.shipped("1.0.1", good), asked_by="test")
        await running.deploy("first", version="1.0.1", no_rollback="allow")
        assert outcomes(await running.ended()) == ["succeeded"]
        await running.gateway.add_release(bench.shipped(NEW, bad), asked_by="test")
        await running.deploy("second")
        assert outcomes(await running.ended()) == ["succeeded", "rolled-back"]
    assert bench.runs("n1", good)
