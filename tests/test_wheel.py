"""The wheel is all that a gateway gets: it works without the tree that it was built from."""

import json
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SOURCES = ("gateway", "flashers", "transports", "device_profiles")


def run(*command: str | Path, cwd: Path) -> str:
    result = subprocess.run(
        [str(word) for word in command], cwd=cwd, capture_output=True, text=True, timeout=400, check=False
    )
    assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
    return result.stdout


def files_of_the_packages() -> set[str]:
    found = (file for package in SOURCES for file in (PROJECT / package).rglob("*") if file.is_file())
    return {str(file.relative_to(PROJECT)) for file in found if "__pycache__" not in file.parts}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that neither leftovers of a build slip in nor any are left."""
    source, output = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in {"pyproject.toml", "README.md", "LICENSE", *files_of_the_packages()}:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((PROJECT / name).read_bytes())
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", output, source, cwd=output)
    (built,) = output.glob("fleet_tender-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment as a gateway with UART nodes has it; the folder of its programs."""
    folder = tmp_path_factory.mktemp("gateway") / "venv"
    venv.create(folder, with_pip=False)
    pip = (
        sys.executable,
        "-m",
        "pip",
        "--python",
        folder / "bin" / "python",
        "--quiet",
        "install",
        "--no-compile",
    )
    run(*pip, "--require-hashes", "-r", PROJECT / "requirements-service.lock", cwd=folder)
    run(*pip, "--no-deps", wheel, cwd=folder)
    run(sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "check", cwd=folder)
    return folder / "bin"


def test_the_wheel_holds_the_four_packages_their_data_and_the_licence(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == set(SOURCES)
    for package in SOURCES[:3]:
        assert f"{package}/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_no_file_that_the_packages_read_is_left_out(wheel: Path) -> None:
    assert files_of_the_packages() - set(zipfile.ZipFile(wheel).namelist()) == set()


def test_the_command_says_its_version(installed: Path, tmp_path: Path) -> None:
    assert "0.1.0" in run(installed / "tender", "--version", cwd=tmp_path)


def test_the_flashers_are_found_by_their_entry_points(installed: Path, tmp_path: Path) -> None:
    answer = json.dumps(json.loads(run(installed / "tender", "flashers", "--json", cwd=tmp_path)))
    assert "stk500" in answer
    assert "mcuboot" in answer


def test_the_profiles_are_found_as_data_of_the_package(installed: Path, tmp_path: Path) -> None:
    answer = json.dumps(json.loads(run(installed / "tender", "profiles", "list", "--json", cwd=tmp_path)))
    for profile in (PROJECT / "device_profiles").glob("*.toml"):
        assert f'"{profile.stem}"' in answer


def test_nothing_of_the_wheel_needs_a_radio(installed: Path, tmp_path: Path) -> None:
    """Every module can be imported where only the UART extra is installed, but for the media's own.

    The demo and what it stands on put nodes on a virtual air, and so are of that medium.
    """
    program = (
        "import importlib, pkgutil, sys\n"
        "left_out = ('transports.ble.', 'transports.virtual.air', 'transports.zigbee')\n"
        "left_out += ('gateway.air.', 'gateway.demo.')\n"
        "for top in ('transports', 'flashers', 'gateway', 'device_profiles'):\n"
        "    package = importlib.import_module(top)\n"
        "    for module in pkgutil.walk_packages(package.__path__, f'{top}.'):\n"
        "        if not module.name.startswith(left_out) and not module.name.endswith('__main__'):\n"
        "            importlib.import_module(module.name)\n"
        "print(sum(name.startswith(('transports.', 'flashers.', 'gateway.')) for name in sys.modules))\n"
    )
    assert int(run(installed / "python", "-P", "-c", program, cwd=tmp_path)) > 50
