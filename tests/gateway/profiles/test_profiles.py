"""A profile is used as it is written, or somebody is told what is wrong, where, and what would be right."""

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from gateway.config.findings import Finding
from gateway.plugins.registry import PluginBroken, Registry
from gateway.profiles.check import check_profile
from gateway.profiles.errors import BadProfile, ProfileUnknown
from gateway.profiles.load import load_profiles
from gateway.profiles.resolve import resolve

GOOD = """\
schema = 1
name = "x"
flasher = "good"
format = "raw"
rollback = ["reflash"]

[evidence]
transfer = ["readback"]
boot = ["version"]

[params]
part = "avr"
prints = true
"""


@pytest.fixture
def registry() -> Registry:
    """One flasher that works, one that does not, and a hook."""
    return Registry(
        [
            EntryPoint("good", "tests.gateway.plugins.flasher:PLUGIN", "tender.flashers"),
            EntryPoint("gone", "no_such_package:PLUGIN", "tender.flashers"),
            EntryPoint("hook", "builtins:bool", "tender.health"),
        ]
    )


def check(tmp_path: Path, registry: Registry, text: str) -> list[Finding]:
    """The findings; their places are lines of the text."""
    file = tmp_path / "x.toml"
    file.write_text(text)
    return list(check_profile(file, registry))


def test_a_good_profile_has_no_findings(tmp_path: Path, registry: Registry) -> None:
    assert check(tmp_path, registry, GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "code", "says"),
    [
        ('flasher = "good"', 'flasher = "god"', 3, "profile-unknown-flasher", "Did you mean 'good'?"),
        ('flasher = "good"', "", None, "profile-missing-key", "Add flasher."),
        ('format = "raw"', 'format = "row"', 4, "profile-beyond-flasher", "Did you mean 'raw'?"),
        ('["reflash"]', '["bootloader"]', 5, "profile-beyond-flasher", "It gives: reflash."),
        ('["reflash"]', '["refresh"]', 5, "profile-bad-value", "Did you mean 'reflash'?"),
        ('boot = ["version"]', 'bot = ["version"]', 9, "profile-unknown-key", "Did you mean boot?"),
        ('boot = ["version"]', 'boot = ["announce"]', 9, "profile-beyond-flasher", "It gives: version."),
        ('boot = ["version"]', 'boot = ["none"]', 9, "profile-bad-value", "boot = []"),
        ('["readback"]', '["computed-hash"]', 8, "profile-beyond-flasher", "readback"),
        ('part = "avr"', 'prat = "avr"', 12, "profile-unknown-key", "Did you mean part?"),
        ('part = "avr"', 'part = "avr"\nspeed = 10', 13, "profile-out-of-range", "9"),
        ('part = "avr"', 'part = "avr"\nspeed = "fast"', 13, "profile-bad-type", "a whole number"),
        ("schema = 1", "schema = 9", 1, "profile-too-new", "Upgrade"),
        ("schema = 1", "schema = ", 1, "profile-syntax", "toml.io"),
        ("[params]", "media = 3\n[params]", 11, "profile-unknown-key", "transfer, boot"),
        ("schema = 1", "media = ['uart', 'ble']", 1, "profile-beyond-flasher", "It gives: uart."),
        ("schema = 1", "link = {boud = 9600}", 1, "profile-bad-value", "baud"),
        ("schema = 1", "link = {baud = 'fast'}", 1, "profile-bad-value", "uart"),
        ("schema = 1", "reset = 'rst'", 1, "profile-bad-value", "'rts'"),
        ("schema = 1", "components = []", 1, "profile-bad-value", ""),
        ("schema = 1", "[[components]]\nid='a'\nkind='loader'\n[x]", 3, "profile-beyond-flasher", "firmware"),
    ],
)
def test_a_finding_names_its_line_and_what_would_be_right(
    tmp_path: Path, registry: Registry, old: str, new: str, line: int | None, code: str, says: str
) -> None:
    text = GOOD.replace(old, new)
    assert text != GOOD
    if "[[" in new:
        text = GOOD.removeprefix("schema = 1\n") + new.removesuffix("\n[x]") + "\n"
        line = text.count("\n")
    found = check(tmp_path, registry, text)
    (finding,) = [each for each in found if each.code == code]
    assert finding.where == (f"{tmp_path}/x.toml:{line}" if line else f"{tmp_path}/x.toml")
    assert says in finding.remedy


