"""Legacy packages made by adafruit-nrfutil: read, held against their images, and brought onto a node.

It makes the two forms with a CRC.  Those with a hash and a signature it knows, but fails at
under Python 3 (0.5.3.post16), so they are tried against the format's definition alone.
"""

import json
import random
import subprocess
import zipfile
from pathlib import Path

import pytest

from flashers.api import BadImage, Component
from flashers.nordic_dfu.legacy.build import package
from flashers.nordic_dfu.legacy.image import objections, parse
from flashers.nordic_dfu.package.legacy_init import read_init
from flashers.nordic_dfu.params import Banks
from flashers.sim import SimApp, build_app
from tests.flashers.nordic_dfu.legacy_world import PARAMS, in_virtual_time, world
from tests.peers import debian

pytestmark = pytest.mark.peer

APP = build_app(SimApp("2.0.0"), 700)
VERSION = "20000"


def nrfutil(*arguments: str | Path) -> None:
    command = [str(debian.client("adafruit-nrfutil")), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def made(folder: Path, *options: str, image: bytes = APP, kind: str = "application") -> bytes:
    """A package as somebody makes it by hand."""
    source, target = folder / "app.bin", folder / "package.zip"
    source.write_bytes(image)
    nrfutil("dfu", "genpkg", f"--{kind}", source, *options, target)
    return target.read_bytes()


@pytest.mark.parametrize("form", ["0.5", "0.6"])
def test_its_packages_are_understood_in_both_forms(tmp_path: Path, form: str) -> None:
    options = ("--dev-type", "1", "--dev-revision", "2", "--sd-req", "0x64,0x80", "--dfu-ver", form)
    image = parse(made(tmp_path, "--application-version", VERSION, *options), Component(), PARAMS)
    assert image.payload == APP
    assert image.firmware.version == "2.0.0"
    assert image.facts["device-type"] == 1
    assert image.facts["device-revision"] == 2
    assert image.facts["softdevices"] == "0x0064 0x0080"
    assert image.facts["check"] == "crc16"
    assert image.facts["signed"] is False
    fits = PARAMS.model_copy(update={"device_type": 1, "device_revision": 2, "softdevice": 0x80})
    assert objections(image, fits, None) == []


def test_what_is_left_out_is_what_it_leaves_out(tmp_path: Path) -> None:
    image = parse(made(tmp_path), Component(), PARAMS)
    assert image.firmware.version is None
    assert image.facts["device-type"] == 0xFFFF
    assert image.facts["softdevices"] == "0xfffe"


def test_our_packages_have_the_init_packet_that_it_makes(tmp_path: Path) -> None:
    chance = random.Random(3)
    for size in (600, 604, 4096):
        app = chance.randbytes(size)
        kind, revision, version, softdevice = (chance.randrange(0xFFF0) for _ in range(4))
        options = ("--dev-type", str(kind), "--dev-revision", str(revision), "--sd-req", hex(softdevice))
        theirs = made(tmp_path, "--application-version", str(version), *options, image=app)
        ours = package(
            app, version=version, device_type=kind, device_revision=revision, softdevices=(softdevice,)
        )
        assert init_packet(tmp_path, theirs) == init_packet(tmp_path, ours)


def init_packet(folder: Path, data: bytes) -> bytes:
    path = folder / "read.zip"
    path.write_bytes(data)
    with zipfile.ZipFile(path) as archive:
        said = json.loads(archive.read("manifest.json"))["manifest"]
        init = archive.read(said["application"]["dat_file"])
    read_init(init).check(parse(data, Component(), PARAMS).payload)
    return init


@pytest.mark.parametrize("kind", ["bootloader", "softdevice"])
def test_packages_of_another_kind_are_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(BadImage) as caught:
        parse(made(tmp_path, kind=kind), Component(), PARAMS)
    assert caught.value.code == "wrong-kind"


@pytest.mark.parametrize("banks", list(Banks))
@in_virtual_time
async def test_its_package_is_brought_onto_a_node_and_started(tmp_path: Path, banks: Banks) -> None:
    it = world(banks=banks, device_type=1, softdevice=0x64)
    data = made(
        tmp_path,
        "--application-version",
        VERSION,
        "--dev-type",
        "1",
        "--sd-req",
        "0x60,0x64",
        "--dfu-ver",
        "0.5",
    )
    await it.update(data)
    assert it.runs(data)
    await it.end()
