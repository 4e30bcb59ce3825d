"""Every reason against an image on a node, found without touching its flash."""

from collections.abc import Mapping
from typing import Any

from flashers.api import FirmwareImage, NodeSilent, Preflight, Reason, Role, Slot
from flashers.api.versions import version_key
from flashers.mcuboot_smp.abilities import Abilities
from flashers.mcuboot_smp.codec import Group, ImageCommand, Op
from flashers.mcuboot_smp.errors import SlotBusy, SmpRefused
from flashers.mcuboot_smp.params import Mode
from flashers.mcuboot_smp.requests import Requests


async def reasons(ask: Preflight, requests: Requests, abilities: Abilities) -> tuple[Reason, ...]:
    """What speaks against it, all of it."""
    mode = requests.params.mode
    image, number = ask.image, ask.image.component.image
    active, standby = ask.seen.active(number), ask.seen.standby(number)
    found = [abilities.contradiction(mode), *_of_image(image)]
    if not _holds(active, image) and not _holds(standby, image) and ask.seen.role is Role.APP:
        found.append(busy(active, standby, mode))
    if active is not None and not _holds(active, image):
        found.append(_of_version(image, active, mode, no_downgrade=abilities.no_downgrade))
    found.append(_of_size(image, await _rooms(requests)))
    return tuple(reason for reason in found if reason is not None)


def busy(active: Slot | None, standby: Slot | None, mode: Mode) -> Reason | None:
    """Why the slot for new images cannot be had."""
    if mode.highest_wins or mode is Mode.SERIAL_RECOVERY:
        return None
    if mode.trial and active is not None and not active.confirmed:
        why = "The node runs an image on trial, and its other slot is the way back."
    elif standby is not None and standby.pending:
        why = "Another image is pending on the node and cannot be withdrawn."
    else:
        return None
    return Reason(SlotBusy.code, why, SlotBusy.remedy)


def _holds(slot: Slot | None, image: FirmwareImage) -> bool:
    return slot is not None and slot.firmware is not None and image.firmware.same(slot.firmware)


def _of_image(image: FirmwareImage) -> list[Reason | None]:
    found: list[Reason | None] = []
    if image.facts.get("compressed"):
        found.append(
            Reason(
                "compressed-image",
                "A compressed image has another digest once it runs, so its boot could not be proved.",
                "Build the image without compression.",
            )
        )
    if image.facts.get("bootable") is False:
        found.append(
            Reason(
                "not-bootable", "The image is marked as one that does not boot.", "Sign it without that mark."
            )
        )
    return found


def _of_version(image: FirmwareImage, active: Slot, mode: Mode, *, no_downgrade: bool) -> Reason | None:
    want = version_key(image.firmware.version or "")
    runs = version_key(active.firmware.version or "") if active.firmware else None
    if want is None or runs is None:
        return None
    told = (
        f"The image is {image.firmware.version}, the node runs {active.firmware and active.firmware.version}"
    )
    if mode.highest_wins and want <= runs:
        return Reason(
            "version-not-higher",
            f"{told}, and its bootloader starts the highest version.",
            "Build the image with a higher version.",
        )
    if no_downgrade and want < runs:
        return Reason(
            "downgrade-refused",
            f"{told}, and its bootloader takes no older version.",
            "Build the old firmware with a higher version.",
        )
    return None


def _of_size(image: FirmwareImage, rooms: Mapping[int, int]) -> Reason | None:
    number = image.component.image
    if not rooms:
        return None
    if number not in rooms:
        return Reason(
            "no-such-image",
            f"The node has no image {number}.",
            "Correct the component's image number in the profile.",
        )
    if image.size <= rooms[number]:
        return None
    return Reason(
        "image-too-large",
        f"The image has {image.size} bytes, the node has room for {rooms[number]}.",
        "Build a smaller image.",
    )


async def _rooms(requests: Requests) -> dict[int, int]:
    """How large an image may be, by image number; empty if the node does not say.

    Source: Zephyr documentation, "Slot info" (group 1, command 6).
    """
    try:
        body = await requests.ask(Op.READ, Group.IMAGE, ImageCommand.SLOTS, tries=2, what="slot info")
    except (SmpRefused, NodeSilent):
        return {}
    listed = body.get("images")
    rooms = {}
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get("image", 0), int):
            room = _room(entry)
            if room:
                rooms[entry.get("image", 0)] = room
    return rooms


def _room(entry: Mapping[str, Any]) -> int:
    told = entry.get("max_image_size")
    if isinstance(told, int):
        return told
    slots = entry.get("slots")
    sizes = [slot.get("size") for slot in slots if isinstance(slot, dict)] if isinstance(slots, list) else []
    return min((size for size in sizes if isinstance(size, int)), default=0)
