"""What is known of a node after its loader was left: from its flash and from its console."""

from dataclasses import dataclass

from flashers.api import (
    Evidence,
    EvidenceKind,
    Firmware,
    FirmwareImage,
    Of,
    ProbeCost,
    Role,
    Seen,
    Session,
    Slot,
)
from flashers.api.versions import same_version
from flashers.stk500.params import Stk500Params


@dataclass(frozen=True, slots=True)
class BootLine:
    """The line that an application printed when it started."""

    text: str
    version: str | None
    hardware: str | None


async def wait_for_boot(session: Session, params: Stk500Params, since: int) -> BootLine | None:
    """The boot line, or None if the profile has none or it does not come in time.

    Raises:
        LinkError: the link is lost.
    """
    pattern = params.boot_pattern
    if pattern is None:
        return None
    line = await session.lines().wait_for(pattern, since=since, timeout=params.boot_deadline)
    found = pattern.search(line) if line is not None else None
    if line is None or found is None:
        return None
    groups = found.groupdict()
    return BootLine(found.group(), groups.get("version"), groups.get("hardware"))


@dataclass(frozen=True, slots=True)
class Flash:
    """What was read: the images that it holds, the largest first, and whether nothing starts there."""

    held: tuple[FirmwareImage, ...] = ()
    blank: bool = False


def seen_with(
    params: Stk500Params,
    flash: Flash,
    boot: BootLine | None,
    facts: dict[str, str | int | bool],
) -> Seen:
    """Put flash and boot line together.

    A line that names another version than the firmware in flash is proof that
    something booted, and no proof of which.
    """
    image = _chosen(flash.held, boot)
    firmware = image.firmware if image is not None else None
    evidence: list[Evidence] = []
    if image is not None:
        evidence.append(Evidence(Of.TRANSFER, EvidenceKind.READBACK, f"{image.size} bytes"))
    if boot is not None:
        facts = {**facts, "boot_line": boot.text}
        if boot.hardware is not None:
            facts["hardware"] = boot.hardware
        kind = EvidenceKind.ANNOUNCE
        if boot.version is not None:
            facts["boot_version"] = boot.version
            known = firmware.version if firmware is not None else None
            if known is None or same_version(known, boot.version):
                kind = EvidenceKind.VERSION
                firmware = Firmware(firmware.identity if firmware else None, known or boot.version)
        evidence.append(Evidence(Of.BOOT, kind, boot.text))
    runs = boot is not None or (image is not None and params.boot_line is None)
    slot = Slot(0, 0, firmware, active=True, confirmed=True, bootable=not flash.blank)
    return Seen(
        role=Role.APP if runs else Role.LOADER,
        slots=(slot,),
        evidence=tuple(evidence),
        cost=ProbeCost.RESTARTS_APPLICATION,
        facts=facts,
    )


def _chosen(held: tuple[FirmwareImage, ...], boot: BootLine | None) -> FirmwareImage | None:
    """Of several images that are all there, the one that the application names, else the largest."""
    if boot is not None and boot.version is not None:
        for image in held:
            if image.firmware.version is not None and same_version(image.firmware.version, boot.version):
                return image
    return held[0] if held else None
