"""What a node says of itself in its two roles, as the host wants to have it.

An application names its version, if that; a loader names nothing, but the CRC-32 of what
it has received, which is compared with the images that it might be.
"""

import asyncio
from dataclasses import replace

from flashers.api import (
    Evidence,
    EvidenceKind,
    Firmware,
    FirmwareImage,
    NodeSilent,
    Of,
    Role,
    Seen,
    Slot,
)
from flashers.api.versions import version_key
from flashers.nordic_dfu.params import Banks, NordicParams
from flashers.nordic_dfu.secure import objects
from flashers.nordic_dfu.secure.image import init_of
from flashers.nordic_dfu.secure.loader import Loader
from transports.gatt import GattLink

_LONGEST = 64
"""Characters of a version that are kept."""


async def application(
    link: GattLink, params: NordicParams, candidates: tuple[FirmwareImage, ...] = ()
) -> Seen:
    """An application, by its version; by nothing where several candidates have that version.

    Other bytes of the same version are another firmware, and a version cannot tell them apart.
    """
    text = await _version(link, params)
    if text is None:
        return running(None)
    named = [image for image in candidates if image.firmware.same(Firmware(version=text))]
    if len({image.firmware.identity for image in named}) > 1:
        return replace(running(None), facts={"version": text})
    return running(Firmware(version=text), Evidence(Of.BOOT, EvidenceKind.VERSION, text))


def running(firmware: Firmware | None, *evidence: Evidence) -> Seen:
    """An application that runs this."""
    slot = Slot(0, 0, firmware, active=True, confirmed=True)
    return Seen(Role.APP, (slot,), evidence)


async def loader(at: Loader, candidates: tuple[FirmwareImage, ...], params: NordicParams) -> Seen:
    """A loader, by what it has received.

    Where an image may have been put over the application, nothing is known to run until that does.
    """
    active = Slot(0, 0, None, active=True, confirmed=True, bootable=params.spares_the_old)
    for image in candidates:
        if await objects.holds(at, init_of(image), image.payload):
            return in_loader(image, params)
    return Seen(Role.LOADER, (active,))


def in_loader(image: FirmwareImage, params: NordicParams) -> Seen:
    """A loader that has all of this image and waits for the last execute."""
    dual = params.banks is Banks.DUAL
    active = Slot(0, 0, None, active=True, confirmed=True, bootable=params.spares_the_old)
    waits = Slot(0, 1, image.firmware, bootable=True)
    kind = EvidenceKind.CHECKSUM if params.version_characteristic else EvidenceKind.COMPUTED_HASH
    return Seen(
        Role.LOADER, (active, waits) if dual else (active,), (Evidence(Of.TRANSFER, kind, "CRC-32 and size"),)
    )


async def _version(link: GattLink, params: NordicParams) -> str | None:
    uuid = params.version_characteristic
    if uuid is None or not link.has(uuid):
        return None
    try:
        async with asyncio.timeout(params.reply_timeout):
            value = await link.read(uuid)
    except TimeoutError:
        raise NodeSilent("the application does not tell its version") from None
    text = value.split(b"\0")[0].decode("latin-1").strip()
    sound = text.isascii() and text.isprintable() and len(text) <= _LONGEST
    return text if sound and version_key(text) is not None else None
