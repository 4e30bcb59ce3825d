"""Packages for virtual nodes with the secure loader, signed by keys that protect nothing.

What ``build`` of this plugin understands beside application and size (``protocol=secure``):

=============== =================================================================
``key``         ``one``, ``two`` or ``none``: the test key that signs it; ``one``, if left out
``fw-version``  the package's version; if left out 10203 for an application 1.2.3
``hw-version``  the hardware version; 52, if left out
``sd-req``      firmware ids of SoftDevices, with commas; 0x0100, if left out
``debug``       sets the flag by which loaders built for debugging check no versions
=============== =================================================================
"""

import hashlib
from collections.abc import Mapping
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from flashers.api.versions import version_key
from flashers.nordic_dfu.package.secure_init import FwType, SecureInit, write_init
from flashers.nordic_dfu.package.zipped import Kind, write_package
from flashers.sim import SimApp, build_app
from flashers.sim.options import checked, number

_SECRETS = {"one": 1, "two": 2}
HARDWARE = 52
SOFTDEVICE = 0x0100


@lru_cache(maxsize=4)
def bench_key(name: str) -> EllipticCurvePrivateKey:
    """Fixed, so that every run makes the same files; whoever reads this can sign with them."""
    secret = hashlib.sha256(f"a key of {_SECRETS[name]} that protects nothing".encode()).digest()
    return derive_private_key(int.from_bytes(secret), SECP256R1())


def public_pem(name: str) -> str:
    """The public half of a test key, as a profile has it."""
    public = bench_key(name).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def make_package(
    image: bytes,
    fw_version: int | None,
    *,
    hw_version: int | None = HARDWARE,
    sd_req: tuple[int, ...] = (SOFTDEVICE,),
    key: EllipticCurvePrivateKey | None = None,
    debug: bool = False,
    type: FwType = FwType.APPLICATION,  # noqa: A002 - the format's word
) -> bytes:
    """A package around any bytes."""
    said = SecureInit(
        type=type,
        fw_version=fw_version,
        hw_version=hw_version,
        sd_req=sd_req,
        sd_size=0,
        bl_size=0,
        app_size=len(image),
        hash=hashlib.sha256(image).digest()[::-1],
        is_debug=debug,
    )
    return write_package(Kind.APPLICATION, write_init(said, key), image)


def build(app: SimApp, size: int, options: Mapping[str, str]) -> bytes:
    """A package with ``size`` bytes of application.

    Raises:
        ValueError: an option is unknown or makes no sense, or the size is too small.
    """
    said = checked(
        options,
        key=(*_SECRETS, "none"),
        fw_version=None,
        hw_version=None,
        sd_req=None,
        debug=None,
    )
    key = said.get("key", "one")
    given, hardware = number(said, "fw-version"), number(said, "hw-version")
    return make_package(
        build_app(app, size),
        number_of(app.version) if given is None else given,
        hw_version=HARDWARE if hardware is None else hardware,
        sd_req=tuple(int(one, 0) for one in said.get("sd-req", hex(SOFTDEVICE)).split(",")),
        key=None if key == "none" else bench_key(key),
        debug="debug" in said,
    )


def number_of(version: str) -> int:
    """1.2.3 as 10203."""
    parts = (*(version_key(version) or ()), 0, 0, 0)[:3]
    if any(part > 99 for part in parts[1:]):
        raise ValueError(f"{version!r} has a part above 99: give a fw-version")
    return parts[0] * 10000 + parts[1] * 100 + parts[2]
