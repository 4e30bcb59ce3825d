"""Who may know whom: the layers of the house, read off the import statements.

`transports` know nobody, `flashers` know `transports`, `gateway` knows the shared part of
both, and each vendor's library has one place where it may be named.  A site with UART
nodes only then needs neither BlueZ nor a Zigbee stack, and a flasher can be carried out
of the house without taking another with it.
"""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
PACKAGES = ("transports", "flashers", "gateway", "device_profiles")

SHARED_FLASHER_PARTS = frozenset({"api", "images", "sim", "conformance"})
"""Of `flashers`, what is no protocol: every flasher and the gateway may use it."""

MAY_KNOW = {
    "transports": frozenset({"transports"}),
    "flashers": frozenset({"flashers", "transports"}),
    "device_profiles": frozenset({"device_profiles"}),
    "gateway": frozenset({"gateway", "flashers", "transports", "device_profiles"}),
}

PLACES_OF_LIBRARIES = {
    "serial": ("transports.uart",),
    "bleak": ("transports.ble",),
    "bleak_retry_connector": ("transports.ble",),
    "dbus_fast": ("transports.ble",),
    # A host of our own over HCI, and the virtual air at its other end.
    "bumble": ("transports.ble", "transports.virtual.air"),
    "bellows": ("transports.zigbee",),
    # The virtual network stands at the other end of these libraries.
    "zigpy": ("transports.zigbee", "transports.virtual.zigbee", "flashers.zigbee_ota"),
    "zigpy_znp": ("transports.zigbee", "transports.virtual.zigbee"),
    "aiomqtt": (
        "gateway.upstream.mqtt",
        "gateway.upstream.listening",
        "gateway.upstream.retained",
        "gateway.upstream.site_broker",
        "gateway.upstream.guest.broker",
        "gateway.upstream.zigbee2mqtt.door",
    ),
    # aiomqtt stands on paho.  The demo's listener uses paho by itself, since it has to contradict
    # the gateway where that tells upstream something else than was so.
    "paho": ("gateway.upstream.mqtt", "gateway.demo.listener"),
    "aiohttp": ("gateway",),
    "intelhex": ("flashers.images",),
    "gpiod": ("transports.power.gpio",),
    # For people at a terminal, who sit before the commands and before the demo.
    "rich": ("gateway.cli", "gateway.demo"),
}

DEMO = "gateway.demo"
"""A bench inside the house, for one command; it knows the flashers by their plugins, as the service does."""

NAMES_OF_DISTRIBUTIONS = {"pyserial": "serial"}
"""Where the name that is installed is not the name that is imported."""

LATE = frozenset(
    {
        "aiohttp",
        "aiomqtt",
        "bellows",
        "bleak",
        "bumble",
        "cryptography",
        "dbus_fast",
        "gpiod",
        "paho",
        "rich",
        "serial",
        "zigpy",
        "zigpy_znp",
    }
)
"""What costs time or memory and is imported only where it is needed."""


@dataclass(frozen=True, slots=True)
class Import:
    """One module that another one names."""

    importer: str
    imported: str
    line: int

    def __str__(self) -> str:
        return f"{self.importer} line {self.line} imports {self.imported}"

    @property
    def top(self) -> str:
        return self.imported.partition(".")[0]


