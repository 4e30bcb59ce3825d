"""What a node's image list means, whoever wrote the server.

Source: Zephyr documentation, "Application/software image management group", image
state.  Servers differ: flags that are false may be left out (CONFIG_MCUMGR_GRP_IMG_
FRUGAL_LIST), MCUboot's serial recovery may name no flags and no hashes at all, older
ones flag only the first image as active.  What is unknown is ignored, what is
missing is read as MCUboot's mode implies it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from flashers.api import Digest, Evidence, EvidenceKind, Firmware, Of, Role, Slot
from flashers.api.versions import version_key
from flashers.mcuboot_smp.image import identity_of, version_text
from flashers.mcuboot_smp.params import Mode

_MOST_SLOTS = 64
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:[.+](\d+))?")


@dataclass(frozen=True, slots=True)
class ImageState:
    """The slots that a node lists, and whether it is an application that lists them."""

    slots: tuple[Slot, ...]
    flagged: bool
    """At least one slot is said to be active, as applications do and bare loaders do not."""
    for_good: frozenset[tuple[int, int]] = frozenset()
    """Image and number of slots that are pending without a trial."""

    def active(self, image: int) -> Slot | None:
        """The slot that this image runs from."""
        return next((slot for slot in self.slots if slot.image == image and slot.active), None)

    def standby(self, image: int) -> Slot | None:
        """The other slot."""
        return next((slot for slot in self.slots if slot.image == image and not slot.active), None)

    def holder(self, image: int, identity: Digest) -> Slot | None:
        """The slot that holds this very firmware, the active one first."""
        for slot in (self.active(image), self.standby(image)):
            if slot is not None and slot.firmware is not None and slot.firmware.identity == identity:
                return slot
        return None

    def on_trial(self) -> dict[int, Digest]:
        """The images that the next restart takes back, and what they run now."""
        return {
            slot.image: slot.firmware.identity
            for slot in self.slots
            if slot.active and not slot.confirmed and slot.firmware and slot.firmware.identity
        }

    def evidence(self, role: Role) -> tuple[Evidence, ...]:
        """What the list proves of the active slots."""
        active = [slot.firmware for slot in self.slots if slot.active]
        if not active or not all(active):
            return ()
        of = Of.BOOT if role is Role.APP else Of.TRANSFER
        if all(firmware is not None and firmware.identity is not None for firmware in active):
            return (Evidence(of, EvidenceKind.REPORTED_HASH, "image list"),)
        return (Evidence(of, EvidenceKind.VERSION, "image list"),)


def read_state(body: Mapping[str, Any], mode: Mode) -> ImageState:
    """Read the answer to an image state request; entries that make no sense are left out."""
    listed = body.get("images")
    entries = listed[:_MOST_SLOTS] if isinstance(listed, list) else []
    entries = [entry for entry in entries if isinstance(entry, dict)]
    slots = [_slot(entry) for entry in entries]
    for_good = frozenset(
        (slot.image, slot.slot)
        for slot, entry in zip(slots, entries, strict=True)
        if slot.pending and entry.get("permanent") is True
    )
    flagged = any(slot.active for slot in slots)
    found = [slot for slot in slots if slot.image >= 0 and slot.slot >= 0]
    for image in {slot.image for slot in found}:
        mine = [slot for slot in found if slot.image == image]
        if not any(slot.active for slot in mine):
            mine = [replace(slot, active=slot.slot == 0) for slot in mine]
        found = [slot for slot in found if slot.image != image] + _as_mode_says(mine, mode)
    return ImageState(tuple(sorted(found, key=lambda slot: (slot.image, slot.slot))), flagged, for_good)


def _slot(entry: Mapping[str, Any]) -> Slot:
    value, version = entry.get("hash"), entry.get("version")
    identity = identity_of(value) if isinstance(value, bytes) else None
    firmware = Firmware(identity, _version(version) if isinstance(version, str) else None)
    return Slot(
        image=_number(entry.get("image", 0)),
        slot=_number(entry.get("slot", 0)),
        firmware=firmware or None,
        active=entry.get("active") is True,
        confirmed=entry.get("confirmed") is True,
        pending=entry.get("pending") is True,
        bootable=entry.get("bootable") is not False,
    )


def _number(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value < 256 else -1


def _version(text: str) -> str:
    """The node's ``1.2.3.4`` as everybody else writes it."""
    found = _VERSION.fullmatch(text)
    if found is None:
        return text[:64]
    major, minor, revision, build = (int(part or 0) for part in found.groups())
    return version_text((major, minor, revision, build))


def _as_mode_says(slots: list[Slot], mode: Mode) -> list[Slot]:
    """What holds without being said: no trial, so confirmed; the highest version is armed."""
    if mode.trial:
        return slots
    running = next((slot for slot in slots if slot.active), None)
    read = []
    for slot in slots:
        if slot.active:
            read.append(replace(slot, confirmed=True, pending=False))
        elif mode.highest_wins:
            read.append(replace(slot, pending=slot.bootable and _higher(slot, running)))
        else:
            read.append(slot)
    return read


def _higher(slot: Slot, running: Slot | None) -> bool:
    mine = version_key(slot.firmware.version or "") if slot.firmware else None
    other = version_key(running.firmware.version or "") if running and running.firmware else None
    return mine is not None and (other is None or mine > other)