def test_several_findings_come_at_once(tmp_path: Path, registry: Registry) -> None:
    text = (
        GOOD.replace("raw", "hex").replace("reflash", "restore") + '[[health]]\nkind = "hook"\nname = "hok"\n'
    )
    assert [(each.code, each.key) for each in check(tmp_path, registry, text)] == [
        ("profile-beyond-flasher", "format"),
        ("profile-beyond-flasher", "rollback"),
        ("profile-unknown-hook", "health[0].name"),
    ]


@pytest.mark.parametrize(
    ("health", "key", "code"),
    [
        ('kind = "comand"', "health[0]", "profile-bad-value"),
        ("within = 1", "health[0]", "profile-missing-key"),
        ('kind = "console-line"\npatern = "x"', "health[0].patern", "profile-unknown-key"),
        ('kind = "console-line"\npattern = "("', "health[0].pattern", "profile-bad-value"),
        ('kind = "probes"\ncount = 0', "health[0].count", "profile-out-of-range"),
    ],
)
def test_health_checks_are_looked_at_as_well(
    tmp_path: Path, registry: Registry, health: str, key: str, code: str
) -> None:
    found = check(tmp_path, registry, f"{GOOD}[[health]]\n{health}\n")
    assert (code, key) in [(each.code, each.key) for each in found]
    assert all(each.remedy for each in found)


def test_a_boot_that_cannot_be_proved_is_no_mistake(tmp_path: Path, registry: Registry) -> None:
    text = GOOD.replace("prints = true", "").replace('boot = ["version"]', "boot = []")
    assert check(tmp_path, registry, text) == []


def test_a_flasher_that_is_broken_is_named_as_such(tmp_path: Path, registry: Registry) -> None:
    (finding,) = check(tmp_path, registry, GOOD.replace('"good"', '"gone"'))
    assert finding.code == "plugin-broken"
    (finding,) = check(tmp_path, registry, GOOD.replace('"avr"', '"explosive"'))
    assert finding.code == "plugin-broken"
    assert "ZeroDivisionError" in finding.message


def test_a_file_that_is_no_profile_at_all(tmp_path: Path, registry: Registry) -> None:
    (finding,) = check_profile(tmp_path / "none.toml", registry)
    assert finding.code == "profile-unreadable"
    (finding,) = check_profile(tmp_path, registry)
    assert finding.code == "profile-unreadable"
    (tmp_path / "big.toml").write_text("#" * 100_000)
    (finding,) = check_profile(tmp_path / "big.toml", registry)
    assert finding.code == "profile-too-large"


def test_a_broken_file_breaks_its_own_profile_only(tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "x.toml").write_text(GOOD)
    (tmp_path / "y.toml").write_text("name = ")
    (tmp_path / "z.toml").write_text(GOOD)
    profiles = load_profiles([tmp_path, tmp_path / "nowhere"], registry)
    assert list(profiles) == ["x"]
    assert set(profiles.broken) == {"y", "z", str(tmp_path / "nowhere")}
    assert "profile-twice" in str(profiles.broken["z"])
    assert profiles.resolve("x").plugin.name == "good"
    with pytest.raises(BadProfile):
        profiles.resolve("y")
    with pytest.raises(ProfileUnknown):
        profiles.get("zz")


def test_a_site_may_replace_a_built_in_profile(tmp_path: Path) -> None:
    builtin = load_profiles()
    text = builtin.text("demo-relay")
    assert text.origin == "built-in"
    changed = Path(text.file).read_text().replace("soak = 1.0", "soak = 7.0")
    (tmp_path / "mine.toml").write_text(changed)
    profiles = load_profiles([tmp_path])
    assert profiles.get("demo-relay").timing.soak == 7.0
    assert profiles.replaced == {"demo-relay": "built-in"}


def test_every_built_in_profile_can_be_used() -> None:
    profiles = load_profiles()
    assert not profiles.broken
    assert {"mcuboot-uart", "optiboot-atmega328p", "atmegaboot-atmega328p"} <= set(profiles)
    for name in profiles:
        resolved = profiles.resolve(name)
        assert profiles.get(name).flasher == resolved.plugin.name


def test_resolve_tells_all_findings_too(registry: Registry) -> None:
    from gateway.profiles.read import read_profile

    text = read_profile(GOOD.replace("raw", "hex").encode(), "x.toml")
    with pytest.raises(BadProfile) as bad:
        resolve(text.profile, registry)
    assert len(bad.value.findings) == 1
    with pytest.raises(PluginBroken):
        resolve(read_profile(GOOD.replace('"good"', '"gone"').encode(), "x").profile, registry)
