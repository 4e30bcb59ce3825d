"""A legacy package, understood: an application, and what its init packet says of it.

Nothing in such a package is signed that we could check; whoever signs releases answers
for it.  What has to fit the node is compared with the profile, since the node tells
nothing of itself and a loader with one bank looks only after it has erased.
"""

from flashers.api import (
    Component,
    ComponentKind,
    Digest,
    Firmware,
    FirmwareImage,
    ImageTooLarge,
    Segment,
)
from flashers.api.versions import version_key
from flashers.nordic_dfu.legacy.errors import (
    NotWholeWords,
    NoVersion,
    OlderVersion,
    OtherSoftDevice,
    SameVersion,
    WrongDeviceRevision,
    WrongDeviceType,
)
from flashers.nordic_dfu.legacy.words import INIT_BYTES, WORD
from flashers.nordic_dfu.package.errors import BadInit, WrongKind
from flashers.nordic_dfu.package.legacy_init import ANY_SOFTDEVICE, NO_VERSION, LegacyInit, read_init
from flashers.nordic_dfu.package.zipped import pick, read_package
from flashers.nordic_dfu.params import NordicParams, VersionRule
from transports.errors import TenderError

_INIT = "init-packet"


def parse(data: bytes, component: Component, params: NordicParams) -> FirmwareImage:
    """Understand a package.

    Raises:
        BadImage: it is none, or contradicts itself; see ``package.errors`` and ``legacy.errors``.
    """
    if component.kind is not ComponentKind.FIRMWARE:
        raise WrongKind(f"legacy packages are taken for firmware, not for a {component.kind}")
    found = pick(read_package(data))
    said = read_init(found.init)
    said.check(found.image)
    if len(found.init) > INIT_BYTES:
        raise BadInit(f"an init packet of {len(found.init)} bytes; loaders keep {INIT_BYTES}")
    if len(found.image) % WORD:
        raise NotWholeWords(f"the image has {len(found.image)} bytes, which is no multiple of {WORD}")
    named = said.application_version != NO_VERSION
    return FirmwareImage(
        format="nordic-dfu-zip",
        artifact=Digest.sha256(data),
        firmware=Firmware(
            Digest.sha256(found.image), params.version_of(said.application_version) if named else None
        ),
        segments=(Segment(0, found.image),),
        component=component,
        facts={
            _INIT: found.init.hex(),
            "device-type": said.device_type,
            "device-revision": said.device_revision,
            "softdevices": " ".join(f"{each:#06x}" for each in said.softdevices),
            "check": "crc16" if said.crc is not None else "sha256",
            "signed": said.signed,
        },
    )


def init_of(image: FirmwareImage) -> bytes:
    """The init packet that goes before the image."""
    return bytes.fromhex(str(image.facts[_INIT]))


def objections(image: FirmwareImage, params: NordicParams, running: str | None) -> list[TenderError]:
    """Everything that the profile has against this image on a node that runs this version.

    A loader compares numbers and knows no wildcard but that of the SoftDevice, so neither do we.
    """
    said = read_init(init_of(image))
    found: list[TenderError] = []
    if params.max_size is not None and image.size > params.max_size:
        found.append(ImageTooLarge(f"the image has {image.size} bytes, a bank {params.max_size}"))
    if params.device_type not in (None, said.device_type):
        found.append(
            WrongDeviceType(f"the package is for device type {said.device_type}, not {params.device_type}")
        )
    if params.device_revision not in (None, said.device_revision):
        found.append(
            WrongDeviceRevision(
                f"the package is for device revision {said.device_revision}, not {params.device_revision}"
            )
        )
    if not _goes_with(said, params.softdevice):
        wanted = ", ".join(f"{each:#06x}" for each in said.softdevices) or "none"
        found.append(
            OtherSoftDevice(f"the package is for SoftDevice {wanted}; the node has {params.softdevice:#06x}")
        )
    version = image.firmware.version
    if params.version_characteristic is not None and version is None:
        found.append(NoVersion())
    return found + _after(version, running, params.version_rule)


def _goes_with(said: LegacyInit, softdevice: int | None) -> bool:
    return softdevice is None or bool({softdevice, ANY_SOFTDEVICE} & set(said.softdevices))


def _after(version: str | None, running: str | None, rule: VersionRule) -> list[TenderError]:
    """What the loader's rule has against this version after that one."""
    new, old = version_key(version or ""), version_key(running or "")
    if new is None or old is None or rule is VersionRule.OFF:
        return []
    if new < old:
        return [OlderVersion(f"the node runs {running}, and its loader does not take {version} after it")]
    if new == old and rule is VersionRule.EQUAL:
        return [SameVersion(f"the node runs {running}, and its loader does not take it once more")]
    return []
