"""What would make a loader refuse a package, found out before the node is sent there.

Source: nRF5 SDK 17.1.0, ``nrf_dfu_ver_validation.c``.  What the profile does not say is
not checked here; the loader says it then.
"""

from flashers.api import FirmwareImage, Preflight, Reason, Role, Seen
from flashers.api.versions import version_key
from flashers.nordic_dfu.params import Entry, NordicParams, VersionRule
from flashers.nordic_dfu.secure.image import LARGEST_INIT, init_of


def reasons(ask: Preflight, params: NordicParams) -> tuple[Reason, ...]:
    """Every reason against this image on this node."""
    found = (
        _hardware(ask.image, params),
        _softdevice(ask.image, params),
        _version(ask.image, ask.seen, params),
        _size(ask.image, params),
        _way_in(ask.seen, params),
    )
    return tuple(reason for reason in found if reason is not None)


def softdevice_fits(wanted: tuple[int, ...], present: int, *, any_version: bool) -> bool:
    """Whether a loader over Bluetooth takes this list of firmware ids (``sd_req_ok``).

    0 at its beginning says that the application needs no SoftDevice.  Where one is, that is taken if it
    stands alone; with others after it only by a loader that takes any version.
    """
    if not present:
        return not wanted or wanted[0] == 0
    if wanted[:1] == (0,):
        return len(wanted) == 1 or any_version
    return present in wanted


def _hardware(image: FirmwareImage, params: NordicParams) -> Reason | None:
    said = image.facts.get("hw_version")
    if params.hw_version is None or said == params.hw_version:
        return None
    told = "no hardware version" if said is None else f"hardware version {said}"
    return Reason(
        "wrong-hardware",
        f"The package has {told}, and the node's loader was built for {params.hw_version}.",
        "Build the package for this board, or give the node the right profile.",
    )


def _softdevice(image: FirmwareImage, params: NordicParams) -> Reason | None:
    """What the package wants, by firmware ids."""
    if params.softdevice is None:
        return None
    listed = str(image.facts.get("sd_req", ""))
    wanted = tuple(int(one, 0) for one in listed.split(",") if one)
    if softdevice_fits(wanted, params.softdevice, any_version=params.version_rule is VersionRule.OFF):
        return None
    has = f"SoftDevice {params.softdevice:#06x}" if params.softdevice else "no SoftDevice"
    return Reason(
        "wrong-softdevice",
        f"The node has {has}, and the package wants {listed or 'none'}.",
        "Build the firmware for the node's SoftDevice and give its id (`--sd-req`).",
    )


def _version(image: FirmwareImage, seen: Seen, params: NordicParams) -> Reason | None:
    if params.version_rule is VersionRule.OFF:
        return None
    number = image.facts.get("fw_version")
    if number is None:
        return Reason(
            "no-version",
            "The package has no version, and the node's loader takes none without.",
            "Build the package with a version (`--application-version`).",
        )
    slot = seen.active(image.component.image)
    named = slot.firmware.version if slot is not None and slot.firmware is not None else None
    running = str(named or seen.facts.get("version", ""))
    have, want = version_key(running), version_key(params.version_of(int(number)))
    if have is None or want is None:
        return None
    told = f"The package is version {params.version_of(int(number))}, the node runs {running}"
    if want < have:
        return Reason(
            "downgrade-refused",
            f"{told}, and its loader takes no lower version.",
            "Build the old firmware with a higher version.",
        )
    if want == have and params.version_rule is VersionRule.EQUAL:
        return Reason(
            "same-version-refused",
            f"{told}, and its loader takes only higher ones.",
            "Build the firmware with a higher version.",
        )
    return None


def _size(image: FirmwareImage, params: NordicParams) -> Reason | None:
    if len(init_of(image)) > LARGEST_INIT:
        return Reason("bad-init-packet", "The init packet is larger than loaders take.", "")
    if params.max_size is None or image.size <= params.max_size:
        return None
    return Reason(
        "image-too-large",
        f"The image has {image.size} bytes, the node has room for {params.max_size}.",
        "Build a smaller image.",
    )


def _way_in(seen: Seen, params: NordicParams) -> Reason | None:
    if params.entry is not Entry.NONE or seen.role is Role.LOADER:
        return None
    return Reason("needs-button", "The node goes into its loader by a button only.", "Press it, then deploy.")
