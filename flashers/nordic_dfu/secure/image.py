"""A secure package as an image: everything about it that needs no node is checked here."""

from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from flashers.api import (
    Component,
    ComponentKind,
    Digest,
    Firmware,
    FirmwareImage,
    ImageTooLarge,
    Segment,
)
from flashers.nordic_dfu.package.errors import BadInit, WrongKind
from flashers.nordic_dfu.package.secure_init import FwType, SecureInit, read_init
from flashers.nordic_dfu.package.signature import load_public_key
from flashers.nordic_dfu.package.zipped import pick, read_package
from flashers.nordic_dfu.params import NordicParams, VersionRule

LARGEST_INIT = 512
"""``INIT_COMMAND_MAX_SIZE`` of nRF5 SDK 17.1.0."""


def parse(data: bytes, component: Component, params: NordicParams) -> FirmwareImage:
    """Understand a package with one application.

    Raises:
        BadImage: it is none, or not one that this profile's loaders would take.
    """
    if component.kind is not ComponentKind.FIRMWARE:
        raise WrongKind(f"a {component.kind} is not updated by this flasher, only an application")
    firmware = pick(read_package(data))
    if len(firmware.init) > LARGEST_INIT:
        raise BadInit(f"the init packet has {len(firmware.init)} bytes; loaders keep {LARGEST_INIT}")
    said = read_init(firmware.init)
    if said.type is not FwType.APPLICATION:
        kind = said.type.name.lower()
        raise WrongKind(f"the manifest speaks of an application, the init packet of type {kind}")
    said.check(firmware.image)
    if params.public_key is not None:
        said.check_signature(_key(params.public_key))
    if params.max_size is not None and len(firmware.image) > params.max_size:
        raise ImageTooLarge(f"the image has {len(firmware.image)} bytes, the node room for {params.max_size}")
    version = None if said.fw_version is None else params.version_of(said.fw_version)
    return FirmwareImage(
        format="nordic-dfu-zip",
        artifact=Digest.sha256(data),
        firmware=Firmware(Digest.sha256(firmware.image), version),
        segments=(Segment(0, firmware.image),),
        component=component,
        facts=_facts(said, firmware.init, params),
    )


def init_of(image: FirmwareImage) -> bytes:
    """The init packet that goes before the image."""
    return bytes.fromhex(str(image.facts["init"]))


def _facts(said: SecureInit, init: bytes, params: NordicParams) -> dict[str, str | int | bool]:
    facts: dict[str, str | int | bool] = {
        "init": init.hex(),
        "sd_req": ",".join(f"{number:#06x}" for number in said.sd_req),
        "signed": said.signature is not None,
        "is_debug": said.is_debug,
    }
    if said.fw_version is not None:
        facts["fw_version"] = said.fw_version
        if params.version_rule is not VersionRule.OFF:
            # By this the host knows that no lower package leads back.
            facts["security_counter"] = said.fw_version
    if said.hw_version is not None:
        facts["hw_version"] = said.hw_version
    return facts


@lru_cache(maxsize=8)
def _key(pem: str) -> EllipticCurvePublicKey:
    return load_public_key(pem)
