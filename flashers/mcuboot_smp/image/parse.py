"""From an artifact's bytes to what is sent, refused by name where it must not be.

Only the image itself is sent: what imgtool's ``--pad`` puts behind it is a slot's
trailer, and would arm the image behind our back.
"""

from flashers.api import Component, Digest, Firmware, FirmwareImage, ImageTooLarge, Segment
from flashers.mcuboot_smp.image.errors import ImageMalformed, NotMcuboot, WrongKey
from flashers.mcuboot_smp.image.layout import Flag, TlvKind
from flashers.mcuboot_smp.image.reading import McubootImage, identity_of, read_image
from flashers.mcuboot_smp.params import SmpParams

FORMAT = "mcuboot"


def parse(data: bytes, format: str, component: Component, params: SmpParams) -> FirmwareImage:  # noqa: A002
    """The image in an artifact, for a node of this profile.

    Raises:
        BadImage: one of :mod:`flashers.mcuboot_smp.image.errors`, or ImageTooLarge.
    """
    if format != FORMAT:
        raise NotMcuboot(f"the format is {format!r}; this flasher reads {FORMAT!r}")
    image = read_image(data)
    if params.slot_size is not None and image.end > params.slot_size:
        raise ImageTooLarge(f"the image has {image.end} bytes, a slot has room for {params.slot_size}")
    if params.key_hash is not None:
        _check_key(image, bytes.fromhex(params.key_hash))
    return FirmwareImage(
        format=FORMAT,
        artifact=Digest.sha256(data),
        firmware=Firmware(image.identity, image.version),
        segments=(Segment(0, data[: image.end]),),
        component=component,
        facts=_facts(image, len(data)),
    )


def _check_key(image: McubootImage, wanted: bytes) -> None:
    found = image.key_hash
    if found is None or image.signature is None:
        raise WrongKey("the image is not signed, and the profile asks for a key")
    if found != wanted:
        raise WrongKey(f"the image is signed with the key {found.hex()}, the node takes {wanted.hex()}")


def _facts(image: McubootImage, file_size: int) -> dict[str, str | int | bool]:
    facts: dict[str, str | int | bool] = {
        "verified": image.verified,
        "encrypted": image.encrypted,
        "compressed": image.compressed,
        "signature": image.signature or "none",
        "pure_signature": image.pure,
        "bootable": not image.header.flags & Flag.NON_BOOTABLE,
    }
    if image.key_hash is not None:
        facts["key_hash"] = image.key_hash.hex()
    if image.security_counter is not None:
        facts["security_counter"] = image.security_counter
        facts["no_way_back"] = True
    if image.dependencies:
        facts["dependencies"] = " ".join(image.dependencies)
    if image.header.flags & Flag.ROM_FIXED:
        facts["address"] = image.header.load_address
    if file_size > image.end:
        facts["not_sent"] = file_size - image.end
    for value in image.values(TlvKind.DECOMPRESSED_DIGEST):
        unpacked = identity_of(value)
        if unpacked is None:
            raise ImageMalformed(f"the digest of the unpacked image has {len(value)} bytes")
        facts["runs_as"] = str(unpacked)
    return facts
