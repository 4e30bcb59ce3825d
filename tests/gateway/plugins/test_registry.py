"""What is installed is found by name; what is broken harms nobody else."""

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from flashers.api import FlasherPlugin
from gateway.plugins.registry import FlasherUnknown, HookUnknown, PluginBroken, Registry

MODULES = {
    "good_flasher": "from tests.gateway.plugins.flasher import PLUGIN",
    "misnamed_flasher": "from tests.gateway.plugins.flasher import PLUGIN",
    "needy_flasher": "import a_package_that_nobody_has",
    "quitting_flasher": "import sys\nsys.exit(3)",
    "confused_flasher": "PLUGIN = 'a word'",
    "a_hook": "def well(node):\n    return True\nNUMBER = 3",
}


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of packages as somebody would install them."""
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in MODULES:
        sys.modules.pop(name, None)


def flasher(name: str, module: str) -> EntryPoint:
    return EntryPoint(name, f"{module}:PLUGIN", "tender.flashers")


def hook(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, "tender.health")


@pytest.mark.usefixtures("modules")
def test_a_flasher_is_imported_only_when_it_is_asked_for() -> None:
    registry = Registry([flasher("good", "good_flasher"), flasher("needy", "needy_flasher")])
    assert registry.flasher_names() == ("good", "needy")
    assert "good_flasher" not in sys.modules
    assert isinstance(registry.flasher("good"), FlasherPlugin)
    assert "good_flasher" in sys.modules
    assert registry.flasher("good") is registry.flasher("good")


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize(
    ("module", "why"),
    [
        ("needy_flasher", "a_package_that_nobody_has"),
        ("quitting_flasher", "SystemExit"),
        ("confused_flasher", "str"),
        ("misnamed_flasher", "good"),
        ("no_such_module", "no_such_module"),
    ],
)
def test_a_broken_flasher_says_why_and_leaves_the_others_alone(module: str, why: str) -> None:
    registry = Registry([flasher("bad", module), flasher("good", "good_flasher")])
    with pytest.raises(PluginBroken, match=why):
        registry.flasher("bad")
    bad, good = registry.flashers()
    assert bad.flasher is None
    assert bad.broken is not None
    assert good.flasher is not None
    assert good.broken is None


@pytest.mark.usefixtures("modules")
def test_one_name_from_two_packages_is_neither_of_them() -> None:
    registry = Registry([flasher("good", "good_flasher"), flasher("good", "misnamed_flasher")])
    with pytest.raises(PluginBroken, match="more than once"):
        registry.flasher("good")


@pytest.mark.usefixtures("modules")
def test_one_package_found_on_two_paths_is_one() -> None:
    registry = Registry([flasher("good", "good_flasher")] * 2)
    assert registry.flasher("good").name == "good"


def test_an_unknown_flasher_names_the_nearest_one() -> None:
    registry = Registry([flasher("mcuboot_smp", "x"), flasher("stk500", "x")])
    with pytest.raises(FlasherUnknown) as unknown:
        registry.flasher("mcuboot-smp")
    assert "'mcuboot_smp'" in unknown.value.what_to_do


@pytest.mark.usefixtures("modules")
def test_health_hooks_are_functions() -> None:
    registry = Registry([hook("well", "a_hook:well"), hook("number", "a_hook:NUMBER")])
    assert registry.health_hook("well")("th-1") is True
    with pytest.raises(PluginBroken):
        registry.health_hook("number")
    with pytest.raises(HookUnknown) as unknown:
        registry.health_hook("wel")
    assert "'well'" in unknown.value.what_to_do


@pytest.mark.usefixtures("modules")
def test_profiles_come_from_packages_and_from_nothing_else() -> None:
    registry = Registry(
        [
            EntryPoint("builtin", "device_profiles", "tender.profiles"),
            EntryPoint("function", "a_hook:well", "tender.profiles"),
            EntryPoint("gone", "no_such_package", "tender.profiles"),
        ]
    )
    folders = dict(registry.profile_folders())
    builtin = folders["builtin"]
    assert not isinstance(builtin, PluginBroken)
    assert builtin.joinpath("mcuboot-uart.toml").is_file()
    assert isinstance(folders["function"], PluginBroken)
    assert isinstance(folders["gone"], PluginBroken)


def test_everything_that_tender_ships_can_be_used() -> None:
    registry = Registry()
    assert {"mcuboot_smp", "nordic_dfu", "stk500", "zigbee_ota"} <= set(registry.flasher_names())
    assert [plugin.broken for plugin in registry.flashers() if plugin.package == "fleet-tender"] == [None] * 4
