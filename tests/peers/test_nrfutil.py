"""Nordic's own nrfutil: its packages are taken or refused as they should be, and it reads ours."""

import subprocess
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from flashers.api import BadImage
from flashers.nordic_dfu.params import NordicParams, VersionRule
from flashers.nordic_dfu.secure.build import bench_key
from flashers.sim import SimApp, build_app
from tests.flashers.nordic_dfu.legacy_world import in_virtual_time
from tests.flashers.nordic_dfu.secure_world import OLD, PARAMS, package, parsed, world
from tests.peers import debian
from transports.errors import TenderError

pytestmark = pytest.mark.peer

PROGRAM = debian.PEERS / "nrfutil" / "bin" / "nrfutil"
APP = build_app(SimApp("2.1.3"), 700)


@dataclass(frozen=True)
class Nrfutil:
    """The tool, with the virtual loaders' key and one of its own."""

    folder: Path

    def __call__(self, *arguments: str | Path) -> str:
        if not PROGRAM.exists():
            debian.missing("no nrfutil here: run `make peers`")
        command = [str(PROGRAM), *map(str, arguments)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False, cwd=self.folder
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @cached_property
    def key(self) -> Path:
        """The key that virtual loaders trust, as the tool keeps one."""
        pem = bench_key("one").private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        path = self.folder / "loader.pem"
        path.write_bytes(pem)
        return path

    @cached_property
    def other_key(self) -> Path:
        """A key that the tool made."""
        path = self.folder / "other.pem"
        self("keys", "generate", path)
        return path

    def public(self, key: Path) -> str:
        return self("keys", "display", "--key", "pk", "--format", "pem", key)

    def package(
        self,
        *,
        key: Path | None = None,
        version: str = "2.1.3",
        hw_version: str = "52",
        sd_req: str = "0x100",
        app: bytes = APP,
    ) -> bytes:
        source, target = self.folder / "app.bin", self.folder / "app.zip"
        source.write_bytes(app)
        target.unlink(missing_ok=True)
        said = ("--application-version-string", version, "--hw-version", hw_version, "--sd-req", sd_req)
        self(
            "pkg", "generate", "--application", source, *said, "--key-file", key or self.key, target
        )  # fmt: skip
        return target.read_bytes()


@pytest.fixture
def nrfutil(tmp_path: Path) -> Nrfutil:
    return Nrfutil(tmp_path)


def told(data: bytes, params: NordicParams) -> str:
    """The code with which a package is refused by its own bytes."""
    with pytest.raises(BadImage) as error:
        parsed(data, params)
    return error.value.code


def test_its_package_is_read_and_its_signature_believed(nrfutil: Nrfutil) -> None:
    params = PARAMS.model_copy(update={"public_key": nrfutil.public(nrfutil.key)})
    image = parsed(nrfutil.package(), params)
    assert image.payload == APP
    assert image.firmware.version == "2.1.3"
    assert image.facts["fw_version"] == 20103
    assert image.facts["hw_version"] == 52
    assert image.facts["sd_req"] == "0x0100"


def test_its_package_runs_on_the_virtual_node(nrfutil: Nrfutil) -> None:
    data = nrfutil.package()

    @in_virtual_time
    async def story() -> None:
        here = world({"pages": "8"}, version_rule=VersionRule.LOWER)
        assert await here.reasons(data) == ()
        await here.update(data)
        assert here.runs(data)

    story()


def test_a_signature_by_another_key_is_refused_here_and_by_the_loader(nrfutil: Nrfutil) -> None:
    data = nrfutil.package(key=nrfutil.other_key)
    assert told(data, PARAMS) == "bad-signature"
    parsed(data, PARAMS.model_copy(update={"public_key": nrfutil.public(nrfutil.other_key)}))
    assert refused_by_loader(data) == "bad-signature"


def test_a_broken_signature_is_refused_here_and_by_the_loader(nrfutil: Nrfutil, tmp_path: Path) -> None:
    path = tmp_path / "broken.zip"
    path.write_bytes(nrfutil.package())
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    (init,) = (name for name in files if name.endswith(".dat"))
    files[init] = files[init][:-1] + bytes((files[init][-1] ^ 1,))
    with zipfile.ZipFile(path, "w") as archive:
        for name, contents in files.items():
            archive.writestr(name, contents)
    assert told(path.read_bytes(), PARAMS) == "bad-signature"
    assert refused_by_loader(path.read_bytes()) == "bad-signature"


@pytest.mark.parametrize(
    ("made", "params", "code"),
    [
        ({"hw_version": "51"}, {}, "wrong-hardware"),
        ({"sd_req": "0xB6,0xCB"}, {}, "wrong-softdevice"),
        ({"version": "0.9.9"}, {"version_rule": "lower"}, "downgrade-refused"),
        ({"version": "1.0.0"}, {"version_rule": "equal"}, "same-version-refused"),
    ],
)
def test_what_is_for_another_node_is_refused_before_it_is_touched(
    nrfutil: Nrfutil, made: dict[str, str], params: dict[str, Any], code: str
) -> None:
    data = nrfutil.package(**made)  # type: ignore[arg-type]

    @in_virtual_time
    async def story() -> None:
        here = world(**params)
        boots = here.node.boots
        assert [reason.code for reason in await here.reasons(data)] == [code]
        assert here.node.boots == boots
        assert here.runs(OLD)

    story()


@pytest.mark.parametrize(
    ("made", "code"),
    [
        ({"hw_version": "51"}, "wrong-hardware"),
        ({"sd_req": "0xB6"}, "wrong-softdevice"),
        ({"version": "0.9.9"}, "downgrade-refused"),
    ],
)
def test_the_loader_says_the_same_of_what_the_profile_does_not_know(
    nrfutil: Nrfutil, made: dict[str, str], code: str
) -> None:
    assert refused_by_loader(nrfutil.package(**made)) == code  # type: ignore[arg-type]


def refused_by_loader(data: bytes) -> str:
    """The code with which the virtual loader refuses a package that the profile lets through."""
    codes = []

    @in_virtual_time
    async def story() -> None:
        unknown: dict[str, Any] = {"hw_version": None, "softdevice": None, "public_key": None}
        here = world({"rule": "lower", "pages": "8"}, **unknown)
        await here.flasher.enter_loader()
        with pytest.raises(TenderError) as error:
            await here.transfer(data)
        codes.append(error.value.code)
        await here.end()
        here.lease()
        assert (await here.probe()).role == "app"
        assert here.runs(OLD)

    story()
    return codes[0]


def test_it_reads_our_packages(nrfutil: Nrfutil, tmp_path: Path) -> None:
    path = tmp_path / "ours.zip"
    path.write_bytes(package("1.2.3", sd_req="0x0100,0x00b6"))
    said = nrfutil("pkg", "display", path)
    for line in (
        "signature_type: ECDSA_P256_SHA256",
        "fw_version: 0x000027DB (10203)",
        "hw_version 0x00000034 (52)",
        "sd_req: 0x100, 0xB6",
        "type: APPLICATION",
        "hash_type: SHA256",
        "is_debug: False",
    ):
        assert f"|- {line}" in said
