"""What we tell an operator to install is what the service understands."""

import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest

from gateway.cli import serve
from gateway.cli.parsing import Parser
from gateway.config.load import load_config
from gateway.config.model import Config
from gateway.config.show import values
from tests.peers import debian

DOCS = Path(__file__).resolve().parents[3] / "docs"
EXAMPLE = DOCS / "gateway.toml"
_ONE_OF_SEVERAL = ("upstream.", "data.", "nodes.", "trust.keys", "adapters.", "guests.")
"""Tables that are given in one of several ways, of which an example has one."""
UNIT = DOCS / "tender.service"


def test_the_example_is_a_good_configuration() -> None:
    loaded = load_config(EXAMPLE, environment={})
    assert set(loaded.config.nodes) == {"th-1", "relay-1"}
    assert loaded.config.upstream.mqtt is not None


def test_the_example_names_every_key_with_its_default(tmp_path: Path) -> None:
    """Its comments of the form `# key = value` are taken at their word."""
    text = re.sub(r"^# ([a-z_.]+ = )", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE)
    text = re.sub(r"^keys\.release = .*$", "", text, flags=re.MULTILINE)
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    loaded = load_config(file, environment={})
    told = {value.key: value for value in values(loaded, {})}
    unsaid = [
        key
        for key, value in told.items()
        if value.origin == "built-in" and not key.startswith(_ONE_OF_SEVERAL)
    ]
    assert unsaid == []
    example = tomllib.loads(EXAMPLE.read_text())
    defaults = {value.key: value.value for value in values(load_config(None, environment={}), {})}
    for key, value in told.items():
        if key in defaults and not _said(example, key):
            assert value.value == defaults[key], key


def test_the_unit_starts_the_command_as_it_wants_to_be_started() -> None:
    (command,) = settings("ExecStart")
    program, *arguments = shlex.split(command)
    assert program.endswith("/tender")
    parser = Parser(prog="tender")
    serve.register(parser.add_subparsers(dest="command"))
    parsed = parser.parse_args(arguments)
    assert str(parsed.config) == "/etc/tender/gateway.toml"


def test_the_unit_waits_longer_than_a_stop_may_take() -> None:
    (wait,) = settings("TimeoutStopSec")
    assert float(wait) > Config().stop_budget + 10


def test_the_unit_lets_the_service_ask_for_the_clock_and_for_who_asks() -> None:
    assert "ProtectClock" not in UNIT.read_text().replace("ProtectClock= would", "")
    assert settings("PrivateUsers") == []
    assert "adjtimex clock_adjtime" in settings("SystemCallFilter")


def test_the_unit_is_ended_by_nothing_but_its_manager_and_comes_back() -> None:
    assert settings("Type") == ["notify"]
    assert settings("Restart") == ["always"]
    (watchdog,) = settings("WatchdogSec")
    assert float(watchdog) >= 30, "a slow card is no dead one"
    assert settings("StateDirectory") == settings("RuntimeDirectory") == ["tender"]
    assert settings("ProtectSystem") == ["strict"]
    allowed = {line.split()[0] for line in settings("DeviceAllow")}
    assert allowed >= {"char-ttyS", "char-ttyUSB", "char-ttyACM", "char-ttyAMA", "char-gpiochip"}


@pytest.mark.peer
def test_the_unit_exposes_little() -> None:
    program = debian.program("systemd-analyze")
    done = subprocess.run(
        [program, "security", "--offline=true", "--threshold=20", "--no-pager", str(UNIT)],
        env=os.environ | debian.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout[-300:]  # the threshold is ten times the exposure level


def settings(name: str) -> list[str]:
    """The unit's values of one setting."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), flags=re.MULTILINE)


def _said(tree: object, key: str) -> bool:
    for part in key.split("."):
        if not isinstance(tree, dict) or part not in tree:
            return False
        tree = tree[part]
    return True