def module_name(file: Path, root: Path) -> str:
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(file: Path, root: Path) -> Iterator[Import]:
    """Every import of a file, those inside functions as well."""
    name = module_name(file, root)
    for node in ast.walk(ast.parse(file.read_text(), str(file))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(name, alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} line {node.lineno}: relative imports hide who knows whom"
            for alias in node.names:
                yield Import(name, f"{node.module}.{alias.name}", node.lineno)


def imports_below(root: Path) -> list[Import]:
    files = sorted(file for package in PACKAGES for file in (root / package).rglob("*.py"))
    return [entry for file in files for entry in imports_of(file, root)]


def is_in(module: str, place: str) -> bool:
    return module == place or module.startswith(f"{place}.")


def protocol_of(module: str) -> str | None:
    """The protocol folder below `flashers` that a module belongs to, if any."""
    parts = module.split(".")
    if parts[0] != "flashers" or len(parts) < 2 or parts[1] in SHARED_FLASHER_PARTS:
        return None
    return parts[1] if (PROJECT / "flashers" / parts[1]).is_dir() else None


def against_the_layers(entries: list[Import]) -> list[str]:
    """Imports that point upwards, or at something that is not part of the product."""
    outside = {"tests", "bench", "tools"}
    return [
        str(entry)
        for entry in entries
        if entry.top in {*PACKAGES, *outside} and entry.top not in MAY_KNOW[entry.importer.partition(".")[0]]
    ]


def across_protocols(entries: list[Import]) -> list[str]:
    """Imports of one protocol's folder by anybody outside it."""
    return [
        str(entry)
        for entry in entries
        if (there := protocol_of(entry.imported)) and there != protocol_of(entry.importer)
    ]


def out_of_place(entries: list[Import]) -> list[str]:
    """Imports of a library outside its place."""
    return [
        str(entry)
        for entry in entries
        if entry.top in PLACES_OF_LIBRARIES
        and not any(is_in(entry.importer, place) for place in PLACES_OF_LIBRARIES[entry.top])
    ]


@pytest.fixture(scope="module")
def entries() -> list[Import]:
    found = imports_below(PROJECT)
    assert len(found) > 100, "the packages were not found"
    return found


def test_nobody_knows_who_is_above(entries: list[Import]) -> None:
    assert against_the_layers(entries) == []


def test_no_flasher_knows_another_and_the_gateway_knows_none(entries: list[Import]) -> None:
    assert across_protocols(entries) == []


def test_only_its_command_knows_the_demo(entries: list[Import]) -> None:
    knowing = {entry.importer for entry in entries if is_in(entry.imported, DEMO)}
    assert {name for name in knowing if not is_in(name, DEMO)} <= {"gateway.cli.demo"}


def test_each_library_has_its_place(entries: list[Import]) -> None:
    assert out_of_place(entries) == []


def test_a_virtual_node_does_not_know_the_flasher_that_it_is_to_judge(entries: list[Import]) -> None:
    assert [
        str(entry)
        for entry in entries
        if entry.importer.rpartition(".")[2].startswith("virtual")
        and (protocol := protocol_of(entry.importer))
        and is_in(entry.imported, f"flashers.{protocol}.flasher")
    ] == []


def test_a_codec_knows_no_ports_clocks_or_logs(entries: list[Import]) -> None:
    kept_out = {"asyncio", "logging", "os", "select", "socket", "threading", "time", "transports"}
    codecs = [entry for entry in entries if protocol_of(entry.importer) and ".codec" in entry.importer]
    assert codecs
    # Names of errors carry nothing in or out, nor does a frame, which is a value.
    values = ("transports.errors", "transports.zcl.Zcl", "transports.zcl.AttributeValue")
    named = [entry for entry in codecs if not any(is_in(entry.imported, each) for each in values)]
    assert [str(entry) for entry in named if entry.top in kept_out] == []


def test_whatever_is_imported_is_declared_as_a_dependency(entries: list[Import]) -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    extras = [
        name for key, names in project["optional-dependencies"].items() if key != "all" for name in names
    ]
    declared = {distribution(text) for text in [*project["dependencies"], *extras]}
    # paho is the inner client of aiomqtt, whose manual acknowledgement is reached through it.
    known = {NAMES_OF_DISTRIBUTIONS.get(name, name).replace("-", "_") for name in declared} | {"paho"}
    known |= {*PACKAGES, *sys.stdlib_module_names}
    assert sorted({str(entry) for entry in entries if entry.top not in known}) == []


def distribution(requirement: str) -> str:
    """The name at the start of a requirement."""
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0]


def test_the_commands_start_without_what_they_may_not_need(tmp_path: Path) -> None:
    """Also proves that the packages are installed, since it runs from somewhere else."""
    program = "import gateway.cli.main, sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    result = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert LATE & set(result.stdout.split()) == set()


def test_the_rules_would_notice(tmp_path: Path) -> None:
    """Each rule finds what it is for, in a house that breaks all of them."""
    broken = {
        "transports/uart/port.py": "import flashers.api\nimport serial\n",
        "flashers/stk500/flasher.py": "def late():\n    from flashers.mcuboot_smp.codec import Frame\n",
        "gateway/app.py": "import serial\nfrom tests import peers\nfrom flashers.stk500 import PLUGIN\n",
    }
    for name, text in broken.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    found = imports_below(tmp_path)
    assert set(against_the_layers(found)) == {
        "transports.uart.port line 1 imports flashers.api",
        "gateway.app line 2 imports tests.peers",
    }
    assert across_protocols(found) == [
        "flashers.stk500.flasher line 2 imports flashers.mcuboot_smp.codec.Frame",
        "gateway.app line 3 imports flashers.stk500.PLUGIN",
    ]
    assert out_of_place(found) == ["gateway.app line 1 imports serial"]
