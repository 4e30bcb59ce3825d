"""Packages for virtual nodes with a legacy loader.

What ``build`` of this plugin understands beside application, size and ``protocol``:

====================  ============================================================
``version``           the application version, a number; else 10203 for an application 1.2.3
``device-type``       a number; 0xFFFF if left out, as the tools have it
``device-revision``   the same
``softdevice``        the firmware id that it was linked for; any, if left out
``seed``              a number; another one gives other bytes of the same version
====================  ============================================================
"""

from collections.abc import Mapping

from flashers.api.versions import version_key
from flashers.nordic_dfu.legacy.words import WORD
from flashers.nordic_dfu.package.legacy_init import (
    ANY_HARDWARE,
    ANY_SOFTDEVICE,
    LegacyInit,
    crc16,
    write_init,
)
from flashers.nordic_dfu.package.zipped import Kind, write_package
from flashers.sim import SimApp, build_app
from flashers.sim.options import checked, number


def build(app: SimApp, size: int, options: Mapping[str, str]) -> bytes:
    """A package with an application of ``size`` bytes, or up to three more.

    Raises:
        ValueError: an option is unknown or makes no sense, or the size is too small.
    """
    said = checked(options, version=None, device_type=None, device_revision=None, softdevice=None, seed=None)
    image = build_app(app, size + -size % WORD, seed=number(said, "seed") or 0)
    version, softdevice = number(said, "version"), number(said, "softdevice")
    return package(
        image,
        version=in_decimal(app.version) if version is None else version,
        device_type=_or(number(said, "device-type"), ANY_HARDWARE),
        device_revision=_or(number(said, "device-revision"), ANY_HARDWARE),
        softdevices=(_or(softdevice, ANY_SOFTDEVICE),),
    )


def package(
    image: bytes,
    *,
    version: int,
    device_type: int = ANY_HARDWARE,
    device_revision: int = ANY_HARDWARE,
    softdevices: tuple[int, ...] = (ANY_SOFTDEVICE,),
) -> bytes:
    """A package of the form that ends in a CRC.

    Raises:
        ValueError: a number does not fit.
    """
    init = LegacyInit(device_type, device_revision, version, softdevices, crc=crc16(image))
    return write_package(Kind.APPLICATION, write_init(init), image, dfu_version=0.5)


def in_decimal(version: str) -> int:
    """``1.2.3`` as 10203, which is what ``version_text = "decimal"`` reads.

    Raises:
        ValueError: it is no such version.
    """
    key = version_key(version)
    if key is None or len(key) > 3 or max(key[1:], default=0) > 99:
        raise ValueError(f"{version!r} is not three numbers, two digits each; give the option version")
    major, minor, patch = (*key, 0, 0)[:3]
    return major * 10000 + minor * 100 + patch


def _or(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value
