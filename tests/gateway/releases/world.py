"""A maker of releases with two keys, and a folder with firmware to release."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.releases.keys import PrivateKey
from gateway.releases.make import make_release, sign_release
from gateway.trust.policy import TrustPolicy

ALICE = PrivateKey.generate()
BERTA = PrivateKey.generate()
STRANGER = PrivateKey.generate()

APP = b"the application, new " * 97
RADIO = bytes(range(256)) * 11

DESCRIPTION = """
product = "thermostat"
version = "2.1.0"
notes = "Warmer."

[[artifact]]
file = "app.bin"
profile = "mcuboot-uart"
format = "mcuboot"
hardware = ["th-r2", "th-r3"]
follows = "1.4.0"
data_format = "settings-3"
can_return_to = ["settings-2"]

[[artifact]]
file = "radio.bin"
profile = "mcuboot-uart"
component = "radio"
format = "raw"
version = "7.0"
"""


def policy(**keys: PrivateKey) -> TrustPolicy:
    return TrustPolicy({name: key.public for name, key in keys.items()})


@dataclass(frozen=True)
class Bench:
    """Where releases are made."""

    folder: Path
    description: str = DESCRIPTION
    files: dict[str, bytes] = field(default_factory=lambda: {"app.bin": APP, "radio.bin": RADIO})

    def make(self, *signers: PrivateKey, bare: bool = False, name: str = "out.tender") -> Path:
        self.write()
        made = make_release(self.folder / "release.toml", self.folder / name, bare=bare)
        self.sign(made.path, signers)
        return made.path

    def write(self) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / "release.toml").write_text(self.description)
        for name, data in self.files.items():
            (self.folder / name).write_bytes(data)

    def sign(self, path: Path, signers: Iterable[PrivateKey]) -> None:
        for key in signers:
            sign_release(path, key)
