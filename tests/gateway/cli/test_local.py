"""What needs no service: help, profiles, flashers, configuration; and how all of it looks."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli import text
from gateway.cli.main import COMMANDS, main
from gateway.cli.parsing import socket_path
from tests.gateway.cli.conftest import Tender

HEAVY = ("pydantic", "aiohttp", "asyncio", "rich", "flashers", "cryptography")


async def test_the_overview_names_every_command(tender: Tender) -> None:
    said = await tender("--help")
    assert said.code == 0
    assert all(f"  {name} " in said.out for name in COMMANDS)
    assert (await tender()).code == 2
    assert re.fullmatch(r"tender \d+\.\d+\.\d+\n", (await tender("--version")).out)


PROFILES = Path(__file__).resolve().parents[3] / "device_profiles"
VERBS: list[tuple[str, ...]] = [
    ("node", "show"),
    ("attempt", "show"),
    ("profiles", "check"),
    ("profiles", "list"),
    ("profiles", "show"),
    ("baseline", "add"),
    ("release", "add"),
    ("release", "list"),
    ("release", "hold"),
    ("release", "unhold"),
    ("release", "recall"),
    ("deployment", "show"),
    ("deployment", "activate"),
    ("state", "export"),
    ("state", "import"),
    ("state", "verify"),
    ("state", "keygen"),
    ("state", "show"),
    ("state", "rebuild"),
    ("zigbee", "networks"),
    ("zigbee", "nodes"),
    ("zigbee", "permit"),
    ("zigbee", "interview"),
    ("zigbee", "remove"),
    ("zigbee", "zcl"),
    ("zigbee", "backup"),
]
GROUPS = {"node", "attempt", "profiles", "baseline", "release", "deployment", "state", "zigbee"}
CALLS: list[tuple[str, ...]] = [*VERBS]
CALLS.extend((name,) for name in COMMANDS if name not in GROUPS)


@pytest.mark.parametrize("command", CALLS, ids=" ".join)
def test_every_command_has_help_with_json(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: tender {' '.join(command)}")
    if command != ("demo",):
        assert "--json" in said
        _, _, example = said.partition("\nexample:\n  ")
        assert f"tender {' '.join(command)}" in example.partition("\n\n")[0]


@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), (["nodes", "--socket", "/nowhere"], 10)])
def test_small_questions_import_nothing_large(arguments: list[str], code: int) -> None:
    program = (
        "import sys; from gateway.cli.main import main; code = main(sys.argv[1:]);"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == code
    assert done.stderr.splitlines()[-1] == "[]"


async def test_a_misspelt_command_names_the_nearest_one(tender: Tender) -> None:
    said = await tender("attemps")
    assert said.code == 2
    assert "Did you mean `tender attempts`?" in said.err


async def test_profiles_check_tells_all_findings_and_exits_1(tender: Tender, tmp_path: Path) -> None:
    good = PROFILES / "demo-relay.toml"
    bad = tmp_path / "bad.toml"
    bad.write_text(good.read_text().replace('"ihex"', '"hex"').replace("optiboot", "optibot"))
    said = await tender("profiles", "check", str(good))
    assert (said.code, said.lines) == (0, [f"{good}: good"])
    said = await tender("profiles", "check", str(good), str(bad))
    assert said.code == 1
    assert f"{bad}:" in said.out
    assert "Did you mean 'optiboot'?" in said.out
    told = (await tender("profiles", "check", str(bad), "--json")).json
    assert told[str(bad)][0]["key"] == "params.loader"


async def test_profiles_are_listed_with_those_that_cannot_be_used(tender: Tender, tmp_path: Path) -> None:
    folder = tmp_path / "profiles"
    folder.mkdir()
    (folder / "bad.toml").write_text("name = ")
    (tmp_path / "gateway.toml").write_text(f'profiles = ["{folder}"]\n')
    said = await tender("profiles", "list")
    assert said.code == 0
    assert any(line.startswith("demo-relay ") and " ok " in line for line in said.lines)
    assert any(line.startswith("bad ") and " broken " in line for line in said.lines)


async def test_a_profile_is_shown_as_a_file_that_can_be_used(tender: Tender, tmp_path: Path) -> None:
    for name in ("demo-relay", "mcuboot-uart", "optiboot-atmega328p"):
        said = await tender("profiles", "show", name)
        assert said.code == 0
        file = tmp_path / f"{name}.toml"
        file.write_text(said.out)
        assert (await tender("profiles", "check", str(file))).lines == [f"{file}: good"]
    assert (await tender("profiles", "show", "demo-rely")).err.startswith("tender: profile-unknown: ")


async def test_flashers_tell_what_they_can_do(tender: Tender) -> None:
    said = await tender("flashers")
    assert "mcuboot_smp" in said.out
    assert "restarts-application" in said.out
    told = (await tender("flashers", "stk500", "--json")).json
    assert told[0]["abilities"]["optiboot-atmega328p"]["transfer_evidence"] == ["readback"]
    assert told[0]["faults"]
    assert "Did you mean 'stk500'" in (await tender("flashers", "stk50")).err


async def test_config_shows_every_value_and_who_said_so(tender: Tender, tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text('[upstream.mqtt]\nurl = "mqtt://h"\nusername = "u"\npassword = "hunter2"\n')
    said = await tender("config", "--set", "log.level=debug", "--state", "st")
    assert said.code == 0
    rows = {line.split()[0]: line for line in said.lines}
    assert rows["log.level"].endswith("--set log.level")
    assert rows["state"].endswith("--state")
    assert f'"{Path.cwd() / "st"}"' in rows["state"]
    assert rows["upstream.mqtt.url"].endswith(f"{file}:2")
    assert "hunter2" not in said.out
    told = (await tender("config", "--json")).json
    assert told["values"]["stop_budget"] == {"value": 60.0, "origin": "built-in"}


async def test_a_bad_configuration_ends_serve_before_it_begins(tender: Tender, tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text("stop_buget = 3\n")
    said = await tender("serve", "--config", str(file))
    assert said.code == 2
    assert said.err.startswith("tender: config-bad: ")
    assert f"{file}:1: config-unknown-key" in said.err
    assert "stop_budget" in said.err


def test_the_socket_is_found_without_reading_all_of_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text('socket = "/run/a.sock"\n[nodes]\n')
    assert str(socket_path({"TENDER_CONFIG": str(file)})) == "/run/a.sock"
    (tmp_path / "gateway.d").mkdir()
    (tmp_path / "gateway.d" / "x.toml").write_text('socket = "/run/b.sock"')
    (tmp_path / "gateway.d" / "y.toml").write_text("socket = broken")
    assert str(socket_path({"TENDER_CONFIG": str(file)})) == "/run/b.sock"
    assert str(socket_path({"TENDER_CONFIG": str(file), "TENDER_SOCKET": "/c"})) == "/c"
    assert str(socket_path({"TENDER_CONFIG": str(tmp_path / "none")})) == "/run/tender/tender.sock"


def test_ages_are_as_exact_as_they_are_interesting() -> None:
    def stamp(ago: float, synchronised: bool = True) -> dict[str, object]:
        return {"unix_ms": (1_000_000 - ago) * 1000, "synchronised": synchronised}

    now = 1_000_000
    assert text.age(stamp(3), now) == "3 s"
    assert text.age(stamp(60), now) == "1 min"
    assert text.age(stamp(7200), now) == "2 h"
    assert text.age(stamp(300_000), now) == "3 d"
    assert text.age(stamp(-5), now) == "0 s"
    assert text.age(stamp(3, synchronised=False), now) == "~3 s"
    assert text.age(None) == "-"


@pytest.mark.parametrize("no_color", [False, True])
def test_a_terminal_gets_colours_unless_they_are_not_wanted(no_color: bool) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    if no_color:
        environment["NO_COLOR"] = "1"
    program = (
        "from gateway.cli.tables import print_table\nprint_table(('node', 'state'), [('a', 'ok')], empty='')"
    )
    subprocess.run([sys.executable, "-c", program], stdout=theirs, env=environment, check=True, timeout=60)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert "ok" in shown
    assert ("\x1b[32m" in shown) is not no_color
